/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/diff.h"

#include "model/package.h"
#include "store/history.h"
#include "store/tree.h"

#include <string.h>
#include <sys/stat.h>

static void
package_change_free(gpointer data)
{
	AshPackageChange *change = data;

	g_free(change->name);
	g_free(change->arch);
	g_free(change->from);
	g_free(change->to);
	g_free(change);
}

static void
file_change_free(gpointer data)
{
	AshFileChange *change = data;

	g_free(change->path);
	g_free(change);
}

void
ash_store_diff_free(AshStoreDiff *diff)
{
	if (diff == NULL)
		return;
	g_ptr_array_unref(diff->packages);
	g_ptr_array_unref(diff->files);
	g_free(diff);
}

const char *
ash_change_kind_to_string(AshChangeKind kind)
{
	static const char *const names[] = {
		[ASH_CHANGE_ADDED] = "added",
		[ASH_CHANGE_REMOVED] = "removed",
		[ASH_CHANGE_MODIFIED] = "modified",
	};

	return names[kind];
}

/* The packages of @info that @other lacks, as changes with @kind. */
static GPtrArray *
list_missing(const AshCommitInfo *info, const AshCommitInfo *other, AshChangeKind kind)
{
	g_autoptr(GHashTable) there = g_hash_table_new(g_str_hash, g_str_equal);
	GPtrArray *changes = g_ptr_array_new_with_free_func(package_change_free);

	for (guint i = 0; i < other->packages->len; i++)
		g_hash_table_add(there, g_ptr_array_index(other->packages, i));
	for (guint i = 0; i < info->packages->len; i++) {
		const char *nevra = g_ptr_array_index(info->packages, i);
		g_autoptr(AshPackage) package = ash_package_new();
		AshPackageChange *change;
		char *evr;

		if (g_hash_table_contains(there, nevra) || !ash_package_parse_nevra(nevra, package))
			continue;
		change = g_new0(AshPackageChange, 1);
		evr = ash_package_dup_evr(package);
		change->kind = kind;
		change->name = g_strdup(package->name);
		change->arch = g_strdup(package->arch);
		*(kind == ASH_CHANGE_ADDED ? &change->to : &change->from) = evr;
		g_ptr_array_add(changes, change);
	}
	return changes;
}

static int
compare_packages(gconstpointer a, gconstpointer b)
{
	const AshPackageChange *left = *(AshPackageChange *const *) a, *right = *(AshPackageChange *const *) b;
	int order = strcmp(left->name, right->name);

	if (order == 0)
		order = strcmp(left->arch, right->arch);
	if (order == 0)
		order = (int) left->kind - (int) right->kind;
	return order != 0 ? order : g_strcmp0(left->from != NULL ? left->from : left->to,
					      right->from != NULL ? right->from : right->to);
}

/* An addition in @added of the same name and arch that has no counterpart yet, or NULL. */
static AshPackageChange *
find_counterpart(GPtrArray *added, const AshPackageChange *removed)
{
	for (guint i = 0; i < added->len; i++) {
		AshPackageChange *change = g_ptr_array_index(added, i);
		if (change->kind == ASH_CHANGE_ADDED && strcmp(change->name, removed->name) == 0 &&
		    strcmp(change->arch, removed->arch) == 0)
			return change;
	}
	return NULL;
}

static GPtrArray *
diff_packages(const AshCommitInfo *from, const AshCommitInfo *to)
{
	GPtrArray *changes = list_missing(to, from, ASH_CHANGE_ADDED);
	g_autoptr(GPtrArray) removed = list_missing(from, to, ASH_CHANGE_REMOVED);

	/* From the end, as those that stay are moved out. */
	for (guint i = removed->len; i > 0; i--) {
		AshPackageChange *old = g_ptr_array_index(removed, i - 1);
		AshPackageChange *new = find_counterpart(changes, old);

		if (new == NULL) {
			g_ptr_array_add(changes, g_ptr_array_steal_index(removed, i - 1));
			continue;
		}
		new->kind = ASH_CHANGE_MODIFIED;
		new->from = g_steal_pointer(&old->from);
	}
	g_ptr_array_sort(changes, compare_packages);
	return changes;
}

