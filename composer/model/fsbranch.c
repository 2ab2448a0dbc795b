/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/fsbranch.h"

#include "base/error.h"

#include <string.h>
#include <sys/stat.h>

typedef struct {
	char *mount_point;
	AshFsNode *place; /* where it was, in another tree */
	AshFsTree *tree;
} Branch;

struct AshFsBranches {
	AshFsTree *tree;     /* of which they are */
	GPtrArray *branches; /* of Branch, inner ones first */
};

/* Children and their number change places. */
static void
move_children(AshFsNode *from, AshFsNode *to)
{
	GPtrArray *none = to->children;
	guint32 nlink = to->nlink;

	to->children = from->children;
	to->nlink = from->nlink;
	from->children = none;
	from->nlink = nlink;
	for (guint i = 0; i < to->children->len; i++)
		((AshFsNode *) g_ptr_array_index(to->children, i))->parent = to;
}

/* Puts it back. */
static void
branch_free(Branch *branch)
{
	move_children(branch->tree->root, branch->place);
	ash_fs_tree_free(branch->tree);
	g_free(branch->mount_point);
	g_free(branch);
}

static Branch *
branch_new(const AshFsTree *tree, AshFsNode *place, const char *mount_point)
{
	Branch *branch = g_new0(Branch, 1);
	AshFsNode *root;

	branch->mount_point = g_strdup(mount_point);
	branch->place = place;
	branch->tree = ash_fs_tree_new();
	/* Contents are where they were. */
	branch->tree->open = tree->open;
	branch->tree->user_data = tree->user_data;
	root = branch->tree->root;
	root->mode = place->mode;
	root->uid = place->uid;
	root->gid = place->gid;
	root->mtime = place->mtime;
	root->nlink = 2;
	for (guint i = 0; place->xattrs != NULL && i < place->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(place->xattrs, AshFsXattr, i);

		ash_fs_node_add_xattr(root, xattr->name, xattr->value, xattr->length);
	}
	move_children(place, root);
	return branch;
}

static gboolean
set_number(AshFsNode *node, gpointer number, GError **error)
{
	node->number = GPOINTER_TO_UINT(number);
	return TRUE;
}

static gboolean
check_link(AshFsNode *node, gpointer user_data, GError **error)
{
	if (node->hardlink == NULL || node->hardlink->number == node->number)
		return TRUE;
	g_autofree char *path = ash_fs_node_dup_path(node), *other = ash_fs_node_dup_path(node->hardlink);
	return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" and \"%s\" are one file (hard links), but would be on two partitions", other, path);
}

/* A node's number is that of the tree that it is in now. */
static gboolean
check_links(AshFsBranches *branches, GError **error)
{
	ash_fs_tree_walk(branches->tree, set_number, GUINT_TO_POINTER(0), NULL);
	for (guint i = 0; i < branches->branches->len; i++) {
		const Branch *branch = g_ptr_array_index(branches->branches, i);

		ash_fs_tree_walk(branch->tree, set_number, GUINT_TO_POINTER(i + 1), NULL);
	}
	for (guint i = 0; i < branches->branches->len; i++) {
		const Branch *branch = g_ptr_array_index(branches->branches, i);

		if (!ash_fs_tree_walk(branch->tree, check_link, NULL, error))
			return ash_prefix(error, "partition of \"%s\"", branch->mount_point);
	}
	return branches->branches->len == 0 || ash_fs_tree_walk(branches->tree, check_link, NULL, error);
}

/* What is inside another comes before it. */
static int
compare_backwards(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *) b, *(char *const *) a);
}

AshFsBranches *
ash_fs_branches_take(AshFsTree *tree, const char *const *mount_points, GError **error)
{
	g_autoptr(AshFsBranches) branches = g_new0(AshFsBranches, 1);
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();

	branches->tree = tree;
	branches->branches = g_ptr_array_new_with_free_func((GDestroyNotify) branch_free);
	for (guint i = 0; mount_points[i] != NULL; i++)
		g_ptr_array_add(sorted, (gpointer) mount_points[i]);
	g_ptr_array_sort(sorted, compare_backwards);
	for (guint i = 0; i < sorted->len; i++) {
		AshFsNode *place = ash_fs_tree_lookup(tree, g_ptr_array_index(sorted, i));

		if (place != NULL && place != tree->root && S_ISDIR(place->mode))
			g_ptr_array_add(branches->branches, branch_new(tree, place, g_ptr_array_index(sorted, i)));
	}
	return check_links(branches, error) ? g_steal_pointer(&branches) : NULL;
}

AshFsTree *
ash_fs_branches_find(const AshFsBranches *branches, const char *mount_point)
{
	for (guint i = 0; i < branches->branches->len; i++) {
		const Branch *branch = g_ptr_array_index(branches->branches, i);

		if (strcmp(branch->mount_point, mount_point) == 0)
			return branch->tree;
	}
	return NULL;
}

void
ash_fs_branches_free(AshFsBranches *branches)
{
	if (branches == NULL)
		return;
	/* The last one taken is the outermost. */
	while (branches->branches->len > 0)
		g_ptr_array_remove_index(branches->branches, branches->branches->len - 1);
	g_ptr_array_unref(branches->branches);
	g_free(branches);
}
