/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/**
 * What a new /var (below it, "var") and the changes to a new /etc ("etc") begin with, from the root: directories with their labels.
 * Only in trees with a policy.
 */
#define ASH_SELINUX_SKELETON "usr/lib/ashlar/skeleton"

/**
 * Where the file contexts of the tree's policy are, from the root; owned, in *@ret_path. NULL (no error) if the tree has no policy, or
 * SELINUX=disabled in /etc/selinux/config (selinux_config(5)).
 */
gboolean ash_selinux_find_contexts(const AshTreeRoot *root, char **ret_path, GError **error);
