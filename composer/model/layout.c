/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/layout.h"

#include <string.h>

#define DATA (ASH_FS_BIT(ASH_FS_EXT4) | ASH_FS_BIT(ASH_FS_XFS))

/** A role's name, its type GUID (Discoverable Partitions Specification, table 1; x86-64 where it matters), its name for repart.d(5), where it
 * is mounted, and which file systems it can have. */
static const struct {
	const char *name;
	const char *type_guid;
	const char *repart_type;
	const char *mount_point;
	guint holds; /* ASH_FS_BIT() */
} roles[_ASH_PARTITION_ROLE_COUNT] = {
    [ASH_PARTITION_ESP] = {"esp", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "esp", NULL, ASH_FS_BIT(ASH_FS_VFAT)},
    [ASH_PARTITION_ROOT] = {"root", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "root", "/",
			    DATA | ASH_FS_BIT(ASH_FS_EROFS) | ASH_FS_BIT(ASH_FS_SQUASHFS)},
    [ASH_PARTITION_ROOT_VERITY] = {"root-verity", "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5", "root-verity", NULL, ASH_FS_BIT(ASH_FS_NONE)},
    [ASH_PARTITION_ROOT_VERITY_SIG] = {"root-verity-sig", "41092b05-9fc8-4523-994f-2def0408b176", "root-verity-sig", NULL, ASH_FS_BIT(ASH_FS_NONE)},
    [ASH_PARTITION_VAR] = {"var", "4d21b016-b534-45c2-a9fb-5c16e091fd2d", "var", "/var", ASH_FS_BIT(ASH_FS_EXT4)},
    [ASH_PARTITION_LINUX] = {"linux", "0fc63daf-8483-4772-8e79-3d69d8477de4", "linux-generic", NULL,
			     DATA | ASH_FS_BIT(ASH_FS_NONE) | ASH_FS_BIT(ASH_FS_VFAT)},
    [ASH_PARTITION_HOME] = {"home", "933ac7e1-2eb4-4f13-b844-0e14e2aef915", "home", "/home", DATA},
    [ASH_PARTITION_SRV] = {"srv", "3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "srv", "/srv", DATA},
    [ASH_PARTITION_TMP] = {"tmp", "7ec6f557-3bc5-4aca-b293-16ef5df639d1", "tmp", "/var/tmp", DATA},
    [ASH_PARTITION_XBOOTLDR] = {"xbootldr", "bc13c2ff-59e6-4262-a352-b275fd6f7172", "xbootldr", "/boot", DATA | ASH_FS_BIT(ASH_FS_VFAT)},
    [ASH_PARTITION_SWAP] = {"swap", "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "swap", NULL, ASH_FS_BIT(ASH_FS_SWAP)},
    /* Not of the DPS: GRUB manual, "BIOS installation". */
    [ASH_PARTITION_BIOS_BOOT] = {"bios-boot", "21686148-6449-6e6f-744e-656564454649", "21686148-6449-6e6f-744e-656564454649", NULL, ASH_FS_BIT(ASH_FS_NONE)},
    /* Not of the DPS: the type that LVM2 and Linux' other programs know. */
    [ASH_PARTITION_LVM] = {"lvm", "e6d6d379-f507-44c2-a23c-238f2a3df928", "e6d6d379-f507-44c2-a23c-238f2a3df928", NULL, ASH_FS_BIT(ASH_FS_NONE)},
};

const char *
ash_partition_role_to_string(AshPartitionRole role)
{
	g_return_val_if_fail((guint) role < G_N_ELEMENTS(roles), NULL);
	return roles[role].name;
}

gboolean
ash_partition_role_parse(const char *text, AshPartitionRole *ret_role)
{
	for (guint i = 0; i < G_N_ELEMENTS(roles); i++) {
		if (i != ASH_PARTITION_LVM && strcmp(roles[i].name, text) == 0) {
			*ret_role = (AshPartitionRole) i;
			return TRUE;
		}
	}
	return FALSE;
}

bool
ash_partition_role_can_hold(AshPartitionRole role, AshFsKind kind)
{
	g_return_val_if_fail((guint) role < G_N_ELEMENTS(roles), false);
	return (roles[role].holds & ASH_FS_BIT(kind)) != 0;
}

const char *
ash_partition_role_get_mount_point(AshPartitionRole role)
{
	g_return_val_if_fail((guint) role < G_N_ELEMENTS(roles), NULL);
	return roles[role].mount_point;
}

AshPartitionRole
ash_partition_role_for_mount_point(const char *mount_point)
{
	for (guint i = 0; i < G_N_ELEMENTS(roles); i++)
		if (g_strcmp0(roles[i].mount_point, mount_point) == 0)
			return (AshPartitionRole) i;
	return ASH_PARTITION_LINUX;
}

const char *
ash_partition_role_get_repart_type(AshPartitionRole role)
{
	g_return_val_if_fail((guint) role < G_N_ELEMENTS(roles), NULL);
	return roles[role].repart_type;
}

AshUuid
ash_partition_role_type_guid(AshPartitionRole role)
{
	AshUuid guid = {{0}};

	g_return_val_if_fail((guint) role < G_N_ELEMENTS(roles), guid);
	if (!ash_uuid_parse(roles[role].type_guid, &guid))
		g_assert_not_reached();
	return guid;
}

gboolean
ash_partition_role_from_guid(const AshUuid *guid, AshPartitionRole *ret_role)
{
	char text[ASH_UUID_STRING_SIZE];

	ash_uuid_format(guid, text);
	for (guint i = 0; i < G_N_ELEMENTS(roles); i++) {
		if (strcmp(roles[i].type_guid, text) == 0) {
			*ret_role = (AshPartitionRole) i;
			return TRUE;
		}
	}
	return FALSE;
}

AshPartition *
ash_partition_new(AshPartitionRole role)
{
	AshPartition *partition = g_new0(AshPartition, 1);

	partition->role = role;
	partition->type_guid = ash_partition_role_type_guid(role);
	return partition;
}

AshPartition *
ash_partition_copy(const AshPartition *partition)
{
	AshPartition *copy = g_new(AshPartition, 1);

	*copy = *partition;
	copy->label = g_strdup(partition->label);
	copy->mount_point = g_strdup(partition->mount_point);
	copy->mount_options = g_strdup(partition->mount_options);
	copy->fs_label = g_strdup(partition->fs_label);
	copy->group = g_strdup(partition->group);
	return copy;
}

void
ash_partition_free(AshPartition *partition)
{
	if (partition == NULL)
		return;
	g_free(partition->label);
	g_free(partition->mount_point);
	g_free(partition->mount_options);
	g_free(partition->fs_label);
	g_free(partition->group);
	g_free(partition);
}

AshLayout *
ash_layout_new(void)
{
	AshLayout *layout = g_new0(AshLayout, 1);

	layout->partitions = g_ptr_array_new_with_free_func((GDestroyNotify) ash_partition_free);
	layout->volumes = g_ptr_array_new_with_free_func((GDestroyNotify) ash_partition_free);
	return layout;
}

AshLayout *
ash_layout_copy(const AshLayout *layout)
{
	AshLayout *copy = ash_layout_new();

	copy->disk_uuid = layout->disk_uuid;
	copy->size = layout->size;
	for (guint i = 0; i < layout->partitions->len; i++)
		g_ptr_array_add(copy->partitions, ash_partition_copy(layout->partitions->pdata[i]));
	for (guint i = 0; i < layout->volumes->len; i++)
		g_ptr_array_add(copy->volumes, ash_partition_copy(layout->volumes->pdata[i]));
	return copy;
}

void
ash_layout_free(AshLayout *layout)
{
	if (layout == NULL)
		return;
	g_ptr_array_unref(layout->partitions);
	g_ptr_array_unref(layout->volumes);
	g_free(layout);
}

static AshPartition *
find_role(const GPtrArray *partitions, AshPartitionRole role, char slot)
{
	for (guint i = 0; i < partitions->len; i++) {
		AshPartition *partition = partitions->pdata[i];

		if (partition->role == role && (slot == 0 || partition->slot == slot))
			return partition;
	}
	return NULL;
}

AshPartition *
ash_layout_find(const AshLayout *layout, AshPartitionRole role, char slot)
{
	AshPartition *partition = find_role(layout->partitions, role, slot);

	return partition != NULL ? partition : find_role(layout->volumes, role, slot);
}

guint
ash_layout_find_number(const AshLayout *layout, AshPartitionRole role)
{
	const AshPartition *partition = ash_layout_find(layout, role, 0);
	guint index = 0;

	return partition != NULL && g_ptr_array_find(layout->partitions, partition, &index) ? index + 1 : 0;
}

const char *
ash_partition_get_mount_point(const AshPartition *partition)
{
	if (partition->mount_point != NULL)
		return partition->mount_point;
	return ash_partition_role_get_mount_point(partition->role);
}

static AshPartition *
find_mount_point(const GPtrArray *partitions, const char *mount_point)
{
	for (guint i = 0; i < partitions->len; i++) {
		AshPartition *partition = partitions->pdata[i];

		if (g_strcmp0(ash_partition_get_mount_point(partition), mount_point) == 0)
			return partition;
	}
	return NULL;
}

AshPartition *
ash_layout_find_mount_point(const AshLayout *layout, const char *mount_point)
{
	AshPartition *partition = find_mount_point(layout->partitions, mount_point);

	return partition != NULL ? partition : find_mount_point(layout->volumes, mount_point);
}

bool
ash_partition_is_volume(const AshPartition *partition)
{
	return partition->group != NULL && partition->role != ASH_PARTITION_LVM;
}

char *
ash_partition_dup_mapper_name(const AshPartition *volume)
{
	g_autoptr(GString) group = g_string_new(volume->group), name = g_string_new(volume->label);

	g_string_replace(group, "-", "--", 0);
	g_string_replace(name, "-", "--", 0);
	return g_strdup_printf("%s-%s", group->str, name->str);
}

AshPartition *
ash_layout_find_group(const AshLayout *layout, const char *group)
{
	for (guint i = 0; i < layout->partitions->len; i++) {
		AshPartition *partition = layout->partitions->pdata[i];

		if (partition->role == ASH_PARTITION_LVM && g_strcmp0(partition->group, group) == 0)
			return partition;
	}
	return NULL;
}
