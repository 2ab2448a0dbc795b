/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/commitlabels.h"

#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>

#define SELINUX "usr/etc/selinux"

/* The file at @path of the tree, at the same place in the directory @dir. */
static gboolean
copy_file(const AshFsTree *tree, const char *path, const char *dir, GError **error)
{
	g_autoptr(GBytes) bytes = ash_fs_tree_load(tree, path, error);
	g_autofree char *copy = g_build_filename(dir, path, NULL), *parent = g_path_get_dirname(copy);
	gsize length;

	if (bytes == NULL || !ash_file_mkdirs(AT_FDCWD, parent, 0700, error))
		return FALSE;
	const char *data = g_bytes_get_data(bytes, &length);
	return ash_file_write(AT_FDCWD, copy, data, (gssize) length, 0600, error);
}

/* The text of one policy's contexts: what was compiled of it is for the same version of libselinux and its regular expressions. */
static gboolean
copy_contexts(const AshFsTree *tree, const char *policy, const char *dir, GError **error)
{
	g_autofree char *files = g_build_filename(SELINUX, policy, "contexts/files", NULL);
	const AshFsNode *node = ash_fs_tree_lookup(tree, files);

	for (guint i = 0; node != NULL && S_ISDIR(node->mode) && i < node->children->len; i++) {
		const AshFsNode *file = g_ptr_array_index(node->children, i);
		g_autofree char *path = g_build_filename(files, file->name, NULL);
		if (S_ISREG(file->mode) && !g_str_has_suffix(file->name, ".bin") && !copy_file(tree, path, dir, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
copy_policies(const AshFsTree *tree, const AshFsNode *selinux, const char *dir, GError **error)
{
	for (guint i = 0; i < selinux->children->len; i++) {
		const AshFsNode *policy = g_ptr_array_index(selinux->children, i);
		if (S_ISDIR(policy->mode) && !copy_contexts(tree, policy->name, dir, error))
			return FALSE;
	}
	return copy_file(tree, SELINUX "/config", dir, error);
}

gboolean
ash_commit_labels_open(const AshFsTree *tree, AshLabels **ret_labels, GError **error)
{
	const AshFsNode *selinux = ash_fs_tree_lookup(tree, SELINUX);
	const AshFsNode *config = ash_fs_tree_lookup(tree, SELINUX "/config");

	*ret_labels = NULL;
	if (selinux == NULL || !S_ISDIR(selinux->mode) || config == NULL)
		return TRUE;
	/* libselinux reads files by name, and keeps none of them open. */
	g_autofree char *dir = g_dir_make_tmp("ashlar-labels-XXXXXX", error);
	if (dir == NULL)
		return FALSE;
	gboolean done = copy_policies(tree, selinux, dir, error) && ash_labels_open(dir, ret_labels, error);
	ash_file_remove_tree(AT_FDCWD, dir, NULL);
	return done;
}
