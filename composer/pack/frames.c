/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/frames.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "base/zero.h"

#include <string.h>
#include <zstd.h>

#define FRAME ASH_RELEASE_FRAME_BYTES
/* What is in memory at a time, and what a thread takes of it: its state is made once for all of them. */
#define BATCH_FRAMES 256
#define UNIT_FRAMES  8
/* The table is small; what it takes from the first byte on counts. */
#define TABLE_LEVEL 19

/** One batch: compressed by all threads, then written by one. */
typedef struct {
	AshContext *ctx;
	int fd, level;
	guint64 offset, bytes; /* of the image in fd */
	guint64 first;         /* frame */
	guint n;
	guint8 *plain, *packed;         /* BATCH_FRAMES pieces of FRAME, of ASH_FRAME_MAX_BYTES */
	guint32 lengths[BATCH_FRAMES];
} Batch;

static void
batch_clear(Batch *batch)
{
	g_clear_pointer(&batch->plain, g_free);
	g_clear_pointer(&batch->packed, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Batch, batch_clear)

static gsize
piece_bytes(guint64 image_bytes, guint64 frame)
{
	return (gsize) MIN((guint64) FRAME, image_bytes - frame * FRAME);
}

static gboolean
throw_zstd(GError **error, const char *what, size_t code)
{
	return ash_throw(error, ASH_ERROR_INTERNAL, "Zstandard cannot compress %s: %s", what, ZSTD_getErrorName(code));
}

static ZSTD_CCtx *
compressor_new(int level)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();

	/* Only a lack of memory can fail here, and GLib's own allocations abort on that as well. */
	g_assert(context != NULL);
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0);
	return context;
}

static void
compressor_clear(ZSTD_CCtx **context)
{
	ZSTD_freeCCtx(*context);
}

/* Holes need not be read, only be zero. */
static gboolean
load_piece(const Batch *batch, guint64 frame, guint8 *plain, GError **error)
{
	const gsize length = piece_bytes(batch->bytes, frame);

	return ash_fd_read_exact(batch->fd, plain, length, batch->offset + frame * FRAME, error);
}

static gboolean
pack_unit(guint index, gpointer user_data, GError **error)
{
	Batch *batch = user_data;
	__attribute__((cleanup(compressor_clear))) ZSTD_CCtx *context = compressor_new(batch->level);

	if (!ash_context_check(batch->ctx, error))
		return FALSE;
	for (guint i = index * UNIT_FRAMES; i < MIN((index + 1) * UNIT_FRAMES, batch->n); i++) {
		guint8 *plain = batch->plain + (gsize) i * FRAME;
		const gsize length = piece_bytes(batch->bytes, batch->first + i);
		if (!load_piece(batch, batch->first + i, plain, error))
			return FALSE;
		batch->lengths[i] = 0;
		if (ash_is_zero(plain, length))
			continue;
		size_t packed = ZSTD_compress2(context, batch->packed + (gsize) i * ASH_FRAME_MAX_BYTES, ASH_FRAME_MAX_BYTES, plain, length);
		if (ZSTD_isError(packed))
			return throw_zstd(error, "a frame", packed);
		batch->lengths[i] = (guint32) packed;
	}
	return TRUE;
}

/** The segment being written. */
typedef struct {
	const AshFramesSink *sink;
	gpointer user_data;
	guint64 bytes, frames;
} Segment;

static gboolean
finish_segment(Segment *segment, GError **error)
{
	const guint64 frames = segment->frames;

	segment->bytes = segment->frames = 0;
	return segment->sink->finish(frames, segment->user_data, error);
}

static gboolean
write_batch(const Batch *batch, Segment *segment, GError **error)
{
	for (guint i = 0; i < batch->n; i++) {
		const guint32 length = batch->lengths[i];
		if (segment->bytes + length > ASH_RELEASE_SEGMENT_BYTES && !finish_segment(segment, error))
			return FALSE;
		if (length > 0 &&
		    !segment->sink->write(batch->packed + (gsize) i * ASH_FRAME_MAX_BYTES, length, segment->user_data, error))
			return FALSE;
		segment->bytes += length;
		segment->frames++;
	}
	return TRUE;
}

