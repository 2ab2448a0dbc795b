/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/** What partitions of their own are to have of a tree: each is a tree meanwhile, and the directory where it will be mounted is empty. */
typedef struct AshFsBranches AshFsBranches;

/**
 * Takes what @tree has below each of @mount_points (absolute, in any order, one may be inside another; no "/") out of it. What @tree does not
 * have, or has as something else than a directory, is left alone. ASH_ERROR_CONFIG, with @tree as it was, if a file has names (hard links) on
 * both sides of such a border. Owned; borrows @tree.
 */
AshFsBranches *ash_fs_branches_take(AshFsTree *tree, const char *const *mount_points, GError **error);

/** Borrowed: what is to be in the partition that is mounted at @mount_point, its root with the attributes of the directory; NULL if nothing was there. */
AshFsTree *ash_fs_branches_find(const AshFsBranches *branches, const char *mount_point);

/** Puts everything back. */
void ash_fs_branches_free(AshFsBranches *branches);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshFsBranches, ash_fs_branches_free)
