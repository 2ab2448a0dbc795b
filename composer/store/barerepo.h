/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A repository of mode "bare" with one commit and a deployment of it, as nodes of a tree: for store/sysroot.c only. */

#include "model/fstree.h"
#include "store/internal.h"

/** A new child of the directory @parent: root's, with the mtime @epoch; sorted by ash_fs_tree_finish(). Borrowed from @parent. */
AshFsNode *ash_bare_add_directory(AshFsNode *parent, const char *name, guint32 permissions, guint64 epoch);
AshFsNode *ash_bare_add_text(AshFsNode *parent, const char *name, const char *text, guint64 epoch);
AshFsNode *ash_bare_add_link(AshFsNode *parent, const char *name, const char *target, guint64 epoch);

/** A copy of @source as a child of @parent, without its children and its other names; times of files are 0, as OSTree has them. */
AshFsNode *ash_bare_copy_node(AshFsNode *parent, const char *name, const AshFsNode *source);

/** The file object in the directory @repo; NULL if there is none. */
AshFsNode *ash_bare_find_object(const AshFsNode *repo, const char *checksum);

/**
 * Adds objects/ to the directory @repo of a tree, with the commit, and all its files and directories below @deployment, which gets the
 * root's owner, mode and attributes and, as libostree does it, is immutable. @tree is the commit's (ash_store_load_tree()).
 */
gboolean ash_bare_add_commit(AshStore *store, const char *checksum, const AshFsTree *tree, AshFsNode *repo, AshFsNode *deployment,
			     guint64 epoch, GError **error);
