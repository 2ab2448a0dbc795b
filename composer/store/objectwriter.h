/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"
#include "store/objectmap.h"

#include <stdbool.h>

/** How the regular files of a tree, each inode once, came to their objects. */
typedef struct {
	guint known;        /* are an object, or were found to equal one before: not read */
	guint hashed;       /* were read to know their checksum */
	guint64 hashed_bytes;
	guint linked;       /* of those: became a new object by a link to themselves */
	guint copied;       /* of those: were copied to become a new object */
} AshObjectCounts;

/**
 * Makes the regular files of a scanned tree objects of a bare-user repository, on several threads. A shared file (base/shared.h)
 * becomes its object by a link and an extended attribute, unless it is the object of other metadata; it stays as it
 * is otherwise. Zero-initialise.
 */
typedef struct {
	int root_fd;          /* where the tree was scanned; borrowed */
	int objects_fd;       /* REPO/objects; borrowed */
	int stage_fd;         /* an empty directory on the repository's file system, for copies; borrowed; -1 with shared_only */
	bool adopt;           /* take files that are not shared too, by a link, instead of copying them */
	bool shared_only;     /* leave out all files that are not shared, or would have to be copied */
	const GArray *inodes; /* of AshScanInode, from ash_scan_directory(); borrowed */
	AshObjectMap *map;    /* what is known of the repository's objects, and learnt here; borrowed */
	GPtrArray *links;     /* filled: files of the tree that are to be linked; owned, of borrowed AshFsNode */
	AshObjectCounts counts;
} AshObjectWriter;

void ash_object_writer_clear(AshObjectWriter *writer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshObjectWriter, ash_object_writer_clear)

/** How many bytes of the files that ash_object_write_files() would look at are no object yet, as it seems from their inodes. */
gboolean ash_object_count_new(AshContext *ctx, AshObjectWriter *writer, AshFsTree *tree, guint64 *ret_bytes, GError **error);

/**
 * Sets content of each regular file's first node in @tree to its object's checksum, its xattrs too, and gets ready what the
 * repository lacks. With adopt, files that are not shared and have no name outside the tree lose owner, mode,
 * xattrs and mtime to the object that they become: the tree is used up, and whoever owns it must remove
 * it, not write to it. Nothing is synced, and nothing is in the repository yet.
 */
gboolean ash_object_write_files(AshContext *ctx, AshObjectWriter *writer, AshFsTree *tree, GError **error);

/** Gives what ash_object_write_files() got ready its names in REPO/objects. Sync the file system before. */
gboolean ash_object_publish(AshContext *ctx, const AshObjectWriter *writer, GError **error);
