/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "model/fsbranch.h"
#include "model/fstree.h"
#include "model/manifest.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_key(const AshFsNode *node, gpointer user_data, GError **error)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	g_assert_cmpstr(user_data, ==, "data");
	g_assert_true(ash_fd_write_all(fd, node->content, strlen(node->content), 0, error));
	return fd;
}

static AshFsNode *
add_file(AshFsNode *parent, const char *name, const char *content)
{
	AshFsNode *node = ash_fs_node_new(parent, name, S_IFREG | 0644);

	node->size = strlen(content);
	node->content = g_strdup(content);
	return node;
}

static void
add_link(AshFsNode *parent, const char *name, const char *target)
{
	AshFsNode *node = ash_fs_node_new(parent, name, S_IFLNK | 0777);

	node->target = g_strdup(target);
	node->size = strlen(target);
}

static AshFsTree *
make_tree(void)
{
	AshFsTree *tree = ash_fs_tree_new();
	AshFsNode *usr = ash_fs_node_new(tree->root, "usr", S_IFDIR | 0755);
	AshFsNode *bin = ash_fs_node_new(usr, "bin", S_IFDIR | 0755);
	AshFsNode *b;

	tree->open = open_key;
	tree->user_data = g_strdup("data");
	tree->free_user_data = g_free;
	add_file(bin, "zsh", "shell");
	b = add_file(bin, "b", "same");
	/* Sorts before the node that it links to: the tree must turn the group round. */
	add_file(bin, "a", "same")->hardlink = b;
	add_file(bin, "c", "same")->hardlink = b;
	add_file(bin, "a-b", "");
	add_link(tree->root, "bin", "usr/bin");
	add_link(bin, "up", "../../bin/zsh");
	add_link(bin, "abs", "/bin/up");
	add_link(bin, "out", "../../../../../usr/bin/b");
	add_link(bin, "loop", "loop");
	ash_fs_node_new(tree->root, "a", S_IFDIR | 0700);
	ash_fs_tree_finish(tree);
	return tree;
}

static void
test_order(void)
{
	g_autoptr(AshFsTree) tree = make_tree();
	AshFsNode *bin = ash_fs_tree_lookup(tree, "/usr/bin");
	const char *const names[] = { "a", "a-b", "abs", "b", "c", "loop", "out", "up", "zsh" };

	g_assert_cmpuint(bin->children->len, ==, G_N_ELEMENTS(names));
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		AshFsNode *child = g_ptr_array_index(bin->children, i);
		g_autofree char *path = ash_fs_node_dup_path(child);
		g_autofree char *expected = g_strconcat("usr/bin/", names[i], NULL);

		g_assert_cmpstr(path, ==, expected);
		g_assert_true(ash_fs_tree_lookup(tree, path) == child);
	}
	g_assert_cmpuint(tree->root->nlink, ==, 4);
	g_assert_cmpuint(bin->nlink, ==, 2);
	g_assert_null(ash_fs_tree_lookup(tree, "usr/bi"));
	g_assert_null(ash_fs_tree_lookup(tree, "usr/bin/b/x"));
	g_assert_true(ash_fs_tree_lookup(tree, "") == tree->root);
	g_assert_true(ash_fs_tree_lookup(tree, "//usr/") == bin->parent);
}

static void
test_hardlinks(void)
{
	g_autoptr(AshFsTree) tree = make_tree();
	AshFsNode *a = ash_fs_tree_lookup(tree, "usr/bin/a");
	AshFsNode *b = ash_fs_tree_lookup(tree, "usr/bin/b");
	AshFsNode *c = ash_fs_tree_lookup(tree, "usr/bin/c");

	for (int i = 0; i < 2; i++) {
		g_assert_null(a->hardlink);
		g_assert_true(b->hardlink == a);
		g_assert_true(c->hardlink == a);
		g_assert_cmpuint(a->nlink, ==, 3);
		/* A second call changes nothing. */
		ash_fs_tree_finish(tree);
	}
}

static void
test_resolve(void)
{
	g_autoptr(AshFsTree) tree = make_tree();
	AshFsNode *zsh = ash_fs_tree_lookup(tree, "usr/bin/zsh");

	g_assert_null(ash_fs_tree_lookup(tree, "bin/zsh"));
	g_assert_true(ash_fs_tree_resolve(tree, "/bin/zsh") == zsh);
	g_assert_true(ash_fs_tree_resolve(tree, "bin/./../bin/up") == zsh);
	g_assert_true(ash_fs_tree_resolve(tree, "bin/abs") == zsh);
	g_assert_true(ash_fs_tree_resolve(tree, "bin/out") == ash_fs_tree_lookup(tree, "usr/bin/b"));
	g_assert_null(ash_fs_tree_resolve(tree, "bin/loop"));
	g_assert_null(ash_fs_tree_resolve(tree, "bin/zsh/.."));
}

static void
test_content(void)
{
	g_autoptr(AshFsTree) tree = make_tree();
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) shell = ash_fs_tree_load(tree, "/bin/abs", &error);
	g_autoptr(GBytes) empty = ash_fs_tree_load(tree, "usr/bin/a-b", &error);

	g_assert_no_error(error);
	g_assert_cmpmem(g_bytes_get_data(shell, NULL), g_bytes_get_size(shell), "shell", 5);
	g_assert_cmpuint(g_bytes_get_size(empty), ==, 0);
	g_assert_null(ash_fs_tree_load(tree, "/usr/none", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "\"/usr/none\""));
}

