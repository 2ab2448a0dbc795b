/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/deltaapply.h"

#include "base/error.h"
#include "pack/deltaop.h"

#include <stdbool.h>
#include <string.h>
#include <zstd.h>

enum { STEPS, DIFFERENCES, EXTRAS, STREAMS };

#define LENGTHS_BYTES (STREAMS * sizeof(guint32))
/* A step is at most two numbers of ten bytes, and makes at least one byte. */
#define MAX_STEP_BYTES 20

typedef struct {
	ZSTD_DCtx *decompressor; /* owned */
	GByteArray *plain;       /* owned: what the segment has of it */
	gsize used;              /* bytes of it */
} Stream;

struct AshDeltaApply {
	guint64 old_bytes, new_bytes;
	const AshDeltaTarget *target;
	gpointer user_data;
	GByteArray *pending;  /* owned: what has come of the header, or of a segment */
	gsize wanted;         /* bytes in it, for the next thing to be done */
	bool has_header, has_lengths;
	guint32 lengths[STREAMS];
	Stream streams[STREAMS];
	guint64 position;     /* in the new image */
	guint64 last_old;
	guint8 *out;          /* owned: the segment */
};

AshDeltaApply *
ash_delta_apply_new(guint64 old_bytes, guint64 new_bytes, const AshDeltaTarget *target, gpointer user_data)
{
	AshDeltaApply *apply = g_new0(AshDeltaApply, 1);

	apply->old_bytes = old_bytes;
	apply->new_bytes = new_bytes;
	apply->target = target;
	apply->user_data = user_data;
	apply->pending = g_byte_array_new();
	apply->wanted = ASH_DELTA_HEADER_BYTES;
	apply->out = g_malloc(ASH_DELTA_SEGMENT_BYTES);
	for (guint i = 0; i < STREAMS; i++) {
		apply->streams[i].decompressor = ZSTD_createDCtx();
		ZSTD_DCtx_setParameter(apply->streams[i].decompressor, ZSTD_d_windowLogMax, ASH_DELTA_WINDOW_LOG);
		apply->streams[i].plain = g_byte_array_new();
	}
	return apply;
}

void
ash_delta_apply_free(AshDeltaApply *apply)
{
	if (apply == NULL)
		return;
	for (guint i = 0; i < STREAMS; i++) {
		ZSTD_freeDCtx(apply->streams[i].decompressor);
		g_byte_array_unref(apply->streams[i].plain);
	}
	g_byte_array_unref(apply->pending);
	g_free(apply->out);
	g_free(apply);
}

static gboolean
throw_damaged(GError **error, const char *what)
{
	return ash_throw(error, ASH_ERROR_TRUST, "the delta is damaged: %s", what);
}

static gboolean
take_header(AshDeltaApply *apply, GError **error)
{
	guint64 lengths[2];

	if (memcmp(apply->pending->data, ASH_DELTA_MAGIC, ASH_DELTA_MAGIC_BYTES) != 0)
		return throw_damaged(error, "it does not begin as one");
	memcpy(lengths, apply->pending->data + ASH_DELTA_MAGIC_BYTES, sizeof(lengths));
	if (GUINT64_FROM_LE(lengths[0]) != apply->old_bytes || GUINT64_FROM_LE(lengths[1]) != apply->new_bytes)
		return throw_damaged(error, "it is for other images");
	apply->has_header = true;
	apply->wanted = LENGTHS_BYTES;
	return TRUE;
}

static gboolean
take_lengths(AshDeltaApply *apply, GError **error)
{
	gsize sum = 0;

	memcpy(apply->lengths, apply->pending->data, LENGTHS_BYTES);
	for (guint i = 0; i < STREAMS; i++) {
		apply->lengths[i] = GUINT32_FROM_LE(apply->lengths[i]);
		if (apply->lengths[i] > ZSTD_compressBound(ASH_DELTA_SEGMENT_BYTES * (i == STEPS ? MAX_STEP_BYTES : 1)))
			return throw_damaged(error, "a segment is longer than it can be");
		sum += apply->lengths[i];
	}
	apply->has_lengths = true;
	apply->wanted = sum;
	return TRUE;
}

/* Decompresses what a segment has of a stream: at most @max bytes. */
static gboolean
unpack_stream(Stream *stream, const guint8 *data, gsize length, gsize max, GError **error)
{
	ZSTD_inBuffer in = { data, length, 0 };
	guint8 buffer[32 * 1024];
	bool is_full;

	g_byte_array_set_size(stream->plain, 0);
	stream->used = 0;
	if (length == 0)
		return TRUE;
	do {
		ZSTD_outBuffer out = { buffer, sizeof(buffer), 0 };
		const gsize result = ZSTD_decompressStream(stream->decompressor, &out, &in);
		if (ZSTD_isError(result))
			return throw_damaged(error, ZSTD_getErrorName(result));
		if (stream->plain->len + out.pos > max)
			return throw_damaged(error, "a segment has more than it can have");
		g_byte_array_append(stream->plain, buffer, (guint) out.pos);
		is_full = out.pos == out.size;
	} while (in.pos < in.size || is_full);
	return TRUE;
}

