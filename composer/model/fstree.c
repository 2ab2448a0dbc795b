/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/fstree.h"

#include "base/error.h"
#include "base/fd.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* What the kernel allows in one resolution (path_resolution(7)). */
#define MAX_SYMLINKS 40

/* ash_fs_tree_load() is for configuration, kernels and initramfs images. */
#define MAX_LOAD_SIZE ((guint64) 512 * 1024 * 1024)

AshFsTree *
ash_fs_tree_new(void)
{
	AshFsTree *tree = g_new0(AshFsTree, 1);

	tree->root = ash_fs_node_new(NULL, "", S_IFDIR | 0755);
	return tree;
}

void
ash_fs_tree_free(AshFsTree *tree)
{
	if (tree == NULL)
		return;
	ash_fs_node_free(tree->root);
	if (tree->free_user_data != NULL)
		tree->free_user_data(tree->user_data);
	g_free(tree);
}

AshFsNode *
ash_fs_node_new(AshFsNode *parent, const char *name, guint32 mode)
{
	AshFsNode *node = g_new0(AshFsNode, 1);

	node->name = g_strdup(name);
	node->mode = mode;
	node->parent = parent;
	node->nlink = 1;
	if (S_ISDIR(mode))
		node->children = g_ptr_array_new_with_free_func((GDestroyNotify) ash_fs_node_free);
	if (parent != NULL)
		g_ptr_array_add(parent->children, node);
	return node;
}

void
ash_fs_node_free(AshFsNode *node)
{
	if (node == NULL)
		return;
	g_free(node->name);
	g_free(node->target);
	g_free(node->content);
	g_clear_pointer(&node->bytes, g_bytes_unref);
	g_clear_pointer(&node->xattrs, g_array_unref);
	g_clear_pointer(&node->children, g_ptr_array_unref);
	g_free(node);
}

static void
xattr_clear(AshFsXattr *xattr)
{
	g_free(xattr->name);
	g_free(xattr->value);
}

void
ash_fs_node_take(AshFsNode *node)
{
	GPtrArray *siblings = node->parent->children;
	guint index;

	if (g_ptr_array_find(siblings, node, &index))
		g_ptr_array_steal_index(siblings, index);
}

void
ash_fs_node_put_back(AshFsNode *node)
{
	GPtrArray *siblings = node->parent->children;
	guint index = 0;

	while (index < siblings->len && strcmp(((AshFsNode *) g_ptr_array_index(siblings, index))->name, node->name) < 0)
		index++;
	g_ptr_array_insert(siblings, (int) index, node);
}

void
ash_fs_node_copy_content(AshFsNode *node, const AshFsNode *source)
{
	node->uid = source->uid;
	node->gid = source->gid;
	node->size = source->size;
	node->target = g_strdup(source->target);
	node->content = g_strdup(source->content);
}

void
ash_fs_node_add_xattr(AshFsNode *node, const char *name, const void *value, gsize length)
{
	AshFsXattr xattr = {
		.name = g_strdup(name),
		.value = g_memdup2(value, length),
		.length = length,
	};
	guint at = 0;

	if (node->xattrs == NULL) {
		node->xattrs = g_array_new(FALSE, FALSE, sizeof(AshFsXattr));
		g_array_set_clear_func(node->xattrs, (GDestroyNotify) xattr_clear);
	}
	while (at < node->xattrs->len &&
	       strcmp(g_array_index(node->xattrs, AshFsXattr, at).name, name) < 0)
		at++;
	g_array_insert_val(node->xattrs, at, xattr);
}

void
ash_fs_node_set_xattr(AshFsNode *node, const char *name, const void *value, gsize length)
{
	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		if (strcmp(g_array_index(node->xattrs, AshFsXattr, i).name, name) == 0) {
			g_array_remove_index(node->xattrs, i);
			break;
		}
	}
	ash_fs_node_add_xattr(node, name, value, length);
}

