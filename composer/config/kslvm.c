/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/ksapply.h"

#include "base/error.h"
#include "base/size.h"

#include <string.h>

/* Logical volumes lie one behind the other on one physical volume: what can be written without a device mapper. */

#define DEFAULT_EXTENT_BYTES (4 * ASH_MIB)
#define MAX_EXTENT_BYTES     (4 * ASH_GIB)
#define MAX_NAME_BYTES       100
#define AUTOPART_GROUP       "system"
#define AUTOPART_VOLUME      "root"

static AshKsApply
at_volume(const AshKsApply *apply, const AshVolumeSpec *volume)
{
	AshKsApply at = *apply;

	at.volume = volume;
	return at;
}

/* lvm(8), "VALID NAMES". */
static bool
is_name(const char *name)
{
	static const char *const reserved[] = { "_cdata",    "_cmeta",  "_corig", "_cpool",  "_cvol",    "_wcorig", "_iorig", "_mimage",
						"_mlog",     "_rimage", "_rmeta", "_tdata",  "_tmeta",   "_vdata",  "_vorigin", "_pmspare" };
	const gsize length = strlen(name);

	for (gsize i = 0; i < length; i++)
		if (!g_ascii_isalnum(name[i]) && strchr("+_.-", name[i]) == NULL)
			return false;
	for (guint i = 0; i < G_N_ELEMENTS(reserved); i++)
		if (strstr(name, reserved[i]) != NULL)
			return false;
	return length > 0 && length <= MAX_NAME_BYTES && name[0] != '-' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !g_str_has_prefix(name, "snapshot") && !g_str_has_prefix(name, "pvmove");
}

static gboolean
check_name(const AshKsApply *apply, const char *name, GError **error)
{
	return is_name(name) || ash_ks_apply_refuse(apply, error,
						    "has no volume named \"%s\": letters, digits and \"+_.-\" are possible, 100 at most, and no name that LVM has reserved",
						    name);
}

static gboolean
check_group(const AshKsApply *apply, GError **error)
{
	const AshVolumeSpec *group = apply->volume;

	if (!check_name(apply, group->name, error))
		return FALSE;
	if (group->existing)
		return ash_ks_apply_refuse(apply, error, "makes a new disk, on which nothing is: remove --useexisting and --noformat");
	if (g_strv_length(group->members) != 1)
		return ash_ks_apply_refuse(apply, error, "is one disk, and has a group on one partition: name one \"pv.N\"");
	if (group->reserved)
		return ash_ks_apply_refuse(apply, error, "keeps nothing back: remove --reserved-space and --reserved-percent, and have volumes of the sizes that leave it");
	if (ash_layout_find_group(apply->type->layout, group->name) != NULL)
		return ash_ks_apply_refuse(apply, error, "has that group already: give this one another name");
	if (group->extent_bytes != 0 && (group->extent_bytes < ASH_MIB || group->extent_bytes > MAX_EXTENT_BYTES ||
					 (group->extent_bytes & (group->extent_bytes - 1)) != 0))
		return ash_ks_apply_refuse(apply, error, "has extents of 1 MiB to 4 GiB, a power of two: say --pesize=4096 (KiB), or nothing");
	return TRUE;
}

