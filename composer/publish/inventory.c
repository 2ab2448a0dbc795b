/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/inventory.h"

#include "base/digest.h"
#include "base/strictjson.h"

#include <string.h>

static void
object_ref_free(gpointer data)
{
	AshObjectRef *object = data;

	g_free(object->sha256);
	g_free(object);
}

static void
release_free(gpointer data)
{
	AshInventoryRelease *release = data;

	g_free(release->ref);
	g_free(release->version);
	g_free(release->path);
	g_free(release->file.sha256);
	g_clear_pointer(&release->objects, g_ptr_array_unref);
	g_free(release);
}

void
ash_inventory_free(AshInventory *inventory)
{
	if (inventory == NULL)
		return;
	g_clear_pointer(&inventory->releases, g_ptr_array_unref);
	g_clear_pointer(&inventory->channels, g_ptr_array_unref);
	g_clear_pointer(&inventory->metadata, g_ptr_array_unref);
	g_free(inventory);
}

/* Objects that were listed already are not again. */
typedef struct {
	GHashTable *seen; /* char * borrowed from the list */
	GPtrArray *objects;
} Finder;

static void find_objects(Finder *finder, JsonNode *node);

static void
find_in_array(JsonArray *array, guint index, JsonNode *node, gpointer user_data)
{
	find_objects(user_data, node);
}

static void
find_in_object(JsonObject *object, const char *name, JsonNode *node, gpointer user_data)
{
	find_objects(user_data, node);
}

static void
add_object(Finder *finder, JsonObject *json)
{
	const char *sha256 = ash_strict_json_string(json, "sha256", NULL);
	gint64 bytes;

	if (sha256 == NULL || !ash_strict_json_int(json, "size", 0, G_MAXINT64, &bytes, NULL) || g_hash_table_contains(finder->seen, sha256))
		return;
	AshObjectRef *object = g_new0(AshObjectRef, 1);
	object->sha256 = g_strdup(sha256);
	object->size = (guint64) bytes;
	g_ptr_array_add(finder->objects, object);
	g_hash_table_add(finder->seen, object->sha256);
}

/* Whatever has a digest and a size is an object: those of later formats are kept, and copied, too. */
static void
find_objects(Finder *finder, JsonNode *node)
{
	if (JSON_NODE_HOLDS_ARRAY(node)) {
		json_array_foreach_element(json_node_get_array(node), find_in_array, finder);
	} else if (JSON_NODE_HOLDS_OBJECT(node)) {
		add_object(finder, json_node_get_object(node));
		json_object_foreach_member(json_node_get_object(node), find_in_object, finder);
	}
}

static gboolean
add_release(AshInventory *inventory, AshReleaseDir *dir, const char *ref, const char *version, GError **error)
{
	g_autofree char *target = ash_release_target_path(ref, version);
	g_autofree char *path = NULL;
	g_autoptr(GBytes) bytes = NULL;
	g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func(object_ref_free);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	Finder finder = { seen, objects };
	gsize length;

	if (!ash_release_dir_load_file(dir, target, &path, &bytes, error))
		return FALSE;
	const char *text = g_bytes_get_data(bytes, &length);
	g_autoptr(JsonNode) node = ash_strict_json_parse_object(text, length, NULL, path, error);
	if (node == NULL)
		return FALSE;
	find_objects(&finder, node);
	AshInventoryRelease *release = g_new0(AshInventoryRelease, 1);
	release->ref = g_strdup(ref);
	release->version = g_strdup(version);
	release->file.sha256 = ash_sha256_hex(text, (gssize) length);
	release->file.size = length;
	release->path = g_steal_pointer(&path);
	release->objects = g_steal_pointer(&objects);
	g_ptr_array_add(inventory->releases, release);
	return TRUE;
}

static gboolean
add_ref(AshInventory *inventory, AshReleaseDir *dir, const char *ref, GError **error)
{
	g_auto(GStrv) versions = ash_release_dir_list_versions(dir, ref), channels = ash_release_dir_list_channels(dir, ref);

	for (char **version = versions; *version != NULL; version++)
		if (!add_release(inventory, dir, ref, *version, error))
			return FALSE;
	for (char **channel = channels; *channel != NULL; channel++) {
		g_autofree char *target = ash_channel_target_path(ref, *channel);
		g_autoptr(GBytes) bytes = NULL;
		char *path;
		if (!ash_release_dir_load_file(dir, target, &path, &bytes, error))
			return FALSE;
		g_ptr_array_add(inventory->channels, path);
	}
	return TRUE;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
add_metadata(AshInventory *inventory, AshReleaseDir *dir)
{
	AshTufRepository *tuf = ash_release_dir_get_tuf(dir);
	const AshTufMetadata *root = ash_tuf_repository_get(tuf, ASH_TUF_ROOT), *snapshot = ash_tuf_repository_get(tuf, ASH_TUF_SNAPSHOT);
	GHashTableIter iter;
	gpointer name, told;

	for (gint64 version = 1; root != NULL && version <= root->version; version++)
		g_ptr_array_add(inventory->metadata, g_strdup_printf(ASH_TUF_METADATA_DIR "/%" G_GINT64_FORMAT ".root.json", version));
	if (snapshot == NULL)
		return;
	g_ptr_array_add(inventory->metadata, g_strdup_printf(ASH_TUF_METADATA_DIR "/%" G_GINT64_FORMAT ".snapshot.json", snapshot->version));
	g_hash_table_iter_init(&iter, snapshot->meta);
	while (g_hash_table_iter_next(&iter, &name, &told))
		g_ptr_array_add(inventory->metadata, g_strdup_printf(ASH_TUF_METADATA_DIR "/%" G_GINT64_FORMAT ".%s",
								     ((const AshTufFile *) told)->version, (const char *) name));
	g_ptr_array_sort(inventory->metadata, compare_strings);
	g_ptr_array_add(inventory->metadata, g_strdup(ASH_TUF_METADATA_DIR "/timestamp.json"));
}

AshInventory *
ash_inventory_new(AshReleaseDir *dir, GError **error)
{
	g_autoptr(AshInventory) inventory = g_new0(AshInventory, 1);
	g_auto(GStrv) refs = ash_release_dir_list_refs(dir);

	inventory->releases = g_ptr_array_new_with_free_func(release_free);
	inventory->channels = g_ptr_array_new_with_free_func(g_free);
	inventory->metadata = g_ptr_array_new_with_free_func(g_free);
	for (char **ref = refs; *ref != NULL; ref++)
		if (!add_ref(inventory, dir, *ref, error))
			return NULL;
	add_metadata(inventory, dir);
	return g_steal_pointer(&inventory);
}