const AshFsXattr *
ash_fs_node_get_xattr(const AshFsNode *node, const char *name)
{
	if (node->xattrs == NULL)
		return NULL;
	for (guint i = 0; i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		if (strcmp(xattr->name, name) == 0)
			return xattr;
	}
	return NULL;
}

static int
compare_nodes(gconstpointer a, gconstpointer b)
{
	const AshFsNode *left = *(AshFsNode *const *) a, *right = *(AshFsNode *const *) b;

	return strcmp(left->name, right->name);
}

/* Sorts below @node, and puts the inodes that have several names into @groups (each mapped to NULL). */
static void
sort_node(AshFsNode *node, GHashTable *groups)
{
	if (node->hardlink != NULL)
		g_hash_table_insert(groups, node->hardlink, NULL);
	if (node->children == NULL)
		return;
	g_ptr_array_sort(node->children, compare_nodes);
	for (guint i = 0; i < node->children->len; i++)
		sort_node(g_ptr_array_index(node->children, i), groups);
}

/* Lets the first name in walk order stand for the inode: @groups maps what stood for it before to that name. */
static void
link_node(AshFsNode *node, GHashTable *groups)
{
	AshFsNode *group = node->hardlink != NULL ? node->hardlink : node;
	AshFsNode *first;

	if (!g_hash_table_contains(groups, group))
		return;
	first = g_hash_table_lookup(groups, group);
	if (first == NULL) {
		g_hash_table_insert(groups, group, node);
		node->hardlink = NULL;
		return;
	}
	node->hardlink = first;
	node->nlink = 1;
	first->nlink++;
}

static void
count_node(AshFsNode *node, GHashTable *groups)
{
	node->nlink = 1;
	if (node->children == NULL) {
		link_node(node, groups);
		return;
	}
	node->nlink = 2;
	for (guint i = 0; i < node->children->len; i++) {
		AshFsNode *child = g_ptr_array_index(node->children, i);
		if (S_ISDIR(child->mode))
			node->nlink++;
		count_node(child, groups);
	}
}

void
ash_fs_tree_finish(AshFsTree *tree)
{
	g_autoptr(GHashTable) groups = g_hash_table_new(NULL, NULL);

	sort_node(tree->root, groups);
	count_node(tree->root, groups);
}

