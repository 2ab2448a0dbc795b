/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/unencapsulate.h"

#include "base/error.h"
#include "base/fd.h"
#include "store/internal.h"
#include "store/pull.h"
#include "store/repotxn.h"

#include <gio/gunixinputstream.h>
#include <string.h>
#include <sys/stat.h>

#define OBJECTS "sysroot/ostree/repo/objects"

/* As libostree's own limit of metadata objects. */
#define METADATA_MAX OSTREE_MAX_METADATA_SIZE

/* By the ends of their names. Attributes are no objects of OSTree: files are read with them. */
static const struct {
	const char *suffix;
	OstreeObjectType type;
} metadata_types[] = {
	{ ".commit", OSTREE_OBJECT_TYPE_COMMIT },
	{ ".commitmeta", OSTREE_OBJECT_TYPE_COMMIT_META },
	{ ".dirtree", OSTREE_OBJECT_TYPE_DIR_TREE },
	{ ".dirmeta", OSTREE_OBJECT_TYPE_DIR_META },
};

typedef struct {
	AshContext *ctx;
	const AshFsTree *layers;
	OstreeRepo *repo;
} Importer;

/* What is done with an object; @name: behind the two digits that its directory has. */
typedef gboolean (*ObjectFunc)(const AshFsNode *node, const char *checksum, const char *suffix, gpointer user_data, GError **error);

void
ash_encapsulated_clear(AshEncapsulated *commit)
{
	g_clear_pointer(&commit->checksum, g_free);
	g_clear_pointer(&commit->version, g_free);
}

