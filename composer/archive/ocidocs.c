/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/ocidocs.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define TYPE_INDEX    "application/vnd.oci.image.index.v1+json"
#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_CONFIG   "application/vnd.oci.image.config.v1+json"

/* GOARCH, as config.md asks for, and the variant of platform in image-index.md. */
static const struct {
	const char *rpm, *oci, *variant;
} architectures[] = {
	{ "x86_64", "amd64", NULL },   { "aarch64", "arm64", "v8" },    { "riscv64", "riscv64", NULL },
	{ "ppc64le", "ppc64le", NULL }, { "s390x", "s390x", NULL },      { "i686", "386", NULL },
	{ "armv7hl", "arm", "v7" },    { "loongarch64", "loong64", NULL },
};

/* By AshCompression. */
static const char *const layer_types[] = {
	[ASH_COMPRESS_NONE] = "application/vnd.oci.image.layer.v1.tar",
	[ASH_COMPRESS_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
	[ASH_COMPRESS_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
};

void
ash_oci_blob_clear(AshOciBlob *blob)
{
	g_free(blob->sha256);
}

void
ash_oci_layer_free(gpointer data)
{
	AshOciLayer *layer = data;

	ash_oci_blob_clear(&layer->blob);
	g_free(layer->diff_sha256);
	g_free(layer);
}

static void
set_string(JsonObject *object, const char *member, const char *value)
{
	if (value != NULL)
		json_object_set_string_member(object, member, value);
}

static void
set_strv(JsonObject *object, const char *member, const char *const *value)
{
	if (value != NULL && value[0] != NULL)
		ash_json_set_strv(object, member, value);
}

static char *
dup_created(const AshOciOptions *options)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64) options->epoch);

	return g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
}

/* descriptor.md */
static JsonObject *
new_descriptor(const char *media_type, const AshOciBlob *blob)
{
	JsonObject *descriptor = json_object_new();
	g_autofree char *digest = g_strconcat("sha256:", blob->sha256, NULL);

	json_object_set_string_member(descriptor, "digest", digest);
	json_object_set_string_member(descriptor, "mediaType", media_type);
	json_object_set_int_member(descriptor, "size", (gint64) blob->size);
	return descriptor;
}

gboolean
ash_oci_find_architecture(const AshOciOptions *options, guint *ret_place, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(architectures); i++) {
		if (g_strcmp0(architectures[i].rpm, options->architecture) == 0) {
			*ret_place = i;
			return TRUE;
		}
	}
	return ash_throw(error, ASH_ERROR_CONFIG, "architecture \"%s\" has no name in OCI images",
			 options->architecture != NULL ? options->architecture : "");
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(a, b);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* In the order of their names. */
static void
add_members(JsonObject *object, GHashTable *table)
{
	g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(table), compare_strings);

	for (GList *at = names; at != NULL; at = at->next)
		json_object_set_string_member(object, at->data, g_hash_table_lookup(table, at->data));
}

static void
set_table(JsonObject *object, const char *member, GHashTable *table)
{
	JsonObject *value;

	if (table == NULL || g_hash_table_size(table) == 0)
		return;
	value = json_object_new();
	add_members(value, table);
	json_object_set_object_member(object, member, value);
}

/* A set is an object whose members are empty objects. */
static void
set_set(JsonObject *object, const char *member, const char *const *names)
{
	JsonObject *value;
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();

	if (names == NULL || names[0] == NULL)
		return;
	value = json_object_new();
	for (guint i = 0; names[i] != NULL; i++)
		g_ptr_array_add(sorted, (gpointer) names[i]);
	g_ptr_array_sort(sorted, compare_names);
	for (guint i = 0; i < sorted->len; i++)
		json_object_set_object_member(value, g_ptr_array_index(sorted, i), json_object_new());
	json_object_set_object_member(object, member, value);
}

static char *
dup_diff_id(const AshOciLayer *layer)
{
	return g_strconcat("sha256:", layer->diff_sha256, NULL);
}

static void
set_labels(JsonObject *config, const AshOciOptions *options, GPtrArray *layers)
{
	g_autoptr(GHashTable) all = g_hash_table_new(g_str_hash, g_str_equal);
	g_autofree char *diff_id = dup_diff_id(g_ptr_array_index(layers, layers->len - 1));
	GHashTableIter iter;
	gpointer name, value;

	if (options->labels != NULL) {
		g_hash_table_iter_init(&iter, options->labels);
		while (g_hash_table_iter_next(&iter, &name, &value))
			g_hash_table_insert(all, name, value);
	}
	if (options->last_layer_label != NULL)
		g_hash_table_insert(all, (gpointer) options->last_layer_label, diff_id);
	set_table(config, "Labels", all);
}

/* config.md, "Properties": config */
static JsonObject *
new_run_config(const AshOciOptions *options, GPtrArray *layers)
{
	JsonObject *config = json_object_new();

	set_strv(config, "Cmd", options->cmd);
	set_strv(config, "Entrypoint", options->entrypoint);
	set_strv(config, "Env", options->env);
	set_set(config, "ExposedPorts", options->ports);
	set_labels(config, options, layers);
	set_string(config, "StopSignal", options->stop_signal);
	set_string(config, "User", options->user);
	set_set(config, "Volumes", options->volumes);
	set_string(config, "WorkingDir", options->working_dir);
	return config;
}

