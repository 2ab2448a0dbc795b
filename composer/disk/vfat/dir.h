/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to disk/vfat/: the directories of a FAT file system that is to be written. */

#include "disk/io/content.h"
#include "disk/vfat/format.h"

/** A file or directory. */
typedef struct AshVfatNode {
	char *name;                     /* NULL: the root */
	AshContent *content;            /* NULL: a directory, or an empty file */
	GPtrArray *children;            /* of AshVfatNode, in the order they are listed; NULL: a file */
	const struct AshVfatNode *parent; /* NULL: the root */
	guint8 short_name[ASH_VFAT_NAME_BYTES];
	guint32 cluster; /* its first; 0 if it has none. Set by whoever places it. */
} AshVfatNode;

/** The root of a tree with @files (of AshVfatFile). Owned; NULL and ASH_ERROR_CONFIG for a name that FAT cannot have, or twice. */
AshVfatNode *ash_vfat_tree_new(GPtrArray *files, GError **error);
void ash_vfat_node_free(AshVfatNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshVfatNode, ash_vfat_node_free)

/** Bytes of @node: of a directory's entries, or of a file's content. */
guint64 ash_vfat_node_get_bytes(const AshVfatNode *node, const char *label);

/**
 * The entries of the directory @node, all of whose clusters are known, every time @epoch. The root has the volume's @label, the others
 * "." and "..". Owned.
 */
GByteArray *ash_vfat_node_list(const AshVfatNode *node, const char *label, guint64 epoch);
