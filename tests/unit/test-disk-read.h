/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Readers of file systems, against the trees that were written, and against damage. */

#include "disk/inspect/imagetree.h"
#include "test-disk-common.h"

/* The tree that was written, and the one that the reader made of it. */
typedef struct {
	const AshFsTree *written, *found;
} Pair;

static inline GBytes *
read_content(const AshFsTree *tree, const AshFsNode *node)
{
	guint8 *content = g_malloc0(node->size + 1);
	ash_autofd int fd = ash_fs_tree_open(tree, node, NULL);

	g_assert_cmpint(fd, >=, 0);
	g_assert_true(ash_fd_read_exact(fd, content, node->size, 0, NULL));
	return g_bytes_new_take(content, node->size);
}

static inline gboolean
check_read(AshFsNode *node, gpointer user_data, GError **error)
{
	const Pair *pair = user_data;
	g_autofree char *path = ash_fs_node_dup_path(node);
	const AshFsNode *found = ash_fs_tree_lookup(pair->found, path), *inode = node->hardlink != NULL ? node->hardlink : node;

	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode)) {
		g_assert_null(found);
		return TRUE;
	}
	g_assert_nonnull(found);
	g_assert_cmpuint(found->mode, ==, inode->mode);
	g_assert_cmpuint(found->uid, ==, inode->uid);
	g_assert_cmpuint(found->gid, ==, inode->gid);
	g_assert_cmpstr(found->target, ==, inode->target);
	g_assert_true((found->hardlink != NULL) == (node->hardlink != NULL));
	if (node->parent != NULL)
		g_assert_cmpint(found->mtime, ==, CLAMP(inode->mtime, 0, (gint64) G_MAXUINT32));
	if (S_ISREG(inode->mode)) {
		g_autoptr(GBytes) expected = read_content(pair->written, inode), content = read_content(pair->found, found);

		g_assert_true(g_bytes_equal(expected, content));
	}
	return TRUE;
}

/** Each entry of @written that a reader has a node for is in @found, as it is. */
static inline void
compare_trees(AshFsTree *written, const AshFsTree *found)
{
	Pair pair = { written, found };

	ash_fs_tree_walk(written, check_read, &pair, NULL);
}

static inline gboolean
open_file(AshFsNode *node, gpointer tree, GError **error)
{
	ash_autofd int fd = S_ISREG(node->mode) ? ash_fs_tree_open(tree, node, NULL) : -1;

	return TRUE;
}

/* Those among the first bytes of a file system that say something. */
static inline GArray *
find_places(int fd, guint64 offset, guint64 bytes)
{
	gsize length = (gsize) MIN(bytes, 2 * 1024 * 1024);
	g_autofree guint8 *head = g_malloc(length);
	GArray *places = g_array_new(FALSE, FALSE, sizeof(guint32));

	g_assert_true(ash_fd_read_exact(fd, head, length, offset, NULL));
	for (guint32 i = 0; i < length; i++)
		if (head[i] != 0)
			g_array_append_val(places, i);
	return places;
}

/**
 * Wherever a byte of the file system in the @bytes at @offset is another, or the end is missing, there is a tree or a clear error, and so
 * it is with each of its files.
 */
static inline void
damage_and_read(int fd, guint64 offset, guint64 bytes)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(9);
	g_autoptr(GArray) places = find_places(fd, offset, bytes);
	guint refused = 0;

	for (guint i = 0; i < 600; i++) {
		guint32 place = g_array_index(places, guint32, i < 60 ? i : (guint) g_rand_int_range(rand, 0, (gint32) places->len));
		guint64 at = offset + place, length = i % 10 == 9 ? place : bytes;
		guint8 was = 0, is = (guint8) g_rand_int(rand);
		g_autoptr(GError) error = NULL;
		g_autoptr(AshFsTree) found = NULL;

		g_assert_true(ash_fd_read_exact(fd, &was, 1, at, NULL) && ash_fd_write_all(fd, &is, 1, at, NULL));
		found = ash_image_load_filesystem(fd, offset, length, &error);
		if (found != NULL)
			ash_fs_tree_walk(found, open_file, found, NULL);
		else if (error != NULL)
			g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		refused += error != NULL;
		g_assert_true(ash_fd_write_all(fd, &was, 1, at, NULL));
	}
	g_assert_cmpuint(refused, >, 50);
}
