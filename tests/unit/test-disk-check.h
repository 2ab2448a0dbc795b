/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether an image has what a tree has, asked entry by entry. */

#include "base/fd.h"
#include "disk/erofs/reader.h"
#include "model/fstree.h"

#include <string.h>
#include <sys/stat.h>

static inline void
check_xattrs(AshErofsReader *reader, const AshFsNode *node, const char *path)
{
	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		g_autoptr(GError) error = NULL;
		g_autoptr(GBytes) value = ash_erofs_get_xattr(reader, path, xattr->name, &error);
		gsize length = 0;

		g_assert_no_error(error);
		g_assert_nonnull(value);
		g_assert_cmpmem(g_bytes_get_data(value, &length), g_bytes_get_size(value), xattr->value, xattr->length);
	}
}

static inline void
check_content(AshErofsReader *reader, const AshFsTree *tree, const AshFsNode *node, const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) bytes = ash_erofs_load(reader, path, 10 << 20, &error);
	g_autofree guint8 *expected = g_malloc0(node->size + 1);
	ash_autofd int fd = -1;

	g_assert_no_error(error);
	if (node->size > 0) {
		fd = ash_fs_tree_open(tree, node, &error);
		g_assert_true(ash_fd_read_exact(fd, expected, node->size, 0, &error));
	}
	g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), expected, node->size);
}

static inline void
check_children(AshErofsReader *reader, const AshFsNode *node, const char *path)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) names = ash_erofs_list(reader, path, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(g_strv_length(names), ==, node->children->len);
	for (guint i = 0; i < node->children->len; i++)
		g_assert_cmpstr(names[i], ==, ((AshFsNode *) node->children->pdata[i])->name);
}

static inline void
check_node(AshErofsReader *reader, const AshFsTree *tree, const AshFsNode *node)
{
	const AshFsNode *first = node->hardlink != NULL ? node->hardlink : node;
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autoptr(GError) error = NULL;
	AshErofsStat st = { 0 };

	ash_erofs_stat(reader, path, false, &st, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(st.mode, ==, first->mode & 0xffff);
	g_assert_cmpuint(st.uid, ==, first->uid);
	g_assert_cmpuint(st.gid, ==, first->gid);
	g_assert_cmpuint(st.nlink, ==, first->nlink);
	g_assert_cmpint(st.mtime, ==, first->mtime);
	check_xattrs(reader, first, path);
	if (S_ISREG(node->mode))
		check_content(reader, tree, first, path);
	if (S_ISLNK(node->mode)) {
		g_autofree char *target = ash_erofs_read_link(reader, path, &error);
		g_assert_cmpstr(target, ==, node->target);
	}
	if (S_ISDIR(node->mode))
		check_children(reader, node, path);
	for (guint i = 0; node->children != NULL && i < node->children->len; i++)
		check_node(reader, tree, node->children->pdata[i]);
}
