/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/oci.h"

#include "archive/libarchive.h"
#include "archive/tar.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

#define TYPE_INDEX    "application/vnd.oci.image.index.v1+json"
#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_CONFIG   "application/vnd.oci.image.config.v1+json"

/* Of ustar; every member begins at a multiple of it. */
#define TAR_BLOCK 512

/*
 * Directories of the layout, which come first: Go's readers give those that they have to make themselves to root,
 * which an ordinary user may not.
 */
static const char *const directories[] = { "blobs/", "blobs/sha256/" };

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

/* A blob as manifests refer to it. */
typedef struct {
	char *sha256; /* hex */
	guint64 size;
} Blob;

static void
blob_clear(Blob *blob)
{
	g_free(blob->sha256);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Blob, blob_clear)

/* A layer that was written. */
typedef struct {
	Blob blob;           /* as stored */
	char *diff_sha256;   /* hex, of the plain tar */
	const char *comment; /* borrowed, may be NULL */
} Layer;

static void
layer_free(gpointer data)
{
	Layer *layer = data;

	blob_clear(&layer->blob);
	g_free(layer->diff_sha256);
	g_free(layer);
}

/* A sink that passes on what it counts in. */
typedef struct {
	AshDigest *digest;
	guint64 size;
	AshSinkFunc next;
	gpointer next_data;
} Meter;

static gboolean
meter_write(gpointer data, const void *bytes, gsize length, GError **error)
{
	Meter *meter = data;

	ash_digest_update(meter->digest, bytes, length);
	meter->size += length;
	return meter->next(meter->next_data, bytes, length, error);
}

/* The members of an archive that are small. */
typedef struct {
	struct archive *archive;
	AshArchiveSink sink;
	guint64 epoch;
} Members;

static void
members_clear(Members *members)
{
	ash_archive_discard(members->archive, &members->sink);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Members, members_clear)

static gboolean
members_open(Members *members, GError **error)
{
	members->archive = archive_write_new();
	archive_write_set_format_ustar(members->archive);
	return ash_archive_open(members->archive, &members->sink, 0, error);
}

static gboolean
members_add_header(Members *members, const char *name, __LA_MODE_T mode, guint64 size, GError **error)
{
	struct archive_entry *entry = archive_entry_new();
	int status;

	archive_entry_set_pathname(entry, name);
	archive_entry_set_mode(entry, mode);
	archive_entry_set_size(entry, (la_int64_t) size);
	archive_entry_set_mtime(entry, (time_t) members->epoch, 0);
	status = archive_write_header(members->archive, entry);
	archive_entry_free(entry);
	return status == ARCHIVE_OK || ash_archive_throw(members->archive, &members->sink, error);
}

static gboolean
members_add(Members *members, const char *name, const char *text, GError **error)
{
	gsize length = strlen(text);

	if (!members_add_header(members, name, AE_IFREG | 0644, length, error))
		return FALSE;
	return archive_write_data(members->archive, text, length) == (la_ssize_t) length ||
	       ash_archive_throw(members->archive, &members->sink, error);
}

static char *
dup_blob_name(const Blob *blob)
{
	return g_strconcat("blobs/sha256/", blob->sha256, NULL);
}

