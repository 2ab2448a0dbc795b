/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/image/image.h"

/**
 * What an updater puts into a slot, without a disk around it: the root file system, its hash area and the unified kernel image, bit by bit
 * those that a disk image of the same request has.
 */
typedef struct {
	int fd;             /* of a file that holds root file system and hash area; owned */
	guint64 root_offset, root_bytes; /* of the file system: what the hash tree covers */
	guint64 tree_offset, tree_bytes; /* of the hash area, superblock first */
	char *root_hash;    /* hex */
	char *salt;         /* hex */
	GBytes *layout;     /* of the root file system, for the next version (disk/erofs/layout.h); NULL if it has none */
	GBytes *verity_sig; /* signature of the root hash, as its partition has it; NULL: the type has none */
	int uki_fd;         /* of a file that is the unified kernel image; owned */
} AshDiskParts;

/** Zero-initialise with this, so that clearing is safe. */
#define ASH_DISK_PARTS_INIT { .fd = -1, .uki_fd = -1 }

void ash_disk_parts_clear(AshDiskParts *parts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshDiskParts, ash_disk_parts_clear)

/**
 * Makes the parts in files STEM.raw and STEM.efi of request->output_dir, which the caller removes; formats are of no account. ASH_ERROR_CONFIG
 * unless the type has a root partition with dm-verity, and the tree what boots it. Memory and errors as ash_disk_build(). *@ret_parts is cleared by the caller.
 */
gboolean ash_disk_parts_write(AshContext *ctx, const AshDiskRequest *request, AshDiskParts *ret_parts, GError **error);
