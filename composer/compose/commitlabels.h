/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"
#include "tree/labels.h"

/**
 * Labels by the policy that is in the tree of a commit for OSTree, whoever made it. *@ret_labels, owned, is NULL (no error) if it has none, or
 * SELINUX=disabled. Nothing of @tree is kept.
 */
gboolean ash_commit_labels_open(const AshFsTree *tree, AshLabels **ret_labels, GError **error);
