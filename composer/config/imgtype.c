/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/imgtype.h"

#include "base/error.h"
#include "base/file.h"
#include "config/check.h"
#include "config/imgtypekeys.h"
#include "config/lexer.h"
#include "config/nearest.h"
#include "model/strv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define IMGTYPE_MAX    (1024 * 1024)
#define BASE_DEPTH_MAX 4
#define LABEL_MAX      36 /* UTF-16 units of a GPT name, UEFI 2.10 5.3.3 */
#define SUFFIX         ".toml"

typedef struct {
	AshImageType *type;
	const char *data_dir;
	bool has_base;
	bool kind_said;
	GArray *partition_lines; /* of guint, as type->layout's partitions */
	char *partition_file;    /* that they are in */
	GHashTable *places;      /* path of a key -> "file:line" it was given at */
} Loader;

static gboolean load_text(Loader *loader, const char *text, gsize length, const char *file,
			  guint depth, GError **error);

static gboolean throw_at(const char *file, guint line, const char *key, GError **error,
			 const char *format, ...) G_GNUC_PRINTF(5, 6);

static gboolean
throw_at(const char *file, guint line, const char *key, GError **error, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s: %s", file, line, key, text);
}

/* What is wrong with a key that was read already, or is missing: then the top of @file is where it
 * belongs. */
static gboolean throw_key(Loader *loader, const char *file, const char *key, GError **error,
			  const char *format, ...) G_GNUC_PRINTF(5, 6);

static gboolean
throw_key(Loader *loader, const char *file, const char *key, GError **error, const char *format,
	  ...)
{
	const char *place = g_hash_table_lookup(loader->places, key);
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	if (place == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s:1: %s: %s", file, key, text);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s: %s: %s", place, key, text);
}

