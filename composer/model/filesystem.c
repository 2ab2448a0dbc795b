/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/filesystem.h"

#include <string.h>

#define MIB ((guint64) 1024 * 1024)

/* fsck.xfs(8) and squashfs have nothing to do at boot. The least size of xfs is that of mkfs.xfs since xfsprogs 5.19; that of FAT32 its number of clusters. */
static const AshFsTraits traits[_ASH_FS_KIND_COUNT] = {
	[ASH_FS_NONE] = { .name = "none" },
	[ASH_FS_VFAT] = { .name = "vfat", .check_pass = 2, .label_bytes = 11, .min_bytes = 34 * MIB },
	[ASH_FS_EROFS] = { .name = "erofs", .read_only = true, .owners = true, .label_bytes = 15 },
	[ASH_FS_EXT4] = { .name = "ext4", .owners = true, .grows = true, .check_pass = 2, .label_bytes = 16, .min_bytes = 16 * MIB },
	[ASH_FS_SQUASHFS] = { .name = "squashfs", .read_only = true, .owners = true },
	[ASH_FS_XFS] = { .name = "xfs", .owners = true, .grows = true, .label_bytes = 12, .min_bytes = 300 * MIB },
	[ASH_FS_SWAP] = { .name = "swap", .label_bytes = 15, .min_bytes = MIB },
};

const AshFsTraits *
ash_fs_kind_get_traits(AshFsKind kind)
{
	g_return_val_if_fail((guint) kind < G_N_ELEMENTS(traits), &traits[ASH_FS_NONE]);
	return &traits[kind];
}

const char *
ash_fs_kind_to_string(AshFsKind kind)
{
	return ash_fs_kind_get_traits(kind)->name;
}

gboolean
ash_fs_kind_parse(const char *text, AshFsKind *ret_kind)
{
	for (guint i = 0; i < G_N_ELEMENTS(traits); i++) {
		if (strcmp(traits[i].name, text) == 0) {
			*ret_kind = (AshFsKind) i;
			return TRUE;
		}
	}
	return FALSE;
}
