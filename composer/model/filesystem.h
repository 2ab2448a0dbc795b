/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** What a partition holds. How each is written is in disk/filesystem/filesystem.h. */
typedef enum {
	ASH_FS_NONE,
	ASH_FS_VFAT,
	ASH_FS_EROFS,
	ASH_FS_EXT4,
	ASH_FS_SQUASHFS,
	ASH_FS_XFS,
	ASH_FS_SWAP,
	_ASH_FS_KIND_COUNT,
} AshFsKind;

/** What can be said of a file system without looking into one. */
typedef struct {
	const char *name;      /* in configuration, and for mount(8) */
	bool read_only;        /* made whole, as large as its content: cannot be written to */
	bool owners;           /* keeps owners, permissions and links: can hold a part of a system */
	bool grows;            /* while it is mounted, by systemd-growfs(8) */
	int check_pass;        /* sixth field of fstab(5), where it is not the root: 0 if nothing is to be checked at boot */
	guint label_bytes;     /* of its own label, at most; 0: it has none */
	guint64 min_bytes;     /* smaller ones cannot be made */
} AshFsTraits;

/** Never NULL for a kind there is. */
const AshFsTraits *ash_fs_kind_get_traits(AshFsKind kind);
/** "none", "vfat", "erofs", "ext4", "squashfs", "xfs", "swap" */
const char *ash_fs_kind_to_string(AshFsKind kind);
/** FALSE (no error) for any other text. */
gboolean ash_fs_kind_parse(const char *text, AshFsKind *ret_kind);

/** All names, with a blank between them. */
#define ASH_FS_KIND_NAMES "none vfat erofs ext4 squashfs xfs swap"

/** One bit of a set of file systems. */
#define ASH_FS_BIT(kind) (1u << (kind))
