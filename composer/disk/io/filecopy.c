/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/io/filecopy.h"

#include "base/direct.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "base/size.h"

#include <stdbool.h>
#include <string.h>

#define BLOCK ((guint64) 4096)
/* What is read, shown and written at a time: a disk wants much, the processor's cache little. */
#define BATCH_BYTES (1 * ASH_MIB)
/* What one thread takes of a larger file. */
#define PIECE_BYTES (4 * ASH_MIB)
/* As struct stat counts, whatever the file system. */
#define STAT_BLOCK_BYTES 512

/** Neighbours that are written by one call, or a piece of one file that is larger than such a call. */
typedef struct {
	guint first, n;    /* of the copies */
	guint64 from, end; /* of a piece in its file, bytes; 0, 0 for neighbours */
} Batch;

typedef struct {
	AshContext *ctx;
	const AshFsTree *tree;
	const GArray *copies;
	GArray *batches;
	AshDirect file;
	AshWrittenFunc written; /* or NULL */
	gpointer user_data;
	GMutex lock;
	guint64 done, total; /* bytes; done is under lock */
	GPtrArray *buffers;  /* of BATCH_BYTES, those that nobody uses; under lock */
} Work;

static const AshFileCopy *
get_copy(const GArray *copies, guint index)
{
	return &g_array_index(copies, AshFileCopy, index);
}

/* With the rest of its last block. */
static guint64
get_end(const AshFileCopy *copy)
{
	return copy->offset + ash_size_round_up(copy->node->size, BLOCK);
}

static bool
fits(const GArray *copies, const Batch *batch, const AshFileCopy *next)
{
	const AshFileCopy *first = get_copy(copies, batch->first);

	return batch->n > 0 && get_end(get_copy(copies, batch->first + batch->n - 1)) == next->offset &&
	       get_end(next) - first->offset <= BATCH_BYTES;
}

static void
end_batch(GArray *batches, Batch *batch)
{
	if (batch->n > 0)
		g_array_append_val(batches, *batch);
	batch->n = 0;
}

static void
add_pieces(GArray *batches, const GArray *copies, guint index)
{
	guint64 size = get_copy(copies, index)->node->size;

	for (guint64 at = 0; at < size; at += PIECE_BYTES) {
		Batch piece = { index, 1, at, MIN(size, at + PIECE_BYTES) };

		g_array_append_val(batches, piece);
	}
}

static GArray *
list_batches(const GArray *copies)
{
	GArray *batches = g_array_new(FALSE, FALSE, sizeof(Batch));
	Batch batch = { 0 };

	for (guint i = 0; i < copies->len; i++) {
		const AshFileCopy *copy = get_copy(copies, i);

		if (!fits(copies, &batch, copy))
			end_batch(batches, &batch);
		if (copy->node->size > BATCH_BYTES)
			add_pieces(batches, copies, i);
		else if (batch.n++ == 0)
			batch.first = i;
	}
	end_batch(batches, &batch);
	return batches;
}

/* An open descriptor of the file, which has the right size; -1 on failure. */
static int
open_file(const Work *work, const AshFsNode *node, struct stat *ret_stat, GError **error)
{
	ash_autofd int fd = ash_fs_tree_open(work->tree, node, error);

	if (fd < 0 || !ash_fd_stat(fd, node->name, ret_stat, error))
		return -1;
	if ((guint64) ret_stat->st_size != node->size) {
		ash_throw(error, ASH_ERROR_TRUST,
			  "its content has %" G_GUINT64_FORMAT " bytes instead of %" G_GUINT64_FORMAT,
			  (guint64) ret_stat->st_size, node->size);
		return -1;
	}
	return ash_fd_steal(&fd);
}

/* @buffer has whole blocks. */
static gboolean
put(const Work *work, const guint8 *buffer, guint64 length, guint64 offset, GError **error)
{
	if (work->written != NULL)
		work->written(offset, buffer, length, work->user_data);
	return work->file.fd < 0 || ash_direct_write(&work->file, buffer, length, offset, error);
}