/* The partition of the group. */
static gboolean
add_physical_volume(const AshKsApply *apply, const AshVolumeSpec *group, GError **error)
{
	const AshVolumeSpec *said = apply->volume;
	AshPartition *partition;

	if (!check_name(apply, said->mount_point, error))
		return FALSE;
	if (said->encryption.encrypted)
		return ash_ks_apply_refuse(apply, error, "does not encrypt volume groups: remove --encrypted, and encrypt a \"part\" with a mount point");
	if (said->fstype != NULL && strcmp(said->fstype, "lvmpv") != 0)
		return ash_ks_apply_refuse(apply, error, "has a volume group there: remove --fstype=%s", said->fstype);
	partition = ash_partition_new(ASH_PARTITION_LVM);
	partition->label = g_strndup(said->mount_point, 36);
	partition->group = g_strdup(group->name);
	partition->extent_bytes = group->extent_bytes != 0 ? group->extent_bytes : DEFAULT_EXTENT_BYTES;
	/* What is to grow is first as large as its volumes need. */
	if (said->grow)
		partition->min_size = said->size;
	else
		partition->size = said->size;
	ash_ks_apply_insert(apply, partition);
	const GPtrArray *partitions = apply->type->layout->partitions;
	partition->grow = said->grow && partition == g_ptr_array_index(partitions, partitions->len - 1);
	partition->max_size = partition->grow ? said->max_size : 0;
	if (said->grow && !partition->grow)
		ash_ks_apply_note(apply, "keeps its size: the rest of the disk is for another");
	g_string_append_printf(apply->changes, "group %s %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %d %" G_GUINT64_FORMAT "\n", partition->label, partition->group,
			       partition->extent_bytes, said->size, partition->grow, partition->max_size);
	return TRUE;
}

static gboolean
add_group(const AshKsApply *apply, GError **error)
{
	const AshVolumeSpec *group = apply->volume, *member;

	if (!check_group(apply, error))
		return FALSE;
	member = ash_storage_spec_find(apply->storage, group->members[0]);
	if (member == NULL || member->kind != ASH_VOLUME_PARTITION || !g_str_has_prefix(member->mount_point, "pv."))
		return ash_ks_apply_refuse(apply, error, "has no partition \"%s\": say \"part pv.N --size=MIB\" before it, and name that", group->members[0]);
	for (guint i = 0; i < apply->type->layout->partitions->len; i++) {
		const AshPartition *other = g_ptr_array_index(apply->type->layout->partitions, i);

		if (other->role == ASH_PARTITION_LVM && g_strcmp0(other->label, member->mount_point) == 0)
			return ash_ks_apply_refuse(apply, error, "has \"%s\" in the group \"%s\" already: say one more \"part pv.N\"", other->label, other->group);
	}
	const AshKsApply at_member = at_volume(apply, member);
	return add_physical_volume(&at_member, group, error);
}

static gboolean
check_volume(const AshKsApply *apply, GError **error)
{
	const AshVolumeSpec *volume = apply->volume;

	if (!check_name(apply, volume->name, error))
		return FALSE;
	if (volume->existing)
		return ash_ks_apply_refuse(apply, error, "makes a new disk, on which nothing is: remove --useexisting and --noformat");
	if (volume->thin)
		return ash_ks_apply_refuse(apply, error, "has no thin pools, which only a running machine can make: remove --thin, --thinpool and --poolname");
	if (volume->encryption.encrypted)
		return ash_ks_apply_refuse(apply, error, "does not encrypt logical volumes: remove --encrypted, or say \"part\" in place of \"logvol\"");
	for (guint i = 0; i < apply->type->layout->volumes->len; i++) {
		const AshPartition *other = g_ptr_array_index(apply->type->layout->volumes, i);

		if (strcmp(other->group, volume->group) == 0 && strcmp(other->label, volume->name) == 0)
			return ash_ks_apply_refuse(apply, error, "has \"%s/%s\" already: give this one another --name", other->group, other->label);
	}
	return TRUE;
}