static gboolean
visit_directory(const AshFsNode *directory, ObjectFunc func, gpointer user_data, GError **error)
{
	for (guint i = 0; directory->children != NULL && i < directory->children->len; i++) {
		const AshFsNode *node = g_ptr_array_index(directory->children, i);
		const char *dot = strchr(node->name, '.');
		g_autofree char *checksum = dot != NULL ? g_strdup_printf("%s%.*s", directory->name, (int) (dot - node->name), node->name) : NULL;

		if (checksum == NULL || !ostree_validate_checksum_string(checksum, NULL))
			return ash_throw(error, ASH_ERROR_CONFIG, "\"" OBJECTS "/%s/%s\" is no object", directory->name, node->name);
		if (!func(node, checksum, dot, user_data, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
visit_objects(const AshFsTree *layers, ObjectFunc func, gpointer user_data, GError **error)
{
	const AshFsNode *objects = ash_fs_tree_lookup(layers, OBJECTS);

	if (objects == NULL || !S_ISDIR(objects->mode))
		return ash_throw(error, ASH_ERROR_CONFIG, "no OSTree commit is in it: it was not made by \"ostree container encapsulate\" or an image type like ostree-container");
	for (guint i = 0; i < objects->children->len; i++)
		if (!visit_directory(g_ptr_array_index(objects->children, i), func, user_data, error))
			return FALSE;
	return TRUE;
}

static GVariant *
load_metadata(const AshFsTree *layers, const AshFsNode *node, const char *checksum, OstreeObjectType type, GError **error)
{
	g_autofree guint8 *data = NULL;
	g_autoptr(GVariant) variant = NULL;
	ash_autofd int fd = -1;

	if (!S_ISREG(node->mode) || node->size == 0 || node->size > METADATA_MAX)
		return ash_throw_null(error, ASH_ERROR_TRUST, "object \"%s\" is empty, too large or no file", checksum);
	fd = ash_fs_tree_open(layers, node, error);
	data = g_malloc(node->size);
	if (fd < 0 || !ash_fd_read_exact(fd, data, node->size, 0, error))
		return NULL;
	g_autoptr(GBytes) bytes = g_bytes_new_take(g_steal_pointer(&data), node->size);
	variant = g_variant_ref_sink(g_variant_new_from_bytes(ostree_metadata_variant_type(type), bytes, FALSE));
	if (!g_variant_is_normal_form(variant))
		return ash_throw_null(error, ASH_ERROR_TRUST, "object \"%s\" is damaged", checksum);
	return g_steal_pointer(&variant);
}

typedef struct {
	const AshFsTree *layers;
	AshEncapsulated *found;
} Search;

static gboolean
find_commit(const AshFsNode *node, const char *checksum, const char *suffix, gpointer user_data, GError **error)
{
	Search *search = user_data;
	g_autoptr(GVariant) commit = NULL, metadata = NULL;

	if (strcmp(suffix, ".commit") != 0)
		return TRUE;
	if (search->found->checksum != NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "there are two commits in it: \"%s\" and \"%s\"", search->found->checksum, checksum);
	commit = load_metadata(search->layers, node, checksum, OSTREE_OBJECT_TYPE_COMMIT, error);
	if (commit == NULL)
		return FALSE;
	metadata = g_variant_get_child_value(commit, 0);
	search->found->checksum = g_strdup(checksum);
	g_variant_lookup(metadata, ASH_STORE_KEY_VERSION, "s", &search->found->version);
	search->found->timestamp = ostree_commit_get_timestamp(commit);
	return TRUE;
}

gboolean
ash_store_find_encapsulated(const AshFsTree *layers, AshEncapsulated *ret_commit, GError **error)
{
	g_auto(AshEncapsulated) found = { NULL };
	Search search = { layers, &found };

	if (!visit_objects(layers, find_commit, &search, error))
		return FALSE;
	if (found.checksum == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "no OSTree commit is in it");
	*ret_commit = found;
	found = (AshEncapsulated){ NULL };
	return TRUE;
}

/* The attributes of a file: what the link of its name with ".file-xattrs-link" stands for. */
static GVariant *
load_xattrs(const Importer *importer, const AshFsNode *node, const char *checksum, GError **error)
{
	g_autofree char *path = g_strdup_printf(OBJECTS "/%.2s/%s.file-xattrs-link", checksum, checksum + 2);
	const AshFsNode *link = ash_fs_tree_lookup(importer->layers, path);
	g_autofree guint8 *data = NULL;

	if (link == NULL || !S_ISREG(link->mode) || link->size > METADATA_MAX)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the attributes of object \"%s\" are missing", checksum);
	data = g_malloc0(link->size + 1);
	ash_autofd int fd = link->size > 0 ? ash_fs_tree_open(importer->layers, link, error) : -1;
	if (link->size > 0 && (fd < 0 || !ash_fd_read_exact(fd, data, link->size, 0, error)))
		return NULL;
	g_autoptr(GBytes) bytes = g_bytes_new_take(g_steal_pointer(&data), link->size);
	g_autoptr(GVariant) xattrs = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE("a(ayay)"), bytes, FALSE));
	return g_variant_get_normal_form(xattrs);
}

static GFileInfo *
make_info(const AshFsNode *node)
{
	GFileInfo *info = g_file_info_new();

	g_file_info_set_file_type(info, S_ISLNK(node->mode) ? G_FILE_TYPE_SYMBOLIC_LINK : G_FILE_TYPE_REGULAR);
	g_file_info_set_attribute_uint32(info, "unix::uid", node->uid);
	g_file_info_set_attribute_uint32(info, "unix::gid", node->gid);
	/* Modes of links in a tar are of no meaning; OSTree has them with all permissions. */
	g_file_info_set_attribute_uint32(info, "unix::mode", S_ISLNK(node->mode) ? S_IFLNK | 0777 : node->mode);
	g_file_info_set_attribute_boolean(info, "standard::is-symlink", S_ISLNK(node->mode));
	if (S_ISLNK(node->mode))
		g_file_info_set_attribute_byte_string(info, "standard::symlink-target", node->target);
	else
		g_file_info_set_size(info, (goffset) node->size);
	return info;
}

static gboolean
import_file(Importer *importer, const AshFsNode *node, const char *checksum, GError **error)
{
	g_autoptr(GVariant) xattrs = load_xattrs(importer, node, checksum, error);
	g_autoptr(GFileInfo) info = make_info(node);
	g_autoptr(GInputStream) content = NULL, object = NULL;
	guint64 length = 0;

	if (xattrs == NULL)
		return FALSE;
	if (S_ISREG(node->mode) && node->size > 0) {
		ash_autofd int fd = ash_fs_tree_open(importer->layers, node, error);
		if (fd < 0)
			return FALSE;
		content = g_unix_input_stream_new(ash_fd_steal(&fd), TRUE);
	} else if (S_ISREG(node->mode)) {
		content = g_memory_input_stream_new();
	}
	return ostree_raw_file_to_content_stream(content, info, xattrs, &object, &length, NULL, error) &&
	       ostree_repo_write_content(importer->repo, checksum, object, length, NULL, NULL, error);
}

static gboolean
import_metadata(Importer *importer, const AshFsNode *node, const char *checksum, OstreeObjectType type, GError **error)
{
	g_autoptr(GVariant) object = load_metadata(importer->layers, node, checksum, type, error);

	if (object == NULL)
		return FALSE;
	if (type == OSTREE_OBJECT_TYPE_COMMIT_META)
		return ostree_repo_write_commit_detached_metadata(importer->repo, checksum, object, NULL, error);
	return ostree_repo_write_metadata(importer->repo, type, checksum, object, NULL, NULL, error);
}

static gboolean
import_object(const AshFsNode *node, const char *checksum, const char *suffix, gpointer user_data, GError **error)
{
	Importer *importer = user_data;

	if (!ash_context_check(importer->ctx, error))
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(metadata_types); i++)
		if (strcmp(suffix, metadata_types[i].suffix) == 0)
			return import_metadata(importer, node, checksum, metadata_types[i].type, error);
	return strcmp(suffix, ".file") != 0 || import_file(importer, node, checksum, error);
}

