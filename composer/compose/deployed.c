/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/deployed.h"

#include <string.h>
#include <sys/stat.h>

static AshFsNode *
find_directory(const AshFsTree *tree, const char *path)
{
	AshFsNode *node = ash_fs_tree_lookup(tree, path);

	return node != NULL && S_ISDIR(node->mode) ? node : NULL;
}

static AshFsNode *
find_child(const AshFsNode *directory, const char *name)
{
	const AshFsTree below = { .root = (AshFsNode *) directory };

	return directory != NULL ? find_directory(&below, name) : NULL;
}

/* The first child that is a directory. */
static AshFsNode *
first_directory(const AshFsNode *directory)
{
	for (guint i = 0; directory != NULL && directory->children != NULL && i < directory->children->len; i++) {
		AshFsNode *child = g_ptr_array_index(directory->children, i);
		if (S_ISDIR(child->mode))
			return child;
	}
	return NULL;
}

/* Into another directory, among its children in their order. */
static void
move(AshFsNode *node, AshFsNode *into)
{
	ash_fs_node_take(node);
	node->parent = into;
	ash_fs_node_put_back(node);
}

static void
move_children(AshFsNode *from, AshFsNode *into)
{
	while (from->children != NULL && from->children->len > 0)
		move(g_ptr_array_index(from->children, from->children->len - 1), into);
}

static gboolean
add_node(AshFsNode *node, gpointer nodes, GError **error)
{
	g_hash_table_add(nodes, node);
	return TRUE;
}

typedef struct {
	GHashTable *inside; /* of AshFsNode */
	GHashTable *firsts; /* a node that is not inside -> the first of its names that is */
} Linker;

/* A name whose first one stayed behind, in the repository, becomes the first one itself. */
static gboolean
link_inside(AshFsNode *node, gpointer user_data, GError **error)
{
	const Linker *linker = user_data;
	AshFsNode *other = node->hardlink;

	if (other == NULL || g_hash_table_contains(linker->inside, other))
		return TRUE;
	node->hardlink = g_hash_table_lookup(linker->firsts, other);
	if (node->hardlink != NULL)
		return TRUE;
	g_hash_table_insert(linker->firsts, other, node);
	if (node->content == NULL)
		node->content = g_strdup(other->content);
	node->size = other->size;
	node->number = other->number;
	return TRUE;
}

static void
link_tree(AshFsTree *tree)
{
	g_autoptr(GHashTable) inside = g_hash_table_new(NULL, NULL);
	g_autoptr(GHashTable) firsts = g_hash_table_new(NULL, NULL);
	Linker linker = { inside, firsts };

	ash_fs_tree_walk(tree, add_node, inside, NULL);
	ash_fs_tree_walk(tree, link_inside, &linker, NULL);
}

static int
open_in_disk(const AshFsNode *node, gpointer disk, GError **error)
{
	return ash_fs_tree_open(disk, node, error);
}

/* What stays behind still has the contents of links, so the whole tree of the disk lives on behind that of the system. */
static AshFsTree *
take_deployment(AshFsTree *disk, AshFsNode *deployment, AshFsNode *var)
{
	AshFsTree *system = ash_fs_tree_new();
	AshFsNode *usr_etc;

	system->open = open_in_disk;
	system->user_data = disk;
	system->free_user_data = (GDestroyNotify) ash_fs_tree_free;
	system->root->mode = deployment->mode;
	move_children(deployment, system->root);
	usr_etc = find_directory(system, "usr/etc");
	/* Its copy in /etc is what counts. */
	if (usr_etc != NULL && find_directory(system, "etc") != NULL)
		move(usr_etc, deployment);
	if (var != NULL && find_directory(system, "var") != NULL)
		move_children(var, find_directory(system, "var"));
	link_tree(system);
	ash_fs_tree_finish(system);
	return system;
}

AshFsTree *
ash_deployed_tree(AshFsTree *tree)
{
	AshFsNode *usr_etc = find_directory(tree, "usr/etc");
	AshFsNode *os = first_directory(find_directory(tree, "ostree/deploy"));
	AshFsNode *deployment = first_directory(find_child(os, "deploy"));

	if (deployment != NULL)
		return take_deployment(tree, deployment, find_child(os, "var"));
	if (usr_etc != NULL && ash_fs_tree_lookup(tree, "etc") == NULL)
		move(usr_etc, tree->root);
	return tree;
}
