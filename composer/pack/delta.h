/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

/**
 * A delta: how to make one image (of bytes) out of another. All numbers little-endian.
 *
 *     header    16 bytes  "ASHLAR DELTA 1\n\0"
 *               u64       length of the old image, bytes
 *               u64       length of the new image, bytes
 *     segments, each for ASH_DELTA_SEGMENT_BYTES of the new image (the last for fewer), from its start on
 *               u32 x 3   compressed lengths of what the segment has of the three streams; each may be 0
 *               bytes     of the stream of steps, of the stream of differences, of the stream of extra bytes
 *
 * Each stream is one zstd frame (RFC 8878) over all segments, flushed at the end of each, window at most
 * ASH_DELTA_WINDOW_LOG. Steps: LEB128 number (length << 2 | kind, AshDeltaOpKind); for ASH_DELTA_COPY and ASH_DELTA_ADD then a signed one
 * (zigzag): start in the old image - end of the last such step there. Steps end with their segment. A difference is new byte - old byte (mod 256).
 *
 * Who applies a delta needs some 40 MiB, and trusts nothing: the result is checked by its hashes.
 */
#define ASH_DELTA_MAGIC "ASHLAR DELTA 1\n"
#define ASH_DELTA_MAGIC_BYTES   16
#define ASH_DELTA_HEADER_BYTES  32
#define ASH_DELTA_SEGMENT_BYTES ((gsize) 1024 * 1024)
#define ASH_DELTA_WINDOW_LOG    23
#define ASH_DELTA_DEFAULT_LEVEL 19

/** A file's place in an image. */
typedef struct {
	char *path;     /* owned */
	guint64 offset; /* bytes from the start of the image */
	guint64 bytes;
} AshDeltaFile;

void ash_delta_file_free(AshDeltaFile *file);

/** An image: a stretch of an open file. */
typedef struct {
	int fd;
	guint64 offset, bytes;
	const GPtrArray *files; /* of AshDeltaFile, by offset, none over another; NULL: not known */
} AshDeltaImage;

/** Of what the new image is made, bytes. */
typedef struct {
	guint64 copied, changed, extra; /* from the old image as it is; with differences; new */
	guint64 delta_bytes;            /* length of the delta */
} AshDeltaStats;

/**
 * Writes the delta from @from to @to to the empty file @out_fd, with ctx->jobs threads. Files are compared with those of the same
 * path, else with those of the same name whose path is most alike, else with the whole image. Same images, level and version of libzstd,
 * same bytes. @level is zstd's. Both images are mapped into memory: address space, not memory, is what that takes.
 */
gboolean ash_delta_write(AshContext *ctx, const AshDeltaImage *from, const AshDeltaImage *to, int level, int out_fd,
			 AshDeltaStats *ret_stats, GError **error);
