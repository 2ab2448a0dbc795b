/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/imgtype.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "config/check.h"
#include "config/imgtypecheck.h"
#include "config/imgtypekeys.h"
#include "config/lexer.h"
#include "config/nearest.h"
#include "model/strv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define IMGTYPE_MAX    (1024 * 1024)
#define BASE_DEPTH_MAX 4
#define SUFFIX         ".toml"

static gboolean load_text(AshImgLoader *loader, const char *text, gsize length, const char *file,
			  guint depth, GError **error);

/* The first [[partition]] of a file replaces all that its base has. */
static void
begin_partition(AshImgLoader *loader, const char *file, guint line)
{
	AshImageType *type = loader->type;
	AshPartition *partition = NULL;

	if (g_strcmp0(loader->partition_file, file) != 0) {
		g_clear_pointer(&type->layout, ash_layout_free);
		g_array_set_size(loader->partition_lines, 0);
		g_free(loader->partition_file);
		loader->partition_file = g_strdup(file);
	}
	if (type->layout == NULL)
		type->layout = ash_layout_new();
	partition = ash_partition_new(ASH_PARTITION_LINUX);
	partition->role = _ASH_PARTITION_ROLE_COUNT; /* until it is said */
	g_ptr_array_add(type->layout->partitions, partition);
	g_array_append_val(loader->partition_lines, line);
}

static bool
is_partition_key(const AshImgKey *key)
{
	return g_str_has_prefix(key->path, ASH_IMG_PARTITION ".");
}

static gboolean
apply_value(AshImgLoader *loader, const AshImgKey *key, const char *file, const AshTomlItem *item,
	    GError **error)
{
	gpointer base = loader->type;

	if (item->type != key->type)
		return ash_img_throw(file, item->line, item->path, error, "%s is expected, not %s",
				     ash_toml_type_to_string(key->type),
				     ash_toml_type_to_string(item->type));
	if (is_partition_key(key)) {
		GPtrArray *partitions = loader->type->layout->partitions;

		base = g_ptr_array_index(partitions, partitions->len - 1);
	}
	if (!key->set(key, (char *) base + key->offset, item, loader->has_base, error))
		return ash_prefix(error, "%s:%u: %s", file, item->line, item->path);
	g_hash_table_replace(loader->places, g_strdup(key->path),
			     g_strdup_printf("%s:%u", file, item->line));
	if (g_str_equal(key->path, "kind"))
		loader->kind_said = true;
	return TRUE;
}

static gboolean
apply_table(AshImgLoader *loader, const char *file, const AshTomlItem *item, GError **error)
{
	bool is_partition = g_str_equal(item->path, ASH_IMG_PARTITION);
	bool is_element = item->type == ASH_TOML_ELEMENT;

	if (is_partition && !is_element)
		return ash_img_throw(file, item->line, item->path, error,
				     "each partition is a table \"[[partition]]\" of its own");
	if (!is_partition && is_element)
		return ash_img_throw(file, item->line, item->path, error,
				     "there is one such table: \"[%s]\"", item->path);
	if (is_partition)
		begin_partition(loader, file, item->line);
	return TRUE;
}

static gboolean
apply_item(AshImgLoader *loader, const char *file, const AshTomlItem *item, GError **error)
{
	const AshImgKey *key = ash_img_key_find(item->path);
	bool is_table = item->type == ASH_TOML_TABLE || item->type == ASH_TOML_ELEMENT;
	g_autofree char *hint = NULL;

	if (key != NULL)
		return apply_value(loader, key, file, item, error);
	if (ash_img_key_is_table(item->path) && is_table)
		return apply_table(loader, file, item, error);
	if (ash_img_key_is_table(item->path))
		return ash_img_throw(file, item->line, item->path, error,
				     "a table is expected, not %s",
				     ash_toml_type_to_string(item->type));
	hint = ash_img_key_hint(item->path);
	return ash_img_throw(file, item->line, item->path, error, "unknown key \"%s\"%s",
			     item->path, hint);
}

static const AshTomlItem *
find_base(GPtrArray *items)
{
	for (guint i = 0; i < items->len; i++) {
		const AshTomlItem *item = g_ptr_array_index(items, i);

		if (item->type == ASH_TOML_STRING && g_str_equal(item->path, ASH_IMG_BASE))
			return item;
	}
	return NULL;
}

/* The base is beside the file that names it, or else one of the types we ship. */
static char *
find_base_path(AshImgLoader *loader, const char *file, const char *name)
{
	g_autofree char *dir = g_path_get_dirname(file);
	g_autofree char *file_name = g_strconcat(name, SUFFIX, NULL);
	char *beside = g_build_filename(dir, file_name, NULL);

	if (ash_file_exists(AT_FDCWD, beside) || loader->data_dir == NULL)
		return beside;
	g_free(beside);
	return g_build_filename(loader->data_dir, "imgtypes", file_name, NULL);
}

