/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/release.h"

/**
 * A root file system image as frames that can be fetched and unpacked one by one.
 *
 * The image, whole blocks of 4096 bytes, is cut into pieces of ASH_RELEASE_FRAME_BYTES; the last may be shorter. Each is one Zstandard
 * frame (RFC 8878 3.1.1) with its content size in the header, without dictionary and without checksum: what comes out is checked
 * against the leaves of the hash tree. A piece of zeros has no frame. Frames lie one behind the other in segments of at most
 * ASH_RELEASE_SEGMENT_BYTES, in order, none across the end of a segment: a segment is a stream that zstd(1) unpacks, and all of them,
 * one behind the other, are the image without its pieces of zeros.
 *
 * The table of lengths (object "frames" of a release) is one Zstandard frame over a 32-bit little-endian number for each piece: the
 * bytes of its frame, 0 for zeros.
 */

/** No frame is longer, bytes: what ZSTD_compressBound() says of a piece, fixed here because readers check it. */
#define ASH_FRAME_MAX_BYTES (ASH_RELEASE_FRAME_BYTES + ASH_RELEASE_FRAME_BYTES / 256 + 32)
/** No image has more pieces: 256 GiB. Bounds what a reader of the table allocates. */
#define ASH_FRAMES_MAX (4 * 1024 * 1024)

/**
 * Level used where none is named. 100 MiB of a system, one thread, in pieces of 64 KiB: level 3 33.7 MiB at 310 MB/s, 9 31.9 at 52, 12 31.9 at 17,
 * 15 30.4 at 9, 19 30.0 at 3. It is done once and fetched many times.
 */
#define ASH_FRAMES_DEFAULT_LEVEL 15
#define ASH_FRAMES_MAX_LEVEL     22

/** Where ash_frames_write() puts segments. Called from one thread, in the order of the image. */
typedef struct {
	/** Bytes behind those before, of the same segment. */
	gboolean (*write)(const void *data, gsize length, gpointer user_data, GError **error);
	/** The segment is complete: it covers the next @frames pieces. What is written afterwards is another one. */
	gboolean (*finish)(guint64 frames, gpointer user_data, GError **error);
} AshFramesSink;

/**
 * Compresses the @bytes (whole blocks) at byte @offset of @fd, holes unread, with ctx->jobs threads and Zstandard level @level (1 to
 * ASH_FRAMES_MAX_LEVEL, 0: the default). Memory: some 40 MiB, whatever the image. The same image, level and version of libzstd give the
 * same bytes. *@ret_table is the object with the table of lengths.
 */
gboolean ash_frames_write(AshContext *ctx, int fd, guint64 offset, guint64 bytes, int level, const AshFramesSink *sink,
			  gpointer user_data, GBytes **ret_table, GError **error);

/**
 * Unpacks one frame of @length bytes into exactly @out_bytes (at most ASH_RELEASE_FRAME_BYTES); @length 0 gives zeros. ASH_ERROR_TRUST if it is
 * anything but one Zstandard frame that says it has this much content, without a dictionary, with nothing behind it. No more
 * memory than a decoder's fixed state is taken, whatever the frame says.
 */
gboolean ash_frame_decode(const void *data, gsize length, void *out, gsize out_bytes, GError **error);

/** Where each frame of a release is. */
typedef struct AshFrameTable AshFrameTable;

/**
 * Reads the object @object ("frames" of @release, whose digest the caller has checked). ASH_ERROR_TRUST unless it has a length for each piece of
 * the image, none of them over ASH_FRAME_MAX_BYTES, and they add up to the segments' sizes. Owned.
 */
AshFrameTable *ash_frame_table_parse(GBytes *object, const AshRelease *release, GError **error);
void ash_frame_table_free(AshFrameTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshFrameTable, ash_frame_table_free)

/** Pieces of the image. */
guint64 ash_frame_table_get_count(const AshFrameTable *table);
/** Segment (index into AshRelease.segments), byte in it, and bytes (0: zeros) of frame @frame, which must exist. */
void ash_frame_table_locate(const AshFrameTable *table, guint64 frame, guint *ret_segment, guint64 *ret_offset, guint32 *ret_length);