/* Who boots, and what the initramfs mounts by its partition, is none. */
static gboolean
check_place(const AshKsApply *apply, GError **error)
{
	const char *mount_point = apply->volume->mount_point;
	const bool is_read_only = ash_ks_apply_has_read_only_root(apply);

	if (strcmp(mount_point, "swap") == 0)
		return apply->volume->size != 0 || apply->volume->recommended || apply->volume->percent > 0 ||
		       ash_ks_apply_refuse(apply, error, "needs to know how large: add --size, --percent or --recommended");
	if (strcmp(mount_point, "/boot") == 0 || strcmp(mount_point, "/boot/efi") == 0 || strcmp(mount_point, "/efi") == 0)
		return ash_ks_apply_refuse(apply, error, "has there what the firmware and its loader read, who know no logical volumes: say \"part\" in place of \"logvol\"");
	if (strcmp(mount_point, "/") == 0)
		return apply->type->system == ASH_SYSTEM_TRADITIONAL ||
		       ash_ks_apply_refuse(apply, error,
					   "has its root in a partition, which is changed as a whole: remove the line, or take a package-managed type, such as qemu-traditional");
	if (strcmp(mount_point, "/var") == 0 && is_read_only)
		return ash_ks_apply_refuse(apply, error, "mounts it in the initramfs by its partition: say \"part\" in place of \"logvol\"");
	return ash_ks_apply_check_mount_point(apply, error);
}

static void
put_into_group(const AshKsApply *apply, AshPartition *partition, const char *group, const char *name)
{
	g_free(partition->label);
	partition->label = g_strdup(name);
	partition->group = g_strdup(group);
	partition->grow = false;
	g_ptr_array_add(apply->type->layout->volumes, partition);
}

/* Out of the table. Owned; NULL if it is not in there. */
static AshPartition *
take_partition(const AshKsApply *apply, const char *mount_point)
{
	GPtrArray *partitions = apply->type->layout->partitions;
	AshPartition *partition = ash_layout_find_mount_point(apply->type->layout, mount_point);
	guint index;

	return partition != NULL && g_ptr_array_find(partitions, partition, &index) ? g_ptr_array_steal_index(partitions, index) : NULL;
}

/* What the type has in a partition is in a volume then, and its place is free before the groups get theirs. */
static gboolean
add_volume(const AshKsApply *apply, GError **error)
{
	const AshVolumeSpec *volume = apply->volume;
	const bool is_swap = strcmp(volume->mount_point, "swap") == 0;
	AshPartition *partition;

	if (!check_volume(apply, error) || !check_place(apply, error))
		return FALSE;
	partition = is_swap ? NULL : take_partition(apply, volume->mount_point);
	if (partition == NULL)
		partition = ash_ks_apply_new_partition(apply, is_swap ? ASH_PARTITION_SWAP : ash_partition_role_for_mount_point(volume->mount_point));
	put_into_group(apply, partition, volume->group, volume->name);
	return TRUE;
}

static gboolean
finish_volume(const AshKsApply *apply, AshPartition *partition, GError **error)
{
	const char *group = apply->volume->group;

	if (ash_layout_find_group(apply->type->layout, group) == NULL)
		return ash_ks_apply_refuse(apply, error, "has no volume group \"%s\": say \"volgroup %s pv.N\"", group, group);
	if (!ash_ks_apply_options(apply, partition, error))
		return FALSE;
	/* "--size=1 --grow" is customary: as large as it has to be at least. */
	if (partition->grow) {
		partition->min_size = partition->size;
		partition->size = 0;
	}
	return TRUE;
}

/* Borrowed. */
static GPtrArray *
list_volumes(const AshKsApply *apply, AshVolumeKind kind)
{
	GPtrArray *volumes = g_ptr_array_new();

	for (guint i = 0; i < apply->storage->volumes->len; i++) {
		AshVolumeSpec *volume = g_ptr_array_index(apply->storage->volumes, i);
		const AshKsApply at = at_volume(apply, volume);

		if (volume->kind != kind)
			continue;
		if (g_strcmp0(volume->mount_point, "swap") == 0 && !apply->type->swap)
			ash_ks_apply_note(&at, "has no swap: machines have a disk of their own for it");
		else
			g_ptr_array_add(volumes, volume);
	}
	return volumes;
}

