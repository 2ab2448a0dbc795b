/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/vfat/tree.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"

#include <sys/stat.h>

/* The largest cluster that FAT32 has, and a name. */
#define BYTES_PER_ENTRY ((guint64) 33 * 1024)

typedef struct {
	const AshFsTree *tree;
	GPtrArray *files;
} List;

static gboolean
add_file(List *list, const AshFsNode *node, const char *path, GError **error)
{
	g_autoptr(AshContent) content = ash_content_new();
	int fd = ash_fs_tree_open(list->tree, node, error);

	if (fd < 0)
		return FALSE;
	ash_content_add_fd(content, fd, node->size);
	g_ptr_array_add(list->files, ash_vfat_file_new(path, content));
	return TRUE;
}

static gboolean
add_node(AshFsNode *node, gpointer user_data, GError **error)
{
	g_autofree char *path = ash_fs_node_dup_path(node);

	List *list = user_data;

	if (S_ISDIR(node->mode)) {
		if (node->parent != NULL)
			g_ptr_array_add(list->files, ash_vfat_file_new(path, NULL));
		return TRUE;
	}
	if (!S_ISREG(node->mode) || node->hardlink != NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"/%s\" is a link or a device, which FAT does not have: take \"ext4\"", path);
	return add_file(list, node, path, error);
}

GPtrArray *
ash_vfat_tree_list(const AshFsTree *tree, GError **error)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify) ash_vfat_file_free);
	List list = { tree, files };

	ash_fd_raise_limit();

	if (tree != NULL && !ash_fs_tree_walk((AshFsTree *) tree, add_node, &list, error))
		return NULL;
	return g_steal_pointer(&files);
}

static gboolean
add_size(AshFsNode *node, gpointer bytes, GError **error)
{
	*(guint64 *) bytes += BYTES_PER_ENTRY + (S_ISREG(node->mode) ? node->size : 0);
	return TRUE;
}

guint64
ash_vfat_tree_estimate(const AshFsTree *tree)
{
	guint64 bytes = ASH_VFAT_MIN_BYTES;

	if (tree != NULL)
		ash_fs_tree_walk((AshFsTree *) tree, add_size, &bytes, NULL);
	return bytes;
}
