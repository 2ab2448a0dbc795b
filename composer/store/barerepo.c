/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/barerepo.h"

#include "base/error.h"
#include "base/file.h"
#include "store/object.h"

#include <string.h>
#include <sys/stat.h>

typedef struct {
	AshStore *store;
	guint64 epoch;
	AshFsNode *prefixes[256]; /* of objects/, by the first byte of checksums; NULL if it has none */
	AshFsNode *objects;
	GHashTable *known;        /* name of an object -> its node, borrowed */
} Copier;

AshFsNode *
ash_bare_add_directory(AshFsNode *parent, const char *name, guint32 permissions, guint64 epoch)
{
	AshFsNode *node = ash_fs_node_new(parent, name, S_IFDIR | permissions);

	node->mtime = (gint64) epoch;
	return node;
}

AshFsNode *
ash_bare_add_text(AshFsNode *parent, const char *name, const char *text, guint64 epoch)
{
	AshFsNode *node = ash_fs_node_new(parent, name, S_IFREG | 0644);
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

	ash_fs_node_set_bytes(node, bytes);
	node->mtime = (gint64) epoch;
	return node;
}

AshFsNode *
ash_bare_add_link(AshFsNode *parent, const char *name, const char *target, guint64 epoch)
{
	AshFsNode *node = ash_fs_node_new(parent, name, S_IFLNK | 0777);

	node->target = g_strdup(target);
	node->size = strlen(target);
	node->mtime = (gint64) epoch;
	return node;
}

static void
copy_xattrs(AshFsNode *node, const AshFsNode *source)
{
	for (guint i = 0; source->xattrs != NULL && i < source->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(source->xattrs, AshFsXattr, i);
		ash_fs_node_add_xattr(node, xattr->name, xattr->value, xattr->length);
	}
}

AshFsNode *
ash_bare_copy_node(AshFsNode *parent, const char *name, const AshFsNode *source)
{
	AshFsNode *node = ash_fs_node_new(parent, name, source->mode);

	ash_fs_node_copy_content(node, source);
	copy_xattrs(node, source);
	return node;
}

/* The directory of an object, "ab" of "ab/cdef...". */
static AshFsNode *
get_prefix(Copier *copier, const char *checksum)
{
	guint index = (guint) (g_ascii_xdigit_value(checksum[0]) << 4 | g_ascii_xdigit_value(checksum[1]));
	const char name[3] = { checksum[0], checksum[1], '\0' };

	if (copier->prefixes[index] == NULL)
		copier->prefixes[index] = ash_bare_add_directory(copier->objects, name, 0755, copier->epoch);
	return copier->prefixes[index];
}

/* A commit, directory or its metadata: small, and the same in every mode of a repository. */
static gboolean
add_metadata(Copier *copier, const char *checksum, OstreeObjectType type, GError **error)
{
	g_autofree char *name = g_strdup_printf("%s.%s", checksum, ostree_object_type_to_string(type));
	g_autoptr(GVariant) object = NULL;
	g_autoptr(GBytes) bytes = NULL;
	AshFsNode *node;

	if (g_hash_table_contains(copier->known, name))
		return TRUE;
	if (!ostree_repo_load_variant(copier->store->repo, type, checksum, &object, error))
		return FALSE;
	bytes = g_variant_get_data_as_bytes(object);
	node = ash_fs_node_new(get_prefix(copier, checksum), name + 2, S_IFREG | 0644);
	ash_fs_node_set_bytes(node, bytes);
	node->mtime = (gint64) copier->epoch;
	g_hash_table_insert(copier->known, g_steal_pointer(&name), node);
	return TRUE;
}

static AshFsNode *
get_file_object(Copier *copier, const char *checksum, const AshFsNode *source)
{
	g_autofree char *name = g_strdup_printf("%s.file", checksum);
	AshFsNode *node = g_hash_table_lookup(copier->known, name);

	if (node != NULL)
		return node;
	node = ash_bare_copy_node(get_prefix(copier, checksum), name + 2, source);
	g_hash_table_insert(copier->known, g_steal_pointer(&name), node);
	return node;
}

static gboolean
throw_differs(const AshFsNode *directory, const char *name, GError **error)
{
	g_autofree char *path = ash_fs_node_dup_path(directory);

	return ash_throw(error, ASH_ERROR_INTERNAL, "the commit has \"/%s/%s\", its tree has not", path, name);
}

