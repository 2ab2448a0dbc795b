/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"

/** A directory's content (erofs.rst, "Directories"): bytes as on disk. All blocks but the last are full ones. */
guint64 ash_erofs_dir_measure(const AshFsNode *directory);

/** The number of a node's inode. */
typedef guint64 (*AshErofsNumberFunc)(const AshFsNode *node, gpointer user_data);

/** The content, in whole blocks of 4096 bytes, the rest zero. Owned. */
guint8 *ash_erofs_dir_pack(const AshFsNode *directory, AshErofsNumberFunc number, gpointer user_data);
