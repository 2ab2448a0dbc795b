/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** As deflateInit2() of zlib takes them. */
#define ASH_DEFLATE_ZLIB   15  /* with header and checksum (RFC 1950) */
#define ASH_DEFLATE_RAW    -15 /* RFC 1951 and nothing else */
#define ASH_DEFLATE_RAW_4K -12 /* that, referring no further back than 4 KiB */

/** Compresses @length bytes by themselves into @to, which has @room. Bytes used; 0 if they do not fit. Thread-safe. */
gsize ash_deflate(const void *data, gsize length, int window_bits, guint8 *to, gsize room);

/** Room that is always enough for @length bytes in whatever form. */
gsize ash_deflate_bound(gsize length);

/** Part of a gzip member (RFC 1952) that is made of many. */
typedef struct {
	guint8 *bytes; /* deflated, up to a byte's border */
	gsize length;
	guint32 crc;   /* of what was deflated */
	gsize content; /* bytes of that */
} AshGzipPart;

/** @last: nothing comes behind it. Owned. */
AshGzipPart *ash_gzip_part_new(const void *data, gsize length, gboolean last);
void ash_gzip_part_free(AshGzipPart *part);

/** The CRC of what has @crc with @part behind it; 0 for nothing. */
guint32 ash_gzip_part_add_crc(guint32 crc, const AshGzipPart *part);
