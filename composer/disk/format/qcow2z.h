/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "disk/io/reread.h"

/** How the clusters of a qcow2 image are compressed. */
typedef enum {
	ASH_QCOW2_ZLIB = 0, /* read by all */
	ASH_QCOW2_ZSTD = 1, /* by QEMU from 5.1 on, some times as fast */
} AshQcow2Compression;

/**
 * Writes the first @disk_bytes (> 0, whole sectors of 512 bytes) of the disk @raw as a qcow2 image with compressed clusters (QEMU's docs/interop/qcow2.txt, "Compressed
 * Clusters Descriptor") into the empty file @fd: to be sent, and to boot from as it is; what a guest writes is not compressed.
 * *@ret_sha256 is the digest of the file, owned hex. Clusters are compressed at the same time; it is not synced.
 */
gboolean ash_qcow2z_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, AshQcow2Compression compression, int fd, char **ret_sha256,
			  GError **error);
