/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/encapsulate.h"

#include "base/digest.h"
#include "base/error.h"
#include "store/internal.h"
#include "store/object.h"

#include <string.h>
#include <sys/stat.h>

#define REPO "sysroot/ostree/repo"

/* What a reader takes for a repository, and what tells it the form of attributes. */
static const char repo_config[] = "[core]\nrepo_version=1\nmode=bare-split-xattrs\n";

/* Before the directories of objects, and behind them. */
static const char *const directories[] = { "sysroot", "sysroot/ostree", REPO, REPO "/objects" };
static const char *const more_directories[] = {
	REPO "/extensions", REPO "/refs", REPO "/refs/heads", REPO "/refs/mirrors", REPO "/refs/remotes", REPO "/state", REPO "/tmp", REPO "/tmp/cache",
};

/* Where an object is. */
typedef struct {
	guint layer;
	AshFsNode *node; /* of a file; else NULL */
} Place;

typedef struct {
	AshStore *store;
	AshFsTree *tree; /* the commit's */
	AshEncapsulateLayerFunc layer_of;
	gpointer user_data;
	GPtrArray *layers;   /* of AshFsTree, or NULL */
	GHashTable *objects; /* "CHECKSUM.TYPE" -> Place */
	GHashTable *xattrs;  /* "LAYER CHECKSUM": objects of attributes */
	bool has_var_tmp;
} Maker;

static AshFsNode *
add(AshFsTree *layer, const char *path, guint32 mode)
{
	return ash_fs_node_new(layer->root, path, mode);
}

static void
add_bytes(AshFsTree *layer, const char *path, GBytes *bytes)
{
	ash_fs_node_set_bytes(add(layer, path, S_IFREG | 0644), bytes);
}

static void
add_repository(AshFsTree *layer)
{
	g_autoptr(GBytes) config = g_bytes_new_static(repo_config, strlen(repo_config));

	for (guint i = 0; i < G_N_ELEMENTS(directories); i++)
		add(layer, directories[i], S_IFDIR | 0755);
	for (guint i = 0; i < 256; i++) {
		g_autofree char *path = g_strdup_printf(REPO "/objects/%02x", i);
		add(layer, path, S_IFDIR | 0755);
	}
	for (guint i = 0; i < G_N_ELEMENTS(more_directories); i++)
		add(layer, more_directories[i], S_IFDIR | 0755);
	add_bytes(layer, REPO "/config", config);
}

static int
open_in_commit(const AshFsNode *node, gpointer commit, GError **error)
{
	const AshFsTree *tree = commit;

	return tree->open(node, tree->user_data, error);
}

static AshFsTree *
get_layer(Maker *maker, guint number)
{
	AshFsTree *layer = g_ptr_array_index(maker->layers, number);

	if (layer != NULL)
		return layer;
	layer = ash_fs_tree_new();
	layer->open = open_in_commit;
	layer->user_data = maker->tree;
	g_ptr_array_index(maker->layers, number) = layer;
	/* The root comes before all else, once. */
	if (number == 0) {
		AshFsNode *root = add(layer, "./", maker->tree->root->mode);
		root->uid = maker->tree->root->uid;
		root->gid = maker->tree->root->gid;
	}
	add_repository(layer);
	return layer;
}

static char *
dup_object_path(const char *checksum, const char *type)
{
	return g_strdup_printf(REPO "/objects/%.2s/%s.%s", checksum, checksum + 2, type);
}

static Place *
add_place(Maker *maker, char *key, guint layer, AshFsNode *node)
{
	Place *place = g_new(Place, 1);

	*place = (Place){ layer, node };
	g_hash_table_insert(maker->objects, key, place);
	return place;
}

static gboolean
add_metadata(Maker *maker, const char *checksum, OstreeObjectType type, GError **error)
{
	const char *suffix = ostree_object_type_to_string(type);
	g_autofree char *key = g_strdup_printf("%s.%s", checksum, suffix), *path = dup_object_path(checksum, suffix);
	g_autoptr(GVariant) object = NULL;
	g_autoptr(GBytes) bytes = NULL;

	if (g_hash_table_contains(maker->objects, key))
		return TRUE;
	if (!ostree_repo_load_variant(maker->store->repo, type, checksum, &object, error))
		return FALSE;
	bytes = g_variant_get_data_as_bytes(object);
	add_bytes(get_layer(maker, 0), path, bytes);
	add_place(maker, g_steal_pointer(&key), 0, NULL);
	return TRUE;
}

