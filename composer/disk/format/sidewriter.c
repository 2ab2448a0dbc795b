/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/sidewriter.h"

#include "base/digest.h"
#include "base/direct.h"
#include "base/fd.h"

/** One buffer that was filled; length 0 ends the thread. */
typedef struct {
	guint8 *buffer;
	gsize length;
} Filled;

struct AshSideWriter {
	AshDirect file;
	AshDigest *digest;   /* of what was put */
	guint64 offset;      /* of what is written next */
	GPtrArray *buffers;  /* all of them, owned */
	GAsyncQueue *free;   /* of guint8 * */
	GAsyncQueue *filled; /* of Filled *: to be digested */
	GAsyncQueue *known;  /* of Filled *: to be written */
	GThread *hasher;     /* or NULL: neither is there */
	GThread *writer;
	GMutex lock;
	GError *error; /* the first one; under lock */
};

static bool
has_failed(AshSideWriter *side)
{
	bool failed;

	g_mutex_lock(&side->lock);
	failed = side->error != NULL;
	g_mutex_unlock(&side->lock);
	return failed;
}

static void
process(AshSideWriter *side, const guint8 *buffer, gsize length)
{
	g_autoptr(GError) error = NULL;

	if (has_failed(side))
		return;
	if (!ash_direct_write(&side->file, buffer, length, side->offset, &error)) {
		g_mutex_lock(&side->lock);
		side->error = g_steal_pointer(&error);
		g_mutex_unlock(&side->lock);
		return;
	}
	if (side->file.other < 0)
		ash_fd_start_write_back(side->file.fd, side->offset, length);
	side->offset += length;
}

static gpointer
run_hasher(gpointer data)
{
	AshSideWriter *side = data;

	for (;;) {
		Filled *filled = g_async_queue_pop(side->filled);
		bool is_end = filled->length == 0;

		ash_digest_update(side->digest, filled->buffer, filled->length);
		g_async_queue_push(side->known, filled);
		if (is_end)
			return NULL;
	}
}

static gpointer
run_writer(gpointer data)
{
	AshSideWriter *side = data;

	for (;;) {
		g_autofree Filled *filled = g_async_queue_pop(side->known);

		if (filled->length == 0)
			return NULL;
		process(side, filled->buffer, filled->length);
		g_async_queue_push(side->free, filled->buffer);
	}
}

/* Both threads, or none. */
static void
start(AshSideWriter *side)
{
	side->writer = g_thread_try_new("writer", run_writer, side, NULL);
	side->hasher = side->writer != NULL ? g_thread_try_new("hasher", run_hasher, side, NULL) : NULL;
	if (side->writer == NULL || side->hasher != NULL)
		return;
	g_async_queue_push(side->known, g_new0(Filled, 1));
	g_thread_join(g_steal_pointer(&side->writer));
}

AshSideWriter *
ash_side_writer_new(int fd, guint n_buffers, gsize buffer_bytes)
{
	AshSideWriter *side = g_new0(AshSideWriter, 1);

	ash_direct_init(&side->file, fd);
	g_mutex_init(&side->lock);
	side->digest = ash_digest_new();
	side->buffers = g_ptr_array_new_with_free_func(ash_direct_free);
	side->free = g_async_queue_new();
	side->filled = g_async_queue_new_full(g_free);
	side->known = g_async_queue_new_full(g_free);
	for (guint i = 0; i < n_buffers; i++) {
		g_ptr_array_add(side->buffers, ash_direct_alloc(buffer_bytes));
		g_async_queue_push(side->free, side->buffers->pdata[i]);
	}
	start(side);
	return side;
}

static void
send_filled(AshSideWriter *side, guint8 *buffer, gsize length)
{
	Filled *filled = g_new(Filled, 1);

	*filled = (Filled) { buffer, length };
	g_async_queue_push(side->filled, filled);
}

static void
stop(AshSideWriter *side)
{
	if (side->hasher == NULL)
		return;
	send_filled(side, NULL, 0);
	g_thread_join(g_steal_pointer(&side->hasher));
	g_thread_join(g_steal_pointer(&side->writer));
}

void
ash_side_writer_free(AshSideWriter *side)
{
	if (side == NULL)
		return;
	stop(side);
	ash_direct_clear(&side->file);
	g_mutex_clear(&side->lock);
	g_clear_error(&side->error);
	g_async_queue_unref(side->free);
	g_async_queue_unref(side->filled);
	g_async_queue_unref(side->known);
	g_ptr_array_unref(side->buffers);
	ash_digest_free(side->digest);
	g_free(side);
}

guint8 *
ash_side_writer_take(AshSideWriter *side, GError **error)
{
	if (has_failed(side)) {
		g_propagate_error(error, g_error_copy(side->error));
		return NULL;
	}
	return g_async_queue_pop(side->free);
}

void
ash_side_writer_put(AshSideWriter *side, guint8 *buffer, gsize length)
{
	if (length > 0 && side->hasher != NULL) {
		send_filled(side, buffer, length);
		return;
	}
	ash_digest_update(side->digest, buffer, length);
	process(side, buffer, length);
	g_async_queue_push(side->free, buffer);
}

char *
ash_side_writer_finish_hex(AshSideWriter *side, GError **error)
{
	stop(side);
	if (side->error != NULL) {
		g_propagate_error(error, g_steal_pointer(&side->error));
		return NULL;
	}
	return ash_digest_finish_hex(side->digest);
}