/* Links and empty files get inodes of their own: they cost none of their blocks, and empty ones would have thousands of names. */
static gboolean
add_files(Copier *copier, GVariant *files, const AshFsNode *source, AshFsNode *deployed, GError **error)
{
	const AshFsTree below = { .root = (AshFsNode *) source };

	for (gsize i = 0; i < g_variant_n_children(files); i++) {
		g_autoptr(GVariant) bytes = NULL;
		g_autofree char *checksum = NULL;
		const char *name;

		g_variant_get_child(files, i, "(&s@ay)", &name, &bytes);
		checksum = ostree_checksum_from_bytes_v(bytes);
		const AshFsNode *file = ash_fs_tree_lookup(&below, name);
		if (file == NULL || S_ISDIR(file->mode))
			return throw_differs(source, name, error);
		AshFsNode *object = get_file_object(copier, checksum, file);
		AshFsNode *copy = ash_bare_copy_node(deployed, name, file);
		if (S_ISREG(file->mode) && file->size > 0)
			copy->hardlink = object;
	}
	return TRUE;
}

static gboolean
add_directory(Copier *copier, const char *tree_checksum, const char *meta_checksum, const AshFsNode *source, AshFsNode *deployed, GError **error)
{
	const AshFsTree below = { .root = (AshFsNode *) source };
	g_autoptr(GVariant) dirtree = NULL, files = NULL, directories = NULL;

	if (!add_metadata(copier, tree_checksum, OSTREE_OBJECT_TYPE_DIR_TREE, error) ||
	    !add_metadata(copier, meta_checksum, OSTREE_OBJECT_TYPE_DIR_META, error) ||
	    !ostree_repo_load_variant(copier->store->repo, OSTREE_OBJECT_TYPE_DIR_TREE, tree_checksum, &dirtree, error))
		return FALSE;
	files = g_variant_get_child_value(dirtree, 0);
	directories = g_variant_get_child_value(dirtree, 1);
	if (!add_files(copier, files, source, deployed, error))
		return FALSE;
	for (gsize i = 0; i < g_variant_n_children(directories); i++) {
		g_autoptr(GVariant) tree_bytes = NULL, meta_bytes = NULL;
		const char *name;

		g_variant_get_child(directories, i, "(&s@ay@ay)", &name, &tree_bytes, &meta_bytes);
		g_autofree char *child_tree = ostree_checksum_from_bytes_v(tree_bytes);
		g_autofree char *child_meta = ostree_checksum_from_bytes_v(meta_bytes);
		const AshFsNode *child = ash_fs_tree_lookup(&below, name);
		if (child == NULL || !S_ISDIR(child->mode))
			return throw_differs(source, name, error);
		AshFsNode *copy = ash_bare_copy_node(deployed, name, child);
		copy->mtime = (gint64) copier->epoch;
		if (!add_directory(copier, child_tree, child_meta, child, copy, error))
			return FALSE;
	}
	return TRUE;
}

static AshFsNode *
find_child(const AshFsNode *directory, const char *name)
{
	for (guint i = 0; directory != NULL && i < directory->children->len; i++) {
		AshFsNode *child = g_ptr_array_index(directory->children, i);
		if (strcmp(child->name, name) == 0)
			return child;
	}
	return NULL;
}

AshFsNode *
ash_bare_find_object(const AshFsNode *repo, const char *checksum)
{
	g_autofree char *prefix = g_strndup(checksum, 2), *name = g_strconcat(checksum + 2, ".file", NULL);

	return find_child(find_child(find_child(repo, "objects"), prefix), name);
}

gboolean
ash_bare_add_commit(AshStore *store, const char *checksum, const AshFsTree *tree, AshFsNode *repo, AshFsNode *deployment, guint64 epoch,
		    GError **error)
{
	g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GVariant) commit = NULL, tree_bytes = NULL, meta_bytes = NULL;
	Copier copier = { .store = store, .epoch = epoch, .known = known };

	if (!ostree_repo_load_commit(store->repo, checksum, &commit, NULL, error))
		return FALSE;
	tree_bytes = g_variant_get_child_value(commit, 6);
	meta_bytes = g_variant_get_child_value(commit, 7);
	g_autofree char *root_tree = ostree_checksum_from_bytes_v(tree_bytes);
	g_autofree char *root_meta = ostree_checksum_from_bytes_v(meta_bytes);
	copier.objects = ash_bare_add_directory(repo, "objects", 0755, epoch);
	deployment->uid = tree->root->uid;
	deployment->gid = tree->root->gid;
	deployment->mode = tree->root->mode;
	copy_xattrs(deployment, tree->root);
	deployment->immutable = true;
	return add_metadata(&copier, checksum, OSTREE_OBJECT_TYPE_COMMIT, error) &&
	       add_directory(&copier, root_tree, root_meta, tree->root, deployment, error);
}
