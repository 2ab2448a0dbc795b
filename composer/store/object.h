/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

#include <stdbool.h>

/** Writes the regular files of a scanned tree as objects of a bare-user repository, on several threads. */
typedef struct {
	int root_fd;    /* where the tree was scanned; borrowed */
	int objects_fd; /* REPO/objects, to see what is there already; borrowed */
	int stage_fd;   /* an empty directory on the repository's file system; borrowed */
	bool adopt;     /* take the files themselves, by hard link, instead of copying them */
} AshObjectWriter;

/**
 * Writes every file of @tree that the repository lacks to "CHECKSUM.file" in the staging directory, and sets
 * content of each regular file's first node to its object checksum, its xattrs too. With adopt, files that have no
 * name outside the tree lose owner, mode, xattrs and mtime to the object that they become: the tree is used up, and
 * whoever owns it must remove it, not write to it. Nothing is synced.
 */
gboolean ash_object_write_files(AshContext *ctx, const AshObjectWriter *writer, AshFsTree *tree, GError **error);

/** Moves everything from the staging directory into REPO/objects. The staging directory must have been synced. */
gboolean ash_object_publish(const AshObjectWriter *writer, GError **error);

/** The extended attributes of @node in OSTree's form a(ayay), sorted; floating. */
GVariant *ash_object_new_xattrs(const AshFsNode *node);