/* The first [[partition]] of a file replaces all that its base has. */
static void
begin_partition(Loader *loader, const char *file, guint line)
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
apply_value(Loader *loader, const AshImgKey *key, const char *file, const AshTomlItem *item,
	    GError **error)
{
	gpointer base = loader->type;

	if (item->type != key->type)
		return throw_at(file, item->line, item->path, error, "%s is expected, not %s",
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
apply_table(Loader *loader, const char *file, const AshTomlItem *item, GError **error)
{
	bool is_partition = g_str_equal(item->path, ASH_IMG_PARTITION);
	bool is_element = item->type == ASH_TOML_ELEMENT;

	if (is_partition && !is_element)
		return throw_at(file, item->line, item->path, error,
				"each partition is a table \"[[partition]]\" of its own");
	if (!is_partition && is_element)
		return throw_at(file, item->line, item->path, error,
				"there is one such table: \"[%s]\"", item->path);
	if (is_partition)
		begin_partition(loader, file, item->line);
	return TRUE;
}

static gboolean
apply_item(Loader *loader, const char *file, const AshTomlItem *item, GError **error)
{
	const AshImgKey *key = ash_img_key_find(item->path);
	bool is_table = item->type == ASH_TOML_TABLE || item->type == ASH_TOML_ELEMENT;
	g_autofree char *hint = NULL;

	if (key != NULL)
		return apply_value(loader, key, file, item, error);
	if (ash_img_key_is_table(item->path) && is_table)
		return apply_table(loader, file, item, error);
	if (ash_img_key_is_table(item->path))
		return throw_at(file, item->line, item->path, error, "a table is expected, not %s",
				ash_toml_type_to_string(item->type));
	hint = ash_img_key_hint(item->path);
	return throw_at(file, item->line, item->path, error, "unknown key \"%s\"%s", item->path,
			hint);
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
find_base_path(Loader *loader, const char *file, const char *name)
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
load_base(Loader *loader, const char *file, const AshTomlItem *item, guint depth, GError **error)
{
	g_autofree char *path = NULL;
	g_autofree char *text = NULL;
	gsize length = 0;

	if (!ash_check_word(item->string, "_-/"))
		return throw_at(file, item->line, item->path, error,
				"\"%s\" is no name of an image type", item->string);
	if (depth >= BASE_DEPTH_MAX)
		return throw_at(file, item->line, item->path, error,
				"more than %d bases, or a base of itself", BASE_DEPTH_MAX);
	path = find_base_path(loader, file, item->string);
	if (!ash_file_exists(AT_FDCWD, path))
		return throw_at(file, item->line, item->path, error, "there is no \"%s\"", path);
	text = ash_file_load(AT_FDCWD, path, IMGTYPE_MAX, &length, error);
	return text != NULL && load_text(loader, text, length, path, depth + 1, error);
}

/* Which keys go with which kind: tables, by their names. */
static const struct {
	const char *table;
	guint kinds; /* 1 << AshImageKind */
} kind_tables[] = {
	{ "disk", 1 << ASH_IMAGE_DISK },
	{ ASH_IMG_PARTITION, 1 << ASH_IMAGE_DISK },
	{ "boot", 1 << ASH_IMAGE_DISK },
	{ "initramfs", 1 << ASH_IMAGE_DISK },
	{ "archive", 1 << ASH_IMAGE_OCI | 1 << ASH_IMAGE_WSL | 1 << ASH_IMAGE_TAR },
	{ "oci", 1 << ASH_IMAGE_OCI },
	{ "wsl", 1 << ASH_IMAGE_WSL },
};

static gboolean
check_kind_of_keys(Loader *loader, const char *file, GPtrArray *items, GError **error)
{
	AshImageKind kind = loader->type->kind;

	for (guint i = 0; i < items->len; i++) {
		const AshTomlItem *item = g_ptr_array_index(items, i);
		g_autofree char *table = g_strndup(item->path, strcspn(item->path, "."));

		for (guint j = 0; j < G_N_ELEMENTS(kind_tables); j++)
			if (g_str_equal(kind_tables[j].table, table) &&
			    !(kind_tables[j].kinds & 1u << kind))
				return throw_at(file, item->line, item->path, error,
						"does not go with kind \"%s\"",
						ash_image_kind_to_string(kind));
	}
	return TRUE;
}

static gboolean
apply_items(Loader *loader, const char *file, GPtrArray *items, GError **error)
{
	for (guint i = 0; i < items->len; i++)
		if (!apply_item(loader, file, g_ptr_array_index(items, i), error))
			return FALSE;
	if (!loader->kind_said)
		return throw_at(file, 1, "kind", error, "the key is required");
	return check_kind_of_keys(loader, file, items, error);
}

static gboolean
load_text(Loader *loader, const char *text, gsize length, const char *file, guint depth,
	  GError **error)
{
	g_autoptr(GPtrArray) items = NULL;
	const AshTomlItem *base = NULL;

	if (!ash_lexer_check_text(text, length, file, error))
		return FALSE;
	items = ash_toml_parse(text, length, file, error);
	if (items == NULL)
		return FALSE;
	base = find_base(items);
	if (base != NULL && !load_base(loader, file, base, depth, error))
		return FALSE;
	loader->has_base = base != NULL;
	return apply_items(loader, file, items, error);
}

/* What each role can hold. */
static bool
fs_goes_with_role(AshPartitionRole role, AshFsKind fs)
{
	switch (role) {
	case ASH_PARTITION_ESP:
		return fs == ASH_FS_VFAT;
	case ASH_PARTITION_ROOT:
		return fs == ASH_FS_EROFS || fs == ASH_FS_EXT4;
	case ASH_PARTITION_ROOT_VERITY:
		return fs == ASH_FS_NONE;
	case ASH_PARTITION_VAR:
		return fs == ASH_FS_EXT4;
	default:
		return fs == ASH_FS_NONE || fs == ASH_FS_EXT4 || fs == ASH_FS_VFAT;
	}
}

static gboolean
check_partition(const AshPartition *partition, const char *file, guint line, GError **error)
{
	const char *role = NULL;

	if (partition->role == _ASH_PARTITION_ROLE_COUNT)
		return throw_at(file, line, "partition.role", error, "the key is required");
	role = ash_partition_role_to_string(partition->role);
	if (!partition->empty && !fs_goes_with_role(partition->role, partition->fs))
		return throw_at(file, line, "partition.fs", error,
				"\"%s\" does not go with role \"%s\"",
				ash_fs_kind_to_string(partition->fs), role);
	if (partition->label != NULL && g_utf8_strlen(partition->label, -1) > LABEL_MAX)
		return throw_at(file, line, "partition.label", error,
				"\"%s\" is longer than %d characters", partition->label, LABEL_MAX);
	if (partition->role == ASH_PARTITION_ESP && partition->size == 0)
		return throw_at(file, line, "partition.size", error, "role \"esp\" needs a size");
	if (partition->size != 0 && partition->min_size != 0)
		return throw_at(file, line, "partition.min_size", error,
				"does not go with \"size\"");
	if (partition->size != 0 && partition->headroom_percent != 0)
		return throw_at(file, line, "partition.headroom", error,
				"does not go with \"size\"");
	if (partition->slot == 0 && partition->role == ASH_PARTITION_ROOT_VERITY)
		return throw_at(file, line, "partition.slot", error, "role \"%s\" needs a slot",
				role);
	if (partition->slot != 0 && partition->role != ASH_PARTITION_ROOT &&
	    partition->role != ASH_PARTITION_ROOT_VERITY)
		return throw_at(file, line, "partition.slot", error, "role \"%s\" has no slots",
				role);
	return TRUE;
}

/* True if an earlier partition has the same role and slot. */
static bool
is_repeated(GPtrArray *partitions, guint index)
{
	const AshPartition *partition = g_ptr_array_index(partitions, index);

	for (guint i = 0; i < index; i++) {
		const AshPartition *other = g_ptr_array_index(partitions, i);

		if (other->role == partition->role && other->slot == partition->slot &&
		    partition->role != ASH_PARTITION_LINUX)
			return true;
	}
	return false;
}

static gboolean
check_partitions(Loader *loader, GError **error)
{
	GPtrArray *partitions = loader->type->layout->partitions;

	for (guint i = 0; i < partitions->len; i++) {
		const AshPartition *partition = g_ptr_array_index(partitions, i);
		guint line = g_array_index(loader->partition_lines, guint, i);

		if (!check_partition(partition, loader->partition_file, line, error))
			return FALSE;
		if (is_repeated(partitions, i))
			return throw_at(loader->partition_file, line, "partition.role", error,
					"there is another \"%s\" of the same slot",
					ash_partition_role_to_string(partition->role));
		if (partition->grow && i + 1 < partitions->len)
			return throw_at(loader->partition_file, line, "partition.grow", error,
					"only the last partition can grow");
	}
	return TRUE;
}

static gboolean
check_slots(Loader *loader, GError **error)
{
	const AshLayout *layout = loader->type->layout;
	const char *file = loader->partition_file;
	guint line = g_array_index(loader->partition_lines, guint, 0);
	const AshPartition *root = ash_layout_find(layout, ASH_PARTITION_ROOT, 0);

	if (ash_layout_find(layout, ASH_PARTITION_ESP, 0) == NULL)
		return throw_at(file, line, "partition", error,
				"there is no partition with role \"esp\"");
	if (root == NULL || root->empty || root->slot == 'b')
		return throw_at(file, line, "partition", error,
				"the first partition with role \"root\" must be of slot \"a\" and "
				"not empty");
	for (const char *slot = "ab"; *slot != '\0'; slot++) {
		bool has_root = ash_layout_find(layout, ASH_PARTITION_ROOT, *slot) != NULL;
		bool has_hash = ash_layout_find(layout, ASH_PARTITION_ROOT_VERITY, *slot) != NULL;

		if (has_hash && !has_root)
			return throw_at(
				file, line, "partition", error,
				"role \"root-verity\" of slot \"%c\" has no \"root\" beside it",
				*slot);
	}
	return TRUE;
}

/* What follows from the role: sysupdate takes a slot with the label "_empty" for free. */
static void
finish_partition(AshPartition *partition)
{
	partition->type_guid = ash_partition_role_type_guid(partition->role);
	if (partition->label == NULL)
		partition->label =
			g_strdup(partition->empty ? "_empty"
						  : ash_partition_role_to_string(partition->role));
}

static gboolean
check_disk(Loader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;

	if (type->formats->len == 0)
		return throw_key(loader, file, "disk.formats", error,
				 "the key is required for kind \"disk\"");
	if (type->layout == NULL)
		return throw_key(loader, file, "partition", error,
				 "at least one [[partition]] is required for kind \"disk\"");
	if (!check_partitions(loader, error) || !check_slots(loader, error))
		return FALSE;
	for (guint i = 0; i < type->layout->partitions->len; i++)
		finish_partition(g_ptr_array_index(type->layout->partitions, i));
	return TRUE;
}

static gboolean
check_pairs(Loader *loader, char **pairs, const char *file, const char *key, GError **error)
{
	for (guint i = 0; pairs[i] != NULL; i++)
		if (strchr(pairs[i], '=') == NULL || *pairs[i] == '=')
			return throw_key(loader, file, key, error, "\"%s\" is not NAME=VALUE",
					 pairs[i]);
	return TRUE;
}

static gboolean
check_units(Loader *loader, char **units, const char *file, const char *key, GError **error)
{
	for (guint i = 0; units[i] != NULL; i++)
		if (!ash_check_unit(units[i]) || strchr(units[i], '.') == NULL)
			return throw_key(loader, file, key, error,
					 "\"%s\" is no unit name with its suffix", units[i]);
	return TRUE;
}

static gboolean
check_archive(Loader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;
	gint max = type->compression == ASH_COMPRESS_GZIP ? 9 : 19;

	if (type->kind == ASH_IMAGE_WSL && type->compression == ASH_COMPRESS_ZSTD)
		return throw_key(loader, file, "archive.compression", error, "WSL reads gzip only");
	if (type->compression == ASH_COMPRESS_NONE && type->compression_level != -1)
		return throw_key(loader, file, "archive.level", error,
				 "does not go with compression \"none\"");
	if (type->compression_level > max)
		return throw_key(loader, file, "archive.level", error, "%s goes up to %d",
				 ash_compression_to_string(type->compression), max);
	if (type->wsl_icon != NULL && !ash_check_path(type->wsl_icon))
		return throw_key(loader, file, "wsl.icon", error, "\"%s\" is no absolute path",
				 type->wsl_icon);
	if (type->oci_workdir != NULL && !ash_check_path(type->oci_workdir))
		return throw_key(loader, file, "oci.workdir", error, "\"%s\" is no absolute path",
				 type->oci_workdir);
	return check_pairs(loader, type->oci_env, file, "oci.env", error) &&
	       check_pairs(loader, type->oci_labels, file, "oci.labels", error);
}

static gboolean
check_type(Loader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;

	if (!ash_check_word(type->variant, "_.-"))
		return throw_key(loader, file, "variant", error,
				 "\"%s\" has other characters than letters, digits and \"_.-\"",
				 type->variant);
	for (guint i = 0; type->packages_add[i] != NULL; i++)
		if (ash_strv_any_glob_matches((const char *const *) type->packages_drop,
					      type->packages_add[i]))
			return throw_key(loader, file, "packages.add", error,
					 "\"%s\" is dropped by \"packages.drop\"",
					 type->packages_add[i]);
	if (!check_units(loader, type->services_enable, file, "services.enable", error) ||
	    !check_units(loader, type->services_disable, file, "services.disable", error) ||
	    !check_units(loader, type->services_mask, file, "services.mask", error))
		return FALSE;
	return type->kind == ASH_IMAGE_DISK ? check_disk(loader, file, error)
					    : check_archive(loader, file, error);
}

/* What a type is when nothing is said, by its kind. */
static void
set_defaults(AshImageType *type)
{
	static const AshCompression compression[] = {
		[ASH_IMAGE_DISK] = ASH_COMPRESS_NONE,
		[ASH_IMAGE_OCI] = ASH_COMPRESS_GZIP,
		[ASH_IMAGE_WSL] = ASH_COMPRESS_GZIP,
		[ASH_IMAGE_TAR] = ASH_COMPRESS_ZSTD,
	};

	type->bootable = type->kind == ASH_IMAGE_DISK;
	if ((int) type->compression == -1)
		type->compression = compression[type->kind];
}

/* "qemu-vm" of "/usr/share/ashlar/imgtypes/qemu-vm.toml" */
static char *
dup_type_name(const char *file, GError **error)
{
	g_autofree char *name = g_path_get_basename(file);

	if (g_str_has_suffix(name, SUFFIX))
		name[strlen(name) - strlen(SUFFIX)] = '\0';
	if (!ash_check_word(name, "_.-") || *name == '.' || *name == '-') {
		throw_at(file, 1, "name", error, "\"%s\" cannot be the name of an image type",
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
	Loader loader = {
		.type = type, .data_dir = data_dir, .partition_lines = lines, .places = places
	};
	ok = load_text(&loader, text, length, file, 0, error);
	if (ok) {
		set_defaults(type);
		ok = check_type(&loader, file, error);
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
