/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/imgtypecheck.h"

#include "base/error.h"
#include "config/check.h"
#include "config/imgtypeoci.h"
#include "model/strv.h"

#include <string.h>

#define LABEL_MAX 36 /* UTF-16 units of a GPT name, UEFI 2.10 5.3.3 */

gboolean
ash_img_throw(const char *file, guint line, const char *key, GError **error, const char *format,
	      ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s:%u: %s: %s", file, line, key, text);
}

gboolean
ash_img_throw_key(AshImgLoader *loader, const char *file, const char *key, GError **error,
	  const char *format, ...)
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

static gboolean
check_pbkdf(const AshEncryption *encryption, const char *file, guint line, GError **error)
{
	if (encryption->pbkdf != ASH_PBKDF_PBKDF2)
		return TRUE;
	if (encryption->pbkdf_memory != 0)
		return ash_img_throw(file, line, "partition.encryption.pbkdf_memory", error, "goes with \"argon2id\" only");
	if (encryption->pbkdf_threads != 0)
		return ash_img_throw(file, line, "partition.encryption.pbkdf_threads", error, "goes with \"argon2id\" only");
	if (encryption->pbkdf_iterations != 0 && encryption->pbkdf_iterations < ASH_PBKDF_MIN_PBKDF2_ITERATIONS)
		return ash_img_throw(file, line, "partition.encryption.pbkdf_iterations", error, "with \"pbkdf2\" there are at least %d",
				     ASH_PBKDF_MIN_PBKDF2_ITERATIONS);
	return TRUE;
}

/* The machine makes the volume itself, with the numbers of its own systemd. */
static gboolean
check_tpm2(const AshPartition *partition, const char *file, guint line, GError **error)
{
	AshEncryption rest = partition->encryption;

	if (!rest.tpm2)
		return TRUE;
	if (partition->role != ASH_PARTITION_VAR || !partition->grow)
		return ash_img_throw(file, line, "partition.encryption.tpm2", error,
				     "is for a partition with role \"var\" that has \"grow\": it is made at the first boot, at the end of the disk");
	rest.tpm2 = false;
	if (ash_encryption_is_described(&rest))
		return ash_img_throw(file, line, "partition.encryption.tpm2", error,
				     "goes with no other key of encryption: the machine makes the volume, and its TPM has the only key");
	return TRUE;
}

static gboolean
check_encryption(const AshPartition *partition, const char *file, guint line, GError **error)
{
	const AshEncryption *encryption = &partition->encryption;
	const char *role = ash_partition_role_to_string(partition->role);

	if (encryption->kind == ASH_ENCRYPTION_NONE)
		return !ash_encryption_is_described(encryption) ||
		       ash_img_throw(file, line, "partition.encryption.kind", error, "is not \"luks2\", so the other keys of encryption say nothing");
	if (partition->role == ASH_PARTITION_ESP)
		return ash_img_throw(file, line, "partition.encryption.kind", error, "role \"esp\" cannot be encrypted: the firmware reads it");
	if (partition->role == ASH_PARTITION_ROOT_VERITY || partition->role == ASH_PARTITION_ROOT_VERITY_SIG)
		return ash_img_throw(file, line, "partition.encryption.kind", error, "role \"%s\" cannot be encrypted: the kernel checks it by its root hash", role);
	if (partition->empty)
		return ash_img_throw(file, line, "partition.encryption.kind", error, "a partition without content cannot be encrypted");
	if (encryption->key_bits != 0 && encryption->key_bits != 128 && encryption->key_bits != 256)
		return ash_img_throw(file, line, "partition.encryption.key_size", error, "%d is none of 128, 256", encryption->key_bits);
	if (encryption->sector_bytes != 0 && encryption->sector_bytes != 512 && encryption->sector_bytes != 4096)
		return ash_img_throw(file, line, "partition.encryption.sector_size", error, "%d is none of 512, 4096", encryption->sector_bytes);
	return check_tpm2(partition, file, line, error) && check_pbkdf(encryption, file, line, error);
}

