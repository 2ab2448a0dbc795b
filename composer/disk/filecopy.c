/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/filecopy.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "base/size.h"

#include <stdbool.h>
#include <string.h>

/* What is written by one call. */
#define BATCH_BYTES ASH_MIB
/* Files from here on are written one by one. */
#define LARGE_BYTES (BATCH_BYTES / 4)
/* More than that between two files is no padding. */
#define MAX_PADDING 4096
/* As struct stat counts, whatever the file system. */
#define STAT_BLOCK_BYTES 512

/** Neighbours that are written by one call, or one large file. */
typedef struct {
	guint first, n; /* of the copies */
} Batch;

typedef struct {
	AshContext *ctx;
	const AshFsTree *tree;
	const GArray *copies;
	GArray *batches;
	int fd;
	GMutex lock;
	guint64 done, total; /* bytes; done is under lock */
} Work;

static const AshFileCopy *
get_copy(const GArray *copies, guint index)
{
	return &g_array_index(copies, AshFileCopy, index);
}

static guint64
get_end(const AshFileCopy *copy)
{
	return copy->offset + copy->node->size;
}

static bool
fits(const GArray *copies, const Batch *batch, const AshFileCopy *next)
{
	const AshFileCopy *first = get_copy(copies, batch->first);
	const AshFileCopy *last = get_copy(copies, batch->first + batch->n - 1);

	return first->node->size < LARGE_BYTES && next->node->size < LARGE_BYTES &&
	       next->offset - get_end(last) < MAX_PADDING && get_end(next) - first->offset <= BATCH_BYTES;
}

static GArray *
list_batches(const GArray *copies)
{
	GArray *batches = g_array_new(FALSE, FALSE, sizeof(Batch));
	Batch batch = { 0, 0 };

	for (guint i = 0; i < copies->len; i++) {
		if (batch.n > 0 && !fits(copies, &batch, get_copy(copies, i))) {
			g_array_append_val(batches, batch);
			batch.n = 0;
		}
		if (batch.n++ == 0)
			batch.first = i;
	}
	if (batch.n > 0)
		g_array_append_val(batches, batch);
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

static gboolean
copy_large(const Work *work, const AshFileCopy *copy, GError **error)
{
	guint64 size = copy->node->size, start = 0, end = 0;
	struct stat st;
	ash_autofd int fd = open_file(work, copy->node, &st, error);

	if (fd < 0)
		return FALSE;
	if (st.st_blocks * STAT_BLOCK_BYTES >= st.st_size)
		return ash_fd_copy_range(fd, 0, work->fd, copy->offset, size, error);
	for (; end < size; ) {
		if (!ash_fd_find_data(fd, end, size, &start, &end, error) ||
		    !ash_fd_copy_range(fd, start, work->fd, copy->offset + start, end - start, error))
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
copy_batch(const Work *work, const Batch *batch, GError **error)
{
	const AshFileCopy *first = get_copy(work->copies, batch->first);
	guint64 length = get_end(get_copy(work->copies, batch->first + batch->n - 1)) - first->offset;
	g_autofree guint8 *buffer = g_malloc(length);
	guint64 filled = 0;

	for (guint i = 0; i < batch->n; i++) {
		const AshFileCopy *copy = get_copy(work->copies, batch->first + i);
		guint64 at = copy->offset - first->offset;

		memset(buffer + filled, 0, at - filled);
		if (!read_small(work, copy->node, buffer + at, error))
			return prefix_path(copy->node, error);
		filled = at + copy->node->size;
	}
	return ash_fd_write_all(work->fd, buffer, length, first->offset, error);
}

static void
count(Work *work, guint64 bytes)
{
	g_mutex_lock(&work->lock);
	work->done += bytes;
	ash_progress_count(work->ctx->progress, work->done, work->total, "B");
	g_mutex_unlock(&work->lock);
}

static gboolean
run_batch(guint index, gpointer user_data, GError **error)
{
	Work *work = user_data;
	const Batch *batch = &g_array_index(work->batches, Batch, index);
	const AshFileCopy *first = get_copy(work->copies, batch->first);
	guint64 length = get_end(get_copy(work->copies, batch->first + batch->n - 1)) - first->offset;

	if (!ash_context_check(work->ctx, error))
		return FALSE;
	if (first->node->size >= LARGE_BYTES) {
		if (!copy_large(work, first, error))
			return prefix_path(first->node, error);
	} else if (!copy_batch(work, batch, error)) {
		return FALSE;
	}
	ash_fd_start_write_back(work->fd, first->offset, length);
	count(work, length);
	return TRUE;
}

gboolean
ash_filecopy_run(AshContext *ctx, const AshFsTree *tree, const GArray *copies, int fd, GError **error)
{
	g_autoptr(GArray) batches = list_batches(copies);
	Work work = { .ctx = ctx, .tree = tree, .copies = copies, .batches = batches, .fd = fd };
	gboolean ok;

	for (guint i = 0; i < copies->len; i++)
		work.total += get_copy(copies, i)->node->size;
	g_mutex_init(&work.lock);
	ok = ash_parallel_run(ctx, batches->len, run_batch, &work, error);
	g_mutex_clear(&work.lock);
	return ok;
}
