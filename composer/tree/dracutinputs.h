/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/input.h"
#include "tree/treeroot.h"

/** What is known of a run of dracut(8) beside what it opened; everything is borrowed. */
typedef struct {
	AshInputReader *reader;      /* what it ignores is no input; it has the views */
	GHashTable *views;           /* as in ash_dracut_views() */
	const char *const *own;      /* paths of the caller and dracut, with all below them: no input; NULL-terminated */
	const char *const *covered;  /* directories whose content it was not shown: nothing below them is an input; NULL-terminated */
} AshDracutLook;

/**
 * What a run of dracut(8) depended on, made of what it opened (base/openlog.h; others may have opened more): every file that it opened,
 * every view (tree/dracutview.h),
 * and the names in every directory of the tree, because what it only asks for ("is there a program of this name?") is not
 * in the log. Names do not count in directories that a build of an initramfs does not look into (documentation,
 * locales, home directories and so on): those in a table, unless something in them was opened, or one of dracut's own
 * scripts that took part in this run mentions them.
 *
 * Returns AshInput (owned, names before files), or NULL and an error if the dependencies cannot be told.
 */
GPtrArray *ash_dracut_inputs(const AshTreeRoot *root, const AshDracutLook *look, char **opened, GError **error);
