/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/inode.h"

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