/* One entry a layer. */
static JsonArray *
new_history(const char *created, GPtrArray *layers)
{
	JsonArray *history = json_array_new();

	for (guint i = 0; i < layers->len; i++) {
		const AshOciLayer *layer = g_ptr_array_index(layers, i);
		JsonObject *entry = json_object_new();

		set_string(entry, "comment", layer->comment);
		json_object_set_string_member(entry, "created", created);
		json_object_set_string_member(entry, "created_by", "ashlar");
		json_array_add_object_element(history, entry);
	}
	return history;
}

static JsonObject *
new_rootfs(GPtrArray *layers)
{
	JsonObject *rootfs = json_object_new();
	JsonArray *diff_ids = json_array_new();

	for (guint i = 0; i < layers->len; i++) {
		const AshOciLayer *layer = g_ptr_array_index(layers, i);
		g_autofree char *diff_id = dup_diff_id(layer);

		json_array_add_string_element(diff_ids, diff_id);
	}
	json_object_set_array_member(rootfs, "diff_ids", diff_ids);
	json_object_set_string_member(rootfs, "type", "layers");
	return rootfs;
}

static void
set_architecture(JsonObject *object, guint architecture)
{
	json_object_set_string_member(object, "architecture", architectures[architecture].oci);
}

/* config.md. Members are in the order of their names, here and below. */
JsonObject *
ash_oci_new_config(const AshOciOptions *options, guint architecture, GPtrArray *layers)
{
	JsonObject *config = json_object_new();
	g_autofree char *created = dup_created(options);

	set_architecture(config, architecture);
	json_object_set_object_member(config, "config", new_run_config(options, layers));
	json_object_set_string_member(config, "created", created);
	json_object_set_array_member(config, "history", new_history(created, layers));
	json_object_set_string_member(config, "os", "linux");
	json_object_set_object_member(config, "rootfs", new_rootfs(layers));
	set_string(config, "variant", architectures[architecture].variant);
	return config;
}

/* annotations.md: ours, but what the caller says himself. */
static JsonObject *
new_annotations(const AshOciOptions *options, bool with_ref)
{
	JsonObject *annotations = json_object_new();
	g_autoptr(GHashTable) all = g_hash_table_new(g_str_hash, g_str_equal);
	g_autofree char *created = dup_created(options);
	const char *const own[][2] = {
		{ "org.opencontainers.image.created", created },
		{ "org.opencontainers.image.ref.name", with_ref ? options->ref_name : NULL },
		{ "org.opencontainers.image.title", options->title },
		{ "org.opencontainers.image.version", options->version },
	};
	GHashTableIter iter;
	gpointer name, value;

	for (guint i = 0; i < G_N_ELEMENTS(own); i++)
		if (own[i][1] != NULL)
			g_hash_table_insert(all, (gpointer) own[i][0], (gpointer) own[i][1]);
	if (options->annotations != NULL) {
		g_hash_table_iter_init(&iter, options->annotations);
		while (g_hash_table_iter_next(&iter, &name, &value))
			g_hash_table_insert(all, name, value);
	}
	add_members(annotations, all);
	return annotations;
}

/* manifest.md */
JsonObject *
ash_oci_new_manifest(const AshOciOptions *options, const AshOciBlob *config, GPtrArray *layers)
{
	JsonObject *manifest = json_object_new();
	JsonArray *descriptors = json_array_new();

	for (guint i = 0; i < layers->len; i++) {
		const AshOciLayer *layer = g_ptr_array_index(layers, i);
		json_array_add_object_element(descriptors, new_descriptor(layer_types[options->compression], &layer->blob));
	}
	json_object_set_object_member(manifest, "annotations", new_annotations(options, false));
	json_object_set_object_member(manifest, "config", new_descriptor(TYPE_CONFIG, config));
	json_object_set_array_member(manifest, "layers", descriptors);
	json_object_set_string_member(manifest, "mediaType", TYPE_MANIFEST);
	json_object_set_int_member(manifest, "schemaVersion", 2);
	return manifest;
}

/* image-index.md */
JsonObject *
ash_oci_new_index(const AshOciOptions *options, guint architecture, const AshOciBlob *manifest)
{
	JsonObject *index = json_object_new(), *descriptor = json_object_new(), *platform = json_object_new();
	g_autoptr(JsonObject) plain = new_descriptor(TYPE_MANIFEST, manifest);
	JsonArray *manifests = json_array_new();

	set_architecture(platform, architecture);
	json_object_set_string_member(platform, "os", "linux");
	set_string(platform, "variant", architectures[architecture].variant);
	json_object_set_object_member(descriptor, "annotations", new_annotations(options, true));
	json_object_set_string_member(descriptor, "digest", json_object_get_string_member(plain, "digest"));
	json_object_set_string_member(descriptor, "mediaType", TYPE_MANIFEST);
	json_object_set_object_member(descriptor, "platform", platform);
	json_object_set_int_member(descriptor, "size", (gint64) manifest->size);
	json_array_add_object_element(manifests, descriptor);
	json_object_set_array_member(index, "manifests", manifests);
	json_object_set_string_member(index, "mediaType", TYPE_INDEX);
	json_object_set_int_member(index, "schemaVersion", 2);
	return index;
}