static gboolean
load_base(AshImgLoader *loader, const char *file, const AshTomlItem *item, guint depth,
	  GError **error)
{
	g_autofree char *path = NULL;
	g_autofree char *text = NULL;
	gsize length = 0;

	if (!ash_check_word(item->string, "_-/"))
		return ash_img_throw(file, item->line, item->path, error,
				     "\"%s\" is no name of an image type", item->string);
	if (depth >= BASE_DEPTH_MAX)
		return ash_img_throw(file, item->line, item->path, error,
				     "more than %d bases, or a base of itself", BASE_DEPTH_MAX);
	path = find_base_path(loader, file, item->string);
	if (!ash_file_exists(AT_FDCWD, path))
		return ash_img_throw(file, item->line, item->path, error, "there is no \"%s\"",
				     path);
	text = ash_file_load(AT_FDCWD, path, IMGTYPE_MAX, &length, error);
	return text != NULL && load_text(loader, text, length, path, depth + 1, error);
}

/* Which keys go with which kind: tables, by their names. */
static const struct {
	const char *table;
	guint kinds; /* 1 << AshImageKind */
} kind_tables[] = {
	{ "system", 1 << ASH_IMAGE_DISK | 1 << ASH_IMAGE_OCI },
	{ "disk", 1 << ASH_IMAGE_DISK },
	{ "ostree", 1 << ASH_IMAGE_DISK },
	{ ASH_IMG_PARTITION, 1 << ASH_IMAGE_DISK },
	{ "boot", 1 << ASH_IMAGE_DISK },
	{ "secure_boot", 1 << ASH_IMAGE_DISK },
	{ "initramfs", 1 << ASH_IMAGE_DISK | 1 << ASH_IMAGE_OCI },
	{ "archive", 1 << ASH_IMAGE_OCI | 1 << ASH_IMAGE_WSL | 1 << ASH_IMAGE_TAR },
	{ "oci", 1 << ASH_IMAGE_OCI },
	{ "wsl", 1 << ASH_IMAGE_WSL },
};

static gboolean
check_kind_of_keys(AshImgLoader *loader, const char *file, GPtrArray *items, GError **error)
{
	AshImageKind kind = loader->type->kind;

	for (guint i = 0; i < items->len; i++) {
		const AshTomlItem *item = g_ptr_array_index(items, i);
		g_autofree char *table = g_strndup(item->path, strcspn(item->path, "."));

		for (guint j = 0; j < G_N_ELEMENTS(kind_tables); j++)
			if (g_str_equal(kind_tables[j].table, table) &&
			    !(kind_tables[j].kinds & 1u << kind))
				return ash_img_throw(file, item->line, item->path, error,
						     "does not go with kind \"%s\"",
						     ash_image_kind_to_string(kind));
	}
	return TRUE;
}

static gboolean
apply_items(AshImgLoader *loader, const char *file, GPtrArray *items, GError **error)
{
	for (guint i = 0; i < items->len; i++)
		if (!apply_item(loader, file, g_ptr_array_index(items, i), error))
			return FALSE;
	if (!loader->kind_said)
		return ash_img_throw(file, 1, "kind", error, "the key is required");
	return check_kind_of_keys(loader, file, items, error);
}

/* Whatever the text says: images are written anew when it changed. */
static void
fold_text(AshImageType *type, const char *text, gsize length)
{
	g_autoptr(AshDigest) digest = ash_digest_new();

	ash_digest_update_string(digest, type->digest);
	ash_digest_update(digest, text, length);
	g_free(type->digest);
	type->digest = ash_digest_finish_hex(digest);
}

static gboolean
load_text(AshImgLoader *loader, const char *text, gsize length, const char *file, guint depth,
	  GError **error)
{
	g_autoptr(GPtrArray) items = NULL;
	const AshTomlItem *base = NULL;

	if (!ash_lexer_check_text(text, length, file, error))
		return FALSE;
	fold_text(loader->type, text, length);
	items = ash_toml_parse(text, length, file, error);
	if (items == NULL)
		return FALSE;
	base = find_base(items);
	if (base != NULL && !load_base(loader, file, base, depth, error))
		return FALSE;
	loader->has_base = base != NULL;
	return apply_items(loader, file, items, error);
}

/* A root that updates find blocks in holds the initramfs's files as they are in an unpacked one. */
static AshInitramfsCompression
default_initramfs_compression(const AshImageType *type)
{
	const bool has_blocks = type->layout != NULL && ash_layout_find(type->layout, ASH_PARTITION_ROOT_VERITY, 0) != NULL &&
				type->root_compression == ASH_ROOT_COMPRESSION_NONE;

	return has_blocks ? ASH_INITRAMFS_COMPRESSION_NONE : ASH_INITRAMFS_COMPRESSION_ZSTD;
}

