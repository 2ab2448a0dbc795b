/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/ksapply.h"

#include "base/size.h"

#include <string.h>

/* Of whatever machine will run: nobody knows its memory. */
#define CUSTOMARY_SWAP_BYTES (2 * ASH_GIB)
/* What holds nothing yet, if no size is said. */
#define DEFAULT_DATA_BYTES   (512 * ASH_MIB)

static bool
is_read_only(const AshPartition *partition)
{
	return ash_fs_kind_get_traits(partition->fs)->read_only;
}

static const AshPartition *
get_root(const AshKsApply *apply)
{
	return ash_layout_find(apply->type->layout, ASH_PARTITION_ROOT, 0);
}

bool
ash_ks_apply_has_read_only_root(const AshKsApply *apply)
{
	const AshPartition *root = get_root(apply);

	return root != NULL && (root->read_only || is_read_only(root));
}

/* The first that the volume is about. */
static AshPartition *
find_partition(const AshKsApply *apply)
{
	const char *mount_point = apply->volume->mount_point;

	if (strcmp(mount_point, "swap") == 0)
		return ash_layout_find(apply->type->layout, ASH_PARTITION_SWAP, 0);
	if (strcmp(mount_point, "/boot/efi") == 0 || strcmp(mount_point, "/efi") == 0)
		return ash_layout_find(apply->type->layout, ASH_PARTITION_ESP, 0);
	return ash_layout_find_mount_point(apply->type->layout, mount_point);
}

static gboolean
set_file_system(const AshKsApply *apply, AshPartition *partition, GError **error)
{
	const char *fstype = apply->volume->fstype, *fs = ash_fs_kind_to_string(partition->fs);
	AshFsKind kind;

	if (fstype == NULL || strcmp(fstype, fs) == 0 || (partition->fs == ASH_FS_VFAT && strcmp(fstype, "efi") == 0))
		return TRUE;
	if (strcmp(fstype, "btrfs") == 0)
		return ash_ks_apply_refuse(apply, error, "cannot have it in btrfs, which cannot be made without mounting it and have the same bytes twice: "
							 "say --fstype=ext4 or --fstype=xfs");
	if (!ash_fs_kind_parse(fstype, &kind) || !ash_partition_role_can_hold(partition->role, kind) ||
	    ash_fs_kind_get_traits(kind)->read_only || is_read_only(partition))
		return ash_ks_apply_refuse(apply, error, "has it in %s: remove --fstype=%s, or take another type", fs, fstype);
	partition->fs = kind;
	return TRUE;
}

static gboolean
set_label(const AshKsApply *apply, AshPartition *partition, GError **error)
{
	const char *label = apply->volume->label;
	const AshFsTraits *traits = ash_fs_kind_get_traits(partition->fs);

	if (label == NULL)
		return TRUE;
	if (is_read_only(partition) || partition->role == ASH_PARTITION_ESP)
		return ash_ks_apply_refuse(apply, error, "finds it by a label of its own: remove --label");
	if (strlen(label) > traits->label_bytes)
		return ash_ks_apply_refuse(apply, error, "has it in %s, whose label has at most %u bytes: shorten --label=%s", traits->name,
					   traits->label_bytes, label);
	g_free(partition->fs_label);
	partition->fs_label = g_strdup(label);
	return TRUE;
}

static gboolean
set_options(const AshKsApply *apply, AshPartition *partition, GError **error)
{
	const char *options = apply->volume->fsoptions;
	bool is_fixed = partition->role == ASH_PARTITION_VAR && ash_ks_apply_has_read_only_root(apply);
	bool is_found = partition->role == ASH_PARTITION_ESP && partition->mount_point == NULL;

	if (options == NULL || *options == '\0' || strcmp(options, "defaults") == 0)
		return TRUE;
	if (is_fixed)
		return ash_ks_apply_refuse(apply, error, "mounts it in the initramfs with options of its own: remove --fsoptions");
	if (is_found || is_read_only(partition)) {
		ash_ks_apply_note(apply, "is mounted by systemd with options of its own: --fsoptions has no effect");
		return TRUE;
	}
	g_free(partition->mount_options);
	partition->mount_options = g_strdup(options);
	return TRUE;
}

