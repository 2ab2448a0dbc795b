/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/registrymanifest.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strictjson.h"

#include <string.h>

#define TITLE_KEY "org.opencontainers.image.title"
#define PREFIX	  "sha256:"

void
ash_registry_file_free(AshRegistryFile *file)
{
	if (file == NULL)
		return;
	g_free(file->path);
	g_free(file->blob.sha256);
	g_free(file);
}

static JsonObject *
new_descriptor(const char *media_type, const char *sha256, guint64 bytes)
{
	JsonObject *descriptor = json_object_new();
	g_autofree char *digest = g_strconcat(PREFIX, sha256, NULL);

	json_object_set_string_member(descriptor, "mediaType", media_type);
	json_object_set_string_member(descriptor, "digest", digest);
	json_object_set_int_member(descriptor, "size", (gint64) bytes);
	return descriptor;
}

static JsonObject *
new_layer(const AshRegistryFile *file)
{
	const char *type = g_str_has_suffix(file->path, ".json") ? "application/json" : "application/octet-stream";
	JsonObject *layer = new_descriptor(type, file->blob.sha256, file->blob.size), *annotations = json_object_new();

	json_object_set_string_member(annotations, TITLE_KEY, file->path);
	json_object_set_object_member(layer, "annotations", annotations);
	return layer;
}

char *
ash_registry_manifest_format(const char *artifact_type, const GPtrArray *files, const char *const *annotations)
{
	g_autoptr(JsonObject) manifest = json_object_new();
	g_autofree char *empty = ash_sha256_hex(ASH_REGISTRY_EMPTY, -1);
	JsonArray *layers = json_array_new();
	JsonObject *notes = json_object_new();

	json_object_set_int_member(manifest, "schemaVersion", 2);
	json_object_set_string_member(manifest, "mediaType", ASH_REGISTRY_TYPE_MANIFEST);
	json_object_set_string_member(manifest, "artifactType", artifact_type);
	json_object_set_object_member(manifest, "config", new_descriptor(ASH_REGISTRY_TYPE_EMPTY, empty, strlen(ASH_REGISTRY_EMPTY)));
	for (guint i = 0; i < files->len; i++)
		json_array_add_object_element(layers, new_layer(g_ptr_array_index(files, i)));
	json_object_set_array_member(manifest, "layers", layers);
	for (guint i = 0; annotations[i] != NULL; i += 2)
		json_object_set_string_member(notes, annotations[i], annotations[i + 1]);
	json_object_set_object_member(manifest, "annotations", notes);
	return ash_json_object_to_string(manifest, TRUE);
}

static void
object_ref_free(gpointer data)
{
	AshObjectRef *ref = data;

	g_free(ref->sha256);
	g_free(ref);
}

static const char *
find_annotation(JsonObject *object, const char *key)
{
	JsonNode *node = json_object_get_member(object, "annotations");

	return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? ash_json_get_string_optional(json_node_get_object(node), key) : NULL;
}

static gboolean
take_layer(GHashTable *files, JsonNode *node, GError **error)
{
	JsonObject *layer = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	const char *digest = layer != NULL ? ash_strict_json_string(layer, "digest", NULL) : NULL;
	guint8 sum[ASH_SHA256_SIZE];
	gint64 bytes;

	if (digest == NULL || !g_str_has_prefix(digest, PREFIX) || !ash_hex_decode(digest + strlen(PREFIX), sum, sizeof(sum)) ||
	    !ash_strict_json_int(layer, "size", 0, G_MAXINT64, &bytes, NULL))
		return ash_throw(error, ASH_ERROR_FETCH, "a layer has no SHA-256 or size");
	const char *title = find_annotation(layer, TITLE_KEY);
	if (title == NULL)
		return TRUE;
	AshObjectRef *ref = g_new0(AshObjectRef, 1);
	ref->sha256 = g_ascii_strdown(digest + strlen(PREFIX), -1);
	ref->size = (guint64) bytes;
	g_hash_table_replace(files, g_strdup(title), ref);
	return TRUE;
}

static JsonNode *
parse_reply(GBytes *reply, const char *what, GError **error)
{
	const AshJsonLimits limits = { .bytes = ASH_REGISTRY_MAX_MANIFEST_BYTES, .code = ASH_ERROR_FETCH };
	gsize length;
	const char *text = g_bytes_get_data(reply, &length);

	return ash_strict_json_parse_object(text, length, &limits, what, error);
}

bool
ash_registry_manifest_is_release(GBytes *manifest)
{
	g_autoptr(JsonNode) node = parse_reply(manifest, "manifest", NULL);

	return node != NULL &&
	       g_strcmp0(ash_json_get_string_optional(json_node_get_object(node), "artifactType"), ASH_REGISTRY_TYPE_RELEASE) == 0;
}

GPtrArray *
ash_registry_tags_parse(GBytes *list, GError **error)
{
	g_autoptr(JsonNode) node = parse_reply(list, "the list of tags", error);
	g_autoptr(GPtrArray) tags = g_ptr_array_new_with_free_func(g_free);
	JsonNode *member = node != NULL ? json_object_get_member(json_node_get_object(node), "tags") : NULL;

	if (node == NULL)
		return NULL;
	/* "null" where there are none. */
	if (member == NULL || JSON_NODE_HOLDS_NULL(member))
		return g_steal_pointer(&tags);
	if (!JSON_NODE_HOLDS_ARRAY(member))
		return ash_throw_null(error, ASH_ERROR_FETCH, "the list of tags is none");
	for (guint i = 0; i < json_array_get_length(json_node_get_array(member)); i++) {
		JsonNode *tag = json_array_get_element(json_node_get_array(member), i);
		if (json_node_get_value_type(tag) == G_TYPE_STRING)
			g_ptr_array_add(tags, json_node_dup_string(tag));
	}
	return g_steal_pointer(&tags);
}

GHashTable *
ash_registry_manifest_parse(GBytes *manifest, const char *what, guint64 *ret_version, GError **error)
{
	g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, object_ref_free);
	g_autoptr(JsonNode) node = parse_reply(manifest, what, error);

	if (node == NULL)
		return NULL;
	JsonObject *object = json_node_get_object(node);
	JsonArray *layers = ash_strict_json_array(object, "layers", NULL);
	if (layers == NULL)
		return ash_throw_null(error, ASH_ERROR_FETCH, "%s is not a manifest with layers", what);
	for (guint i = 0; i < json_array_get_length(layers); i++) {
		if (!take_layer(files, json_array_get_element(layers, i), error)) {
			ash_prefix(error, "%s", what);
			return NULL;
		}
	}
	const char *version = find_annotation(object, ASH_REGISTRY_VERSION_KEY);
	*ret_version = 0;
	if (version != NULL)
		g_ascii_string_to_unsigned(version, 10, 0, G_MAXINT64, ret_version, NULL);
	return g_steal_pointer(&files);
}