/* Attributes are objects of their own, by their checksum; each file object has a link to its own before it. */
static void
add_xattrs(Maker *maker, guint number, const char *checksum, const AshFsNode *source)
{
	AshFsTree *layer = get_layer(maker, number);
	g_autoptr(GVariant) xattrs = g_variant_ref_sink(ash_object_new_xattrs(source));
	g_autoptr(GBytes) bytes = g_variant_get_data_as_bytes(xattrs);
	g_autofree char *sum = ash_sha256_hex(g_bytes_get_data(bytes, NULL), (gssize) g_bytes_get_size(bytes));
	g_autofree char *key = g_strdup_printf("%u %s", number, sum), *path = dup_object_path(sum, "file-xattrs");
	g_autofree char *link_path = dup_object_path(checksum, "file-xattrs-link");
	AshFsNode *object = g_hash_table_lookup(maker->xattrs, key);

	if (object == NULL) {
		object = add(layer, path, S_IFREG | 0644);
		ash_fs_node_set_bytes(object, bytes);
		g_hash_table_insert(maker->xattrs, g_steal_pointer(&key), object);
	}
	add(layer, link_path, S_IFREG | 0644)->hardlink = object;
}

/* All but attributes. */
static AshFsNode *
add_copy(AshFsTree *layer, const char *path, const AshFsNode *source)
{
	AshFsNode *node = add(layer, path, source->mode);

	ash_fs_node_copy_content(node, source);
	return node;
}

static const Place *
add_object(Maker *maker, const char *checksum, const AshFsNode *source)
{
	g_autofree char *key = g_strdup_printf("%s.file", checksum), *path = dup_object_path(checksum, "file");
	const Place *place = g_hash_table_lookup(maker->objects, key);
	guint number;

	if (place != NULL)
		return place;
	number = maker->layer_of(source, maker->user_data);
	add_xattrs(maker, number, checksum, source);
	return add_place(maker, g_steal_pointer(&key), number, add_copy(get_layer(maker, number), path, source));
}

/* In a container the configuration is where programs look for it: /usr/etc is the form of a commit. */
static char *
dup_path(const char *parent, const char *name)
{
	if (*parent == '\0')
		return g_strdup(name);
	if (g_str_equal(parent, "usr") && g_str_equal(name, "etc"))
		return g_strdup("etc");
	return g_build_filename(parent, name, NULL);
}

/* An empty file is no link: whoever writes to it in a container would change the object. */
static void
add_file(Maker *maker, const char *checksum, const AshFsNode *source, const char *path)
{
	const Place *object = add_object(maker, checksum, source);
	AshFsNode *node = add_copy(get_layer(maker, object->layer), path, source);

	if (!S_ISREG(source->mode) || source->size > 0)
		node->hardlink = object->node;
}

static const AshFsNode *
find_child(const AshFsNode *directory, const char *name, GError **error)
{
	const AshFsTree below = { .root = (AshFsNode *) directory };
	const AshFsNode *child = ash_fs_tree_lookup(&below, name);

	if (child == NULL)
		ash_throw(error, ASH_ERROR_INTERNAL, "the commit has an entry \"%s\", its tree has not", name);
	return child;
}

static gboolean
add_files(Maker *maker, GVariant *files, const AshFsNode *source, const char *path, GError **error)
{
	for (gsize i = 0; i < g_variant_n_children(files); i++) {
		g_autoptr(GVariant) bytes = NULL;
		g_autofree char *checksum = NULL, *file_path = NULL;
		const AshFsNode *file;
		const char *name;

		g_variant_get_child(files, i, "(&s@ay)", &name, &bytes);
		checksum = ostree_checksum_from_bytes_v(bytes);
		file_path = dup_path(path, name);
		file = find_child(source, name, error);
		if (file == NULL)
			return FALSE;
		add_file(maker, checksum, file, file_path);
	}
	return TRUE;
}

static gboolean add_directory(Maker *maker, const char *checksum, const AshFsNode *source, const char *path, GError **error);