/* Partitions lie one behind the other: who is to grow must be the last. */
static void
set_growth(const AshKsApply *apply, AshPartition *partition)
{
	GPtrArray *partitions = apply->type->layout->partitions;
	AshPartition *last = g_ptr_array_index(partitions, partitions->len - 1);

	if (!apply->volume->grow || partition->empty)
		return;
	/* Of what its group has. */
	if (ash_partition_is_volume(partition)) {
		partition->grow = true;
		partition->max_size = apply->volume->max_size;
		return;
	}
	if (partition != last || !ash_fs_kind_get_traits(partition->fs)->grows) {
		ash_ks_apply_note(apply, "keeps its size: the rest of the disk is for %s", ash_partition_get_mount_point(last) != NULL
												 ? ash_partition_get_mount_point(last)
												 : last->label);
		return;
	}
	partition->grow = true;
	partition->max_size = apply->volume->max_size;
}

static void
set_size(const AshKsApply *apply, AshPartition *partition)
{
	const AshVolumeSpec *volume = apply->volume;

	partition->percent = MAX(volume->percent, 0);
	if (volume->size != 0) {
		partition->size = volume->size;
		partition->min_size = 0;
		partition->headroom_percent = 0;
	}
	if (!volume->recommended || volume->size != 0)
		return;
	if (partition->role == ASH_PARTITION_SWAP) {
		partition->size = CUSTOMARY_SWAP_BYTES;
		ash_ks_apply_note(apply, "has 2 GiB of it: how much memory a machine will have is not known; say --size for another");
	}
}

gboolean
ash_ks_apply_options(const AshKsApply *apply, AshPartition *partition, GError **error)
{
	const AshVolumeSpec *volume = apply->volume;

	if (!partition->empty && (!set_file_system(apply, partition, error) || !set_label(apply, partition, error) ||
				  !set_options(apply, partition, error)))
		return FALSE;
	if (volume->mkfsoptions != NULL)
		return ash_ks_apply_refuse(apply, error, "makes file systems without options: remove --mkfsoptions");
	if (volume->encryption.encrypted && !ash_ks_apply_can_encrypt(apply, partition))
		return ash_ks_apply_refuse(apply, error, "does not encrypt it, as it must be read before anything is opened: remove --encrypted");
	set_size(apply, partition);
	set_growth(apply, partition);
	if (partition->group != NULL)
		g_string_append_printf(apply->changes, "volume %s %d ", partition->group, partition->percent);
	g_string_append_printf(apply->changes, "%s %" G_GUINT64_FORMAT " %d %" G_GUINT64_FORMAT " %s %s %s %s\n", partition->label, partition->size,
			       partition->grow, partition->max_size, ash_fs_kind_to_string(partition->fs), volume->mount_point,
			       partition->mount_options != NULL ? partition->mount_options : "",
			       partition->fs_label != NULL ? partition->fs_label : "");
	return !volume->encryption.encrypted ||
	       ash_ks_apply_encryption(apply, partition, &volume->encryption, volume->origin, "part", error);
}

/* Every slot of the role is the same. */
static gboolean
apply_to_slots(const AshKsApply *apply, AshPartitionRole role, GError **error)
{
	for (guint i = 0; i < apply->type->layout->partitions->len; i++) {
		AshPartition *partition = g_ptr_array_index(apply->type->layout->partitions, i);

		if (partition->role == role && !ash_ks_apply_options(apply, partition, error))
			return FALSE;
	}
	return TRUE;
}

/* "var-log" of "/var/log", and with a number if there is one already. */
static char *
make_label(const AshKsApply *apply)
{
	const char *mount_point = apply->volume->mount_point;
	g_autofree char *stem = g_strdelimit(g_strdup(mount_point + strspn(mount_point, "/")), "/", '-');
	char *label = g_strndup(stem, 30);

	for (guint number = 2, i = 0; i < apply->type->layout->partitions->len; i++) {
		const AshPartition *partition = g_ptr_array_index(apply->type->layout->partitions, i);

		if (g_strcmp0(partition->label, label) != 0)
			continue;
		g_free(label);
		label = g_strdup_printf("%.30s-%u", stem, number++);
		i = 0;
	}
	return label;
}

