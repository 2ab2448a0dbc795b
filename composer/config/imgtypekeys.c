/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/imgtypekeys.h"

#include "base/error.h"
#include "base/size.h"
#include "config/nearest.h"
#include "model/strv.h"

#include <string.h>

static gboolean
set_string(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	   GError **error)
{
	char **string = field;

	for (const char *c = item->string; *c != '\0'; c++)
		if (g_ascii_iscntrl(*c))
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "the value has a control character");
	g_free(*string);
	*string = g_strdup(item->string);
	return TRUE;
}

static gboolean
set_strings(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	    GError **error)
{
	char ***strings = field;
	g_auto(GStrv) result = ash_strv_new();

	for (guint i = 0; item->strings[i] != NULL; i++) {
		const char *text = item->strings[i];

		if (g_str_equal(text, "@base") && !has_base)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "\"@base\" stands for the list of the base, and there is "
					 "no \"base\"");
		if (g_str_equal(text, "@base"))
			ash_strv_add_all(&result, (const char *const *) *strings);
		else if (*text == '\0' || strpbrk(text, "\n\r") != NULL)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "a string in it is empty or has a line feed");
		else
			ash_strv_add_unique(&result, text);
	}
	ash_strv_replace(strings, (const char *const *) result);
	return TRUE;
}

/* A command's words: the same one may come twice, and may be empty. */
static gboolean
set_arguments(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base, GError **error)
{
	char ***strings = field;
	g_auto(GStrv) result = ash_strv_new();

	for (guint i = 0; item->strings[i] != NULL; i++) {
		if (!g_str_equal(item->strings[i], "@base"))
			ash_strv_add(&result, item->strings[i]);
		else if (has_base)
			for (guint j = 0; (*strings)[j] != NULL; j++)
				ash_strv_add(&result, (*strings)[j]);
		else
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "\"@base\" stands for the list of the base, and there is no \"base\"");
	}
	ash_strv_replace(strings, (const char *const *) result);
	return TRUE;
}

static gboolean
set_bool(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	 GError **error)
{
	*(bool *) field = item->boolean;
	return TRUE;
}

/* An int that is -1 until something is said. */
static gboolean
set_tristate(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	     GError **error)
{
	*(int *) field = item->boolean;
	return TRUE;
}

static gboolean
check_range(const AshImgKey *key, const AshTomlItem *item, GError **error)
{
	if (item->integer < key->min || item->integer > key->max)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%" G_GINT64_FORMAT " is not between %" G_GINT64_FORMAT
				 " and %" G_GINT64_FORMAT,
				 item->integer, key->min, key->max);
	return TRUE;
}

static gboolean
set_int(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	GError **error)
{
	if (!check_range(key, item, error))
		return FALSE;
	*(int *) field = (int) item->integer;
	return TRUE;
}

static gboolean
set_uint64(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	   GError **error)
{
	if (!check_range(key, item, error))
		return FALSE;
	*(guint64 *) field = (guint64) item->integer;
	return TRUE;
}

static gboolean
set_size(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	 GError **error)
{
	guint64 bytes = 0;

	if (!ash_size_parse(item->string, &bytes))
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is no size (\"512M\", \"2G\")",
				 item->string);
	if (bytes == 0 || bytes % ASH_MIB != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is not a whole number of MiB",
				 item->string);
	*(guint64 *) field = bytes;
	return TRUE;
}

/* @text is none of the names that @key may have. */
static gboolean
throw_choice(const AshImgKey *key, const char *text, GError **error)
{
	g_auto(GStrv) choices = ash_img_key_dup_choices(key);
	g_autofree char *hint = ash_nearest_hint(text, (const char *const *) choices);
	g_autofree char *list = g_strjoinv(", ", choices);

	return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is none of %s%s", text, list, hint);
}

/* An enumeration of .names. */
static gboolean
set_enum(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base, GError **error)
{
	G_STATIC_ASSERT(sizeof(AshImageKind) == sizeof(guint));

	return ash_names_find(key->names, item->string, field) || throw_choice(key, item->string, error);
}

static gboolean
set_role(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	 GError **error)
{
	return ash_partition_role_parse(item->string, field) ||
	       throw_choice(key, item->string, error);
}

static gboolean
set_fs(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base, GError **error)
{
	return ash_fs_kind_parse(item->string, field) || throw_choice(key, item->string, error);
}

static gboolean
set_slot(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	 GError **error)
{
	if (!g_str_equal(item->string, "a") && !g_str_equal(item->string, "b"))
		return throw_choice(key, item->string, error);
	*(char *) field = item->string[0];
	return TRUE;
}

