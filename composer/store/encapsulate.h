/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"
#include "store/store.h"

/** The layer of a node that is no directory; 0 is the first. */
typedef guint (*AshEncapsulateLayerFunc)(const AshFsNode *node, gpointer user_data);

/**
 * The commit with @checksum as layers of a container that ostree-ext (bootc, rpm-ostree) turns back into that commit: tar streams of format 1, "chunked".
 * Each layer has objects of a repository of mode "bare-split-xattrs" below /sysroot/ostree/repo, and the files themselves as links to them; the first one has the
 * commit, all its directories and what @layer_of puts there as well. A file object is in one layer, that of its first name.
 *
 * @tree is the commit's (ash_store_load_tree()) and must outlive the result: a vector of AshFsTree (NULL for a layer without files), owned. They are no
 * real trees but lists: the children of their roots are what is to be written, in that order, and have whole paths for names.
 * ash_fs_tree_finish() must not see them.
 */
GPtrArray *ash_store_encapsulate(AshStore *store, const char *checksum, AshFsTree *tree, guint n_layers, AshEncapsulateLayerFunc layer_of,
				 gpointer user_data, GError **error);
