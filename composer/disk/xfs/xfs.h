/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/filesystem/filesystem.h"

/** An upper bound of the bytes that @tree (may be NULL) needs as XFS, journal included. */
guint64 ash_xfs_estimate(const AshFsTree *tree);

/**
 * Whether mkfs.xfs(8) is there, and can be told of all that is in @tree (may be NULL). ASH_ERROR_CONFIG naming the package, or the entry: a hard
 * link, a socket, a name or target with white space, an access control list.
 */
gboolean ash_xfs_check(const AshFsTree *tree, GError **error);

/**
 * Makes an XFS of @bytes (version 5, as Linux 5.15 reads it: no other features than those of xfsprogs 6.1) at byte @offset of @fd, where that must be all zero: by mkfs.xfs(8) of a prototype,
 * in a file of options->scratch_dir. A prototype has neither times nor attributes: they are put into the inodes afterwards (disk/xfs/inodes.h).
 * Same arguments and program, same bytes. Errors as ash_filesystem_write().
 */
gboolean ash_xfs_write(AshContext *ctx, const AshFsTree *tree, const AshFilesystemOptions *options, int fd, guint64 offset, guint64 bytes,
		       GError **error);