/* What a type is when nothing is said, by its kind. */
static void
set_defaults(AshImgLoader *loader)
{
	AshImageType *type = loader->type;
	static const AshCompression compression[] = {
		[ASH_IMAGE_DISK] = ASH_COMPRESS_NONE,
		[ASH_IMAGE_OCI] = ASH_COMPRESS_GZIP,
		[ASH_IMAGE_WSL] = ASH_COMPRESS_GZIP,
		[ASH_IMAGE_TAR] = ASH_COMPRESS_ZSTD,
	};

	type->bootable = type->kind == ASH_IMAGE_DISK || type->system == ASH_SYSTEM_OSTREE;
	type->tree_kind = type->bootable ? ASH_IMAGE_DISK : type->kind;
	if (type->system == ASH_SYSTEM_OSTREE && !g_hash_table_contains(loader->places, "boot.loader"))
		type->loader = ASH_BOOT_LOADER_GRUB;
	if ((int) type->compression == -1)
		type->compression = compression[type->kind];
	if ((int) type->initramfs_compression == -1)
		type->initramfs_compression = default_initramfs_compression(type);
}

/* "qemu-vm" of "/usr/share/ashlar/imgtypes/qemu-vm.toml" */
static char *
dup_type_name(const char *file, GError **error)
{
	g_autofree char *name = g_path_get_basename(file);

	if (g_str_has_suffix(name, SUFFIX))
		name[strlen(name) - strlen(SUFFIX)] = '\0';
	if (!ash_check_word(name, "_.-") || *name == '.' || *name == '-') {
		ash_img_throw(file, 1, "name", error, "\"%s\" cannot be the name of an image type",
			      name);
		return NULL;
	}
	return g_steal_pointer(&name);
}

AshImageType *
ash_imgtype_parse(const char *text, gsize length, const char *file, const char *data_dir,
		  GError **error)
{
	g_autofree char *name = dup_type_name(file, error);
	g_autoptr(AshImageType) type = NULL;
	g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(guint));
	g_autoptr(GHashTable) places =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	gboolean ok = FALSE;

	if (name == NULL)
		return NULL;
	type = ash_image_type_new(name);
	type->compression = (AshCompression) -1;
	type->initramfs_compression = (AshInitramfsCompression) -1;
	AshImgLoader loader = {
		.type = type, .data_dir = data_dir, .partition_lines = lines, .places = places
	};
	ok = load_text(&loader, text, length, file, 0, error);
	if (ok) {
		set_defaults(&loader);
		ok = ash_img_check(&loader, file, error);
	}
	g_free(loader.partition_file);
	return ok ? g_steal_pointer(&type) : NULL;
}

static gboolean
throw_no_type(const char *name, const char *path, const char *data_dir, GError **error)
{
	g_auto(GStrv) names = ash_imgtype_list(data_dir, error);
	g_autofree char *hint = NULL;
	g_autofree char *list = NULL;

	if (names == NULL)
		return FALSE;
	hint = ash_nearest_hint(name, (const char *const *) names);
	list = g_strjoinv(", ", names);
	return ash_throw(error, ASH_ERROR_CONFIG,
			 "image type \"%s\": there is no \"%s\"%s (types: %s)", name, path, hint,
			 list);
}

AshImageType *
ash_imgtype_load(const char *name_or_path, const char *data_dir, GError **error)
{
	bool is_path = strchr(name_or_path, '/') != NULL || g_str_has_suffix(name_or_path, SUFFIX);
	g_autofree char *file_name = g_strconcat(name_or_path, SUFFIX, NULL);
	g_autofree char *path = is_path ? g_strdup(name_or_path)
					: g_build_filename(data_dir, "imgtypes", file_name, NULL);
	g_autofree char *text = NULL;
	gsize length = 0;

	if (!ash_file_exists(AT_FDCWD, path)) {
		throw_no_type(name_or_path, path, data_dir, error);
		return NULL;
	}
	text = ash_file_load(AT_FDCWD, path, IMGTYPE_MAX, &length, error);
	return text != NULL ? ash_imgtype_parse(text, length, path, data_dir, error) : NULL;
}

gboolean
ash_imgtype_set_formats(AshImageType *type, const char *const *names, GError **error)
{
	if (names == NULL)
		return TRUE;
	g_array_set_size(type->formats, 0);
	for (guint i = 0; names[i] != NULL; i++) {
		AshDiskFormat format = ASH_DISK_RAW;

		if (!ash_disk_format_parse(names[i], &format))
			return ash_throw(error, ASH_ERROR_USAGE, "--format \"%s\" is none of these: " ASH_DISK_FORMAT_NAMES, names[i]);
		if (!g_strv_contains(names + i + 1, names[i]))
			g_array_append_val(type->formats, format);
	}
	return TRUE;
}

char **
ash_imgtype_list(const char *data_dir, GError **error)
{
	g_autofree char *path = g_build_filename(data_dir, "imgtypes", NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	char **names = NULL;
	const char *name = NULL;

	if (dir == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "image types: \"%s\" cannot be read",
				      path);
	names = ash_strv_new();
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *stem = NULL;

		if (!g_str_has_suffix(name, SUFFIX) || *name == '.')
			continue;
		stem = g_strndup(name, strlen(name) - strlen(SUFFIX));
		ash_strv_add(&names, stem);
	}
	ash_strv_sort(names);
	return names;
}
