/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/vfat/vfat.h"
#include "model/fstree.h"

/**
 * The files of @tree (NULL: none) for ash_vfat_write(): owners, permissions and attributes are lost, as such a file system has none. All files
 * are open as long as it lives. Owned; NULL and ASH_ERROR_CONFIG for links and devices.
 */
GPtrArray *ash_vfat_tree_list(const AshFsTree *tree, GError **error);

/** Bytes that a file system with @tree (may be NULL) needs at most. */
guint64 ash_vfat_tree_estimate(const AshFsTree *tree);
