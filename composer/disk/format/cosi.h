/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "disk/format/cosimeta.h"
#include "disk/io/reread.h"

/**
 * Writes the first @disk_bytes of the disk @raw as a Composable OS Image (Trident's specification, revision 1.2) into the empty file @fd: a tar of
 * "cosi-marker", "metadata.json", the partition table and each partition, in disk order, compressed with Zstandard one by one, with
 * their SHA-384. *@ret_sha256 is the digest of the file, owned hex.
 *
 * An image is a row of frames of 4 MiB each, made at the same time; what is zero is not read. metadata.json comes before what it
 * describes: its room is kept for its longest text, and what is left of it is blanks. It is not synced.
 */
gboolean ash_cosi_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, const AshCosiSource *source, int fd, char **ret_sha256,
			GError **error);
