/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/deltawriter.h"

#include "base/error.h"
#include "base/fd.h"

#include <string.h>
#include <zstd.h>

enum { STEPS, DIFFERENCES, EXTRAS, STREAMS };

/* Of a segment. */
typedef struct {
	GByteArray *plain, *packed; /* owned */
	ZSTD_CCtx *compressor;      /* owned */
} Stream;

struct AshDeltaWriter {
	const AshMatchText *from, *to;
	int fd;
	guint64 position;    /* in the new image */
	guint64 last_old;    /* end of the last step that had one */
	Stream streams[STREAMS];
	AshDeltaStats stats;
};

static gboolean
write_out(AshDeltaWriter *writer, const void *data, gsize length, GError **error)
{
	if (!ash_fd_write_all(writer->fd, data, length, writer->stats.delta_bytes, error))
		return FALSE;
	writer->stats.delta_bytes += length;
	return TRUE;
}

static gboolean
write_header(AshDeltaWriter *writer, GError **error)
{
	guint8 header[ASH_DELTA_HEADER_BYTES] = ASH_DELTA_MAGIC;
	const guint64 lengths[2] = { GUINT64_TO_LE(writer->from->length), GUINT64_TO_LE(writer->to->length) };

	memcpy(header + ASH_DELTA_MAGIC_BYTES, lengths, sizeof(lengths));
	return write_out(writer, header, sizeof(header), error);
}

AshDeltaWriter *
ash_delta_writer_new(const AshMatchText *from, const AshMatchText *to, int level, int out_fd, GError **error)
{
	g_autoptr(AshDeltaWriter) writer = g_new0(AshDeltaWriter, 1);

	writer->from = from;
	writer->to = to;
	writer->fd = out_fd;
	for (guint i = 0; i < STREAMS; i++) {
		Stream *stream = &writer->streams[i];
		stream->plain = g_byte_array_new();
		stream->packed = g_byte_array_new();
		stream->compressor = ZSTD_createCCtx();
		ZSTD_CCtx_setParameter(stream->compressor, ZSTD_c_compressionLevel, level);
		ZSTD_CCtx_setParameter(stream->compressor, ZSTD_c_windowLog, ASH_DELTA_WINDOW_LOG);
	}
	if (!write_header(writer, error))
		return NULL;
	return g_steal_pointer(&writer);
}

void
ash_delta_writer_free(AshDeltaWriter *writer)
{
	if (writer == NULL)
		return;
	for (guint i = 0; i < STREAMS; i++) {
		g_clear_pointer(&writer->streams[i].plain, g_byte_array_unref);
		g_clear_pointer(&writer->streams[i].packed, g_byte_array_unref);
		ZSTD_freeCCtx(writer->streams[i].compressor);
	}
	g_free(writer);
}

static void
put_number(GByteArray *bytes, guint64 number)
{
	do {
		const guint8 byte = (guint8) ((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
		g_byte_array_append(bytes, &byte, 1);
		number >>= 7;
	} while (number > 0);
}

static void
put_distance(GByteArray *bytes, gint64 distance)
{
	put_number(bytes, ((guint64) distance << 1) ^ (distance < 0 ? ~(guint64) 0 : 0));
}

/* Compresses what the segment has of a stream, all of it: a reader needs nothing of the next one. */
static gboolean
pack_stream(Stream *stream, ZSTD_EndDirective directive, GError **error)
{
	ZSTD_inBuffer in = { stream->plain->data, stream->plain->len, 0 };
	guint8 buffer[16 * 1024];
	gsize rest;

	g_byte_array_set_size(stream->packed, 0);
	do {
		ZSTD_outBuffer out = { buffer, sizeof(buffer), 0 };
		rest = ZSTD_compressStream2(stream->compressor, &out, &in, directive);
		if (ZSTD_isError(rest))
			return ash_throw(error, ASH_ERROR_INTERNAL, "cannot compress a delta: %s", ZSTD_getErrorName(rest));
		g_byte_array_append(stream->packed, buffer, (guint) out.pos);
	} while (rest > 0);
	g_byte_array_set_size(stream->plain, 0);
	return TRUE;
}

static gboolean
end_segment(AshDeltaWriter *writer, GError **error)
{
	const bool is_last = writer->position == writer->to->length;
	guint32 lengths[STREAMS];

	for (guint i = 0; i < STREAMS; i++) {
		Stream *stream = &writer->streams[i];
		/* A stream that has nothing here has no bytes here, but for the end of its frame. */
		g_byte_array_set_size(stream->packed, 0);
		if ((stream->plain->len > 0 || is_last) && !pack_stream(stream, is_last ? ZSTD_e_end : ZSTD_e_flush, error))
			return FALSE;
		lengths[i] = GUINT32_TO_LE(stream->packed->len);
	}
	if (!write_out(writer, lengths, sizeof(lengths), error))
		return FALSE;
	for (guint i = 0; i < STREAMS; i++) {
		const GByteArray *packed = writer->streams[i].packed;
		if (!write_out(writer, packed->data, packed->len, error))
			return FALSE;
	}
	return TRUE;
}

static void
put_differences(AshDeltaWriter *writer, guint64 old, guint64 length)
{
	GByteArray *bytes = writer->streams[DIFFERENCES].plain;
	const guint start = bytes->len;

	g_byte_array_set_size(bytes, start + (guint) length);
	for (guint64 i = 0; i < length; i++)
		bytes->data[start + i] = (guint8) (writer->to->data[writer->position + i] - writer->from->data[old + i]);
}

/* A step that lies in one segment. */
static void
put_step(AshDeltaWriter *writer, const AshDeltaOp *op)
{
	GByteArray *steps = writer->streams[STEPS].plain;

	put_number(steps, op->length << 2 | op->kind);
	if (op->kind == ASH_DELTA_COPY || op->kind == ASH_DELTA_ADD) {
		put_distance(steps, (gint64) (op->old - writer->last_old));
		writer->last_old = op->old + op->length;
	}
	if (op->kind == ASH_DELTA_ADD)
		put_differences(writer, op->old, op->length);
	if (op->kind == ASH_DELTA_EXTRA)
		g_byte_array_append(writer->streams[EXTRAS].plain, writer->to->data + writer->position, (guint) op->length);
	*(op->kind == ASH_DELTA_COPY ? &writer->stats.copied :
	  op->kind == ASH_DELTA_ADD ? &writer->stats.changed : &writer->stats.extra) += op->kind == ASH_DELTA_ZERO ? 0 : op->length;
	writer->position += op->length;
}

gboolean
ash_delta_writer_add(AshDeltaWriter *writer, const AshDeltaOp *op, GError **error)
{
	AshDeltaOp rest = *op;

	while (rest.length > 0) {
		const guint64 room = ASH_DELTA_SEGMENT_BYTES - writer->position % ASH_DELTA_SEGMENT_BYTES;
		AshDeltaOp part = rest;
		part.length = MIN(rest.length, room);
		put_step(writer, &part);
		rest.length -= part.length;
		rest.old += part.length;
		if (part.length == room && writer->position < writer->to->length && !end_segment(writer, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_delta_writer_finish(AshDeltaWriter *writer, AshDeltaStats *ret_stats, GError **error)
{
	if (writer->position != writer->to->length)
		return ash_throw(error, ASH_ERROR_INTERNAL, "a delta ends before its image");
	if (!end_segment(writer, error))
		return FALSE;
	*ret_stats = writer->stats;
	return TRUE;
}
