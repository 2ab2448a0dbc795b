/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

#include <ostree.h>

/**
 * The directories of a tree as OSTree's objects, dirtree (a(say)a(sayay)) and dirmeta (uuua(ayay)): made here, because most of them
 * are in the repository already, and libostree would make each one twice before it sees that.
 */

/**
 * Writes those of @tree, and its symbolic links, that the repository @repo (in a transaction) lacks; regular files have their
 * content set. With @partial some have not, and the directories above them are left out. *@ret_tree and *@ret_meta, owned, are
 * the checksums of the root's two objects; NULL if it was left out.
 */
gboolean ash_dirtree_write(AshContext *ctx, OstreeRepo *repo, int objects_fd, const AshFsTree *tree, bool partial,
			   char **ret_tree, char **ret_meta, GError **error);