/* Where it is mounted, and what the file system is called. */
static gboolean
check_mount(const AshPartition *partition, const char *file, guint line, GError **error)
{
	const char *role = ash_partition_role_to_string(partition->role), *mount_point = partition->mount_point;
	const char *fixed = partition->role == ASH_PARTITION_ROOT || partition->role == ASH_PARTITION_VAR ? ash_partition_role_get_mount_point(partition->role) : NULL;
	const AshFsTraits *traits = ash_fs_kind_get_traits(partition->fs);

	if (mount_point != NULL && (!ash_check_path(mount_point) || strpbrk(mount_point, " \t\\") != NULL))
		return ash_img_throw(file, line, "partition.mount", error, "\"%s\" is no absolute path without blanks", mount_point);
	if (mount_point != NULL && (partition->fs == ASH_FS_NONE || partition->fs == ASH_FS_SWAP || (fixed != NULL && strcmp(fixed, mount_point) != 0)))
		return ash_img_throw(file, line, "partition.mount", error, "role \"%s\" with \"%s\" is not mounted at \"%s\"", role, traits->name, mount_point);
	if (mount_point != NULL && !ash_mount_point_is_possible(mount_point))
		return ash_img_throw(file, line, "partition.mount", error, "\"%s\" cannot be a partition of its own: it is needed before one is mounted", mount_point);
	if (partition->mount_options != NULL && (*partition->mount_options == '\0' || strpbrk(partition->mount_options, " \t") != NULL))
		return ash_img_throw(file, line, "partition.mount_options", error, "\"%s\" is empty or has blanks; options stand between commas", partition->mount_options);
	if (partition->mount_options != NULL && partition->role == ASH_PARTITION_VAR)
		return ash_img_throw(file, line, "partition.mount_options", error, "role \"var\" is mounted in the initramfs, with options of its own");
	if (partition->fs_label != NULL && strlen(partition->fs_label) > traits->label_bytes)
		return ash_img_throw(file, line, "partition.fs_label", error, "\"%s\" is longer than the %u bytes that \"%s\" has for it", partition->fs_label,
				     traits->label_bytes, traits->name);
	if (partition->max_size != 0 && !partition->grow)
		return ash_img_throw(file, line, "partition.max_size", error, "goes with \"grow\"");
	return TRUE;
}

