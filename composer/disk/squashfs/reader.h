/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/** AshSquashfsReader: a squashfs 4.0 inside a file, read by libsquashfs; from any thread, one call at a time. */
typedef struct AshSquashfsReader AshSquashfsReader;

/**
 * Opens the file system in the @length bytes at @offset of @fd (borrowed, must stay open). Owned; ASH_ERROR_CONFIG if it is damaged, or compressed
 * by what the library was built without.
 */
AshSquashfsReader *ash_squashfs_reader_open(int fd, guint64 offset, guint64 length, GError **error);
void ash_squashfs_reader_free(AshSquashfsReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSquashfsReader, ash_squashfs_reader_free)

/** As ash_erofs_tree_fill(), once only; contents are numbers for ash_squashfs_reader_copy(). */
gboolean ash_squashfs_reader_fill(AshSquashfsReader *reader, AshFsNode *root, guint32 source, GError **error);
/** Writes the content of file @number to the begin of @to_fd. */
gboolean ash_squashfs_reader_copy(AshSquashfsReader *reader, guint64 number, int to_fd, GError **error);
