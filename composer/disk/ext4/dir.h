/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <ext2fs/ext2fs.h>
#include <glib.h>

/** One name of a directory; @name is borrowed. */
typedef struct {
	const char *name;
	ext2_ino_t ino;
	guint32 mode; /* of the inode: its type */
} AshExt4Entry;

/**
 * Gives the directory @ino, new and empty, all its names at once: in one block in the order of @entries (of AshExt4Entry), or, where that is
 * not enough, with an index by hash (Linux, Documentation/filesystems/ext4, "Hash Tree Directories"; half MD4, as the superblock has it), so that
 * looking up a name reads three blocks at most. EXT2_ET_DIR_NO_SPACE for more than an index of two levels holds: some twenty million names.
 */
errcode_t ash_ext4_dir_write(ext2_filsys fs, ext2_ino_t ino, ext2_ino_t parent, const GArray *entries);