/* Nothing has told yet that all of its objects came. */
static gboolean
check_complete(AshContext *ctx, AshStore *store, const char *checksum, GError **error)
{
	g_autoptr(GHashTable) reachable = NULL;
	g_autoptr(GError) cause = NULL;
	GHashTableIter iter;
	gpointer key;

	if (!ostree_repo_traverse_commit(store->repo, checksum, 0, &reachable, ctx->cancellable, &cause))
		return ash_throw(error, ASH_ERROR_CONFIG, "commit \"%s\" is not complete: %s", checksum, cause->message);
	g_hash_table_iter_init(&iter, reachable);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		const char *name;
		OstreeObjectType type;
		gboolean has;

		ostree_object_name_deserialize(key, &name, &type);
		if (!ostree_repo_has_object(store->repo, type, name, &has, ctx->cancellable, error))
			return FALSE;
		if (!has)
			return ash_throw(error, ASH_ERROR_CONFIG, "commit \"%s\" is not complete: object \"%s\" is missing", checksum, name);
	}
	return TRUE;
}

static gboolean
import_all(AshContext *ctx, AshStore *store, const AshFsTree *layers, GError **error)
{
	g_auto(AshRepoTxn) txn = { NULL };
	g_autoptr(GError) cause = NULL;

	if (!ash_repo_txn_begin(&txn, ctx, store, error))
		return FALSE;
	Importer importer = { ctx, layers, txn.repo };
	if (!visit_objects(layers, import_object, &importer, &cause)) {
		/* What libostree says of an object that is not what its name says. */
		if (cause->domain != ASH_ERROR && strstr(cause->message, "checksum") != NULL)
			return ash_throw(error, ASH_ERROR_TRUST, "%s", cause->message);
		g_propagate_error(error, g_steal_pointer(&cause));
		return FALSE;
	}
	return ash_repo_txn_sync(&txn, store, error) && ash_repo_txn_end(&txn, ctx, error);
}

gboolean
ash_store_import_encapsulated(AshContext *ctx, AshStore *store, const AshFsTree *layers, const char *checksum, GError **error)
{
	/* Known to be incomplete until it is known not to be. */
	return ostree_repo_mark_commit_partial(store->repo, checksum, TRUE, error) && import_all(ctx, store, layers, error) &&
	       check_complete(ctx, store, checksum, error) && ostree_repo_mark_commit_partial(store->repo, checksum, FALSE, error);
}
