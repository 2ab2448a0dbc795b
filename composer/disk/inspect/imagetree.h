/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

/**
 * The system in a disk image (ash_disk_open_raw()), or in a file that is one file system: the first root partition with content,
 * with what is in the /var partition, and the random seed of the boot loader at /efi/loader. EROFS, squashfs, ext4 and XFS are read; files are opened as copies in memory (large ones in the directory of
 * temporary files). *@ret_notices (owned, of char *) says which partitions were not looked into, and why; *@ret_boot (owned, of AshBootImage,
 * disk/boot/bootimages.h) is what the EFI system partition has to boot. Owned; NULL and ASH_ERROR_CONFIG if there is no system that can be read.
 */
AshFsTree *ash_image_load_tree(AshContext *ctx, const char *path, GPtrArray **ret_notices, GPtrArray **ret_boot, GError **error);

/**
 * The one file system at byte @offset of @fd (borrowed, must stay open as long as the tree), which may take @size bytes; files are opened as
 * copies. Owned. NULL without @error: it is of a kind that is not read here.
 */
AshFsTree *ash_image_load_filesystem(int fd, guint64 offset, guint64 size, GError **error);