static gboolean
members_add_blob(Members *members, JsonObject *object, Blob *ret_blob, GError **error)
{
	g_autofree char *text = ash_json_object_to_string(object, FALSE), *name = NULL;

	ret_blob->sha256 = ash_sha256_hex(text, -1);
	ret_blob->size = strlen(text);
	name = dup_blob_name(ret_blob);
	return members_add(members, name, text, error);
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
new_descriptor(const char *media_type, const Blob *blob)
{
	JsonObject *descriptor = json_object_new();
	g_autofree char *digest = g_strconcat("sha256:", blob->sha256, NULL);

	json_object_set_string_member(descriptor, "digest", digest);
	json_object_set_string_member(descriptor, "mediaType", media_type);
	json_object_set_int_member(descriptor, "size", (gint64) blob->size);
	return descriptor;
}

static gboolean
find_architecture(const AshOciOptions *options, guint *ret_place, GError **error)
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
dup_diff_id(const Layer *layer)
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
		const Layer *layer = g_ptr_array_index(layers, i);
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
		const Layer *layer = g_ptr_array_index(layers, i);
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
static JsonObject *
new_config(const AshOciOptions *options, guint architecture, GPtrArray *layers)
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
static JsonObject *
new_manifest(const AshOciOptions *options, const Blob *config, GPtrArray *layers)
{
	JsonObject *manifest = json_object_new();
	JsonArray *descriptors = json_array_new();

	for (guint i = 0; i < layers->len; i++) {
		const Layer *layer = g_ptr_array_index(layers, i);
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
static JsonObject *
new_index(const AshOciOptions *options, guint architecture, const Blob *manifest)
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

/* The writing of an image. */
typedef struct {
	AshContext *ctx;
	AshFsTree *tree; /* NULL: options->trees are */
	const AshOciOptions *options;
	AshOutput *output;
	guint at;          /* number of the layer that is written */
	GPtrArray *layers; /* of Layer: those that are */
} Image;

static bool
is_empty_layer(const Image *image)
{
	const AshOciOptions *options = image->options;

	if (options->trees != NULL)
		return g_ptr_array_index(options->trees, image->at) == NULL;
	return options->layers != NULL && ash_layers_is_empty(options->layers, image->at);
}

static guint
count_layers(const AshOciOptions *options)
{
	if (options->trees != NULL)
		return options->trees->len;
	return options->layers != NULL ? ash_layers_get_count(options->layers) : 1;
}

static bool
is_not_in_layer(const AshFsNode *node, gpointer data)
{
	const Image *image = data;

	return !ash_layers_has(image->options->layers, node, image->at);
}

/* Appends the bytes of the layer at image->at. */
static gboolean
write_layer_bytes(Image *image, Layer *layer, GError **error)
{
	const AshOciOptions *options = image->options;
	bool split = options->layers != NULL && options->trees == NULL;
	AshFsTree *tree = options->trees != NULL ? g_ptr_array_index(options->trees, image->at) : image->tree;
	const AshTarOptions tar_options = {
		.drop_selinux = true,
		.exclude = split ? is_not_in_layer : NULL,
		.exclude_data = image,
		.directories_at_zero = split && image->at + 1 < ash_layers_get_count(options->layers),
	};
	g_autoptr(AshDigest) stored = ash_digest_new(), plain = ash_digest_new();
	Meter after = { .digest = stored, .next = ash_output_write, .next_data = image->output };
	g_autoptr(AshCompressor) compressor =
		ash_compressor_new(options->compression, options->level, image->ctx->jobs, meter_write, &after, error);
	Meter before = { .digest = plain, .next = ash_compressor_write, .next_data = compressor };

	if (compressor == NULL)
		return FALSE;
	if (!ash_tar_write(image->ctx, tree, &tar_options, meter_write, &before, error) ||
	    !ash_compressor_finish(compressor, error))
		return FALSE;
	layer->blob.sha256 = ash_digest_finish_hex(stored);
	layer->blob.size = after.size;
	layer->diff_sha256 = ash_digest_finish_hex(plain);
	return TRUE;
}

static gboolean
append_bytes(gpointer data, const void *bytes, gsize length, GError **error)
{
	g_byte_array_append(data, bytes, (guint) length);
	return TRUE;
}

/* The header of the layer as a member, which was left out until its name and size are known. */
static gboolean
patch_layer_header(Image *image, guint64 offset, const Blob *layer, GError **error)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	g_auto(Members) members = {
		.epoch = image->options->epoch,
		.sink = { .func = append_bytes, .user_data = bytes },
	};
	g_autofree char *name = dup_blob_name(layer);

	if (!members_open(&members, error) ||
	    !members_add_header(&members, name, AE_IFREG | 0644, layer->size, error))
		return FALSE;
	if (bytes->len != TAR_BLOCK)
		return ash_throw(error, ASH_ERROR_INTERNAL, "the layer is too large for a tar header");
	return ash_output_patch(image->output, offset, bytes->data, TAR_BLOCK, error);
}

/* It is written once, straight to its place: a member's header, which has the digest in its name, is put before it afterwards. */
static gboolean
write_layer(Image *image, GError **error)
{
	static const guint8 zeroes[TAR_BLOCK];
	const AshOciOptions *options = image->options;
	Layer *layer = g_new0(Layer, 1);
	guint64 header = ash_output_get_size(image->output);

	g_ptr_array_add(image->layers, layer);
	layer->comment = options->layers != NULL ? ash_layers_get_comment(options->layers, image->at) : NULL;
	if (!ash_output_write(image->output, zeroes, TAR_BLOCK, error) || !write_layer_bytes(image, layer, error))
		return FALSE;
	gsize padding = (gsize) (-ash_output_get_size(image->output) % TAR_BLOCK);
	return ash_output_write(image->output, zeroes, padding, error) && patch_layer_header(image, header, &layer->blob, error);
}

static gboolean
write_layers(Image *image, GError **error)
{
	for (image->at = 0; image->at < count_layers(image->options); image->at++)
		if (!is_empty_layer(image) && !write_layer(image, error))
			return FALSE;
	return TRUE;
}

static gboolean
write_members(const Image *image, guint architecture, GError **error)
{
	const AshOciOptions *options = image->options;
	g_auto(Members) members = {
		.epoch = options->epoch,
		.sink = { .func = ash_output_write, .user_data = image->output },
	};
	g_autoptr(JsonObject) config = new_config(options, architecture, image->layers);
	g_autoptr(JsonObject) manifest = NULL, index = NULL;
	g_auto(Blob) config_blob = { 0 }, manifest_blob = { 0 };
	g_autofree char *index_text = NULL;

	if (!members_open(&members, error) || !members_add_blob(&members, config, &config_blob, error))
		return FALSE;
	manifest = new_manifest(options, &config_blob, image->layers);
	if (!members_add_blob(&members, manifest, &manifest_blob, error))
		return FALSE;
	index = new_index(options, architecture, &manifest_blob);
	index_text = ash_json_object_to_string(index, FALSE);
	if (!members_add(&members, "index.json", index_text, error) ||
	    !members_add(&members, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", error))
		return FALSE;
	return archive_write_close(members.archive) == ARCHIVE_OK ||
	       ash_archive_throw(members.archive, &members.sink, error);
}

/* Ends before the place of the first layer's header. */
static gboolean
write_directories(const AshOciOptions *options, AshOutput *output, GError **error)
{
	g_auto(Members) members = {
		.epoch = options->epoch,
		.sink = { .func = ash_output_write, .user_data = output },
	};

	if (!members_open(&members, error))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(directories); i++) {
		if (!members_add_header(&members, directories[i], AE_IFDIR | 0755, 0, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
write_image(AshContext *ctx, AshFsTree *tree, const AshOciOptions *options, AshOutput *output, GError **error)
{
	g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func(layer_free);
	Image image = { .ctx = ctx, .tree = tree, .options = options, .output = output, .layers = layers };
	guint architecture = 0;

	return find_architecture(options, &architecture, error) && write_directories(options, output, error) &&
	       write_layers(&image, error) && write_members(&image, architecture, error);
}

gboolean
ash_oci_write_file(AshContext *ctx, AshFsTree *tree, const AshOciOptions *options, const char *path,
		   GError **error)
{
	g_autoptr(AshOutput) output = ash_output_new(path, error);

	if (output == NULL)
		return FALSE;
	if (!write_image(ctx, tree, options, output, error))
		return ash_prefix(error, "cannot write \"%s\"", path);
	return ash_output_commit(output, error);
}
