/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"
#include "store/store.h"

/**
 * DIR/trees/ROOT: what the thousands of objects of a tree say, in one file, so that a tree is loaded without opening them. ROOT
 * names the tree: the checksums of its root's dirtree and dirmeta, with a dot between. It is a cache: a damaged one counts as
 * absent, all of DIR/trees may be removed at any time, and what is missing is made from the objects. Indexes of trees
 * that were pruned go when the store is opened.
 *
 * Format: "ASHTREE1", count of entries (32 bits), entries in walk order, SHA-256 of all before. Entry: depth (16 bits, 0 for the
 * root), mode, owner, group (32 bits each), name, and NUL; number of extended attributes (16 bits), of each its
 * name, NUL, length (32 bits), value; of a link its target and NUL; of a regular file its size (64 bits) and, unless that is 0,
 * the checksum of its object (32 bytes). Little-endian.
 */

/** The name of the tree whose root has these checksums. Owned. */
char *ash_tree_index_name(const char *dirtree_checksum, const char *dirmeta_checksum);

/** True if there is a file of this name, good or not. */
bool ash_tree_index_exists(AshStore *store, const char *name);

/** Writes the index of @tree, in which content is set. Not synced; best effort: nothing is said if it cannot be. */
void ash_tree_index_save(AshStore *store, const char *name, const AshFsTree *tree);

/** Adds what index @name says below the root of the new @tree; mtimes and hard links are not in it. False if there is no good one. */
bool ash_tree_index_load(AshStore *store, const char *name, AshFsTree *tree);

/** Removes the indexes of trees that the repository does not have, and what was never finished. */
void ash_tree_index_clean(AshStore *store);
