/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "disk/io/reread.h"

/**
 * Writes the first @disk_bytes (> 0, whole sectors of 512 bytes) of the disk @raw as a dynamic VHDX ([MS-VHDX] 2.2 to 2.6, blocks of 2 MiB) into the empty file
 * @fd. Its identifiers come from @uuid. *@ret_sha256 is the digest of the file, owned hex.
 *
 * Blocks that are all zero are not there; the others come in the order of the disk. Written once, from front to back; not synced.
 * ASH_ERROR_CONFIG for any other size, or over 64 TiB.
 */
gboolean ash_vhdx_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, const AshUuid *uuid, int fd, char **ret_sha256, GError **error);
