/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/erofs/reader.h"
#include "model/fstree.h"

/**
 * Puts the whole file system below @root, which gets the root's own owner and mode. Files' contents are the number of their inode in
 * decimal (for ash_erofs_read_nid()), and their number is @source. Of extended attributes security.capability only.
 */
gboolean ash_erofs_tree_fill(AshErofsReader *reader, AshFsNode *root, guint32 source, GError **error);
