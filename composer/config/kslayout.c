/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/kslayout.h"

#include "base/digest.h"
#include "base/error.h"

#include <string.h>

typedef struct {
	AshImageType *type;
	const AshVolumeSpec *volume;
	GPtrArray *notices;
	GString *changes; /* what was carried out, for the digest */
	const char *passphrase; /* the one that the kickstart says first; may be NULL */
} Applying;

/* Where partitions of a role are mounted. */
static const struct {
	const char *mount_point;
	AshPartitionRole role;
} roles[] = {
	{ "/", ASH_PARTITION_ROOT },
	{ "/boot/efi", ASH_PARTITION_ESP },
	{ "/efi", ASH_PARTITION_ESP },
	{ "/var", ASH_PARTITION_VAR },
};

static gboolean refuse(const Applying *applying, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void note(const Applying *applying, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* "file:line: part: "/var": image type "x": ..." */
static char *
place_of(const Applying *applying)
{
	const AshVolumeSpec *volume = applying->volume;

	return g_strdup_printf("%s: %s: \"%s\": image type \"%s\"", volume->origin,
			       ash_volume_kind_to_string(volume->kind),
			       volume->mount_point != NULL ? volume->mount_point : volume->name, applying->type->name);
}

static gboolean
refuse(const Applying *applying, GError **error, const char *format, ...)
{
	g_autofree char *place = place_of(applying);
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	return ash_throw(error, ASH_ERROR_CONFIG, "%s %s", place, text);
}

static void
note(const Applying *applying, const char *format, ...)
{
	g_autofree char *place = place_of(applying);
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_ptr_array_add(applying->notices, g_strdup_printf("%s %s", place, text));
}

static bool
same_file_system(AshFsKind kind, const char *fstype)
{
	if (kind == ASH_FS_VFAT && strcmp(fstype, "efi") == 0)
		return true;
	return strcmp(fstype, ash_fs_kind_to_string(kind)) == 0;
}

/* What such a partition has, as it is. */
static gboolean
check_file_system(const Applying *applying, const AshPartition *partition, GError **error)
{
	const AshVolumeSpec *volume = applying->volume;
	const char *fs = ash_fs_kind_to_string(partition->fs);

	if (volume->fstype != NULL && !same_file_system(partition->fs, volume->fstype))
		return refuse(applying, error, "has it in %s: remove --fstype=%s, or take another type", fs, volume->fstype);
	if (volume->label != NULL)
		return refuse(applying, error, "finds it by a label of its own: remove --label");
	if (volume->mkfsoptions != NULL)
		return refuse(applying, error, "makes file systems without options: remove --mkfsoptions");
	if (partition->role == ASH_PARTITION_VAR && volume->fsoptions != NULL && strcmp(volume->fsoptions, "defaults") != 0)
		return refuse(applying, error, "mounts it in the initramfs with options of its own: remove --fsoptions");
	if (volume->max_size != 0 && volume->grow)
		return refuse(applying, error, "lets it grow to the end of the disk: remove --maxsize");
	if (volume->encryption.encrypted && partition->role != ASH_PARTITION_VAR)
		return refuse(applying, error, "does not encrypt it, as it must be read before anything is opened: remove --encrypted");
	return TRUE;
}

/* "file:line: command: image type "x"": where encryption is asked for. */
static char *
place_of_encryption(const char *origin, const char *command, const AshImageType *type)
{
	return g_strdup_printf("%s: %s: image type \"%s\"", origin, command, type->name);
}

/* What a machine that composes must not decide, and what LUKS2 has better. */
static gboolean
check_encryption(const AshEncryptionSpec *said, const char *place, const char *passphrase, GError **error)
{
	if (g_strcmp0(said->luks_version, "luks1") == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s is encrypted with LUKS2: remove --luks-version=luks1", place);
	if (said->cipher != NULL && strcmp(said->cipher, "aes-xts-plain64") != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s is encrypted with aes-xts-plain64: remove --cipher=%s", place, said->cipher);
	if (g_strcmp0(said->pbkdf, "argon2i") == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s has no argon2i: say --pbkdf=argon2id", place);
	if (said->pbkdf_time != -1)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s does not measure the machine that composes: say --pbkdf-iterations in place of --pbkdf-time", place);
	if (said->passphrase != NULL && g_strcmp0(said->passphrase, passphrase) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s has one passphrase for all that is encrypted: --passphrase is another here", place);
	return TRUE;
}

/* Limits are those of the writer (model/encryption.h). */
static gboolean
check_costs(const AshEncryption *encryption, const char *place, GError **error)
{
	bool argon = encryption->pbkdf == ASH_PBKDF_ARGON2ID;
	int least = argon ? ASH_PBKDF_MIN_ARGON2_ITERATIONS : ASH_PBKDF_MIN_PBKDF2_ITERATIONS;

	if (!argon && encryption->pbkdf_memory != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: --pbkdf-memory goes with --pbkdf=argon2id", place);
	if (encryption->pbkdf_memory != 0 &&
	    (encryption->pbkdf_memory < ASH_PBKDF_MIN_MEMORY || encryption->pbkdf_memory > ASH_PBKDF_MAX_MEMORY))
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: --pbkdf-memory takes %d to %d KiB", place, ASH_PBKDF_MIN_MEMORY,
				 ASH_PBKDF_MAX_MEMORY);
	if (encryption->pbkdf_iterations != 0 && encryption->pbkdf_iterations < least)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: --pbkdf-iterations takes %d at least", place, least);
	return TRUE;
}

/* What the kickstart says goes before what the type says. */
static gboolean
set_encryption(AshPartition *partition, const AshEncryptionSpec *said, const char *place, const char *passphrase, GString *changes,
	       GError **error)
{
	AshEncryption *encryption = &partition->encryption;

	if (!check_encryption(said, place, passphrase, error))
		return FALSE;
	encryption->kind = ASH_ENCRYPTION_LUKS2;
	encryption->passphrase = true;
	if (said->pbkdf != NULL && ash_pbkdf_parse(said->pbkdf, &encryption->pbkdf)) {
		encryption->pbkdf_memory = 0;
		encryption->pbkdf_iterations = 0;
	}
	if (said->pbkdf_memory > 0)
		encryption->pbkdf_memory = said->pbkdf_memory;
	if (said->pbkdf_iterations > 0)
		encryption->pbkdf_iterations = said->pbkdf_iterations;
	g_string_append_printf(changes, "%s luks2 %s %d %d\n", partition->label, ash_pbkdf_to_string(encryption->pbkdf),
			       encryption->pbkdf_memory, encryption->pbkdf_iterations);
	return check_costs(encryption, place, error);
}

static void
set_size(const Applying *applying, AshPartition *partition)
{
	const AshVolumeSpec *volume = applying->volume;

	if (volume->size != 0)
		partition->size = volume->size;
	if (volume->grow && partition->role == ASH_PARTITION_VAR)
		partition->grow = true;
	g_string_append_printf(applying->changes, "%s %" G_GUINT64_FORMAT " %d\n", partition->label, partition->size,
			       partition->grow);
}

/* Every slot of the role is the same. */
static gboolean
apply_to_role(const Applying *applying, AshPartitionRole role, GError **error)
{
	const AshVolumeSpec *volume = applying->volume;
	bool found = false;

	for (guint i = 0; i < applying->type->layout->partitions->len; i++) {
		AshPartition *partition = g_ptr_array_index(applying->type->layout->partitions, i);

		if (partition->role != role)
			continue;
		if (!partition->empty && !check_file_system(applying, partition, error))
			return FALSE;
		set_size(applying, partition);
		g_autofree char *place = place_of_encryption(volume->origin, "part", applying->type);
		if (volume->encryption.encrypted &&
		    !set_encryption(partition, &volume->encryption, place, applying->passphrase, applying->changes, error))
			return FALSE;
		found = true;
	}
	if (!found)
		return refuse(applying, error, "has no partition for it: remove the line, or describe one in the image type");
	if (volume->grow && role != ASH_PARTITION_VAR)
		note(applying, "keeps its size: the rest of the disk is for /var");
	if (volume->fsoptions != NULL && strcmp(volume->fsoptions, "defaults") != 0 && role != ASH_PARTITION_VAR)
		note(applying, "is mounted by systemd with options of its own: --fsoptions has no effect");
	return TRUE;
}

static bool
is_member(const char *mount_point)
{
	return g_str_has_prefix(mount_point, "pv.") || g_str_has_prefix(mount_point, "raid.") ||
	       g_str_has_prefix(mount_point, "btrfs.");
}

static gboolean
apply_volume(const Applying *applying, GError **error)
{
	const AshVolumeSpec *volume = applying->volume;

	if (volume->kind != ASH_VOLUME_PARTITION || is_member(volume->mount_point))
		return refuse(applying, error, "has partitions only: say \"part\" with a mount point instead");
	if (volume->existing)
		return refuse(applying, error, "makes a new disk, on which nothing is: remove --onpart and --noformat");
	if (strcmp(volume->mount_point, "biosboot") == 0 || strcmp(volume->mount_point, "prepboot") == 0) {
		note(applying, "boots by UEFI and needs none");
		return TRUE;
	}
	if (strcmp(volume->mount_point, "swap") == 0)
		return refuse(applying, error, "has no swap partition: remove the line (swap in memory is the package zram-generator)");
	for (gsize i = 0; i < G_N_ELEMENTS(roles); i++)
		if (strcmp(roles[i].mount_point, volume->mount_point) == 0)
			return apply_to_role(applying, roles[i].role, error);
	return refuse(applying, error, "has no partition for it: it is a directory there; remove the line");
}

static gboolean
check_autopart(const AshAutopartSpec *autopart, const AshImageType *type, GError **error)
{
	const AshPartition *root = ash_layout_find(type->layout, ASH_PARTITION_ROOT, 0);
	const char *scheme = ash_autopart_scheme_to_string(autopart->scheme);

	if (scheme != NULL && autopart->scheme != ASH_AUTOPART_PLAIN)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: autopart: image type \"%s\" has plain partitions: remove --type=%s", autopart->origin, type->name,
				 scheme);
	if (autopart->fstype != NULL && root != NULL && !same_file_system(root->fs, autopart->fstype))
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: autopart: image type \"%s\" has its root in %s: remove --fstype=%s",
				 autopart->origin, type->name, ash_fs_kind_to_string(root->fs), autopart->fstype);
	return TRUE;
}

/* autopart --encrypted: all that can be, which is /var. */
static gboolean
encrypt_automatically(const Applying *applying, const AshAutopartSpec *autopart, GError **error)
{
	AshPartition *var = ash_layout_find(applying->type->layout, ASH_PARTITION_VAR, 0);
	g_autofree char *place = place_of_encryption(autopart->origin, "autopart", applying->type);

	if (!autopart->encryption.encrypted)
		return TRUE;
	if (var == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s has no partition that could be: remove --encrypted", place);
	return set_encryption(var, &autopart->encryption, place, applying->passphrase, applying->changes, error);
}

/* One image is one disk. */
static gboolean
check_disks(const Applying *applying, const AshStorageSpec *storage, GError **error)
{
	const char *disk = NULL;

	for (guint i = 0; i < storage->volumes->len; i++) {
		const AshVolumeSpec *volume = g_ptr_array_index(storage->volumes, i);
		const Applying at = { .type = applying->type, .volume = volume, .notices = applying->notices };

		if (volume->disk != NULL && disk != NULL && strcmp(disk, volume->disk) != 0)
			return refuse(&at, error, "is one disk: \"%s\" cannot be beside \"%s\"", volume->disk, disk);
		if (volume->disk != NULL)
			disk = volume->disk;
	}
	return TRUE;
}

/* The type is not the one that its file says any more. */
static void
change_digest(AshImageType *type, const char *changes)
{
	g_autofree char *text = g_strconcat(type->digest != NULL ? type->digest : "", "\n", changes, NULL);

	g_free(type->digest);
	type->digest = ash_sha256_hex(text, -1);
}

gboolean
ash_kslayout_apply(const AshSpec *spec, AshImageType *type, GPtrArray *notices, GError **error)
{
	const AshStorageSpec *storage = &spec->storage;
	g_autoptr(GString) changes = g_string_new(NULL);
	Applying applying = {
		.type = type,
		.notices = notices,
		.changes = changes,
		.passphrase = ash_storage_spec_get_passphrase(storage),
	};

	if (spec->ostree.set)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: %s: a system is composed of packages: remove the line, and use \"repo\" and %%packages",
				 spec->ostree.origin, spec->ostree.container ? "ostreecontainer" : "ostreesetup");
	if (type->layout == NULL || !ash_storage_spec_is_set(storage))
		return TRUE;
	if (storage->autopart.set && (!check_autopart(&storage->autopart, type, error) ||
				      !encrypt_automatically(&applying, &storage->autopart, error)))
		return FALSE;
	if (!check_disks(&applying, storage, error))
		return FALSE;
	for (guint i = 0; i < storage->volumes->len; i++) {
		applying.volume = g_ptr_array_index(storage->volumes, i);
		if (!apply_volume(&applying, error))
			return FALSE;
	}
	ash_image_type_finish_encryption(type);
	if (changes->len > 0)
		change_digest(type, changes->str);
	return TRUE;
}
