/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/**
 * AshXfsReader: an XFS of version 5 inside a file, as mkfs.xfs(8) makes one since 2015; the journal is not replayed. Every number read is
 * checked before it is used; damaged or hostile input is ASH_ERROR_CONFIG. From any thread.
 */
typedef struct AshXfsReader AshXfsReader;

/**
 * Opens the file system in the @length bytes at @offset of @fd (borrowed, must stay open). Owned; ASH_ERROR_CONFIG if it is damaged, or has features
 * that are not read here (more than 2^32 extents of a file).
 */
AshXfsReader *ash_xfs_reader_open(int fd, guint64 offset, guint64 length, GError **error);
void ash_xfs_reader_free(AshXfsReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshXfsReader, ash_xfs_reader_free)

/** As ash_erofs_tree_fill(); contents are inode numbers for ash_xfs_reader_copy(). ASH_ERROR_CONFIG also for attributes that lie outside of their inode. */
gboolean ash_xfs_reader_fill(AshXfsReader *reader, AshFsNode *root, guint32 source, GError **error);
/** Writes the content of the file with inode @number to the begin of @to_fd, an empty file. */
gboolean ash_xfs_reader_copy(AshXfsReader *reader, guint64 number, int to_fd, GError **error);
