/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/reach.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

void
ash_object_id_checksum(const AshObjectId *id, char ret_checksum[ASH_SHA256_HEX_SIZE])
{
	ostree_checksum_inplace_from_bytes(id->sum, ret_checksum);
}

void
ash_object_id_path(const AshObjectId *id, char ret_path[ASH_OBJECT_PATH_SIZE])
{
	char checksum[ASH_SHA256_HEX_SIZE];

	ash_object_id_checksum(id, checksum);
	g_snprintf(ret_path, ASH_OBJECT_PATH_SIZE, "%.2s/%s.%s", checksum, checksum + 2,
		   ostree_object_type_to_string((OstreeObjectType) id->type));
}

AshObjectId
ash_object_id(const char *checksum, OstreeObjectType type)
{
	AshObjectId id = { .type = (guint8) type };

	ostree_checksum_inplace_to_bytes(checksum, id.sum);
	return id;
}

static guint
id_hash(gconstpointer key)
{
	const AshObjectId *id = key;
	guint hash;

	memcpy(&hash, id->sum, sizeof(hash));
	return hash ^ id->type;
}

static gboolean
id_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, sizeof(AshObjectId)) == 0;
}

GHashTable *
ash_object_set_new(void)
{
	return g_hash_table_new_full(id_hash, id_equal, g_free, NULL);
}

bool
ash_object_set_add(GHashTable *set, const AshObjectId *id)
{
	if (g_hash_table_contains(set, id))
		return false;
	g_hash_table_add(set, g_memdup2(id, sizeof(*id)));
	return true;
}

/* False for what is no object's name. */
static bool
parse_name(const char *directory, const char *name, AshObjectId *ret_id)
{
	static const OstreeObjectType types[] = { OSTREE_OBJECT_TYPE_FILE, OSTREE_OBJECT_TYPE_DIR_TREE,
						  OSTREE_OBJECT_TYPE_DIR_META, OSTREE_OBJECT_TYPE_COMMIT,
						  OSTREE_OBJECT_TYPE_COMMIT_META };
	const char *suffix = strchr(name, '.');

	if (suffix == NULL)
		return false;
	g_autofree char *checksum = g_strdup_printf("%s%.*s", directory, (int) (suffix - name), name);
	if (!ostree_validate_checksum_string(checksum, NULL))
		return false;
	for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
		if (strcmp(suffix + 1, ostree_object_type_to_string(types[i])) == 0) {
			*ret_id = ash_object_id(checksum, types[i]);
			return true;
		}
	}
	return false;
}

static gboolean
list_directory(AshStore *store, const char *directory, GHashTable *set, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(store->objects_fd, directory, error);
	struct dirent *entry;
	AshObjectId id;

	if (stream == NULL)
		return FALSE;
	while ((entry = ash_fd_next_entry(stream)) != NULL) {
		if (parse_name(directory, entry->d_name, &id))
			ash_object_set_add(set, &id);
	}
	return TRUE;
}

gboolean
ash_reach_list(AshStore *store, GHashTable *set, GError **error)
{
	for (guint i = 0; i < 256; i++) {
		char directory[3];
		g_snprintf(directory, sizeof(directory), "%02x", i);
		if (ash_file_exists(store->objects_fd, directory) && !list_directory(store, directory, set, error))
			return FALSE;
	}
	return TRUE;
}

typedef struct {
	AshStore *store;
	GHashTable *set, *broken;
} Walk;

/* NULL without @error if it is noted as broken. */
static GVariant *
load(Walk *walk, const AshObjectId *id, GError **error)
{
	g_autoptr(GError) local = NULL;
	GVariant *variant = NULL;
	char checksum[ASH_SHA256_HEX_SIZE];

	ash_object_id_checksum(id, checksum);
	if (ostree_repo_load_variant(walk->store->repo, (OstreeObjectType) id->type, checksum, &variant, &local))
		return variant;
	if (walk->broken != NULL)
		ash_object_set_add(walk->broken, id);
	else
		ash_throw(error, ASH_ERROR_TRUST, "cannot read object \"%s.%s\": %s; see \"ashlar fsck\"", checksum,
			  ostree_object_type_to_string((OstreeObjectType) id->type), local->message);
	return NULL;
}

/* A checksum of another length is not one: a damaged directory. */
static bool
id_from_bytes(GVariant *bytes, OstreeObjectType type, AshObjectId *ret_id)
{
	AshObjectId id = { .type = (guint8) type };
	gsize length;
	const void *data = g_variant_get_fixed_array(bytes, &length, 1);

	if (length != sizeof(id.sum))
		return false;
	memcpy(id.sum, data, sizeof(id.sum));
	*ret_id = id;
	return true;
}

static gboolean
add_tree(Walk *walk, const AshObjectId *id, GError **error);

static gboolean
add_directories(Walk *walk, GVariant *directories, GError **error)
{
	for (gsize i = 0; i < g_variant_n_children(directories); i++) {
		g_autoptr(GVariant) tree_bytes = NULL, meta_bytes = NULL;
		AshObjectId tree, meta;

		g_variant_get_child(directories, i, "(&s@ay@ay)", NULL, &tree_bytes, &meta_bytes);
		if (id_from_bytes(meta_bytes, OSTREE_OBJECT_TYPE_DIR_META, &meta))
			ash_object_set_add(walk->set, &meta);
		if (id_from_bytes(tree_bytes, OSTREE_OBJECT_TYPE_DIR_TREE, &tree) && !add_tree(walk, &tree, error))
			return FALSE;
	}
	return TRUE;
}

/* What was added before was walked before. */
static gboolean
add_tree(Walk *walk, const AshObjectId *id, GError **error)
{
	if (!ash_object_set_add(walk->set, id))
		return TRUE;
	g_autoptr(GVariant) tree = load(walk, id, error);
	if (tree == NULL)
		return walk->broken != NULL;
	g_autoptr(GVariant) files = g_variant_get_child_value(tree, 0);
	g_autoptr(GVariant) directories = g_variant_get_child_value(tree, 1);
	for (gsize i = 0; i < g_variant_n_children(files); i++) {
		g_autoptr(GVariant) bytes = NULL;
		AshObjectId file;

		g_variant_get_child(files, i, "(&s@ay)", NULL, &bytes);
		if (id_from_bytes(bytes, OSTREE_OBJECT_TYPE_FILE, &file))
			ash_object_set_add(walk->set, &file);
	}
	return add_directories(walk, directories, error);
}

gboolean
ash_reach_add_commit(AshStore *store, const char *checksum, GHashTable *set, GHashTable *broken, GError **error)
{
	Walk walk = { .store = store, .set = set, .broken = broken };
	AshObjectId id = ash_object_id(checksum, OSTREE_OBJECT_TYPE_COMMIT), tree, meta;

	ash_object_set_add(set, &id);
	g_autoptr(GVariant) commit = load(&walk, &id, error);
	if (commit == NULL)
		return broken != NULL;
	g_autoptr(GVariant) tree_bytes = g_variant_get_child_value(commit, 6);
	g_autoptr(GVariant) meta_bytes = g_variant_get_child_value(commit, 7);
	if (id_from_bytes(meta_bytes, OSTREE_OBJECT_TYPE_DIR_META, &meta))
		ash_object_set_add(set, &meta);
	return !id_from_bytes(tree_bytes, OSTREE_OBJECT_TYPE_DIR_TREE, &tree) || add_tree(&walk, &tree, error);
}