static gboolean
copy_range(const Work *work, const AshFileCopy *copy, int fd, guint64 from, guint64 end, guint8 *buffer, GError **error)
{
	for (guint64 at = from; at < end; at += BATCH_BYTES) {
		gsize part = (gsize) MIN(BATCH_BYTES, end - at), whole = ash_size_round_up(part, BLOCK);

		if (!ash_fd_read_exact(fd, buffer, part, at, error))
			return FALSE;
		memset(buffer + part, 0, whole - part);
		if (!put(work, buffer, whole, copy->offset + at, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
copy_piece(const Work *work, const Batch *batch, guint8 *buffer, GError **error)
{
	const AshFileCopy *copy = get_copy(work->copies, batch->first);
	guint64 start = 0, end = batch->from;
	struct stat st;
	ash_autofd int fd = open_file(work, copy->node, &st, error);

	if (fd < 0)
		return FALSE;
	if (st.st_blocks * STAT_BLOCK_BYTES >= st.st_size)
		return copy_range(work, copy, fd, batch->from, batch->end, buffer, error);
	while (end < batch->end) {
		if (!ash_fd_find_data(fd, end, batch->end, &start, &end, error))
			return FALSE;
		/* A file system's holes need not be of whole blocks of ours. */
		start = MAX(batch->from, start / BLOCK * BLOCK);
		end = MIN(batch->end, ash_size_round_up(end, BLOCK));
		if (!copy_range(work, copy, fd, start, end, buffer, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
read_small(const Work *work, const AshFsNode *node, guint8 *at, GError **error)
{
	struct stat st;
	ash_autofd int fd = open_file(work, node, &st, error);

	return fd >= 0 && ash_fd_read_exact(fd, at, node->size, 0, error);
}

static gboolean
prefix_path(const AshFsNode *node, GError **error)
{
	g_autofree char *path = ash_fs_node_dup_path(node);

	return ash_prefix(error, "\"/%s\"", path);
}

static gboolean
copy_batch(const Work *work, const Batch *batch, guint8 *buffer, GError **error)
{
	guint64 start = get_copy(work->copies, batch->first)->offset, filled = 0;

	for (guint i = 0; i < batch->n; i++) {
		const AshFileCopy *copy = get_copy(work->copies, batch->first + i);
		guint64 at = copy->offset - start;

		if (!read_small(work, copy->node, buffer + at, error))
			return prefix_path(copy->node, error);
		filled = get_end(copy) - start;
		memset(buffer + at + copy->node->size, 0, filled - at - copy->node->size);
	}
	return put(work, buffer, filled, start, error);
}

static guint8 *
take_buffer(Work *work)
{
	guint8 *buffer = NULL;

	g_mutex_lock(&work->lock);
	if (work->buffers->len > 0)
		buffer = g_ptr_array_steal_index_fast(work->buffers, work->buffers->len - 1);
	g_mutex_unlock(&work->lock);
	return buffer != NULL ? buffer : ash_direct_alloc(BATCH_BYTES);
}

/* Gives back the buffer of a batch of so many bytes. */
static void
count(Work *work, guint64 bytes, guint8 *buffer)
{
	g_mutex_lock(&work->lock);
	work->done += bytes;
	ash_progress_count(work->ctx->progress, work->done, work->total, "B");
	g_ptr_array_add(work->buffers, buffer);
	g_mutex_unlock(&work->lock);
}

static gboolean
run_batch(guint index, gpointer user_data, GError **error)
{
	Work *work = user_data;
	const Batch *batch = &g_array_index(work->batches, Batch, index);
	const AshFileCopy *first = get_copy(work->copies, batch->first);
	guint64 start = first->offset + batch->from;
	guint64 end = batch->end > 0 ? first->offset + batch->end
				     : get_end(get_copy(work->copies, batch->first + batch->n - 1));
	guint8 *buffer;
	gboolean ok;

	if (!ash_context_check(work->ctx, error))
		return FALSE;
	buffer = take_buffer(work);
	if (batch->end > 0)
		ok = copy_piece(work, batch, buffer, error) || prefix_path(first->node, error);
	else
		ok = copy_batch(work, batch, buffer, error);
	if (ok && work->file.fd >= 0 && work->file.other < 0)
		ash_fd_start_write_back(work->file.fd, start, end - start);
	count(work, end - start, buffer);
	return ok;
}

gboolean
ash_filecopy_run(AshContext *ctx, const AshFsTree *tree, const GArray *copies, int fd, AshWrittenFunc written,
		 gpointer user_data, GError **error)
{
	g_autoptr(GArray) batches = list_batches(copies);
	g_autoptr(GPtrArray) buffers = g_ptr_array_new_with_free_func(ash_direct_free);
	Work work = {
		.ctx = ctx,
		.tree = tree,
		.copies = copies,
		.batches = batches,
		.buffers = buffers,
		.file = { .fd = -1, .other = -1 },
		.written = written,
		.user_data = user_data,
	};
	gboolean ok;

	for (guint i = 0; i < copies->len; i++)
		work.total += get_end(get_copy(copies, i)) - get_copy(copies, i)->offset;
	if (fd >= 0)
		ash_direct_init(&work.file, fd);
	g_mutex_init(&work.lock);
	ok = ash_parallel_run(ctx, batches->len, run_batch, &work, error);
	g_mutex_clear(&work.lock);
	ash_direct_clear(&work.file);
	return ok;
}
