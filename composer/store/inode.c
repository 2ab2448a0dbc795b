/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/inode.h"

#include <linux/magic.h>
#include <sys/vfs.h>

static const long exact_types[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC };

guint
ash_inode_hash(gconstpointer key)
{
	const AshInode *inode = key;

	return (guint) inode->ino ^ (guint) ((guint64) inode->ino >> 32) ^ (guint) inode->dev;
}

gboolean
ash_inode_equal(gconstpointer a, gconstpointer b)
{
	const AshInode *left = a, *right = b;

	return left->ino == right->ino && left->dev == right->dev;
}

bool
ash_inode_is_exact(int fd)
{
	struct statfs info;

	if (fstatfs(fd, &info) < 0)
		return false;
	for (gsize i = 0; i < G_N_ELEMENTS(exact_types); i++)
		if ((long) info.f_type == exact_types[i])
			return true;
	return false;
}
