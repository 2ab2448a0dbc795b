/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/input.h"
#include "tree/treeroot.h"

/**
 * What a run of dracut(8) depended on, made of what it opened (base/openlog.h): every file that it opened, every view (tree/dracutview.h),
 * and the names in every directory of the tree, because what it only asks for ("is there a program of this name?") is not
 * in the log. Names do not count in directories that a build of an initramfs does not look into (documentation,
 * locales, home directories and so on): those in a table, unless something in them was opened, or one of dracut's own
 * scripts that took part in this run mentions them.
 *
 * @own (NULL-terminated) are paths of the caller and dracut, which are no input; @views as in ash_dracut_views(). Returns AshInput (owned, names before files), or NULL and an error if the
 * dependencies cannot be told.
 */
GPtrArray *ash_dracut_inputs(const AshTreeRoot *root, AshInputReader *reader, char **opened,
			     const char *const *own, GHashTable *views, GError **error);
