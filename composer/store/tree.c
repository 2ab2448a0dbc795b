/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/tree.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/internal.h"
#include "store/treeindex.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* What Linux allows for a value (xattr(7)). */
#define META_MAX 65536

typedef struct {
	AshStore *store;
	AshFsTree *tree;
	GHashTable *dirmetas; /* checksum -> GVariant */
	guint8 *buffer;       /* META_MAX bytes, aligned for a GVariant */
} Loader;

/* What an open tree needs of the store. */
typedef struct {
	int objects_fd;
} Source;

static void
source_free(gpointer data)
{
	Source *source = data;

	ash_fd_clear(&source->objects_fd);
	g_free(source);
}

static int
source_open(const AshFsNode *node, gpointer user_data, GError **error)
{
	const Source *source = user_data;
	char name[ASH_STORE_OBJECT_NAME_SIZE];

	ash_store_object_name(node->content, name);
	return ash_fd_open(source->objects_fd, name, O_RDONLY | O_NOFOLLOW, 0, error);
}

/* Applies (uuua(ayay)), the same for directories and, in an xattr of the object, for files. */
static void
apply_meta(AshFsNode *node, GVariant *meta)
{
	g_autoptr(GVariant) xattrs = NULL;
	guint32 uid, gid, mode;

	g_variant_get(meta, "(uuu@a(ayay))", &uid, &gid, &mode, &xattrs);
	node->uid = GUINT32_FROM_BE(uid);
	node->gid = GUINT32_FROM_BE(gid);
	node->mode = GUINT32_FROM_BE(mode);
	for (gsize i = 0; i < g_variant_n_children(xattrs); i++) {
		g_autoptr(GVariant) name = NULL, value = NULL;
		gsize length;
		const void *data;

		g_variant_get_child(xattrs, i, "(@ay@ay)", &name, &value);
		data = g_variant_get_fixed_array(value, &length, 1);
		ash_fs_node_add_xattr(node, g_variant_get_bytestring(name), data, length);
	}
}

static gboolean
load_target(Loader *loader, AshFsNode *node, const char *name, GError **error)
{
	node->target = ash_file_load(loader->store->objects_fd, name, PATH_MAX, NULL, error);
	if (node->target == NULL)
		return FALSE;
	/* libostree writes the NUL too. */
	node->size = strlen(node->target);
	return TRUE;
}

