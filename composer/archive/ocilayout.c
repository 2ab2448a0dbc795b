/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/ocilayout.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/size.h"
#include "base/strictjson.h"

#include <string.h>
#include <sys/stat.h>

#define MAX_JSON   (4 * ASH_MIB)
#define MAX_DEPTH  2 /* an index in index.json, and no more */
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

const AshFsNode *
ash_oci_layout_get_index(const AshFsTree *members)
{
	const AshFsNode *index = ash_fs_tree_lookup(members, "index.json");

	return ash_fs_tree_lookup(members, "oci-layout") != NULL && index != NULL && S_ISREG(index->mode) ? index : NULL;
}

AshFsNode *
ash_oci_layout_find_blob(const AshFsTree *members, JsonObject *descriptor, GError **error)
{
	const char *digest = ash_strict_json_string(descriptor, "digest", error);
	g_autofree char *path = NULL;
	AshFsNode *node;

	if (digest == NULL)
		return NULL;
	if (g_str_has_prefix(digest, ASH_OCI_DIGEST_PREFIX))
		path = g_strconcat(ASH_OCI_LAYOUT_BLOBS "/", digest + strlen(ASH_OCI_DIGEST_PREFIX), NULL);
	node = path != NULL ? ash_fs_tree_lookup(members, path) : NULL;
	if (node == NULL || !S_ISREG(node->mode) || node->size == 0)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the image has no blob \"%s\"", digest);
	return node;
}

JsonNode *
ash_oci_layout_load_json(const AshFsTree *members, const AshFsNode *node, char **ret_text, GError **error)
{
	const AshJsonLimits limits = { .code = ASH_ERROR_CONFIG };
	g_autofree char *text = node->size > 0 && node->size <= MAX_JSON ? g_malloc0(node->size + 1) : NULL;

	if (text == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "\"%s\" is empty or too large", node->name);
	ash_autofd int fd = ash_fs_tree_open(members, node, error);
	if (fd < 0 || !ash_fd_read_exact(fd, text, node->size, 0, error))
		return NULL;
	JsonNode *json = ash_strict_json_parse_object(text, node->size, &limits, node->name, error);
	if (json != NULL && ret_text != NULL)
		*ret_text = g_steal_pointer(&text);
	return json;
}

typedef struct {
	const AshFsTree *members;
	AshOciManifestFunc func; /* NULL: the first one is all that is wanted */
	gpointer user_data;
	const AshFsNode *first;
} Visit;

/* @outer: of index.json; NULL if @index is that. */
static gboolean
visit_index(Visit *visit, const AshFsNode *index, JsonObject *outer, guint depth, GError **error)
{
	const AshFsTree *members = visit->members;
	g_autoptr(JsonNode) json = ash_oci_layout_load_json(members, index, NULL, error);
	JsonArray *manifests = json != NULL ? ash_strict_json_array(json_node_get_object(json), "manifests", error) : NULL;

	if (manifests == NULL)
		return FALSE;
	if (depth > MAX_DEPTH)
		return ash_throw(error, ASH_ERROR_CONFIG, "its indexes are nested too deep");
	for (guint i = 0; i < json_array_get_length(manifests) && (visit->func != NULL || visit->first == NULL); i++) {
		JsonNode *element = json_array_get_element(manifests, i);
		JsonObject *entry = JSON_NODE_HOLDS_OBJECT(element) ? json_node_get_object(element) : NULL;

		if (entry == NULL)
			return ash_throw(error, ASH_ERROR_CONFIG, "the index names no manifest");
		const AshFsNode *blob = ash_oci_layout_find_blob(members, entry, error);
		if (blob == NULL)
			return FALSE;
		const bool is_index = g_strcmp0(ash_json_get_string_optional(entry, "mediaType"), INDEX_TYPE) == 0;
		if (is_index ? !visit_index(visit, blob, outer != NULL ? outer : entry, depth + 1, error)
			     : visit->func != NULL && !visit->func(members, blob, outer != NULL ? outer : entry, visit->user_data, error))
			return FALSE;
		if (!is_index && visit->first == NULL)
			visit->first = blob;
	}
	return TRUE;
}

gboolean
ash_oci_layout_visit(const AshFsTree *members, AshOciManifestFunc func, gpointer user_data, GError **error)
{
	Visit visit = { .members = members, .func = func, .user_data = user_data };

	return visit_index(&visit, ash_oci_layout_get_index(members), NULL, 0, error);
}

JsonNode *
ash_oci_layout_load_manifest(const AshFsTree *members, GError **error)
{
	Visit visit = { .members = members };

	if (!visit_index(&visit, ash_oci_layout_get_index(members), NULL, 0, error))
		return NULL;
	return visit.first != NULL ? ash_oci_layout_load_json(members, visit.first, NULL, error)
				   : ash_throw_null(error, ASH_ERROR_CONFIG, "the index names no manifest");
}

JsonNode *
ash_oci_layout_load_config(const AshFsTree *members, GError **error)
{
	g_autoptr(JsonNode) manifest = ash_oci_layout_load_manifest(members, error);
	JsonObject *descriptor = manifest != NULL ? ash_strict_json_object(json_node_get_object(manifest), "config", error) : NULL;
	const AshFsNode *blob = descriptor != NULL ? ash_oci_layout_find_blob(members, descriptor, error) : NULL;

	return blob != NULL ? ash_oci_layout_load_json(members, blob, NULL, error) : NULL;
}

gboolean
ash_oci_layout_check(const AshFsTree *members, GError **error)
{
	const AshFsNode *blobs = ash_fs_tree_lookup(members, ASH_OCI_LAYOUT_BLOBS);

	for (guint i = 0; blobs != NULL && blobs->children != NULL && i < blobs->children->len; i++) {
		const AshFsNode *blob = g_ptr_array_index(blobs->children, i);
		ash_autofd int fd = S_ISREG(blob->mode) ? ash_fs_tree_open(members, blob, error) : -1;
		g_autofree char *sum = fd >= 0 ? ash_sha256_fd_hex(fd, error) : NULL;

		if (sum == NULL && S_ISREG(blob->mode))
			return FALSE;
		if (g_strcmp0(sum, blob->name) != 0)
			return ash_throw(error, ASH_ERROR_TRUST, "blob \"%s\" is not what its name says", blob->name);
	}
	return TRUE;
}