/* @name need not end with a NUL. */
static AshFsNode *
find_child(const AshFsNode *node, const char *name, gsize length)
{
	guint low = 0, high;

	if (node->children == NULL)
		return NULL;
	high = node->children->len;
	while (low < high) {
		guint middle = low + (high - low) / 2;
		AshFsNode *child = g_ptr_array_index(node->children, middle);
		int order = strncmp(child->name, name, length);

		if (order == 0 && child->name[length] == '\0')
			return child;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The next element of *@path, which is moved behind it; its length is 0 at the end. */
static const char *
next_element(const char **path, gsize *ret_length)
{
	const char *start = *path + strspn(*path, "/");

	*ret_length = strcspn(start, "/");
	*path = start + *ret_length;
	return start;
}

AshFsNode *
ash_fs_tree_lookup(const AshFsTree *tree, const char *path)
{
	AshFsNode *node = tree->root;

	while (node != NULL) {
		gsize length;
		const char *name = next_element(&path, &length);

		if (length == 0)
			return node;
		node = find_child(node, name, length);
	}
	return NULL;
}

static AshFsNode *
resolve_from(const AshFsTree *tree, AshFsNode *node, const char *path, guint *links_left)
{
	while (node != NULL) {
		gsize length;
		const char *name = next_element(&path, &length);
		AshFsNode *child;

		if (length == 0)
			return node;
		if (node->children == NULL)
			return NULL;
		if (length == 1 && name[0] == '.')
			continue;
		if (length == 2 && name[0] == '.' && name[1] == '.') {
			/* As in a chroot, the parent of the root is the root. */
			node = node->parent != NULL ? node->parent : node;
			continue;
		}
		child = find_child(node, name, length);
		if (child != NULL && S_ISLNK(child->mode)) {
			if (*links_left == 0)
				return NULL;
			(*links_left)--;
			child = resolve_from(tree, child->target[0] == '/' ? tree->root : node,
					     child->target, links_left);
		}
		node = child;
	}
	return NULL;
}

AshFsNode *
ash_fs_tree_resolve(const AshFsTree *tree, const char *path)
{
	guint links_left = MAX_SYMLINKS;

	return resolve_from(tree, tree->root, path, &links_left);
}

char *
ash_fs_node_dup_path(const AshFsNode *node)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	GString *path = g_string_new(NULL);

	for (; node->parent != NULL; node = node->parent)
		g_ptr_array_add(names, node->name);
	for (guint i = names->len; i > 0; i--) {
		if (path->len > 0)
			g_string_append_c(path, '/');
		g_string_append(path, g_ptr_array_index(names, i - 1));
	}
	return g_string_free(path, FALSE);
}

void
ash_fs_node_set_bytes(AshFsNode *node, GBytes *bytes)
{
	g_return_if_fail(S_ISREG(node->mode) && node->hardlink == NULL && node->nlink <= 1);
	g_bytes_ref(bytes);
	g_clear_pointer(&node->bytes, g_bytes_unref);
	g_clear_pointer(&node->content, g_free);
	node->bytes = bytes;
	node->size = g_bytes_get_size(bytes);
}

static int
open_bytes(GBytes *bytes, GError **error)
{
	gsize length = 0;
	const void *data = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;
	ash_autofd int fd = memfd_create("content", MFD_CLOEXEC);

	if (fd < 0) {
		ash_throw_errno(error, "cannot make a file in memory");
		return -1;
	}
	return length == 0 || ash_fd_write_all(fd, data, length, 0, error) ? ash_fd_steal(&fd) : -1;
}

int
ash_fs_tree_open(const AshFsTree *tree, const AshFsNode *node, GError **error)
{
	if (!S_ISREG(node->mode)) {
		g_autofree char *path = ash_fs_node_dup_path(node);
		ash_throw(error, ASH_ERROR_INTERNAL, "\"/%s\" is not a regular file", path);
		return -1;
	}
	if (node->size == 0 || node->bytes != NULL)
		return open_bytes(node->bytes, error);
	return tree->open(node->hardlink != NULL ? node->hardlink : node, tree->user_data, error);
}

GBytes *
ash_fs_tree_load(const AshFsTree *tree, const char *path, GError **error)
{
	AshFsNode *node = ash_fs_tree_resolve(tree, path);
	g_autofree guint8 *data = NULL;
	ash_autofd int fd = -1;

	while (*path == '/')
		path++;
	if (node == NULL || !S_ISREG(node->mode))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the tree has no file \"/%s\"", path);
	if (node->size > MAX_LOAD_SIZE)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "\"/%s\" is larger than 512 MiB, which no file of its kind should be",
				      path);
	fd = ash_fs_tree_open(tree, node, error);
	if (fd < 0)
		return NULL;
	data = g_try_malloc(node->size + 1);
	if (data == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "no memory to load \"/%s\"", path);
	if (!ash_fd_read_exact(fd, data, node->size, 0, error))
		return ash_prefix(error, "\"/%s\"", path), NULL;
	data[node->size] = 0;
	return g_bytes_new_take(g_steal_pointer(&data), node->size);
}

static gboolean
walk_node(AshFsNode *node, AshFsVisitFunc func, gpointer user_data, GError **error)
{
	if (!func(node, user_data, error))
		return FALSE;
	if (node->children == NULL)
		return TRUE;
	for (guint i = 0; i < node->children->len; i++) {
		if (!walk_node(g_ptr_array_index(node->children, i), func, user_data, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_fs_tree_walk(AshFsTree *tree, AshFsVisitFunc func, gpointer user_data, GError **error)
{
	return walk_node(tree->root, func, user_data, error);
}