static gboolean
load_file(Loader *loader, AshFsNode *node, const char *checksum, GError **error)
{
	char name[ASH_STORE_OBJECT_NAME_SIZE], path[PATH_MAX];
	g_autoptr(GVariant) meta = NULL;
	struct stat st;
	ssize_t length;

	ash_store_object_name(checksum, name);
	g_snprintf(path, sizeof(path), "%s/objects/%s", loader->store->repo_path, name);
	/* By path: opening each of ten thousands of objects for fgetxattr() takes three times as long. */
	length = lgetxattr(path, ASH_STORE_META_XATTR, loader->buffer, META_MAX);
	if (length < 0 || fstatat(loader->store->objects_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot read the object \"%s\"; see \"ostree fsck\"", path);
	meta = g_variant_ref_sink(g_variant_new_from_data(G_VARIANT_TYPE("(uuua(ayay))"), loader->buffer,
							  (gsize) length, FALSE, NULL, NULL));
	apply_meta(node, meta);
	if (S_ISLNK(node->mode))
		return load_target(loader, node, name, error);
	if (!S_ISREG(node->mode))
		return ash_throw(error, ASH_ERROR_INTERNAL, "the object \"%s\" is not a file", path);
	node->size = (guint64) st.st_size;
	if (node->size > 0)
		node->content = g_strdup(checksum);
	return TRUE;
}

/* Borrowed from the loader. */
static GVariant *
load_dirmeta(Loader *loader, const char *checksum, GError **error)
{
	GVariant *meta = g_hash_table_lookup(loader->dirmetas, checksum);

	if (meta != NULL)
		return meta;
	if (!ostree_repo_load_variant(loader->store->repo, OSTREE_OBJECT_TYPE_DIR_META, checksum, &meta, error))
		return NULL;
	g_hash_table_insert(loader->dirmetas, g_strdup(checksum), meta);
	return meta;
}

static gboolean
load_files(Loader *loader, AshFsNode *node, GVariant *files, GError **error)
{
	for (gsize i = 0; i < g_variant_n_children(files); i++) {
		g_autoptr(GVariant) bytes = NULL;
		g_autofree char *checksum = NULL;
		const char *name;
		AshFsNode *child;

		g_variant_get_child(files, i, "(&s@ay)", &name, &bytes);
		checksum = ostree_checksum_from_bytes_v(bytes);
		child = ash_fs_node_new(node, name, S_IFREG);
		if (!load_file(loader, child, checksum, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
load_directory(Loader *loader, AshFsNode *node, const char *tree_checksum, const char *meta_checksum,
	       GError **error)
{
	g_autoptr(GVariant) dirtree = NULL, files = NULL, directories = NULL;
	GVariant *meta = load_dirmeta(loader, meta_checksum, error);

	if (meta == NULL || !ostree_repo_load_variant(loader->store->repo, OSTREE_OBJECT_TYPE_DIR_TREE,
						      tree_checksum, &dirtree, error))
		return FALSE;
	apply_meta(node, meta);
	files = g_variant_get_child_value(dirtree, 0);
	directories = g_variant_get_child_value(dirtree, 1);
	if (!load_files(loader, node, files, error))
		return FALSE;
	for (gsize i = 0; i < g_variant_n_children(directories); i++) {
		g_autoptr(GVariant) tree_bytes = NULL, meta_bytes = NULL;
		g_autofree char *below_tree = NULL, *below_meta = NULL;
		const char *name;

		g_variant_get_child(directories, i, "(&s@ay@ay)", &name, &tree_bytes, &meta_bytes);
		below_tree = ostree_checksum_from_bytes_v(tree_bytes);
		below_meta = ostree_checksum_from_bytes_v(meta_bytes);
		if (!load_directory(loader, ash_fs_node_new(node, name, S_IFDIR), below_tree, below_meta, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
list_node(AshFsNode *node, gpointer user_data, GError **error)
{
	g_ptr_array_add(user_data, node);
	return TRUE;
}

static gboolean
set_mtimes(GPtrArray *nodes, GVariant *mtimes, guint64 timestamp, GError **error)
{
	const guint32 *values;
	gsize length;

	for (guint i = 0; i < nodes->len; i++)
		((AshFsNode *) g_ptr_array_index(nodes, i))->mtime = (gint64) timestamp;
	if (mtimes == NULL)
		return TRUE;
	values = g_variant_get_fixed_array(mtimes, &length, sizeof(*values));
	if (length != nodes->len)
		return ash_throw(error, ASH_ERROR_INTERNAL,
				 "the commit has %u entries, but mtimes of %" G_GSIZE_FORMAT, nodes->len, length);
	for (guint i = 0; i < nodes->len; i++)
		((AshFsNode *) g_ptr_array_index(nodes, i))->mtime = GUINT32_FROM_BE(values[i]);
	return TRUE;
}

static gboolean
set_hardlinks(GPtrArray *nodes, GVariant *hardlinks, GError **error)
{
	guint32 later, first;
	GVariantIter iter;

	if (hardlinks == NULL)
		return TRUE;
	g_variant_iter_init(&iter, hardlinks);
	while (g_variant_iter_next(&iter, "(uu)", &later, &first)) {
		later = GUINT32_FROM_BE(later);
		first = GUINT32_FROM_BE(first);
		if (later >= nodes->len || first >= later)
			return ash_throw(error, ASH_ERROR_INTERNAL, "the commit's list of hard links is wrong");
		((AshFsNode *) g_ptr_array_index(nodes, later))->hardlink = g_ptr_array_index(nodes, first);
	}
	return TRUE;
}

/* What OSTree's own format has no place for. */
static gboolean
apply_extras(AshFsTree *tree, GVariant *commit, GError **error)
{
	g_autoptr(GPtrArray) nodes = g_ptr_array_new();
	g_autoptr(GVariant) metadata = g_variant_get_child_value(commit, 0);
	g_autoptr(GVariant) mtimes =
		g_variant_lookup_value(metadata, ASH_STORE_KEY_MTIMES, G_VARIANT_TYPE("au"));
	g_autoptr(GVariant) hardlinks =
		g_variant_lookup_value(metadata, ASH_STORE_KEY_HARDLINKS, G_VARIANT_TYPE("a(uu)"));

	ash_fs_tree_finish(tree);
	ash_fs_tree_walk(tree, list_node, nodes, NULL);
	if (!set_mtimes(nodes, mtimes, ostree_commit_get_timestamp(commit), error) ||
	    !set_hardlinks(nodes, hardlinks, error))
		return FALSE;
	/* Once more, to count links. */
	ash_fs_tree_finish(tree);
	return TRUE;
}

static AshFsTree *
new_tree(AshStore *store)
{
	AshFsTree *tree = ash_fs_tree_new();
	Source *source = g_new0(Source, 1);

	source->objects_fd = fcntl(store->objects_fd, F_DUPFD_CLOEXEC, 3);
	tree->open = source_open;
	tree->user_data = source;
	tree->free_user_data = source_free;
	return tree;
}

/* Object by object. */
static AshFsTree *
load_objects(AshStore *store, const char *root_tree, const char *root_meta, GError **error)
{
	g_autoptr(GHashTable) dirmetas =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
	g_autoptr(AshFsTree) tree = new_tree(store);
	g_autofree guint8 *buffer = g_malloc(META_MAX);
	Loader loader = { .store = store, .tree = tree, .dirmetas = dirmetas, .buffer = buffer };

	if (!load_directory(&loader, tree->root, root_tree, root_meta, error))
		return NULL;
	ash_fs_tree_finish(tree);
	return g_steal_pointer(&tree);
}

static AshFsTree *
load_root(AshStore *store, const char *root_tree, const char *root_meta, GError **error)
{
	g_autofree char *name = ash_tree_index_name(root_tree, root_meta);
	g_autoptr(AshFsTree) tree = new_tree(store);

	if (ash_tree_index_load(store, name, tree))
		return g_steal_pointer(&tree);
	g_clear_pointer(&tree, ash_fs_tree_free);
	tree = load_objects(store, root_tree, root_meta, error);
	if (tree != NULL)
		ash_tree_index_save(store, name, tree);
	return g_steal_pointer(&tree);
}

static AshFsTree *
load_commit(AshStore *store, const char *checksum, GError **error)
{
	g_autoptr(GVariant) commit = NULL, tree_bytes = NULL, meta_bytes = NULL;
	g_autofree char *root_tree = NULL, *root_meta = NULL;
	g_autoptr(AshFsTree) tree = NULL;

	if (!ostree_repo_load_commit(store->repo, checksum, &commit, NULL, error))
		return NULL;
	tree_bytes = g_variant_get_child_value(commit, 6);
	meta_bytes = g_variant_get_child_value(commit, 7);
	root_tree = ostree_checksum_from_bytes_v(tree_bytes);
	root_meta = ostree_checksum_from_bytes_v(meta_bytes);
	tree = load_root(store, root_tree, root_meta, error);
	if (tree == NULL || !apply_extras(tree, commit, error))
		return NULL;
	return g_steal_pointer(&tree);
}

AshFsTree *
ash_store_load_tree(AshStore *store, const char *ref_or_checksum, GError **error)
{
	g_autofree char *checksum = ash_store_resolve(store, ref_or_checksum, error);
	AshFsTree *tree;

	if (checksum == NULL)
		return NULL;
	tree = load_commit(store, checksum, error);
	if (tree == NULL)
		ash_prefix(error, "cannot load commit \"%s\"", checksum);
	return tree;
}
