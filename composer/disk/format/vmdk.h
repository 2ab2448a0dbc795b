/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "disk/io/reread.h"

/**
 * Writes the first @disk_bytes (> 0, whole grains of 64 KiB) of the disk @raw as a stream-optimized VMDK (VMware's Virtual Disk Format 5.0, "Stream-Optimized
 * Compressed Sparse Extents") into the empty file @fd: what OVF packages hold, and QEMU and VirtualBox read. @name: of the file, for its
 * descriptor. The content's identifier comes from @uuid. *@ret_sha256 is the digest of the file, owned hex.
 *
 * Grains are compressed by themselves, at the same time; those that are all zero are not there. It is not synced. ASH_ERROR_CONFIG for any
 * other size.
 */
gboolean ash_vmdk_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, const char *name, const AshUuid *uuid, int fd, char **ret_sha256,
			GError **error);
