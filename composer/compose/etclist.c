/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/etclist.h"

#include "base/digest.h"
#include "base/fd.h"

#include <string.h>

typedef struct {
	const AshFsTree *tree;
	const AshFsNode *etc;
	GPtrArray *lines; /* of Line */
} Listing;

/** One line, until it is sorted. */
typedef struct {
	char *path;
	char *digest; /* NULL: a directory */
	guint32 mode;
} Line;

static void
line_free(gpointer data)
{
	Line *line = data;

	g_free(line->path);
	g_free(line->digest);
	g_free(line);
}

static int
compare_lines(gconstpointer a, gconstpointer b)
{
	return strcmp((*(const Line *const *) a)->path, (*(const Line *const *) b)->path);
}

/* *@ret is NULL for a directory. */
static gboolean
hash_node(const AshFsTree *tree, const AshFsNode *node, char **ret, GError **error)
{
	*ret = NULL;
	if (S_ISDIR(node->mode))
		return TRUE;
	if (S_ISLNK(node->mode)) {
		*ret = ash_sha256_hex(node->target, -1);
		return TRUE;
	}
	ash_autofd int fd = ash_fs_tree_open(tree, node, error);
	if (fd >= 0)
		*ret = ash_sha256_fd_hex(fd, error);
	return *ret != NULL;
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if (g_ascii_iscntrl(*text))
			return true;
	return false;
}

static gboolean
list_node(AshFsNode *node, gpointer user_data, GError **error)
{
	Listing *listing = user_data;
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autofree char *digest = NULL;

	if (node == listing->etc || has_control(path))
		return TRUE;
	if (!hash_node(listing->tree, node, &digest, error))
		return FALSE;
	Line *line = g_new0(Line, 1);
	line->path = g_strdup(path + strlen("etc/"));
	line->digest = g_steal_pointer(&digest);
	line->mode = node->mode;
	g_ptr_array_add(listing->lines, line);
	return TRUE;
}

GBytes *
ash_etc_list_make(const AshFsTree *tree, GError **error)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(line_free);
	g_autoptr(GString) text = g_string_new(NULL);
	AshFsNode *etc = ash_fs_tree_lookup(tree, "etc");
	Listing listing = { .tree = tree, .etc = etc, .lines = lines };
	AshFsTree below = { .root = etc };

	if (etc != NULL && S_ISDIR(etc->mode) && !ash_fs_tree_walk(&below, list_node, &listing, error))
		return NULL;
	g_ptr_array_sort(lines, compare_lines);
	for (guint i = 0; i < lines->len; i++) {
		const Line *line = g_ptr_array_index(lines, i);
		g_string_append_printf(text, "%s  %06o  %s\n", line->digest != NULL ? line->digest : "-", line->mode, line->path);
	}
	return g_string_free_to_bytes(g_steal_pointer(&text));
}
