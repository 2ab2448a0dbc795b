/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/**
 * What dracut(8) cannot see, so that it cannot matter: names directly in /etc, and programs in /usr/local, that no package has
 * brought (scripts of the kickstart and our own steps have), and that dracut has no reason to look for. It has one
 * for a name that is a word of its scripts, of its configuration or of its arguments, or matches a pattern of theirs below /etc;
 * and for a few that the programs which it runs read themselves.
 */

/** The names that are in those directories now: a set of paths. To be asked before the first step changes the tree. Owned. */
GHashTable *ash_dracut_list_installed(const AshTreeRoot *root);

/**
 * Paths from the root (of owned char *, sorted) of what is to be hidden from a dracut that is given @words; none if root->installed is NULL.
 * NULL if the scripts cannot be read.
 */
GPtrArray *ash_dracut_list_hidden(const AshTreeRoot *root, char **words, GError **error);

/** Moves all of @hidden below the directory @dir, which is made, and back; nobody else may look at the tree between. */
gboolean ash_dracut_hide(const AshTreeRoot *root, const GPtrArray *hidden, const char *dir, GError **error);
gboolean ash_dracut_unhide(const AshTreeRoot *root, const GPtrArray *hidden, const char *dir, GError **error);
