/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/** What tells one file of this machine from all others: the key of a hash table, or the first member of one. */
typedef struct {
	dev_t dev;
	ino_t ino;
} AshInode;

/** For g_hash_table_new(): of a key that is an AshInode, or begins with one. */
guint ash_inode_hash(gconstpointer key);
/** As ash_inode_hash(): whether two keys are the same file. */
gboolean ash_inode_equal(gconstpointer a, gconstpointer b);

/** True if the file system of @fd is known to have the numbers in its directories that stat(2) gives, as overlays of others may not. */
bool ash_inode_is_exact(int fd);
