/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

/**
 * Writes @tree into the empty directory @path, for programs that read nothing else: names, owners, modes, times in whole seconds, links,
 * fifos, and the attributes of every namespace but security.selinux (see ash_tree_dir_save_labels()). Contents are copies: no two files are one unless
 * @tree says so. For root of a user namespace (base/worker.h) with all the ids of @tree.
 *
 * ASH_ERROR_CONFIG naming the entry that such a root cannot make: a device, an id that the namespace has not, an attribute of "trusted".
 */
gboolean ash_tree_dir_write(AshContext *ctx, const AshFsTree *tree, const char *path, GError **error);

/**
 * Writes the SELinux labels of @tree as a file of contexts (selinux(8), file_contexts(5)), each path literally, into the new file @path.
 * *@ret_some is false, and there is no file, if nothing in @tree has a label.
 */
gboolean ash_tree_dir_save_labels(AshFsTree *tree, const char *path, bool *ret_some, GError **error);
