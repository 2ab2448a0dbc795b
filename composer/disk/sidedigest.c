/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/sidedigest.h"

#include "base/digest.h"

/** One buffer that was filled; length 0 ends the thread. */
typedef struct {
	guint8 *buffer;
	gsize length;
} Filled;

struct AshSideDigest {
	AshDigest *digest;
	GPtrArray *buffers;   /* all of them, owned */
	GAsyncQueue *free;    /* of guint8 * */
	GAsyncQueue *filled;  /* of Filled * */
	GThread *thread;      /* or NULL */
};

static gpointer
run(gpointer data)
{
	AshSideDigest *side = data;

	for (;;) {
		g_autofree Filled *filled = g_async_queue_pop(side->filled);

		if (filled->length == 0)
			return NULL;
		ash_digest_update(side->digest, filled->buffer, filled->length);
		g_async_queue_push(side->free, filled->buffer);
	}
}

AshSideDigest *
ash_side_digest_new(guint n_buffers, gsize buffer_bytes)
{
	AshSideDigest *side = g_new0(AshSideDigest, 1);

	side->digest = ash_digest_new();
	side->buffers = g_ptr_array_new_with_free_func(g_free);
	side->free = g_async_queue_new();
	side->filled = g_async_queue_new_full(g_free);
	for (guint i = 0; i < n_buffers; i++) {
		g_ptr_array_add(side->buffers, g_malloc(buffer_bytes));
		g_async_queue_push(side->free, side->buffers->pdata[i]);
	}
	side->thread = g_thread_try_new("digest", run, side, NULL);
	return side;
}

static void
send_filled(AshSideDigest *side, guint8 *buffer, gsize length)
{
	Filled *filled = g_new(Filled, 1);

	*filled = (Filled) { buffer, length };
	g_async_queue_push(side->filled, filled);
}

static void
stop(AshSideDigest *side)
{
	if (side->thread == NULL)
		return;
	send_filled(side, NULL, 0);
	g_thread_join(g_steal_pointer(&side->thread));
}

void
ash_side_digest_free(AshSideDigest *side)
{
	if (side == NULL)
		return;
	stop(side);
	g_async_queue_unref(side->free);
	g_async_queue_unref(side->filled);
	g_ptr_array_unref(side->buffers);
	ash_digest_free(side->digest);
	g_free(side);
}

guint8 *
ash_side_digest_take(AshSideDigest *side)
{
	return g_async_queue_pop(side->free);
}

void
ash_side_digest_put(AshSideDigest *side, guint8 *buffer, gsize length)
{
	if (length > 0 && side->thread != NULL) {
		send_filled(side, buffer, length);
		return;
	}
	ash_digest_update(side->digest, buffer, length);
	g_async_queue_push(side->free, buffer);
}

char *
ash_side_digest_finish_hex(AshSideDigest *side)
{
	stop(side);
	return ash_digest_finish_hex(side->digest);
}
