/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/kslayout.h"

#include "base/digest.h"
#include "base/error.h"
#include "config/ksapply.h"

#include <string.h>

/* What is said in place of it. */
static const char *const instead[] = {
	[ASH_VOLUME_PARTITION] = "remove the line, and say \"part\" with a mount point for what would be in it",
	[ASH_VOLUME_RAID] = "an array belongs to a machine and its disks; say \"part\" with a mount point instead",
	[ASH_VOLUME_BTRFS] = "btrfs cannot be made without mounting it and have the same bytes twice; say \"part\" with --fstype=ext4 or xfs instead",
	[ASH_VOLUME_MOUNT] = "there is nothing on a new disk that could be mounted; say \"part\" instead",
};

static bool
is_member(const char *mount_point)
{
	return g_str_has_prefix(mount_point, "raid.") || g_str_has_prefix(mount_point, "btrfs.");
}

/* Of LVM: carried out together. */
static bool
is_of_group(const AshVolumeSpec *volume)
{
	return volume->kind == ASH_VOLUME_LOGICAL || volume->kind == ASH_VOLUME_GROUP ||
	       (volume->kind == ASH_VOLUME_PARTITION && g_str_has_prefix(volume->mount_point, "pv."));
}

static bool
has_bios_boot(const AshKsApply *apply)
{
	return ash_layout_find(apply->type->layout, ASH_PARTITION_BIOS_BOOT, 0) != NULL;
}

static gboolean
apply_volume(const AshKsApply *apply, GError **error)
{
	const AshVolumeSpec *volume = apply->volume;

	if (is_of_group(volume) && (volume->kind != ASH_VOLUME_PARTITION || !volume->existing))
		return TRUE;
	if (volume->kind != ASH_VOLUME_PARTITION || is_member(volume->mount_point))
		return ash_ks_apply_refuse(apply, error, "has partitions only: %s", instead[volume->kind]);
	if (volume->existing)
		return ash_ks_apply_refuse(apply, error, "makes a new disk, on which nothing is: remove --onpart and --noformat");
	if (strcmp(volume->mount_point, "biosboot") == 0 || strcmp(volume->mount_point, "prepboot") == 0) {
		ash_ks_apply_note(apply, has_bios_boot(apply) ? "has one already" : "boots by UEFI and needs none");
		return TRUE;
	}
	return ash_ks_apply_partition(apply, error);
}

static gboolean
check_autopart(const AshAutopartSpec *autopart, const AshImageType *type, GError **error)
{
	const AshPartition *root = ash_layout_find(type->layout, ASH_PARTITION_ROOT, 0);
	const char *scheme = ash_autopart_scheme_to_string(autopart->scheme);

	if (scheme != NULL && autopart->scheme != ASH_AUTOPART_PLAIN && autopart->scheme != ASH_AUTOPART_LVM)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: autopart: image type \"%s\" has plain partitions: remove --type=%s", autopart->origin, type->name,
				 scheme);
	if (autopart->fstype != NULL && root != NULL && strcmp(ash_fs_kind_to_string(root->fs), autopart->fstype) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: autopart: image type \"%s\" has its root in %s: remove --fstype=%s",
				 autopart->origin, type->name, ash_fs_kind_to_string(root->fs), autopart->fstype);
	return TRUE;
}

/* autopart --type=lvm; autopart --encrypted: all that can be, which is /var, or the root that has it. */
static gboolean
apply_autopart(const AshKsApply *apply, const AshAutopartSpec *autopart, GError **error)
{
	AshPartition *data = ash_layout_find(apply->type->layout, ASH_PARTITION_VAR, 0);

	if (autopart->scheme == ASH_AUTOPART_LVM)
		return ash_ks_apply_root_group(apply, autopart, error);
	if (!autopart->encryption.encrypted)
		return TRUE;
	if (data == NULL)
		data = ash_layout_find(apply->type->layout, ASH_PARTITION_ROOT, 0);
	if (data == NULL || !ash_ks_apply_can_encrypt(apply, data))
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: autopart: image type \"%s\" has no partition that could be: remove --encrypted",
				 autopart->origin, apply->type->name);
	return ash_ks_apply_encryption(apply, data, &autopart->encryption, autopart->origin, "autopart", error);
}

/* One image is one disk. */
static gboolean
check_disks(const AshKsApply *apply, const AshStorageSpec *storage, GError **error)
{
	const char *disk = NULL;

	for (guint i = 0; i < storage->volumes->len; i++) {
		const AshVolumeSpec *volume = g_ptr_array_index(storage->volumes, i);
		const AshKsApply at = { .type = apply->type, .volume = volume, .notices = apply->notices };

		if (volume->disk != NULL && disk != NULL && strcmp(disk, volume->disk) != 0)
			return ash_ks_apply_refuse(&at, error, "is one disk: \"%s\" cannot be beside \"%s\"", volume->disk, disk);
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

static void
set_unless_said(char **value, const char *other)
{
	if (*value == NULL)
		*value = g_strdup(other);
}

/* Where a machine looks for upgrades is where its commit came from, unless the type says otherwise. */
static gboolean
apply_source(const AshOstreeSpec *ostree, AshImageType *type, GString *changes, GError **error)
{
	if (type->system != ASH_SYSTEM_OSTREE)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: %s: image type \"%s\" is made of packages: use one with system \"ostree\", such as ostree-vm, "
				 "or remove the line and use \"repo\" and %%packages",
				 ostree->origin, ostree->container ? "ostreecontainer" : "ostreesetup", type->name);
	if (!ostree->container && type->ostree_url == NULL)
		type->ostree_verify = ostree->verify;
	set_unless_said(&type->ostree_osname, ostree->osname);
	set_unless_said(&type->ostree_remote, ostree->remote);
	if (!ostree->container) {
		set_unless_said(&type->ostree_url, ostree->url);
		set_unless_said(&type->ostree_ref, ostree->ref);
	}
	g_string_append_printf(changes, "source\t%s\t%s\t%s\t%s\t%d\n", type->ostree_osname, type->ostree_remote != NULL ? type->ostree_remote : "-",
			       type->ostree_url != NULL ? type->ostree_url : "-", type->ostree_ref != NULL ? type->ostree_ref : "-", type->ostree_verify);
	return TRUE;
}

gboolean
ash_kslayout_apply(const AshSpec *spec, AshImageType *type, GPtrArray *notices, GError **error)
{
	const AshStorageSpec *storage = &spec->storage;
	g_autoptr(GString) changes = g_string_new(NULL);
	AshKsApply apply = {
		.type = type,
		.storage = storage,
		.notices = notices,
		.changes = changes,
		.passphrase = ash_storage_spec_get_passphrase(storage),
	};

	if (spec->ostree.set && !apply_source(&spec->ostree, type, changes, error))
		return FALSE;
	if (type->layout == NULL || !ash_storage_spec_is_set(storage)) {
		if (changes->len > 0)
			change_digest(type, changes->str);
		return TRUE;
	}
	if (storage->autopart.set && (!check_autopart(&storage->autopart, type, error) ||
				      !apply_autopart(&apply, &storage->autopart, error)))
		return FALSE;
	if (!check_disks(&apply, storage, error))
		return FALSE;
	for (guint i = 0; i < storage->volumes->len; i++) {
		apply.volume = g_ptr_array_index(storage->volumes, i);
		if (!apply_volume(&apply, error))
			return FALSE;
	}
	if (!ash_ks_apply_groups(&apply, error))
		return FALSE;
	ash_image_type_finish_layout(type);
	if (changes->len > 0)
		change_digest(type, changes->str);
	return TRUE;
}