static void
add_file(GPtrArray *changes, const AshFsNode *node, AshChangeKind kind)
{
	AshFileChange *change = g_new0(AshFileChange, 1);
	g_autofree char *path = ash_fs_node_dup_path(node);

	change->kind = kind;
	change->path = g_strconcat("/", path, S_ISDIR(node->mode) && *path != '\0' ? "/" : "", NULL);
	g_ptr_array_add(changes, change);
}

static void
add_files(GPtrArray *changes, const AshFsNode *node, AshChangeKind kind)
{
	add_file(changes, node, kind);
	for (guint i = 0; node->children != NULL && i < node->children->len; i++)
		add_files(changes, g_ptr_array_index(node->children, i), kind);
}

static bool
xattrs_equal(const AshFsNode *from, const AshFsNode *to)
{
	guint length = from->xattrs != NULL ? from->xattrs->len : 0;

	if (length != (to->xattrs != NULL ? to->xattrs->len : 0))
		return false;
	for (guint i = 0; i < length; i++) {
		const AshFsXattr *left = &g_array_index(from->xattrs, AshFsXattr, i);
		const AshFsXattr *right = &g_array_index(to->xattrs, AshFsXattr, i);
		if (strcmp(left->name, right->name) != 0 || left->length != right->length ||
		    memcmp(left->value, right->value, left->length) != 0)
			return false;
	}
	return true;
}

static bool
nodes_equal(const AshFsNode *from, const AshFsNode *to)
{
	return from->mode == to->mode && from->uid == to->uid && from->gid == to->gid && from->size == to->size &&
	       g_strcmp0(from->target, to->target) == 0 && g_strcmp0(from->content, to->content) == 0 &&
	       xattrs_equal(from, to);
}

static void
diff_nodes(GPtrArray *changes, const AshFsNode *from, const AshFsNode *to)
{
	guint from_length = from->children != NULL ? from->children->len : 0;
	guint to_length = to->children != NULL ? to->children->len : 0;

	if (!nodes_equal(from, to))
		add_file(changes, to, ASH_CHANGE_MODIFIED);
	for (guint i = 0, j = 0; i < from_length || j < to_length;) {
		AshFsNode *left = i < from_length ? g_ptr_array_index(from->children, i) : NULL;
		AshFsNode *right = j < to_length ? g_ptr_array_index(to->children, j) : NULL;
		int order = left == NULL ? 1 : right == NULL ? -1 : strcmp(left->name, right->name);

		if (order < 0)
			add_files(changes, left, ASH_CHANGE_REMOVED);
		else if (order > 0)
			add_files(changes, right, ASH_CHANGE_ADDED);
		else
			diff_nodes(changes, left, right);
		i += order <= 0;
		j += order >= 0;
	}
}

AshStoreDiff *
ash_store_diff(AshStore *store, const char *from, const char *to, GError **error)
{
	g_autoptr(AshCommitInfo) from_info = ash_store_info(store, from, error);
	g_autoptr(AshCommitInfo) to_info = from_info != NULL ? ash_store_info(store, to, error) : NULL;
	g_autoptr(AshFsTree) from_tree = NULL, to_tree = NULL;
	AshStoreDiff *diff;

	if (to_info == NULL)
		return NULL;
	from_tree = ash_store_load_tree(store, from_info->checksum, error);
	to_tree = from_tree != NULL ? ash_store_load_tree(store, to_info->checksum, error) : NULL;
	if (to_tree == NULL)
		return NULL;
	diff = g_new0(AshStoreDiff, 1);
	diff->packages = diff_packages(from_info, to_info);
	diff->files = g_ptr_array_new_with_free_func(file_change_free);
	diff_nodes(diff->files, from_tree->root, to_tree->root);
	return diff;
}
