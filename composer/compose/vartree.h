/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/**
 * What /var of a new machine begins with, by the tree of its system: directories with their labels (tree/selinux.h). NULL if the tree
 * says nothing of it: then /var is empty. Owned; keeps nothing of @tree.
 */
AshFsTree *ash_var_tree_new(const AshFsTree *tree);
