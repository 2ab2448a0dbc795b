/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "disk/filecopy.h"
#include "model/fstree.h"

/**
 * A writer of EROFS (kernel Documentation/filesystems/erofs.rst; mountable since Linux 5.4),
 * uncompressed, 4096-byte blocks.
 *
 * The layout is made for block-wise updates: superblock; all inodes (extended, with their extended
 * attributes, link targets and ends of directories); the rest of the directories; then the files'
 * data, each file from a block of its own, in walk order. A file that grows moves what follows it,
 * but never mixes with it.
 */
typedef struct {
	AshUuid uuid;
	char label[16]; /* volume name, not terminated if 16 bytes long */
	guint64 epoch;  /* build time of the superblock, seconds */
	AshWrittenFunc written; /* sees every block but those of zeros, offsets from the file system's start; or NULL */
	gpointer user_data;     /* for it */
} AshErofsOptions;

/**
 * Writes @tree (uses its nodes' "number") at byte @offset of @fd, a multiple of 4096, where the
 * file must be all zero (new): blocks of zeros are left out. The file is made at least as long as
 * the file system. *@ret_bytes is its length, the same that ash_erofs_estimate() says. Same tree
 * and options, same bytes. Fails with ASH_ERROR_CONFIG for what EROFS cannot hold: names over 255
 * bytes, unknown xattr namespaces, other file types.
 */
gboolean ash_erofs_write(AshContext *ctx, const AshFsTree *tree, const AshErofsOptions *options,
			 int fd, guint64 offset, guint64 *ret_bytes, GError **error);

/** Bytes that the file system of @tree will have, exactly; 0 and @error if it cannot be written. */
guint64 ash_erofs_estimate(const AshFsTree *tree, GError **error);
