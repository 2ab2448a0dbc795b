/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/pushimages.h"

#include "archive/ocilayout.h"
#include "archive/treereader.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/strictjson.h"
#include "model/fstree.h"
#include "pack/registrymanifest.h"
#include "publish/registryclient.h"

#include <string.h>

#define REF_NAME "org.opencontainers.image.ref.name"

/* One image of an archive. */
typedef struct {
	const AshFsTree *tree; /* borrowed: the archive's members */
	char *text, *digest;  /* of its manifest */
	char *platform;       /* "linux/amd64", "linux/arm64/v8" */
	JsonObject *descriptor; /* of it in an index */
	GPtrArray *blobs;     /* of AshFsNode, borrowed: config and layers */
} Image;

typedef struct {
	AshContext *ctx;
	AshRegistryClient *client;
	GPtrArray *trees, *images;
	char *ref_name; /* of the first */
	AshPushImagesResult *result;
} Push;

static void
image_free(gpointer data)
{
	Image *image = data;

	g_free(image->text);
	g_free(image->digest);
	g_free(image->platform);
	g_clear_pointer(&image->descriptor, json_object_unref);
	g_clear_pointer(&image->blobs, g_ptr_array_unref);
	g_free(image);
}

static void
push_clear(Push *push)
{
	g_clear_pointer(&push->client, ash_registry_client_free);
	g_clear_pointer(&push->images, g_ptr_array_unref);
	g_clear_pointer(&push->trees, g_ptr_array_unref);
	g_free(push->ref_name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Push, push_clear)

void
ash_push_images_result_clear(AshPushImagesResult *result)
{
	g_free(result->tag);
	g_free(result->digest);
	g_clear_pointer(&result->platforms, g_ptr_array_unref);
}

/* From the config (config.md): what an index says of the image. */
static gboolean
take_platform(Image *image, JsonObject *config, GError **error)
{
	static const char *const members[] = { "os", "architecture", "variant" };
	g_autoptr(JsonObject) platform = json_object_new();
	g_autoptr(GString) name = g_string_new(NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(members); i++) {
		const char *value = i < 2 ? ash_json_get_string(config, members[i], error) : ash_json_get_string_optional(config, members[i]);
		if (value == NULL && i < 2)
			return FALSE;
		if (value == NULL)
			continue;
		json_object_set_string_member(platform, members[i], value);
		g_string_append_printf(name, "%s%s", i > 0 ? "/" : "", value);
	}
	json_object_set_object_member(image->descriptor, "platform", g_steal_pointer(&platform));
	image->platform = g_string_free(g_steal_pointer(&name), FALSE);
	return TRUE;
}

static gboolean
take_blobs(Image *image, JsonObject *manifest, GError **error)
{
	JsonObject *config = ash_strict_json_object(manifest, "config", error);
	JsonArray *layers = config != NULL ? ash_strict_json_array(manifest, "layers", error) : NULL;
	const AshFsNode *node = layers != NULL ? ash_oci_layout_find_blob(image->tree, config, error) : NULL;
	g_autoptr(JsonNode) json = node != NULL ? ash_oci_layout_load_json(image->tree, node, NULL, error) : NULL;

	if (json == NULL || !take_platform(image, json_node_get_object(json), error))
		return FALSE;
	g_ptr_array_add(image->blobs, (gpointer) node);
	for (guint i = 0; i < json_array_get_length(layers); i++) {
		JsonNode *layer = json_array_get_element(layers, i);
		node = JSON_NODE_HOLDS_OBJECT(layer) ? ash_oci_layout_find_blob(image->tree, json_node_get_object(layer), error) : NULL;
		if (node == NULL)
			return error != NULL && *error != NULL ? FALSE : ash_throw(error, ASH_ERROR_CONFIG, "a layer is no object");
		g_ptr_array_add(image->blobs, (gpointer) node);
	}
	return TRUE;
}

/* Each image of an archive. */
static gboolean
add_image(const AshFsTree *tree, const AshFsNode *manifest, JsonObject *entry, gpointer user_data, GError **error)
{
	Push *push = user_data;
	Image *image = g_new0(Image, 1);

	g_ptr_array_add(push->images, image);
	image->tree = tree;
	image->blobs = g_ptr_array_new();
	image->descriptor = json_object_new();
	if (push->ref_name == NULL && json_object_has_member(entry, "annotations"))
		push->ref_name = g_strdup(ash_json_get_string_optional(json_object_get_object_member(entry, "annotations"), REF_NAME));
	g_autoptr(JsonNode) json = ash_oci_layout_load_json(tree, manifest, &image->text, error);
	if (json == NULL)
		return FALSE;
	image->digest = ash_sha256_hex(image->text, -1);
	g_autofree char *digest = g_strconcat(ASH_OCI_DIGEST_PREFIX, image->digest, NULL);
	json_object_set_string_member(image->descriptor, "mediaType", ASH_REGISTRY_TYPE_MANIFEST);
	json_object_set_string_member(image->descriptor, "digest", digest);
	json_object_set_int_member(image->descriptor, "size", (gint64) strlen(image->text));
	return take_blobs(image, json_node_get_object(json), error);
}

static gboolean
add_archive(Push *push, const char *path, GError **error)
{
	AshFsTree *tree = ash_treereader_load_members(push->ctx, path, error);

	if (tree == NULL)
		return FALSE;
	g_ptr_array_add(push->trees, tree);
	if (ash_oci_layout_get_index(tree) == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is no archive of an OCI image (skopeo makes one: \"skopeo copy ... oci-archive:FILE\")", path);
	return ash_oci_layout_visit(tree, add_image, push, error) || ash_prefix(error, "\"%s\"", path);
}

static int
compare_images(gconstpointer a, gconstpointer b)
{
	return strcmp((*(const Image *const *) a)->platform, (*(const Image *const *) b)->platform);
}

static gboolean
load_images(Push *push, const char *const *archives, GError **error)
{
	for (; *archives != NULL; archives++)
		if (!add_archive(push, *archives, error))
			return FALSE;
	g_ptr_array_sort(push->images, compare_images);
	for (guint i = 1; i < push->images->len; i++) {
		const Image *image = g_ptr_array_index(push->images, i), *before = g_ptr_array_index(push->images, i - 1);
		if (strcmp(image->platform, before->platform) == 0)
			return ash_throw(error, ASH_ERROR_USAGE, "two of the images are for %s: one tag has one of each", image->platform);
	}
	return push->images->len > 0 || ash_throw(error, ASH_ERROR_CONFIG, "there is no image in the archive");
}

static gboolean
push_blob(Push *push, const AshFsTree *tree, const AshFsNode *node, GError **error)
{
	const AshObjectRef blob = { node->name, node->size };
	bool there;

	if (!ash_registry_client_has_blob(push->ctx, push->client, &blob, &there, error))
		return FALSE;
	push->result->blobs++;
	if (there)
		return TRUE;
	ash_autofd int fd = ash_fs_tree_open(tree, node, error);
	g_autofree char *digest = fd >= 0 ? ash_sha256_fd_hex(fd, error) : NULL;
	if (digest == NULL)
		return FALSE;
	if (strcmp(digest, node->name) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "the blob \"%s\" is damaged in its archive", node->name);
	push->result->sent++;
	push->result->sent_bytes += node->size;
	return ash_registry_client_put_blob(push->ctx, push->client, &blob, fd, NULL, error);
}

static gboolean
push_blobs(Push *push, GError **error)
{
	guint total = 0, done = 0;

	for (guint i = 0; i < push->images->len; i++)
		total += ((const Image *) g_ptr_array_index(push->images, i))->blobs->len;
	for (guint i = 0; i < push->images->len; i++) {
		const Image *image = g_ptr_array_index(push->images, i);
		for (guint k = 0; k < image->blobs->len; k++) {
			if (!ash_context_check(push->ctx, error) || !push_blob(push, image->tree, g_ptr_array_index(image->blobs, k), error))
				return FALSE;
			ash_progress_count(push->ctx->progress, ++done, total, "blobs");
		}
	}
	return TRUE;
}

static char *
format_platform(JsonObject *descriptor)
{
	JsonObject *platform = json_object_has_member(descriptor, "platform") ? json_object_get_object_member(descriptor, "platform") : NULL;
	const char *os = platform != NULL ? ash_json_get_string_optional(platform, "os") : NULL;
	const char *arch = platform != NULL ? ash_json_get_string_optional(platform, "architecture") : NULL;
	const char *variant = platform != NULL ? ash_json_get_string_optional(platform, "variant") : NULL;

	return g_strdup_printf("%s/%s%s%s", os != NULL ? os : "unknown", arch != NULL ? arch : "unknown", variant != NULL ? "/" : "",
			       variant != NULL ? variant : "");
}

static bool
is_pushed(const Push *push, const char *platform)
{
	for (guint i = 0; i < push->images->len; i++)
		if (strcmp(((const Image *) g_ptr_array_index(push->images, i))->platform, platform) == 0)
			return true;
	return false;
}

/* What the tag has for other platforms, into @manifests. */
static gboolean
keep_others(Push *push, const char *tag, JsonArray *manifests, GError **error)
{
	const AshJsonLimits limits = { .code = ASH_ERROR_FETCH };
	g_autoptr(GBytes) bytes = NULL;
	gsize length;

	if (!ash_registry_client_load_manifest(push->ctx, push->client, tag, &bytes, error))
		return FALSE;
	if (bytes == NULL)
		return TRUE;
	const char *text = g_bytes_get_data(bytes, &length);
	g_autoptr(JsonNode) json = ash_strict_json_parse_object(text, length, &limits, tag, error);
	if (json == NULL)
		return FALSE;
	JsonObject *index = json_node_get_object(json);
	if (!json_object_has_member(index, "manifests"))
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" is one image, not an index: push all its archives together once, without --add", tag);
	JsonArray *there = ash_strict_json_array(index, "manifests", error);
	for (guint i = 0; there != NULL && i < json_array_get_length(there); i++) {
		JsonNode *element = json_array_get_element(there, i);
		g_autofree char *platform = JSON_NODE_HOLDS_OBJECT(element) ? format_platform(json_node_get_object(element)) : NULL;
		if (platform == NULL || is_pushed(push, platform))
			continue;
		json_array_add_object_element(manifests, json_object_ref(json_node_get_object(element)));
		g_ptr_array_add(push->result->platforms, g_steal_pointer(&platform));
	}
	return there != NULL;
}

static char *
format_index(JsonArray *manifests)
{
	g_autoptr(JsonObject) index = json_object_new();

	json_object_set_int_member(index, "schemaVersion", 2);
	json_object_set_string_member(index, "mediaType", ASH_REGISTRY_TYPE_INDEX);
	json_object_set_array_member(index, "manifests", json_array_ref(manifests));
	return ash_json_object_to_string(index, FALSE);
}

static gboolean
push_index(Push *push, const char *tag, bool add, GError **error)
{
	g_autoptr(JsonArray) manifests = json_array_new();

	if (add && !keep_others(push, tag, manifests, error))
		return FALSE;
	for (guint i = 0; i < push->images->len; i++) {
		const Image *image = g_ptr_array_index(push->images, i);
		g_autofree char *digest = g_strconcat(ASH_OCI_DIGEST_PREFIX, image->digest, NULL);
		if (!ash_registry_client_put_manifest(push->ctx, push->client, digest, ASH_REGISTRY_TYPE_MANIFEST, image->text, error))
			return FALSE;
		json_array_add_object_element(manifests, json_object_ref(image->descriptor));
	}
	g_autofree char *text = format_index(manifests);
	push->result->digest = ash_sha256_hex(text, -1);
	return ash_registry_client_put_manifest(push->ctx, push->client, tag, ASH_REGISTRY_TYPE_INDEX, text, error);
}

static gboolean
push_manifests(Push *push, const char *tag, bool add, GError **error)
{
	const Image *first = g_ptr_array_index(push->images, 0);

	for (guint i = 0; i < push->images->len; i++)
		g_ptr_array_add(push->result->platforms, g_strdup(((const Image *) g_ptr_array_index(push->images, i))->platform));
	if (push->images->len > 1 || add)
		return push_index(push, tag, add, error);
	push->result->digest = g_strdup(first->digest);
	return ash_registry_client_put_manifest(push->ctx, push->client, tag, ASH_REGISTRY_TYPE_MANIFEST, first->text, error);
}

gboolean
ash_push_images(AshContext *ctx, const char *const *archives, const char *url, const AshPushImagesOptions *options,
		AshPushImagesResult *ret, GError **error)
{
	g_auto(Push) push = { .ctx = ctx, .result = ret };
	const char *tag;

	ret->platforms = g_ptr_array_new_with_free_func(g_free);
	push.trees = g_ptr_array_new_with_free_func((GDestroyNotify) ash_fs_tree_free);
	push.images = g_ptr_array_new_with_free_func(image_free);
	push.client = ash_registry_client_new(url, options->credentials, options->ca_file, error);
	if (push.client == NULL || !load_images(&push, archives, error))
		return FALSE;
	tag = options->tag != NULL ? options->tag : push.ref_name != NULL ? push.ref_name : "latest";
	ret->tag = g_strdup(tag);
	ash_progress_set_total_weight(ctx->progress, 100);
	ash_progress_begin(ctx->progress, "Push", 95);
	gboolean done = push_blobs(&push, error);
	ash_progress_end(ctx->progress);
	done = done && push_manifests(&push, tag, options->add, error);
	ret->requests = ash_registry_client_get_requests(push.client);
	return done;
}