/* One frame over all lengths, little-endian. */
static GBytes *
pack_table(guint32 *lengths, guint64 frames, GError **error)
{
	__attribute__((cleanup(compressor_clear))) ZSTD_CCtx *context = compressor_new(TABLE_LEVEL);
	const gsize bytes = frames * sizeof(guint32), room = ZSTD_compressBound(bytes);
	g_autofree guint8 *packed = g_malloc(room);

	for (guint64 i = 0; i < frames; i++)
		lengths[i] = GUINT32_TO_LE(lengths[i]);
	size_t length = ZSTD_compress2(context, packed, room, lengths, bytes);
	if (ZSTD_isError(length)) {
		throw_zstd(error, "the table of frames", length);
		return NULL;
	}
	return g_bytes_new_take(g_steal_pointer(&packed), length);
}

static gboolean
check_image(guint64 bytes, int level, GError **error)
{
	if (bytes == 0 || bytes % ASH_RELEASE_BLOCK_BYTES != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "a root image of %" G_GUINT64_FORMAT " bytes is not whole blocks of %d", bytes,
				 ASH_RELEASE_BLOCK_BYTES);
	if (bytes > (guint64) ASH_FRAMES_MAX * FRAME)
		return ash_throw(error, ASH_ERROR_CONFIG, "the root image has %" G_GUINT64_FORMAT " bytes: more than 256 GiB are not published",
				 bytes);
	if (level < 0 || level > ASH_FRAMES_MAX_LEVEL)
		return ash_throw(error, ASH_ERROR_CONFIG, "compression level \"%d\" is not a number from 1 to %d", level, ASH_FRAMES_MAX_LEVEL);
	return TRUE;
}

gboolean
ash_frames_write(AshContext *ctx, int fd, guint64 offset, guint64 bytes, int level, const AshFramesSink *sink, gpointer user_data,
		 GBytes **ret_table, GError **error)
{
	Segment segment = { .sink = sink, .user_data = user_data };

	if (!check_image(bytes, level, error))
		return FALSE;
	const guint64 frames = (bytes + FRAME - 1) / FRAME;
	g_autofree guint32 *lengths = g_new(guint32, frames);
	g_auto(Batch) batch = {
		.ctx = ctx, .fd = fd, .level = level > 0 ? level : ASH_FRAMES_DEFAULT_LEVEL, .offset = offset, .bytes = bytes,
		.plain = g_malloc(BATCH_FRAMES * FRAME), .packed = g_malloc(BATCH_FRAMES * ASH_FRAME_MAX_BYTES),
	};
	for (; batch.first < frames; batch.first += batch.n) {
		batch.n = (guint) MIN(BATCH_FRAMES, frames - batch.first);
		if (!ash_parallel_run(ctx, (batch.n + UNIT_FRAMES - 1) / UNIT_FRAMES, pack_unit, &batch, error) ||
		    !write_batch(&batch, &segment, error))
			return FALSE;
		memcpy(lengths + batch.first, batch.lengths, batch.n * sizeof(guint32));
		ash_progress_count(ctx->progress, MIN((batch.first + batch.n) * FRAME, bytes), bytes, "B");
	}
	if (segment.bytes == 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "a root image has nothing but zeros");
	if (!finish_segment(&segment, error))
		return FALSE;
	GBytes *table = pack_table(lengths, frames, error);
	if (table == NULL)
		return FALSE;
	*ret_table = table;
	return TRUE;
}

/* One frame of Zstandard and no other kind, with this much content by its own word. */
static gboolean
check_frame(const guint8 *data, gsize length, gsize out_bytes, GError **error)
{
	static const guint8 magic[4] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (length < sizeof(magic) || memcmp(data, magic, sizeof(magic)) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "this is no Zstandard frame");
	if (ZSTD_getFrameContentSize(data, length) != out_bytes)
		return ash_throw(error, ASH_ERROR_TRUST, "a frame does not say that it has %" G_GSIZE_FORMAT " bytes of content", out_bytes);
	if (ZSTD_getDictID_fromFrame(data, length) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "a frame asks for a dictionary");
	if (ZSTD_findFrameCompressedSize(data, length) != length)
		return ash_throw(error, ASH_ERROR_TRUST, "a frame does not end where the table says");
	return TRUE;
}

/* The whole output is one buffer, so that the window that the frame speaks of is never allocated. */
static gboolean
decode(const void *data, gsize length, void *out, gsize out_bytes, GError **error)
{
	if (!check_frame(data, length, out_bytes, error))
		return FALSE;
	size_t got = ZSTD_decompress(out, out_bytes, data, length);
	if (ZSTD_isError(got) || got != out_bytes)
		return ash_throw(error, ASH_ERROR_TRUST, "a frame is damaged: %s",
				 ZSTD_isError(got) ? ZSTD_getErrorName(got) : "it is too short");
	return TRUE;
}

