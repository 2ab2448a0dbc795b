/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/oci.h"

#include "archive/libarchive.h"
#include "archive/ocidocs.h"
#include "archive/tar.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

/* Of ustar; every member begins at a multiple of it. */
#define TAR_BLOCK 512

/*
 * Directories of the layout, which come first: Go's readers give those that they have to make themselves to root,
 * which an ordinary user may not.
 */
static const char *const directories[] = { "blobs/", "blobs/sha256/" };

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
dup_blob_name(const AshOciBlob *blob)
{
	return g_strconcat("blobs/sha256/", blob->sha256, NULL);
}

static gboolean
members_add_blob(Members *members, JsonObject *object, AshOciBlob *ret_blob, GError **error)
{
	g_autofree char *text = ash_json_object_to_string(object, FALSE), *name = NULL;

	ret_blob->sha256 = ash_sha256_hex(text, -1);
	ret_blob->size = strlen(text);
	name = dup_blob_name(ret_blob);
	return members_add(members, name, text, error);
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
write_layer_bytes(Image *image, AshOciLayer *layer, GError **error)
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
patch_layer_header(Image *image, guint64 offset, const AshOciBlob *layer, GError **error)
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
	AshOciLayer *layer = g_new0(AshOciLayer, 1);
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
	g_autoptr(JsonObject) config = ash_oci_new_config(options, architecture, image->layers);
	g_autoptr(JsonObject) manifest = NULL, index = NULL;
	g_auto(AshOciBlob) config_blob = { 0 }, manifest_blob = { 0 };
	g_autofree char *index_text = NULL;

	if (!members_open(&members, error) || !members_add_blob(&members, config, &config_blob, error))
		return FALSE;
	manifest = ash_oci_new_manifest(options, &config_blob, image->layers);
	if (!members_add_blob(&members, manifest, &manifest_blob, error))
		return FALSE;
	index = ash_oci_new_index(options, architecture, &manifest_blob);
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
	g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func(ash_oci_layer_free);
	Image image = { .ctx = ctx, .tree = tree, .options = options, .output = output, .layers = layers };
	guint architecture = 0;

	return ash_oci_find_architecture(options, &architecture, error) && write_directories(options, output, error) &&
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
