/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "model/filesystem.h"
#include "model/fstree.h"

/** What a file system is told besides its content; all borrowed. */
typedef struct {
	AshUuid uuid;
	AshUuid hash_seed;       /* where directories are hashed */
	const char *label;       /* cut off where it is too long */
	guint64 epoch;           /* every time that is not a file's own, seconds */
	const char *scratch_dir; /* for what another program makes; must exist */
} AshFilesystemOptions;

/** Bytes that a file system with @tree (NULL: an empty one) needs at most; 0 for kinds that are made whole or hold nothing. */
guint64 ash_filesystem_estimate(AshFsKind kind, const AshFsTree *tree);

/** ASH_ERROR_CONFIG for what such a file system cannot hold of @tree (may be NULL), or for a program that is missing: before work starts. */
gboolean ash_filesystem_check(AshFsKind kind, const AshFsTree *tree, GError **error);

/**
 * Makes one of @bytes (whole MiB) with @tree (NULL: empty; nodes' "number" is used) at byte @offset (a multiple of 4096) of the plain file @fd,
 * where that must be all zero. Same arguments, same bytes. Nothing at all for "none". ASH_ERROR_CONFIG for what such a file system cannot
 * hold, if it does not fit, or if a program is missing; not for the kinds that are made whole (disk/erofs/erofs.h, disk/squashfs/squashfs.h).
 */
gboolean ash_filesystem_write(AshContext *ctx, AshFsKind kind, const AshFsTree *tree, const AshFilesystemOptions *options, int fd, guint64 offset,
			      guint64 bytes, GError **error);
