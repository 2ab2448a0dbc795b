/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/objectwriter.h"
#include "store/store.h"

/**
 * Makes everything in the scanned @tree an object of the store, and sets *@ret_tree and *@ret_meta, owned, to the checksums of the
 * root's dirtree and dirmeta; with writer->shared_only, what is shared, links, and the directories in which all else is: both are
 * NULL unless the root is one of them. Everything new has a temporary name, or is an inode without a name in the repository, until one
 * syncfs(2) has brought it to the disk. The names follow; whoever reads a ref from the disk finds them too, since writing
 * a ref syncs it, and journals keep the order of names.
 */
gboolean ash_contents_write(AshContext *ctx, AshStore *store, AshObjectWriter *writer, AshFsTree *tree, char **ret_tree,
			    char **ret_meta, GError **error);
