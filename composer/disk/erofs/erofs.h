/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "disk/erofs/layout.h"
#include "disk/io/filecopy.h"
#include "model/fstree.h"
#include "model/imagetype.h"

/**
 * AshErofs: a writer of EROFS (kernel Documentation/filesystems/erofs.rst; mountable since Linux 5.4), 4096-byte blocks.
 *
 * The layout is made for block-wise updates. Superblock; metadata zone: inodes (with their extended attributes, link targets
 * and small directories), shared attributes, larger directories, and some room for more of them; then the files' data, each in
 * blocks of its own: no tails beside inodes, nothing shared between files. Files of equal mtime are neighbours: that is what
 * files of one package have, and what is new in every version is together at the end.
 *
 * With a previous layout everything that still fits stays where it was: inodes by their path (an inode's number is its place,
 * and directories hold numbers), data by its path, or its content if the file was renamed. What is new, or has grown, gets the
 * hole that fits best, or the end. Holes are zero. What lies behind too many holes is new, too.
 */
typedef struct AshErofs AshErofs;

typedef struct {
	AshUuid uuid;
	char label[16]; /* volume name, not terminated if 16 bytes long */
	guint64 epoch;  /* build time of the superblock, seconds */
	AshRootCompression compression;
	const AshErofsLayout *previous; /* NULL: pack anew; borrowed while ash_erofs_new() runs */
} AshErofsOptions;

/**
 * Compresses what is to be, and finds a place for everything in @tree, which is borrowed as long as the file system is, and whose nodes' "number" is used.
 * Fails with ASH_ERROR_CONFIG for what EROFS cannot hold: names over 255 bytes, unknown xattr namespaces. Owned.
 */
AshErofs *ash_erofs_new(AshContext *ctx, const AshFsTree *tree, const AshErofsOptions *options, GError **error);
void ash_erofs_free(AshErofs *erofs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshErofs, ash_erofs_free)

/** Bytes that it has, a multiple of 4096. */
guint64 ash_erofs_get_bytes(const AshErofs *erofs);

/** Where everything is; an option of the next version. Owned. */
AshErofsLayout *ash_erofs_dup_layout(const AshErofs *erofs);

/**
 * If @leave, ash_erofs_write() neither writes nor shows from now on what ash_erofs_list_files() lists: for a disk that is read
 * through disk/io/reread.h alone.
 */
void ash_erofs_leave_files(AshErofs *erofs, bool leave);

/**
 * Writes the file system at byte @offset of @fd, a multiple of 4096, where the file must be all zero (new): blocks of zeros
 * are left out. The file is made at least as long as the file system. @written (may be NULL) sees every block but those of
 * zeros, offsets from the start of the file system. Same tree and options, same bytes.
 */
gboolean ash_erofs_write(AshContext *ctx, AshErofs *erofs, int fd, guint64 offset, AshWrittenFunc written,
			 gpointer user_data, GError **error);

/** The files that lie as they are, not compressed, in a file system at byte @offset: AshFileCopy, by offset. Owned. */
GArray *ash_erofs_list_files(const AshErofs *erofs, guint64 offset);
