/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mount.h"

#include <string.h>

/* Firmware and package scripts read an ESP; nobody else need see what is in it. */
#define ESP_OPTIONS "umask=0077,shortname=winnt"

/* systemd mounts what fstab(5) says, and is itself in /usr; /etc has fstab(5). */
static const char *const impossible[] = {
	"/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr",
};

bool
ash_mount_point_is_possible(const char *path)
{
	for (guint i = 0; i < G_N_ELEMENTS(impossible); i++) {
		gsize length = strlen(impossible[i]);

		if (strncmp(path, impossible[i], length) == 0 && (path[length] == '\0' || path[length] == '/'))
			return false;
	}
	return true;
}

void
ash_mount_free(AshMount *mount)
{
	if (mount == NULL)
		return;
	g_free(mount->label);
	g_free(mount->mount_point);
	g_free(mount->fs);
	g_free(mount->options);
	g_free(mount->volume);
	g_free(mount->device);
	g_free(mount->grows_on);
	g_free(mount);
}

static bool
is_mounted(const AshPartition *partition)
{
	const char *mount_point = ash_partition_get_mount_point(partition);

	if (partition->empty || partition->fs == ASH_FS_NONE)
		return false;
	if (partition->role != ASH_PARTITION_ROOT)
		return mount_point != NULL || partition->role == ASH_PARTITION_SWAP;
	return !partition->read_only && !ash_fs_kind_get_traits(partition->fs)->read_only && partition->label != NULL &&
	       strchr(partition->label, '@') == NULL;
}

static AshMount *
make_mount(const AshPartition *partition)
{
	const AshFsTraits *traits = ash_fs_kind_get_traits(partition->fs);
	AshMount *mount = g_new0(AshMount, 1);

	mount->label = g_strdup(partition->label);
	mount->mount_point = g_strdup(ash_partition_get_mount_point(partition));
	mount->fs = g_strdup(traits->name);
	mount->options = g_strdup(partition->mount_options);
	if (mount->options == NULL && partition->role == ASH_PARTITION_ESP)
		mount->options = g_strdup(ESP_OPTIONS);
	mount->role = partition->role;
	mount->check_pass = partition->role == ASH_PARTITION_ROOT && traits->check_pass != 0 ? 1 : traits->check_pass;
	mount->grow = partition->grow;
	mount->max_size = partition->max_size;
	mount->encrypted = partition->encryption.kind != ASH_ENCRYPTION_NONE;
	return mount;
}

/* One takes all that its group gets later. */
static const AshPartition *
find_growing(const AshLayout *layout, const char *group)
{
	for (guint i = 0; i < layout->volumes->len; i++) {
		const AshPartition *volume = g_ptr_array_index(layout->volumes, i);

		if (g_strcmp0(volume->group, group) == 0 && volume->grow && volume->max_size == 0 && ash_fs_kind_get_traits(volume->fs)->grows)
			return volume;
	}
	return NULL;
}

/* Who grows takes what its group gets, which is what the partition gets. */
static AshMount *
make_volume_mount(const AshLayout *layout, const AshPartition *volume)
{
	const AshPartition *physical = ash_layout_find_group(layout, volume->group);
	g_autofree char *name = ash_partition_dup_mapper_name(volume);
	AshMount *mount = make_mount(volume);

	mount->volume = g_strdup_printf("%s/%s", volume->group, volume->label);
	mount->device = g_strconcat("/dev/mapper/", name, NULL);
	mount->grow = physical != NULL && physical->grow && find_growing(layout, volume->group) == volume;
	if (mount->grow)
		mount->grows_on = g_strdup(physical->label);
	mount->max_size = mount->grow ? physical->max_size : 0;
	return mount;
}

/* By the bytes of paths: what is above something comes before it. */
static int
compare_mounts(gconstpointer a, gconstpointer b)
{
	const AshMount *left = *(AshMount *const *) a, *right = *(AshMount *const *) b;

	if (left->mount_point == NULL || right->mount_point == NULL)
		return (left->mount_point == NULL) - (right->mount_point == NULL);
	return strcmp(left->mount_point, right->mount_point);
}

GPtrArray *
ash_mounts_from_layout(const AshLayout *layout)
{
	GPtrArray *mounts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_mount_free);

	for (guint i = 0; layout != NULL && i < layout->partitions->len; i++) {
		const AshPartition *partition = g_ptr_array_index(layout->partitions, i);

		if (is_mounted(partition))
			g_ptr_array_add(mounts, make_mount(partition));
	}
	for (guint i = 0; layout != NULL && i < layout->volumes->len; i++) {
		const AshPartition *volume = g_ptr_array_index(layout->volumes, i);

		if (is_mounted(volume))
			g_ptr_array_add(mounts, make_volume_mount(layout, volume));
	}
	g_ptr_array_sort(mounts, compare_mounts);
	return mounts;
}

const AshMount *
ash_mounts_find(const GPtrArray *mounts, const char *mount_point)
{
	for (guint i = 0; i < mounts->len; i++) {
		const AshMount *mount = g_ptr_array_index(mounts, i);

		if (g_strcmp0(mount->mount_point, mount_point) == 0)
			return mount;
	}
	return NULL;
}
