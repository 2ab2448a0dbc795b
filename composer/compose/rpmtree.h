/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/rpmowners.h"
#include "model/fstree.h"

#include <stdbool.h>

/** True if @tree has a package database that can be copied. */
bool ash_rpmtree_has_database(const AshFsTree *tree);

/**
 * Copies the package database of @tree into a new directory, where librpm finds it as in a root; the caller removes it with ash_rpmtree_remove().
 * Owned; NULL on failure.
 */
char *ash_rpmtree_extract(const AshFsTree *tree, GError **error);
/** Removes the directory and frees its name; NULL is fine. */
void ash_rpmtree_remove(char *dir);

/** As ash_rpmtree_load_owners(), of the root that @root_fd is open on. */
AshRpmOwners *ash_rpmtree_load_owners_of_root(int root_fd, GError **error);
/** Who owns the files of @tree; owned, NULL on failure. */
AshRpmOwners *ash_rpmtree_load_owners(const AshFsTree *tree, GError **error);