gboolean
ash_frame_decode(const void *data, gsize length, void *out, gsize out_bytes, GError **error)
{
	if (length == 0) {
		memset(out, 0, out_bytes);
		return TRUE;
	}
	if (length > ASH_FRAME_MAX_BYTES || out_bytes > FRAME)
		return ash_throw(error, ASH_ERROR_TRUST, "a frame is longer than any frame may be");
	return decode(data, length, out, out_bytes, error);
}

/** Where a segment's frames begin. */
typedef struct {
	guint64 first;
	guint64 bytes;
} TableSegment;

struct AshFrameTable {
	guint64 n;
	guint32 *lengths;
	guint32 *offsets;       /* in the segment: that has at most 64 MiB */
	TableSegment *segments; /* n_segments of them */
	guint n_segments;
};

void
ash_frame_table_free(AshFrameTable *table)
{
	if (table == NULL)
		return;
	g_free(table->lengths);
	g_free(table->offsets);
	g_free(table->segments);
	g_free(table);
}

static gboolean
sum_segment(AshFrameTable *table, guint index, guint64 frames, GError **error)
{
	TableSegment *segment = &table->segments[index];
	guint64 sum = 0;

	for (guint64 i = segment->first; i < segment->first + frames; i++) {
		const guint32 length = GUINT32_FROM_LE(table->lengths[i]);
		if (length > ASH_FRAME_MAX_BYTES || sum + length > segment->bytes)
			return ash_throw(error, ASH_ERROR_TRUST, "frame %" G_GUINT64_FORMAT " is longer than it can be", i);
		table->lengths[i] = length;
		table->offsets[i] = (guint32) sum;
		sum += length;
	}
	if (sum != segment->bytes)
		return ash_throw(error, ASH_ERROR_TRUST, "the frames of segment %u are not all of it", index);
	return TRUE;
}

static gboolean
sum_segments(AshFrameTable *table, const AshRelease *release, GError **error)
{
	guint64 first = 0;

	for (guint i = 0; i < release->segments->len; i++) {
		const AshPackSegment *segment = g_ptr_array_index(release->segments, i);
		table->segments[i] = (TableSegment){ .first = first, .bytes = segment->object.size };
		if (segment->frames > table->n - first)
			return ash_throw(error, ASH_ERROR_TRUST, "the segments have more frames than the image");
		if (!sum_segment(table, i, segment->frames, error))
			return FALSE;
		first += segment->frames;
	}
	return first == table->n ? TRUE : ash_throw(error, ASH_ERROR_TRUST, "the segments have fewer frames than the image");
}

AshFrameTable *
ash_frame_table_parse(GBytes *object, const AshRelease *release, GError **error)
{
	g_autoptr(AshFrameTable) table = g_new0(AshFrameTable, 1);
	gsize length;
	const void *data = g_bytes_get_data(object, &length);

	table->n = (release->root_bytes + FRAME - 1) / FRAME;
	if (table->n == 0 || table->n > ASH_FRAMES_MAX)
		return ash_throw_null(error, ASH_ERROR_TRUST, "a table of %" G_GUINT64_FORMAT " frames is not read", table->n);
	table->n_segments = release->segments->len;
	table->lengths = g_new(guint32, table->n);
	table->offsets = g_new(guint32, table->n);
	table->segments = g_new(TableSegment, MAX(table->n_segments, 1));
	if (!decode(data, length, table->lengths, table->n * sizeof(guint32), error) || !sum_segments(table, release, error)) {
		ash_prefix(error, "the table of frames");
		return NULL;
	}
	return g_steal_pointer(&table);
}

guint64
ash_frame_table_get_count(const AshFrameTable *table)
{
	return table->n;
}

/* The last segment that begins at @frame or before: none is empty. */
static guint
find_segment(const AshFrameTable *table, guint64 frame)
{
	guint low = 0, high = table->n_segments;

	while (high - low > 1) {
		const guint middle = low + (high - low) / 2;
		if (table->segments[middle].first <= frame)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void
ash_frame_table_locate(const AshFrameTable *table, guint64 frame, guint *ret_segment, guint64 *ret_offset, guint32 *ret_length)
{
	*ret_segment = find_segment(table, frame);
	*ret_offset = table->offsets[frame];
	*ret_length = table->lengths[frame];
}