static gboolean
add_child(Maker *maker, GVariant *entry, const AshFsNode *parent, const char *parent_path, GError **error)
{
	g_autoptr(GVariant) tree_bytes = NULL, meta_bytes = NULL;
	g_autofree char *tree_checksum = NULL, *meta_checksum = NULL, *path = NULL;
	const AshFsNode *source;
	const char *name;

	g_variant_get(entry, "(&s@ay@ay)", &name, &tree_bytes, &meta_bytes);
	tree_checksum = ostree_checksum_from_bytes_v(tree_bytes);
	meta_checksum = ostree_checksum_from_bytes_v(meta_bytes);
	path = dup_path(parent_path, name);
	source = find_child(parent, name, error);
	if (source == NULL || !add_metadata(maker, meta_checksum, OSTREE_OBJECT_TYPE_DIR_META, error))
		return FALSE;
	maker->has_var_tmp = maker->has_var_tmp || g_str_equal(path, "var/tmp");
	/* The repository's own is there already: nothing may be twice in a layer. */
	if (!g_str_equal(path, "sysroot"))
		add_copy(get_layer(maker, 0), path, source);
	return add_directory(maker, tree_checksum, source, path, error);
}

static gboolean
add_directory(Maker *maker, const char *checksum, const AshFsNode *source, const char *path, GError **error)
{
	g_autoptr(GVariant) dirtree = NULL, files = NULL, children = NULL;

	if (!add_metadata(maker, checksum, OSTREE_OBJECT_TYPE_DIR_TREE, error) ||
	    !ostree_repo_load_variant(maker->store->repo, OSTREE_OBJECT_TYPE_DIR_TREE, checksum, &dirtree, error))
		return FALSE;
	files = g_variant_get_child_value(dirtree, 0);
	children = g_variant_get_child_value(dirtree, 1);
	if (!add_files(maker, files, source, path, error))
		return FALSE;
	for (gsize i = 0; i < g_variant_n_children(children); i++) {
		g_autoptr(GVariant) entry = g_variant_get_child_value(children, i);
		if (!add_child(maker, entry, source, path, error))
			return FALSE;
	}
	return TRUE;
}

/* The commit first, then the metadata of its root: that is how a reader knows what comes. */
static gboolean
add_commit(Maker *maker, const char *checksum, GError **error)
{
	g_autoptr(GVariant) commit = NULL, tree_bytes = NULL, meta_bytes = NULL;

	if (!ostree_repo_load_commit(maker->store->repo, checksum, &commit, NULL, error))
		return FALSE;
	tree_bytes = g_variant_get_child_value(commit, 6);
	meta_bytes = g_variant_get_child_value(commit, 7);
	g_autofree char *root_tree = ostree_checksum_from_bytes_v(tree_bytes);
	g_autofree char *root_meta = ostree_checksum_from_bytes_v(meta_bytes);
	if (!add_metadata(maker, checksum, OSTREE_OBJECT_TYPE_COMMIT, error) ||
	    !add_metadata(maker, root_meta, OSTREE_OBJECT_TYPE_DIR_META, error) ||
	    !add_directory(maker, root_tree, maker->tree->root, "", error))
		return FALSE;
	/* Nobody runs systemd-tmpfiles in a container. */
	if (!maker->has_var_tmp)
		add(get_layer(maker, 0), "var/tmp", S_IFDIR | 01777);
	return TRUE;
}

static void
layer_free(gpointer layer)
{
	if (layer != NULL)
		ash_fs_tree_free(layer);
}

GPtrArray *
ash_store_encapsulate(AshStore *store, const char *checksum, AshFsTree *tree, guint n_layers, AshEncapsulateLayerFunc layer_of, gpointer user_data,
		      GError **error)
{
	g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func(layer_free);
	g_autoptr(GHashTable) objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_autoptr(GHashTable) xattrs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	Maker maker = {
		.store = store,
		.tree = tree,
		.layer_of = layer_of,
		.user_data = user_data,
		.layers = layers,
		.objects = objects,
		.xattrs = xattrs,
	};

	g_ptr_array_set_size(layers, (int) n_layers);
	get_layer(&maker, 0);
	if (!add_commit(&maker, checksum, error))
		return ash_prefix(error, "commit \"%s\"", checksum), NULL;
	return g_steal_pointer(&layers);
}
