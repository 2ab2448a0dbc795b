/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** The unit of a tar stream. */
#define ASH_TAR_BLOCK_BYTES 512

/** Field of a header as old GNU tar writes it: octal digits, or from 8 GiB on 256-ary with the highest bit set. */
void ash_tar_put_number(guint8 *field, gsize field_bytes, guint64 value);

/**
 * Fills @ret_block with the header of a regular file of root's, mode 0644, in the format of old GNU tar ("ustar  "; tar(5) of libarchive, "GNU
 * Tar Archives"). @name: less than 100 bytes. @epoch: seconds. The checksum is right; ash_tar_sum() after any further change.
 */
void ash_tar_header(guint8 ret_block[ASH_TAR_BLOCK_BYTES], const char *name, guint64 bytes, guint64 epoch);

/** Computes the checksum of a header anew. */
void ash_tar_sum(guint8 block[ASH_TAR_BLOCK_BYTES]);