static gboolean
set_formats(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	    GError **error)
{
	GArray *formats = *(GArray **) field;

	g_array_set_size(formats, 0);
	for (guint i = 0; item->strings[i] != NULL; i++) {
		AshDiskFormat format = ASH_DISK_RAW;

		if (!ash_disk_format_parse(item->strings[i], &format))
			return throw_choice(key, item->strings[i], error);
		for (guint j = 0; j < formats->len; j++)
			if (g_array_index(formats, AshDiskFormat, j) == format)
				return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is there twice",
						 item->strings[i]);
		g_array_append_val(formats, format);
	}
	return TRUE;
}

/* Names in the list are signed, others are not. */
static gboolean
set_signed(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base, GError **error)
{
	AshSecureBoot *how = field;
	const struct {
		const char *name;
		bool *sign;
	} things[] = { { "uki", &how->sign_uki }, { "loader", &how->sign_loader }, { "verity", &how->sign_verity } };

	for (guint i = 0; i < G_N_ELEMENTS(things); i++)
		*things[i].sign = g_strv_contains((const char *const *) item->strings, things[i].name);
	for (guint i = 0; item->strings[i] != NULL; i++) {
		bool known = false;

		for (guint j = 0; j < G_N_ELEMENTS(things); j++)
			known = known || g_str_equal(item->strings[i], things[j].name);
		if (!known)
			return throw_choice(key, item->strings[i], error);
	}
	return TRUE;
}

/* The loader has read it before anything else. */
static gboolean
set_nothing(const AshImgKey *key, gpointer field, const AshTomlItem *item, bool has_base,
	    GError **error)
{
	return TRUE;
}

#define TYPE(member)      G_STRUCT_OFFSET(AshImageType, member)
#define PARTITION(member) G_STRUCT_OFFSET(AshPartition, member)

