/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/** AshExt4Reader: an ext2, ext3 or ext4 file system inside a file, read by libext2fs; from any thread, one call at a time. */
typedef struct AshExt4Reader AshExt4Reader;

/** Opens the file system at byte @offset of @fd (borrowed, must stay open). The journal is not replayed. Owned; ASH_ERROR_CONFIG if it cannot be read. */
AshExt4Reader *ash_ext4_reader_open(int fd, guint64 offset, GError **error);
void ash_ext4_reader_free(AshExt4Reader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshExt4Reader, ash_ext4_reader_free)

/** As ash_erofs_tree_fill(); contents are inode numbers for ash_ext4_reader_copy(). */
gboolean ash_ext4_reader_fill(AshExt4Reader *reader, AshFsNode *root, guint32 source, GError **error);
/** Writes the content of inode @number to the begin of @to_fd. */
gboolean ash_ext4_reader_copy(AshExt4Reader *reader, guint32 number, int to_fd, GError **error);