static void
test_xattrs(void)
{
	g_autoptr(AshFsTree) tree = make_tree();

	ash_fs_node_add_xattr(tree->root, "user.b", "1", 1);
	ash_fs_node_add_xattr(tree->root, "security.capability", "22", 2);
	ash_fs_node_add_xattr(tree->root, "user.c", NULL, 0);
	g_assert_cmpuint(tree->root->xattrs->len, ==, 3);
	g_assert_cmpstr(g_array_index(tree->root->xattrs, AshFsXattr, 0).name, ==, "security.capability");
	g_assert_cmpuint(ash_fs_node_get_xattr(tree->root, "security.capability")->length, ==, 2);
	g_assert_cmpuint(ash_fs_node_get_xattr(tree->root, "user.c")->length, ==, 0);
	g_assert_null(ash_fs_node_get_xattr(tree->root, "user.a"));
	ash_fs_node_set_xattr(tree->root, "security.capability", "333", 3);
	ash_fs_node_set_xattr(tree->root, "user.a", "4", 1);
	g_assert_cmpuint(tree->root->xattrs->len, ==, 4);
	g_assert_cmpuint(ash_fs_node_get_xattr(tree->root, "security.capability")->length, ==, 3);
	g_assert_cmpstr(g_array_index(tree->root->xattrs, AshFsXattr, 1).name, ==, "user.a");
}

static gboolean
stop_at_usr(AshFsNode *node, gpointer user_data, GError **error)
{
	GString *seen = user_data;

	g_string_append_printf(seen, "/%s", node->name);
	if (strcmp(node->name, "usr") == 0)
		return ash_throw(error, ASH_ERROR_CANCELLED, "stop");
	return TRUE;
}

static void
test_walk(void)
{
	g_autoptr(AshFsTree) tree = make_tree();
	g_autoptr(GString) seen = g_string_new(NULL);
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_fs_tree_walk(tree, stop_at_usr, seen, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CANCELLED);
	g_assert_cmpstr(seen->str, ==, "//a/bin/usr");
}

/* Partitions in partitions: each has its own, with the attributes of the directory, and everything comes back. */
static void
test_branches(void)
{
	static const char *const mount_points[] = { "/var", "/var/log", "/nothing", "/file", NULL };
	g_autoptr(AshFsTree) tree = ash_fs_tree_new();
	AshFsNode *var = ash_fs_node_new(tree->root, "var", S_IFDIR | 0750), *log = ash_fs_node_new(var, "log", S_IFDIR | 0700);
	g_autoptr(GError) error = NULL;

	ash_fs_node_new(var, "lib", S_IFDIR | 0755);
	ash_fs_node_add_xattr(log, "user.x", "y", 1);
	add_file(log, "messages", "text")->hardlink = add_file(log, "also", "text");
	add_file(tree->root, "file", "x");
	ash_fs_tree_finish(tree);
	g_autoptr(AshFsBranches) branches = ash_fs_branches_take(tree, mount_points, &error);
	g_assert_no_error(error);
	const AshFsTree *inner = ash_fs_branches_find(branches, "/var/log"), *outer = ash_fs_branches_find(branches, "/var");
	g_assert_cmpuint(inner->root->mode, ==, S_IFDIR | 0700);
	g_assert_nonnull(ash_fs_node_get_xattr(inner->root, "user.x"));
	g_assert_nonnull(ash_fs_tree_lookup(inner, "messages"));
	g_assert_cmpuint(outer->root->nlink, ==, 4);
	g_assert_nonnull(ash_fs_tree_lookup(outer, "log"));
	g_assert_null(ash_fs_tree_lookup(outer, "log/messages"));
	g_assert_null(ash_fs_tree_lookup(tree, "var/lib"));
	g_assert_cmpuint(ash_fs_tree_lookup(tree, "var")->nlink, ==, 2);
	g_assert_null(ash_fs_branches_find(branches, "/nothing"));
	g_assert_null(ash_fs_branches_find(branches, "/file"));
	g_clear_pointer(&branches, ash_fs_branches_free);
	g_assert_true(ash_fs_tree_lookup(tree, "var/log/messages")->parent == log);
	g_assert_cmpuint(var->nlink, ==, 4);
	add_file(tree->root, "outside", "text")->hardlink = ash_fs_tree_lookup(tree, "var/log/also");
	ash_fs_tree_finish(tree);
	g_assert_null(ash_fs_branches_take(tree, mount_points, &error));
	g_assert_nonnull(strstr(error->message, "are one file (hard links), but would be on two partitions"));
	g_assert_nonnull(ash_fs_tree_lookup(tree, "var/log/messages"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/fstree/order", test_order);
	g_test_add_func("/model/fstree/hardlinks", test_hardlinks);
	g_test_add_func("/model/fstree/resolve", test_resolve);
	g_test_add_func("/model/fstree/content", test_content);
	g_test_add_func("/model/fstree/xattrs", test_xattrs);
	g_test_add_func("/model/fstree/walk", test_walk);
	g_test_add_func("/model/fstree/branches", test_branches);
	return g_test_run();
}