static bool
take_number(Stream *stream, guint64 *ret_number)
{
	guint64 number = 0;

	for (guint shift = 0; shift < 64 && stream->used < stream->plain->len; shift += 7) {
		const guint8 byte = stream->plain->data[stream->used++];
		number |= (guint64) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			*ret_number = number;
			return true;
		}
	}
	return false;
}

static bool
is_needed(const AshDeltaApply *apply, const guint8 *out, gsize length)
{
	return apply->target->is_needed == NULL ||
	       apply->target->is_needed(apply->user_data, apply->position + (guint64) (out - apply->out), length);
}

/* The bytes of the old image for a step of @length, into @out. */
static gboolean
read_old(AshDeltaApply *apply, guint64 length, guint8 *out, GError **error)
{
	guint64 zigzag;

	if (!take_number(&apply->streams[STEPS], &zigzag))
		return throw_damaged(error, "a step is not whole");
	const guint64 old = apply->last_old + ((zigzag >> 1) ^ (~(zigzag & 1) + 1));
	if (old > apply->old_bytes || length > apply->old_bytes - old)
		return throw_damaged(error, "a step is outside of the old image");
	apply->last_old = old + length;
	return !is_needed(apply, out, length) || apply->target->read_old(apply->user_data, old, length, out, error);
}

static gboolean
take_from(Stream *stream, gsize length, const guint8 **ret_data, GError **error)
{
	if (length > stream->plain->len - stream->used)
		return throw_damaged(error, "a segment has less than its steps need");
	*ret_data = stream->plain->data + stream->used;
	stream->used += length;
	return TRUE;
}

/* Makes @length bytes at @out. */
static gboolean
do_step(AshDeltaApply *apply, AshDeltaOpKind kind, gsize length, guint8 *out, GError **error)
{
	const guint8 *data = NULL;

	switch (kind) {
	case ASH_DELTA_COPY:
		return read_old(apply, length, out, error);
	case ASH_DELTA_ADD:
		if (!read_old(apply, length, out, error) || !take_from(&apply->streams[DIFFERENCES], length, &data, error))
			return FALSE;
		for (gsize i = 0; i < length; i++)
			out[i] = (guint8) (out[i] + data[i]);
		return TRUE;
	case ASH_DELTA_EXTRA:
		if (!take_from(&apply->streams[EXTRAS], length, &data, error))
			return FALSE;
		memcpy(out, data, length);
		return TRUE;
	case ASH_DELTA_ZERO:
	default:
		memset(out, 0, length);
		return TRUE;
	}
}

static gboolean
do_steps(AshDeltaApply *apply, gsize bytes, GError **error)
{
	gsize done = 0;

	while (done < bytes) {
		guint64 number;
		if (!take_number(&apply->streams[STEPS], &number))
			return throw_damaged(error, "a segment has too few steps");
		const guint64 length = number >> 2;
		if (length == 0 || length > bytes - done)
			return throw_damaged(error, "a step is longer than its segment");
		if (!do_step(apply, (AshDeltaOpKind) (number & 3), length, apply->out + done, error))
			return FALSE;
		done += length;
	}
	for (guint i = 0; i < STREAMS; i++)
		if (apply->streams[i].used != apply->streams[i].plain->len)
			return throw_damaged(error, "a segment has more than its steps need");
	return TRUE;
}

static gboolean
take_segment(AshDeltaApply *apply, GError **error)
{
	const gsize bytes = (gsize) MIN(ASH_DELTA_SEGMENT_BYTES, apply->new_bytes - apply->position);
	const guint8 *data = apply->pending->data;

	for (guint i = 0; i < STREAMS; i++) {
		if (!unpack_stream(&apply->streams[i], data, apply->lengths[i], bytes * (i == STEPS ? MAX_STEP_BYTES : 1), error))
			return FALSE;
		data += apply->lengths[i];
	}
	if (!do_steps(apply, bytes, error) ||
	    !apply->target->write_new(apply->user_data, apply->position, apply->out, bytes, error))
		return FALSE;
	apply->position += bytes;
	apply->has_lengths = false;
	apply->wanted = LENGTHS_BYTES;
	return TRUE;
}

static gboolean
take_pending(AshDeltaApply *apply, GError **error)
{
	gboolean ok = apply->has_lengths ? take_segment(apply, error) :
		      apply->has_header ? take_lengths(apply, error) : take_header(apply, error);

	g_byte_array_set_size(apply->pending, 0);
	return ok;
}

gboolean
ash_delta_apply_feed(AshDeltaApply *apply, const void *data, gsize length, GError **error)
{
	const guint8 *next = data;

	while (length > 0) {
		if (apply->has_header && apply->position == apply->new_bytes)
			return throw_damaged(error, "it goes on after its end");
		const gsize part = MIN(length, apply->wanted - apply->pending->len);
		g_byte_array_append(apply->pending, next, (guint) part);
		next += part;
		length -= part;
		if (apply->pending->len == apply->wanted && !take_pending(apply, error))
			return FALSE;
		/* Lengths that are all zero: the segment's bytes are all there. */
		if (apply->has_lengths && apply->wanted == 0 && !take_pending(apply, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_delta_apply_finish(AshDeltaApply *apply, GError **error)
{
	if (!apply->has_header || apply->position != apply->new_bytes || apply->pending->len > 0)
		return throw_damaged(error, "it ends too early");
	return TRUE;
}
