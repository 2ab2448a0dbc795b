/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/deflate.h"

#include <stdbool.h>
#include <zlib.h>

/* Twice as fast as the usual 6, for a few per cent: images are made often. */
#define LEVEL 3
/* What a flush adds and deflateBound() leaves out. */
#define FLUSH_BYTES 64

/* Bytes used, 0 if there is no room. Only a lack of memory can make it fail otherwise, on which GLib's allocations abort as well. */
static gsize
run_deflate(const void *data, gsize length, int window_bits, int how, guint8 *to, gsize room)
{
	z_stream stream = { 0 };
	int status = deflateInit2(&stream, LEVEL, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
	bool complete;

	g_assert(status == Z_OK);
	stream.next_in = (Bytef *) data;
	stream.avail_in = (uInt) length;
	stream.next_out = to;
	stream.avail_out = (uInt) room;
	status = deflate(&stream, how);
	complete = how == Z_FINISH ? status == Z_STREAM_END : status == Z_OK && stream.avail_in == 0 && stream.avail_out > 0;
	deflateEnd(&stream);
	return complete ? room - stream.avail_out : 0;
}

gsize
ash_deflate(const void *data, gsize length, int window_bits, guint8 *to, gsize room)
{
	return run_deflate(data, length, window_bits, Z_FINISH, to, room);
}

gsize
ash_deflate_bound(gsize length)
{
	return compressBound(length) + FLUSH_BYTES;
}

AshGzipPart *
ash_gzip_part_new(const void *data, gsize length, gboolean last)
{
	AshGzipPart *part = g_new0(AshGzipPart, 1);
	gsize room = ash_deflate_bound(length);

	part->bytes = g_malloc(room);
	part->length = run_deflate(data, length, ASH_DEFLATE_RAW, last ? Z_FINISH : Z_SYNC_FLUSH, part->bytes, room);
	g_assert(part->length > 0);
	part->crc = (guint32) crc32(0, data, (uInt) length);
	part->content = length;
	return part;
}

void
ash_gzip_part_free(AshGzipPart *part)
{
	if (part == NULL)
		return;
	g_free(part->bytes);
	g_free(part);
}

guint32
ash_gzip_part_add_crc(guint32 crc, const AshGzipPart *part)
{
	return (guint32) crc32_combine(crc, part->crc, (z_off_t) part->content);
}