/* A partition for a group that nobody has said. */
static gboolean
check_members(const AshKsApply *apply, GError **error)
{
	for (guint i = 0; i < apply->storage->volumes->len; i++) {
		const AshKsApply at = at_volume(apply, g_ptr_array_index(apply->storage->volumes, i));
		bool is_used = at.volume->kind != ASH_VOLUME_PARTITION || !g_str_has_prefix(at.volume->mount_point, "pv.");

		for (guint j = 0; !is_used && j < apply->type->layout->partitions->len; j++) {
			const AshPartition *partition = g_ptr_array_index(apply->type->layout->partitions, j);
			is_used = partition->role == ASH_PARTITION_LVM && g_strcmp0(partition->label, at.volume->mount_point) == 0;
		}
		if (!is_used)
			return ash_ks_apply_refuse(&at, error, "has no volume group on it: say \"volgroup NAME %s\", or remove the line", at.volume->mount_point);
	}
	return TRUE;
}

static gboolean
check_type(const AshKsApply *apply, GError **error)
{
	return apply->type->system != ASH_SYSTEM_OSTREE ||
	       ash_ks_apply_refuse(apply, error, "has a commit that is for disks of any layout: remove the line; or say \"part\" with a mount point");
}

gboolean
ash_ks_apply_groups(const AshKsApply *apply, GError **error)
{
	g_autoptr(GPtrArray) groups = list_volumes(apply, ASH_VOLUME_GROUP), volumes = list_volumes(apply, ASH_VOLUME_LOGICAL);
	GPtrArray *layout_volumes = apply->type->layout->volumes;

	for (guint i = 0; i < volumes->len; i++) {
		const AshKsApply at = at_volume(apply, g_ptr_array_index(volumes, i));

		if (!check_type(&at, error) || !add_volume(&at, error))
			return FALSE;
	}
	for (guint i = 0; i < groups->len; i++) {
		const AshKsApply at = at_volume(apply, g_ptr_array_index(groups, i));

		if (!check_type(&at, error) || !add_group(&at, error))
			return FALSE;
	}
	/* A kickstart that says volumes has no autopart, so they are all that there are. */
	for (guint i = 0; i < volumes->len; i++) {
		const AshKsApply at = at_volume(apply, g_ptr_array_index(volumes, i));

		if (!finish_volume(&at, g_ptr_array_index(layout_volumes, i), error))
			return FALSE;
	}
	return check_members(apply, error);
}

gboolean
ash_ks_apply_root_group(const AshKsApply *apply, const AshAutopartSpec *autopart, GError **error)
{
	const AshPartition *old = ash_layout_find_mount_point(apply->type->layout, "/");
	GPtrArray *partitions = apply->type->layout->partitions;
	AshPartition *partition, *root;
	guint index;

	if (apply->type->system != ASH_SYSTEM_TRADITIONAL || old == NULL || !g_ptr_array_find(partitions, old, &index))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: autopart: image type \"%s\" has its root in a partition, which is changed as a whole: remove --type=lvm, or take a package-managed "
				 "type, such as qemu-traditional",
				 autopart->origin, apply->type->name);
	if (autopart->encryption.encrypted)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: autopart: image type \"%s\" does not encrypt volume groups: remove --encrypted or --type=lvm",
				 autopart->origin, apply->type->name);
	root = g_ptr_array_steal_index(partitions, index);
	partition = ash_partition_new(ASH_PARTITION_LVM);
	partition->label = g_strdup("pv." AUTOPART_GROUP);
	partition->group = g_strdup(AUTOPART_GROUP);
	partition->extent_bytes = DEFAULT_EXTENT_BYTES;
	partition->grow = root->grow;
	partition->max_size = root->max_size;
	g_ptr_array_insert(partitions, (int) index, partition);
	put_into_group(apply, root, AUTOPART_GROUP, AUTOPART_VOLUME);
	root->grow = partition->grow;
	root->max_size = 0;
	g_string_append(apply->changes, "autopart lvm\n");
	return TRUE;
}