/* clang-format off */
static const AshImgKey keys[] = {
	{ ASH_IMG_BASE, ASH_TOML_STRING, set_nothing },
	{ "description", ASH_TOML_STRING, set_string, TYPE(description) },
	{ "kind", ASH_TOML_STRING, set_enum, TYPE(kind), .names = &ash_image_kind_names },
	{ "variant", ASH_TOML_STRING, set_string, TYPE(variant) },
	{ "system", ASH_TOML_STRING, set_enum, TYPE(system), .names = &ash_system_kind_names },

	{ "packages.from_kickstart", ASH_TOML_STRING, set_enum, TYPE(from_kickstart), .names = &ash_from_kickstart_names },
	{ "packages.add", ASH_TOML_STRINGS, set_strings, TYPE(packages_add) },
	{ "packages.drop", ASH_TOML_STRINGS, set_strings, TYPE(packages_drop) },
	{ "packages.groups", ASH_TOML_STRINGS, set_strings, TYPE(groups_add) },
	{ "packages.strip", ASH_TOML_STRINGS, set_strings, TYPE(packages_strip) },
	{ "packages.weak_deps", ASH_TOML_BOOLEAN, set_tristate, TYPE(weak_deps) },
	{ "packages.docs", ASH_TOML_BOOLEAN, set_tristate, TYPE(docs) },

	{ "services.enable", ASH_TOML_STRINGS, set_strings, TYPE(services_enable) },
	{ "services.disable", ASH_TOML_STRINGS, set_strings, TYPE(services_disable) },
	{ "services.mask", ASH_TOML_STRINGS, set_strings, TYPE(services_mask) },

	{ "boot.loader", ASH_TOML_STRING, set_enum, TYPE(loader), .names = &ash_boot_loader_names },
	{ "boot.kernel_cmdline", ASH_TOML_STRING, set_string, TYPE(kernel_cmdline) },
	{ "boot.tries", ASH_TOML_INTEGER, set_int, TYPE(boot_tries), .min = 0, .max = 99 },
	{ "boot.timeout", ASH_TOML_INTEGER, set_int, TYPE(boot_timeout), .min = 0, .max = 3600 },
	{ "boot.second_stage", ASH_TOML_BOOLEAN, set_bool, TYPE(second_stage) },

	{ "secure_boot.sign", ASH_TOML_STRINGS, set_signed, TYPE(secure_boot), .choices = "uki loader verity" },
	{ "secure_boot.keep_signatures", ASH_TOML_BOOLEAN, set_bool, TYPE(secure_boot.keep_signatures) },
	{ "secure_boot.verity_by_kernel", ASH_TOML_BOOLEAN, set_bool, TYPE(secure_boot.verity_by_kernel) },

	{ "initramfs.modules", ASH_TOML_STRINGS, set_strings, TYPE(initramfs_modules) },
	{ "initramfs.drivers", ASH_TOML_STRINGS, set_strings, TYPE(initramfs_drivers) },
	{ "initramfs.compression", ASH_TOML_STRING, set_enum, TYPE(initramfs_compression), .names = &ash_initramfs_compression_names },

	{ "disk.formats", ASH_TOML_STRINGS, set_formats, TYPE(formats), .names = &ash_disk_format_names },
	{ "disk.root_compression", ASH_TOML_STRING, set_enum, TYPE(root_compression), .names = &ash_root_compression_names },
	{ "disk.root_writer", ASH_TOML_STRING, set_enum, TYPE(root_writer), .names = &ash_root_writer_names },
	{ "disk.swap", ASH_TOML_BOOLEAN, set_bool, TYPE(swap) },

	{ "ostree.osname", ASH_TOML_STRING, set_string, TYPE(ostree_osname) },
	{ "ostree.remote", ASH_TOML_STRING, set_string, TYPE(ostree_remote) },
	{ "ostree.url", ASH_TOML_STRING, set_string, TYPE(ostree_url) },
	{ "ostree.ref", ASH_TOML_STRING, set_string, TYPE(ostree_ref) },

	{ "partition.role", ASH_TOML_STRING, set_role, PARTITION(role), .choices = ASH_PARTITION_ROLE_NAMES },
	{ "partition.fs", ASH_TOML_STRING, set_fs, PARTITION(fs), .choices = ASH_FS_KIND_NAMES },
	{ "partition.label", ASH_TOML_STRING, set_string, PARTITION(label) },
	{ "partition.mount", ASH_TOML_STRING, set_string, PARTITION(mount_point) },
	{ "partition.mount_options", ASH_TOML_STRING, set_string, PARTITION(mount_options) },
	{ "partition.fs_label", ASH_TOML_STRING, set_string, PARTITION(fs_label) },
	{ "partition.slot", ASH_TOML_STRING, set_slot, PARTITION(slot), .choices = "a b" },
	{ "partition.size", ASH_TOML_STRING, set_size, PARTITION(size) },
	{ "partition.min_size", ASH_TOML_STRING, set_size, PARTITION(min_size) },
	{ "partition.max_size", ASH_TOML_STRING, set_size, PARTITION(max_size) },
	{ "partition.headroom", ASH_TOML_INTEGER, set_uint64, PARTITION(headroom_percent), .min = 0, .max = 1000 },
	{ "partition.empty", ASH_TOML_BOOLEAN, set_bool, PARTITION(empty) },
	{ "partition.grow", ASH_TOML_BOOLEAN, set_bool, PARTITION(grow) },
	{ "partition.read_only", ASH_TOML_BOOLEAN, set_bool, PARTITION(read_only) },

	{ "partition.encryption.kind", ASH_TOML_STRING, set_enum, PARTITION(encryption.kind), .names = &ash_encryption_kind_names },
	{ "partition.encryption.passphrase", ASH_TOML_BOOLEAN, set_bool, PARTITION(encryption.passphrase) },
	{ "partition.encryption.key_file", ASH_TOML_BOOLEAN, set_bool, PARTITION(encryption.key_file) },
	{ "partition.encryption.recovery_key", ASH_TOML_BOOLEAN, set_bool, PARTITION(encryption.recovery_key) },
	{ "partition.encryption.tpm2", ASH_TOML_BOOLEAN, set_bool, PARTITION(encryption.tpm2) },
	{ "partition.encryption.pbkdf", ASH_TOML_STRING, set_enum, PARTITION(encryption.pbkdf), .names = &ash_pbkdf_names },
	{ "partition.encryption.pbkdf_memory", ASH_TOML_INTEGER, set_int, PARTITION(encryption.pbkdf_memory),
	  .min = ASH_PBKDF_MIN_MEMORY, .max = ASH_PBKDF_MAX_MEMORY },
	{ "partition.encryption.pbkdf_iterations", ASH_TOML_INTEGER, set_int, PARTITION(encryption.pbkdf_iterations),
	  .min = ASH_PBKDF_MIN_ARGON2_ITERATIONS, .max = ASH_PBKDF_MAX_ITERATIONS },
	{ "partition.encryption.pbkdf_threads", ASH_TOML_INTEGER, set_int, PARTITION(encryption.pbkdf_threads), .min = 1, .max = ASH_PBKDF_MAX_THREADS },
	{ "partition.encryption.key_size", ASH_TOML_INTEGER, set_int, PARTITION(encryption.key_bits), .min = 128, .max = 256 },
	{ "partition.encryption.sector_size", ASH_TOML_INTEGER, set_int, PARTITION(encryption.sector_bytes), .min = 512, .max = 4096 },
	{ "partition.encryption.fill", ASH_TOML_BOOLEAN, set_bool, PARTITION(encryption.fill) },

	{ "archive.compression", ASH_TOML_STRING, set_enum, TYPE(compression), .names = &ash_compression_names },
	{ "archive.level", ASH_TOML_INTEGER, set_int, TYPE(compression_level), .min = 1, .max = 22 },

	{ "oci.entrypoint", ASH_TOML_STRINGS, set_arguments, TYPE(oci_entrypoint) },
	{ "oci.cmd", ASH_TOML_STRINGS, set_arguments, TYPE(oci_cmd) },
	{ "oci.env", ASH_TOML_STRINGS, set_strings, TYPE(oci_env) },
	{ "oci.user", ASH_TOML_STRING, set_string, TYPE(oci_user) },
	{ "oci.workdir", ASH_TOML_STRING, set_string, TYPE(oci_workdir) },
	{ "oci.labels", ASH_TOML_STRINGS, set_strings, TYPE(oci_labels) },
	{ "oci.annotations", ASH_TOML_STRINGS, set_strings, TYPE(oci_annotations) },
	{ "oci.ports", ASH_TOML_STRINGS, set_strings, TYPE(oci_ports) },
	{ "oci.volumes", ASH_TOML_STRINGS, set_strings, TYPE(oci_volumes) },
	{ "oci.layers", ASH_TOML_INTEGER, set_int, TYPE(oci_layers), .min = 1, .max = 127 },
	{ "oci.stop_signal", ASH_TOML_STRING, set_string, TYPE(oci_stop_signal) },

	{ "wsl.default_uid", ASH_TOML_INTEGER, set_int, TYPE(wsl_default_uid), .min = 0, .max = 60000 },
	{ "wsl.systemd", ASH_TOML_BOOLEAN, set_bool, TYPE(wsl_systemd) },
	{ "wsl.oobe_command", ASH_TOML_STRING, set_string, TYPE(wsl_oobe_command) },
	{ "wsl.icon", ASH_TOML_STRING, set_string, TYPE(wsl_icon) },
	{ "wsl.default_name", ASH_TOML_STRING, set_string, TYPE(wsl_default_name) },
	{ "wsl.shortcut", ASH_TOML_BOOLEAN, set_bool, TYPE(wsl_shortcut) },
	{ "wsl.terminal", ASH_TOML_BOOLEAN, set_bool, TYPE(wsl_terminal) },
	{ "wsl.terminal_profile", ASH_TOML_STRING, set_string, TYPE(wsl_terminal_profile) },
	{ "wsl.url", ASH_TOML_STRING, set_string, TYPE(wsl_url) },
	{ "wsl.flavor", ASH_TOML_STRING, set_string, TYPE(wsl_flavor) },
	{ "wsl.friendly_name", ASH_TOML_STRING, set_string, TYPE(wsl_friendly_name) },
};
/* clang-format on */

