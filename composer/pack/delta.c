/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/delta.h"

#include "base/error.h"
#include "base/parallel.h"
#include "pack/anchors.h"
#include "pack/deltawriter.h"
#include "pack/pairing.h"
#include "pack/suffix.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_BYTES ((guint64) 4096)
/* A version of a file that is longer takes too much memory to be compared byte by byte. */
#define MAX_VERSION_BYTES ((guint64) 128 * 1024 * 1024)
/* The stretch before the first file: superblock, inodes, directories. */
#define METADATA_PATH ""

void
ash_delta_file_free(AshDeltaFile *file)
{
	if (file == NULL)
		return;
	g_free(file->path);
	g_free(file);
}

/* An image in memory. */
typedef struct {
	AshMatchText text;
	void *address; /* of the mapping; NULL: nothing is mapped */
	gsize length;
} Map;

static void
map_clear(Map *map)
{
	if (map->address != NULL)
		munmap(map->address, map->length);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Map, map_clear)

static gboolean
map_image(const AshDeltaImage *image, Map *map, GError **error)
{
	const guint64 before = image->offset % (guint64) sysconf(_SC_PAGESIZE);

	if (image->bytes == 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "an empty image has no delta");
	map->length = image->bytes + before;
	map->address = mmap(NULL, map->length, PROT_READ, MAP_PRIVATE, image->fd, (off_t) (image->offset - before));
	if (map->address == MAP_FAILED) {
		map->address = NULL;
		return ash_throw_errno(error, "cannot map an image into memory");
	}
	map->text = (AshMatchText) { (const guint8 *) map->address + before, image->bytes, 0 };
	return TRUE;
}

/* A part of the new image that is worked on at a time: a file and what is behind it, or what no file has. */
typedef struct {
	AshMatchText text;
	const char *path; /* borrowed; NULL: not a file */
	GArray *ops;      /* of AshDeltaOp, owned; NULL until done */
} Piece;

typedef struct {
	AshContext *ctx;
	const AshMatchText *from, *to;
	AshPairing *pairing;
	AshAnchors *anchors;
	AshDeltaFile metadata; /* of the old image */
	GArray *pieces;        /* of Piece */
	GMutex lock;           /* of what follows, and of every piece's ops */
	GCond done;
	bool has_failed;
} Job;

static void
add_piece(Job *job, guint64 start, guint64 end, const char *path)
{
	const Piece piece = { .text = { job->to->data + start, end - start, start }, .path = path };

	if (end > start)
		g_array_append_val(job->pieces, piece);
}

