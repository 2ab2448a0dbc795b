/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/**
 * @tree (taken) as its programs see it where OSTree deploys it: of the root of a disk, the first deployment with its /var; of a commit, the tree with its
 * configuration in /etc. Other trees come back as they are. Owned.
 */
AshFsTree *ash_deployed_tree(AshFsTree *tree);