const AshImgKey *
ash_img_keys(guint *ret_n)
{
	*ret_n = G_N_ELEMENTS(keys);
	return keys;
}

const AshImgKey *
ash_img_key_find(const char *path)
{
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		if (g_str_equal(keys[i].path, path))
			return &keys[i];
	return NULL;
}

char **
ash_img_key_dup_choices(const AshImgKey *key)
{
	char **choices;

	if (key->names == NULL)
		return key->choices != NULL ? g_strsplit(key->choices, " ", -1) : NULL;
	choices = g_new0(char *, key->names->n + 1);
	for (guint i = 0; i < key->names->n; i++)
		choices[i] = g_strdup(key->names->names[i]);
	return choices;
}

bool
ash_img_key_is_table(const char *path)
{
	gsize length = strlen(path);

	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		if (strncmp(keys[i].path, path, length) == 0 && keys[i].path[length] == '.')
			return true;
	return false;
}

static const char *
last_part(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot != NULL ? dot + 1 : path;
}

/* First a key or table spelled like it; then the same key in another table. */
char *
ash_img_key_hint(const char *path)
{
	g_auto(GStrv) candidates = ash_strv_new();
	g_autofree char *hint = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autofree char *table = g_strndup(keys[i].path, strcspn(keys[i].path, "."));

		ash_strv_add(&candidates, keys[i].path);
		ash_strv_add_unique(&candidates, table);
	}
	hint = ash_nearest_hint(path, (const char *const *) candidates);
	if (*hint != '\0')
		return g_steal_pointer(&hint);
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		if (g_str_equal(last_part(keys[i].path), last_part(path)))
			return g_strdup_printf("; did you mean \"%s\"?", keys[i].path);
	return g_steal_pointer(&hint);
}
