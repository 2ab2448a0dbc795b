/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "disk/io/reread.h"

/** The unit in which a qcow2 image is mapped and allocated. */
#define ASH_QCOW2_CLUSTER_BYTES ((guint64) 64 * 1024)

/**
 * Writes the first @disk_bytes (> 0, whole sectors of 512 bytes) of the disk @raw as a qcow2 image (QEMU's
 * docs/interop/qcow2.txt, version 3, clusters of 64 KiB, reference counts of 16 bits, no extension) into the empty
 * file @fd. *@ret_sha256 is the digest of what was written, owned hex.
 *
 * Header, tables, then the clusters that are not all zero, in the order of the disk: the bytes depend on the disk's
 * content alone, not on how its file is laid out. Every byte is written once and from front to back; it is not synced.
 */
gboolean ash_qcow2_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, int fd, char **ret_sha256, GError **error);
