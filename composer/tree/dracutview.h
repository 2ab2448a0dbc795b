/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/treeroot.h"

/**
 * What dracut(8) is shown instead of some files of the tree, so that nothing of what is left out can get into an
 * initramfs: accounts of people (ids from 1000) and all passwords, and the version of the image, which is new with every build.
 * System accounts and their groups are all there, because udev rules and systemd name them.
 *
 * A table of path (from the root) to text; only files that the tree has. Owned; NULL on failure.
 */
GHashTable *ash_dracut_views(const AshTreeRoot *root, GError **error);