static AshFsKind
choose_file_system(const AshKsApply *apply, AshPartitionRole role)
{
	const AshPartition *root = get_root(apply);

	if (role == ASH_PARTITION_SWAP)
		return ASH_FS_SWAP;
	return root != NULL && !is_read_only(root) && ash_partition_role_can_hold(role, root->fs) ? root->fs : ASH_FS_EXT4;
}

void
ash_ks_apply_insert(const AshKsApply *apply, AshPartition *partition)
{
	GPtrArray *partitions = apply->type->layout->partitions;
	AshPartition *last = partitions->len > 0 ? g_ptr_array_index(partitions, partitions->len - 1) : NULL;
	const char *mount_point = last != NULL ? ash_partition_get_mount_point(last) : NULL;
	const AshVolumeSpec *said = mount_point != NULL ? ash_storage_spec_find(apply->storage, mount_point) : NULL;
	bool is_taken = last != NULL && (last->encryption.tpm2 || last->role == ASH_PARTITION_LVM || (said != NULL && said->grow));

	if (last == NULL || !last->grow || (apply->volume->grow && !is_taken)) {
		/* It would grow over the new one. */
		if (last != NULL)
			last->grow = false;
		g_ptr_array_add(partitions, partition);
	} else {
		g_ptr_array_insert(partitions, (int) partitions->len - 1, partition);
	}
}

AshPartition *
ash_ks_apply_new_partition(const AshKsApply *apply, AshPartitionRole role)
{
	const char *mount_point = apply->volume->mount_point;
	AshPartition *partition = ash_partition_new(role);

	partition->fs = choose_file_system(apply, role);
	if (role == ASH_PARTITION_LINUX)
		partition->mount_point = g_strdup(mount_point);
	partition->min_size = DEFAULT_DATA_BYTES;
	partition->headroom_percent = 25;
	return partition;
}

static gboolean
add_partition(const AshKsApply *apply, AshPartitionRole role, GError **error)
{
	AshPartition *partition = ash_ks_apply_new_partition(apply, role);

	partition->label = make_label(apply);
	ash_ks_apply_insert(apply, partition);
	return ash_ks_apply_options(apply, partition, error);
}

static gboolean
apply_swap(const AshKsApply *apply, GError **error)
{
	if (!apply->type->swap) {
		ash_ks_apply_note(apply, "has no swap: machines have a disk of their own for it");
		return TRUE;
	}
	if (apply->volume->size == 0 && !apply->volume->recommended)
		return ash_ks_apply_refuse(apply, error, "needs to know how large: add --size or --recommended");
	return add_partition(apply, ASH_PARTITION_SWAP, error);
}

gboolean
ash_ks_apply_check_mount_point(const AshKsApply *apply, GError **error)
{
	const char *mount_point = apply->volume->mount_point;

	if (*mount_point == '/' && ash_mount_point_is_possible(mount_point) && strpbrk(mount_point, " \t\\") == NULL)
		return TRUE;
	return ash_ks_apply_refuse(apply, error, "cannot have it as a partition of its own: it is a directory there; remove the line");
}

gboolean
ash_ks_apply_partition(const AshKsApply *apply, GError **error)
{
	const AshVolumeSpec *volume = apply->volume;
	const AshPartition *partition = find_partition(apply);

	if (partition != NULL && partition->role != ASH_PARTITION_SWAP)
		return partition->slot != 0 ? apply_to_slots(apply, partition->role, error)
					    : ash_ks_apply_options(apply, (AshPartition *) partition, error);
	if (strcmp(volume->mount_point, "swap") == 0)
		return partition != NULL ? ash_ks_apply_options(apply, (AshPartition *) partition, error) : apply_swap(apply, error);
	if (g_strcmp0(volume->fstype, "tmpfs") == 0 && strcmp(volume->mount_point, "/tmp") == 0 && ash_ks_apply_has_read_only_root(apply)) {
		ash_ks_apply_note(apply, "has that already");
		return TRUE;
	}
	if (strcmp(volume->mount_point, "/boot") == 0 && ash_ks_apply_has_read_only_root(apply)) {
		ash_ks_apply_note(apply, "boots a kernel in its EFI system partition and needs none");
		return TRUE;
	}
	return ash_ks_apply_check_mount_point(apply, error) && add_partition(apply, ash_partition_role_for_mount_point(volume->mount_point), error);
}