static gboolean
check_partition(const AshPartition *partition, const char *file, guint line, GError **error)
{
	const char *role = NULL;

	if (partition->role == _ASH_PARTITION_ROLE_COUNT)
		return ash_img_throw(file, line, "partition.role", error, "the key is required");
	role = ash_partition_role_to_string(partition->role);
	if (!partition->empty && !ash_partition_role_can_hold(partition->role, partition->fs))
		return ash_img_throw(file, line, "partition.fs", error,
				     "\"%s\" does not go with role \"%s\"",
				     ash_fs_kind_to_string(partition->fs), role);
	if (partition->label != NULL && g_utf8_strlen(partition->label, -1) > LABEL_MAX)
		return ash_img_throw(file, line, "partition.label", error,
				     "\"%s\" is longer than %d characters", partition->label,
				     LABEL_MAX);
	if (partition->role == ASH_PARTITION_ESP && partition->size == 0)
		return ash_img_throw(file, line, "partition.size", error,
				     "role \"esp\" needs a size");
	if (partition->size != 0 && partition->min_size != 0)
		return ash_img_throw(file, line, "partition.min_size", error,
				     "does not go with \"size\"");
	if (partition->size != 0 && partition->headroom_percent != 0)
		return ash_img_throw(file, line, "partition.headroom", error,
				     "does not go with \"size\"");
	if (partition->slot == 0 && (partition->role == ASH_PARTITION_ROOT_VERITY || partition->role == ASH_PARTITION_ROOT_VERITY_SIG))
		return ash_img_throw(file, line, "partition.slot", error,
				     "role \"%s\" needs a slot", role);
	if (partition->slot != 0 && partition->role != ASH_PARTITION_ROOT &&
	    partition->role != ASH_PARTITION_ROOT_VERITY && partition->role != ASH_PARTITION_ROOT_VERITY_SIG)
		return ash_img_throw(file, line, "partition.slot", error,
				     "role \"%s\" has no slots", role);
	return check_mount(partition, file, line, error) && check_encryption(partition, file, line, error);
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
check_partitions(AshImgLoader *loader, GError **error)
{
	GPtrArray *partitions = loader->type->layout->partitions;

	for (guint i = 0; i < partitions->len; i++) {
		const AshPartition *partition = g_ptr_array_index(partitions, i);
		guint line = g_array_index(loader->partition_lines, guint, i);

		if (!check_partition(partition, loader->partition_file, line, error))
			return FALSE;
		if (is_repeated(partitions, i))
			return ash_img_throw(loader->partition_file, line, "partition.role", error,
					     "there is another \"%s\" of the same slot",
					     ash_partition_role_to_string(partition->role));
		if (partition->grow && i + 1 < partitions->len)
			return ash_img_throw(loader->partition_file, line, "partition.grow", error,
					     "only the last partition can grow");
	}
	return TRUE;
}

static gboolean
check_slots(AshImgLoader *loader, GError **error)
{
	const AshLayout *layout = loader->type->layout;
	const char *file = loader->partition_file;
	guint line = g_array_index(loader->partition_lines, guint, 0);
	const AshPartition *root = ash_layout_find(layout, ASH_PARTITION_ROOT, 0);

	if (ash_layout_find(layout, ASH_PARTITION_ESP, 0) == NULL)
		return ash_img_throw(file, line, "partition", error,
				     "there is no partition with role \"esp\"");
	if (root == NULL || root->empty || root->slot == 'b')
		return ash_img_throw(
			file, line, "partition", error,
			"the first partition with role \"root\" must be of slot \"a\" and "
			"not empty");
	for (const char *slot = "ab"; *slot != '\0'; slot++) {
		bool has_root = ash_layout_find(layout, ASH_PARTITION_ROOT, *slot) != NULL;
		bool has_hash = ash_layout_find(layout, ASH_PARTITION_ROOT_VERITY, *slot) != NULL;

		const AshPartition *slot_root = ash_layout_find(layout, ASH_PARTITION_ROOT, *slot);

		if (has_hash && has_root && slot_root->encryption.kind != ASH_ENCRYPTION_NONE)
			return ash_img_throw(file, line, "partition.encryption.kind", error,
					     "role \"root\" of slot \"%c\" is protected by a hash tree: what everybody may read cannot be encrypted as well", *slot);
		if (has_hash && !has_root)
			return ash_img_throw(
				file, line, "partition", error,
				"role \"root-verity\" of slot \"%c\" has no \"root\" beside it",
				*slot);
		if (!has_hash && ash_layout_find(layout, ASH_PARTITION_ROOT_VERITY_SIG, *slot) != NULL)
			return ash_img_throw(file, line, "partition", error,
					     "role \"root-verity-sig\" of slot \"%c\" has no \"root-verity\" beside it", *slot);
	}
	return TRUE;
}

/* Why a partition is no part of a package-managed system, or NULL. */
static const char *
find_untraditional(const AshPartition *partition)
{
	if (partition->role == ASH_PARTITION_ROOT_VERITY || partition->role == ASH_PARTITION_ROOT_VERITY_SIG || partition->slot != 0 || partition->empty)
		return "system \"traditional\" has one root: no slots, no hash tree";
	if (partition->role == ASH_PARTITION_ROOT && (ash_fs_kind_get_traits(partition->fs)->read_only || partition->read_only))
		return "the root of system \"traditional\" is written to: take \"ext4\" or \"xfs\", and no \"read_only\"";
	if (partition->encryption.tpm2)
		return "system \"traditional\" has no kernel image whose measurements are signed, by which the TPM would open it: take \"passphrase\"";
	if (partition->role == ASH_PARTITION_XBOOTLDR)
		return "system \"traditional\" has its kernels in the partition with role \"esp\"";
	if (partition->role == ASH_PARTITION_ESP && g_strcmp0(partition->mount_point, "/boot") != 0)
		return "system \"traditional\" has its kernels in the partition with role \"esp\": say mount = \"/boot\"";
	return NULL;
}

static gboolean
check_traditional(AshImgLoader *loader, GError **error)
{
	GPtrArray *partitions = loader->type->layout->partitions;

	for (guint i = 0; i < partitions->len; i++) {
		const char *problem = find_untraditional(g_ptr_array_index(partitions, i));

		if (problem != NULL)
			return ash_img_throw(loader->partition_file, g_array_index(loader->partition_lines, guint, i), "partition", error, "%s", problem);
	}
	return TRUE;
}

/* What ends up in names of files, in the kernel's command line and in lines of a configuration. */
static gboolean
check_ostree_keys(AshImgLoader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;
	const struct {
		const char *key, *value, *extra;
	} words[] = {
		{ "ostree.osname", type->ostree_osname, "_.-" },
		{ "ostree.remote", type->ostree_remote, "_.-" },
		{ "ostree.ref", type->ostree_ref, "_.-/" },
		{ "ostree.url", type->ostree_url, "_.-/:%?&=~+,@" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		if (words[i].value == NULL)
			continue;
		if (type->system != ASH_SYSTEM_OSTREE)
			return ash_img_throw_key(loader, file, words[i].key, error, "goes with system \"ostree\" only");
		if (!ash_check_word(words[i].value, words[i].extra))
			return ash_img_throw_key(loader, file, words[i].key, error, "\"%s\" has other characters than letters, digits and \"%s\"",
						 words[i].value, words[i].extra);
	}
	return TRUE;
}

/* Why a partition is no part of a disk for OSTree, or NULL. */
static const char *
find_unostree(const AshPartition *partition)
{
	bool is_root = partition->role == ASH_PARTITION_ROOT;

	if ((!is_root && partition->role != ASH_PARTITION_ESP) || partition->slot != 0 || partition->empty || partition->mount_point != NULL)
		return "system \"ostree\" has two partitions, with the roles \"esp\" and \"root\": /var is in the root, and a commit says nothing of disks";
	if (is_root && (partition->fs != ASH_FS_EXT4 || partition->read_only || partition->encryption.kind != ASH_ENCRYPTION_NONE))
		return "the root of system \"ostree\" is \"ext4\", neither read-only nor encrypted";
	if (partition->grow)
		return "no partition of system \"ostree\" grows by itself: say \"size\" or \"headroom\"";
	return NULL;
}

/* libostree changes its boot configuration by symbolic links, which the ESP cannot have: so it is in the root, where GRUB can read it. */
static gboolean
check_ostree(AshImgLoader *loader, const char *file, GError **error)
{
	GPtrArray *partitions = loader->type->layout->partitions;

	for (guint i = 0; i < partitions->len; i++) {
		const char *problem = find_unostree(g_ptr_array_index(partitions, i));

		if (problem != NULL)
			return ash_img_throw(loader->partition_file, g_array_index(loader->partition_lines, guint, i), "partition", error, "%s", problem);
	}
	return loader->type->loader == ASH_BOOT_LOADER_GRUB ||
	       ash_img_throw_key(loader, file, "boot.loader", error, "system \"ostree\" is booted by \"grub\": no other loader reads what ostree writes");
}

/* What the BIOS starts is GRUB, in a partition of its own; the kernels that it boots are those of the boot partition. */
static gboolean
check_bios(AshImgLoader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;

	if (ash_layout_find(type->layout, ASH_PARTITION_BIOS_BOOT, 0) == NULL ||
	    (type->system == ASH_SYSTEM_TRADITIONAL && type->loader == ASH_BOOT_LOADER_GRUB))
		return TRUE;
	return ash_img_throw_key(loader, file, "boot.loader", error,
				 "a partition with role \"bios-boot\" goes with system \"traditional\" and loader \"grub\" only: nothing else boots by BIOS");
}

/* GRUB is there by itself. */
static gboolean
check_second_stage(AshImgLoader *loader, const char *file, GError **error)
{
	return !loader->type->second_stage || loader->type->loader == ASH_BOOT_LOADER_SYSTEMD_BOOT ||
	       ash_img_throw_key(loader, file, "boot.second_stage", error, "goes with loader \"systemd-boot\" only: with \"grub\" that file is GRUB");
}

static gboolean
check_system(AshImgLoader *loader, const char *file, GError **error)
{
	if (loader->type->system == ASH_SYSTEM_TRADITIONAL)
		return check_traditional(loader, error);
	if (loader->type->system == ASH_SYSTEM_OSTREE)
		return check_ostree(loader, file, error);
	return loader->type->loader == ASH_BOOT_LOADER_SYSTEMD_BOOT ||
	       ash_img_throw_key(loader, file, "boot.loader", error, "\"grub\" goes with systems \"traditional\" and \"ostree\" only: it does not read kernel images");
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

/* What makes the root, and how. */
static gboolean
check_root(AshImgLoader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;
	const AshPartition *root = ash_layout_find(type->layout, ASH_PARTITION_ROOT, 0);
	bool is_squashfs = root != NULL && root->fs == ASH_FS_SQUASHFS;

	if (!is_squashfs && type->root_compression > ASH_ROOT_COMPRESSION_ZSTD)
		return ash_img_throw_key(loader, file, "disk.root_compression", error, "\"gzip\" and \"xz\" go with a root in \"squashfs\" only");
	return !is_squashfs || type->root_writer == ASH_ROOT_WRITER_ASHLAR ||
	       ash_img_throw_key(loader, file, "disk.root_writer", error, "\"mkfs.erofs\" makes no root in \"squashfs\"");
}

static gboolean
check_verity_sig(AshImgLoader *loader, const char *file, GError **error)
{
	const AshSecureBoot *how = &loader->type->secure_boot;
	bool has_partition = ash_layout_find(loader->type->layout, ASH_PARTITION_ROOT_VERITY_SIG, 0) != NULL;

	if (has_partition && !how->sign_verity)
		return ash_img_throw_key(loader, file, "secure_boot.sign", error, "a partition with role \"root-verity-sig\" needs \"verity\" in it");
	if (how->verity_by_kernel && !has_partition)
		return ash_img_throw_key(loader, file, "secure_boot.verity_by_kernel", error,
					 "there is no partition with role \"root-verity-sig\", which has what the kernel is to check");
	return TRUE;
}

static gboolean
check_disk(AshImgLoader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;

	if (type->formats->len == 0)
		return ash_img_throw_key(loader, file, "disk.formats", error,
				 "the key is required for kind \"disk\"");
	if (type->layout == NULL)
		return ash_img_throw_key(loader, file, "partition", error,
				 "at least one [[partition]] is required for kind \"disk\"");
	if (!type->swap && ash_layout_find(type->layout, ASH_PARTITION_SWAP, 0) != NULL)
		return ash_img_throw_key(loader, file, "disk.swap", error, "is false, but there is a partition with role \"swap\"");
	if (!check_ostree_keys(loader, file, error) || !check_partitions(loader, error) || !check_slots(loader, error) ||
	    !check_root(loader, file, error) || !check_bios(loader, file, error) ||
	    !check_second_stage(loader, file, error) || !check_system(loader, file, error))
		return FALSE;
	for (guint i = 0; i < type->layout->partitions->len; i++)
		finish_partition(g_ptr_array_index(type->layout->partitions, i));
	ash_image_type_finish_layout(loader->type);
	return check_verity_sig(loader, file, error);
}

static gboolean
check_units(AshImgLoader *loader, char **units, const char *file, const char *key, GError **error)
{
	for (guint i = 0; units[i] != NULL; i++)
		if (!ash_check_unit(units[i]) || strchr(units[i], '.') == NULL)
			return ash_img_throw_key(loader, file, key, error,
					 "\"%s\" is no unit name with its suffix", units[i]);
	return TRUE;
}

static gboolean
check_archive(AshImgLoader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;
	gint max = type->compression == ASH_COMPRESS_GZIP ? 9 : 19;

	if (type->compression == ASH_COMPRESS_NONE && type->compression_level != -1)
		return ash_img_throw_key(loader, file, "archive.level", error,
				 "does not go with compression \"none\"");
	if (type->compression_level > max)
		return ash_img_throw_key(loader, file, "archive.level", error, "%s goes up to %d",
				 ash_compression_to_string(type->compression), max);
	return ash_img_check_oci(loader, file, error);
}

/* What goes into lines of wsl-distribution.conf, whose reader has quotes, escapes and comments. Empty: what the base says is undone. */
static gboolean
check_wsl_path(AshImgLoader *loader, const char *path, const char *file, const char *key, GError **error)
{
	if (path == NULL || *path == '\0')
		return TRUE;
	if (!ash_check_path(path))
		return ash_img_throw_key(loader, file, key, error, "\"%s\" is no absolute path", path);
	return ash_check_word(path, "/._+-") ||
	       ash_img_throw_key(loader, file, key, error, "\"%s\" has other characters than letters, digits and \"/._+-\"", path);
}

/* Where Windows finds the file. */
static gboolean
check_wsl_url(AshImgLoader *loader, const char *file, GError **error)
{
	const char *url = loader->type->wsl_url;

	if (url == NULL || *url == '\0')
		return TRUE;
	if (!g_str_has_prefix(url, "https://") && !g_str_has_prefix(url, "http://") && !g_str_has_prefix(url, "file:///"))
		return ash_img_throw_key(loader, file, "wsl.url", error, "\"%s\" does not begin with \"https://\", \"http://\" or \"file:///\"", url);
	if (strpbrk(url, " \"\\") != NULL || !g_str_is_ascii(url))
		return ash_img_throw_key(loader, file, "wsl.url", error, "\"%s\" has characters that stand in no URL", url);
	return g_str_has_suffix(url, ".wsl") || g_str_has_suffix(url, "/") ||
	       ash_img_throw_key(loader, file, "wsl.url", error, "\"%s\" ends neither in \".wsl\" nor, for a folder, in \"/\"", url);
}

static gboolean
check_wsl(AshImgLoader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;
	const char *name = type->wsl_default_name, *flavor = type->wsl_flavor;

	if (type->compression != ASH_COMPRESS_GZIP)
		return ash_img_throw_key(loader, file, "archive.compression", error, "WSL reads gzip only");
	if (name != NULL && !ash_wsl_name_is_valid(name))
		return ash_img_throw_key(loader, file, "wsl.default_name", error, "\"%s\": " ASH_WSL_NAME_RULE, name);
	if (flavor != NULL && !ash_wsl_name_is_valid(flavor))
		return ash_img_throw_key(loader, file, "wsl.flavor", error, "\"%s\": " ASH_WSL_NAME_RULE, flavor);
	if (flavor != NULL && name != NULL && !g_str_has_prefix(name, flavor))
		return ash_img_throw_key(loader, file, "wsl.flavor", error, "\"%s\" is not what \"default_name\", \"%s\", begins with", flavor, name);
	return check_wsl_path(loader, type->wsl_oobe_command, file, "wsl.oobe_command", error) &&
	       check_wsl_path(loader, type->wsl_icon, file, "wsl.icon", error) &&
	       check_wsl_path(loader, type->wsl_terminal_profile, file, "wsl.terminal_profile", error) &&
	       check_wsl_url(loader, file, error);
}

gboolean
ash_img_check(AshImgLoader *loader, const char *file, GError **error)
{
	const AshImageType *type = loader->type;

	if (!ash_check_word(type->variant, "_.-"))
		return ash_img_throw_key(loader, file, "variant", error,
				 "\"%s\" has other characters than letters, digits and \"_.-\"",
				 type->variant);
	for (guint i = 0; type->packages_add[i] != NULL; i++)
		if (ash_strv_any_glob_matches((const char *const *) type->packages_drop,
					      type->packages_add[i]))
			return ash_img_throw_key(loader, file, "packages.add", error,
					 "\"%s\" is dropped by \"packages.drop\"",
					 type->packages_add[i]);
	if (type->packages_strip[0] != NULL && type->kind != ASH_IMAGE_OCI && type->kind != ASH_IMAGE_TAR)
		return ash_img_throw_key(loader, file, "packages.strip", error, "goes with kinds \"oci\" and \"tar\" only: a machine needs a shell");
	if (!check_units(loader, type->services_enable, file, "services.enable", error) ||
	    !check_units(loader, type->services_disable, file, "services.disable", error) ||
	    !check_units(loader, type->services_mask, file, "services.mask", error))
		return FALSE;
	if (type->kind == ASH_IMAGE_DISK)
		return check_disk(loader, file, error);
	if (type->system == ASH_SYSTEM_TRADITIONAL)
		return ash_img_throw_key(loader, file, "system", error, "\"traditional\" goes with kind \"disk\" only");
	return check_archive(loader, file, error) && (type->kind != ASH_IMAGE_WSL || check_wsl(loader, file, error));
}