static guint64
round_up_to_block(guint64 bytes)
{
	return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

/* Files begin at blocks, and own their last one; what lies between them is of no file. */
static void
divide_image(Job *job, const GPtrArray *files)
{
	guint64 done = 0;

	for (guint i = 0; files != NULL && i < files->len; i++) {
		const AshDeltaFile *file = g_ptr_array_index(files, i);
		if (file->offset >= job->to->length || file->offset < done)
			continue;
		add_piece(job, done, file->offset, done == 0 ? METADATA_PATH : NULL);
		done = MIN(round_up_to_block(file->offset + file->bytes), job->to->length);
		add_piece(job, file->offset, done, file->path);
	}
	add_piece(job, done, job->to->length, NULL);
}

static AshMatchText
get_old_text(const Job *job, const AshDeltaFile *file)
{
	const guint64 end = MIN(round_up_to_block(file->offset + file->bytes), job->from->length);

	return (AshMatchText) { job->from->data + file->offset, end - file->offset, file->offset };
}

static GArray *
match_piece(const Job *job, const Piece *piece)
{
	const AshDeltaFile *file = NULL;
	GArray *ops = g_array_new(FALSE, FALSE, sizeof(AshDeltaOp));
	guint64 old;

	if (piece->path != NULL)
		file = *piece->path == '\0' ? &job->metadata : ash_pairing_find(job->pairing, piece->path);
	if (file != NULL && file->offset < job->from->length) {
		const AshMatchText from = get_old_text(job, file);
		if (from.length == piece->text.length && memcmp(from.data, piece->text.data, from.length) == 0) {
			ash_match_add(ops, ASH_DELTA_COPY, piece->text.data, from.length, from.offset);
			return ops;
		}
		if (!ash_anchors_find_whole(job->anchors, &piece->text, &old) && from.length <= MAX_VERSION_BYTES &&
		    !ash_match_is_dense(&piece->text)) {
			ash_match_versions(&from, &piece->text, ops);
			return ops;
		}
	}
	ash_anchors_match(job->anchors, &piece->text, ops);
	return ops;
}

static gboolean
do_piece(guint index, gpointer user_data, GError **error)
{
	Job *job = user_data;
	Piece *piece = &g_array_index(job->pieces, Piece, index);

	if (!ash_context_check(job->ctx, error))
		return FALSE;
	GArray *ops = match_piece(job, piece);
	g_mutex_lock(&job->lock);
	piece->ops = ops;
	g_cond_signal(&job->done);
	g_mutex_unlock(&job->lock);
	return TRUE;
}

static gpointer
run_pieces(gpointer user_data)
{
	Job *job = user_data;
	GError *error = NULL;

	if (!ash_parallel_run(job->ctx, job->pieces->len, do_piece, job, &error)) {
		g_mutex_lock(&job->lock);
		job->has_failed = true;
		g_cond_signal(&job->done);
		g_mutex_unlock(&job->lock);
	}
	return error;
}

/* Waits for a piece's steps. Owned; NULL if the work has failed. */
static GArray *
take_ops(Job *job, guint index)
{
	Piece *piece = &g_array_index(job->pieces, Piece, index);

	g_mutex_lock(&job->lock);
	while (piece->ops == NULL && !job->has_failed)
		g_cond_wait(&job->done, &job->lock);
	GArray *ops = g_steal_pointer(&piece->ops);
	g_mutex_unlock(&job->lock);
	return ops;
}

static gboolean
write_pieces(Job *job, AshDeltaWriter *writer, GError **error)
{
	for (guint i = 0; i < job->pieces->len; i++) {
		g_autoptr(GArray) ops = take_ops(job, i);
		if (ops == NULL || !ash_context_check(job->ctx, error))
			return FALSE;
		for (guint j = 0; j < ops->len; j++)
			if (!ash_delta_writer_add(writer, &g_array_index(ops, AshDeltaOp, j), error))
				return FALSE;
		ash_progress_count(job->ctx->progress, i + 1, job->pieces->len, "files");
	}
	return TRUE;
}

/* Steps are found by all threads, and written in the order of the image while others are looked for. */
static gboolean
run(Job *job, AshDeltaWriter *writer, GError **error)
{
	GThread *thread = g_thread_new("delta", run_pieces, job);
	gboolean ok = write_pieces(job, writer, error);
	GError *failure = g_thread_join(thread);

	if (failure != NULL) {
		g_clear_error(error);
		g_propagate_error(error, failure);
		return FALSE;
	}
	return ok;
}

static void
job_clear(Job *job)
{
	for (guint i = 0; i < job->pieces->len; i++)
		g_clear_pointer(&g_array_index(job->pieces, Piece, i).ops, g_array_unref);
	g_array_unref(job->pieces);
	ash_pairing_free(job->pairing);
	ash_anchors_free(job->anchors);
	g_mutex_clear(&job->lock);
	g_cond_clear(&job->done);
}

gboolean
ash_delta_write(AshContext *ctx, const AshDeltaImage *from, const AshDeltaImage *to, int level, int out_fd,
		AshDeltaStats *ret_stats, GError **error)
{
	g_auto(Map) from_map = { 0 }, to_map = { 0 };

	if (!map_image(from, &from_map, error) || !map_image(to, &to_map, error))
		return FALSE;
	g_autoptr(AshDeltaWriter) writer = ash_delta_writer_new(&from_map.text, &to_map.text, level, out_fd, error);
	if (writer == NULL)
		return FALSE;
	Job job = {
		.ctx = ctx, .from = &from_map.text, .to = &to_map.text,
		.pairing = ash_pairing_new(from->files), .anchors = ash_anchors_new(&from_map.text),
		.pieces = g_array_new(FALSE, FALSE, sizeof(Piece)),
	};
	g_mutex_init(&job.lock);
	g_cond_init(&job.done);
	if (from->files != NULL && from->files->len > 0)
		job.metadata.bytes = ((const AshDeltaFile *) g_ptr_array_index(from->files, 0))->offset;
	divide_image(&job, to->files);
	gboolean ok = run(&job, writer, error) && ash_delta_writer_finish(writer, ret_stats, error);
	job_clear(&job);
	return ok;
}
