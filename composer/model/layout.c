/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/layout.h"

#include <string.h>

/** A role's name and its type GUID (Discoverable Partitions Specification, table 1; x86-64 where it
 * matters). */
static const struct {
	const char *name;
	const char *type_guid;
} roles[_ASH_PARTITION_ROLE_COUNT] = {
    [ASH_PARTITION_ESP] = {"esp", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
    [ASH_PARTITION_ROOT] = {"root", "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"},
    [ASH_PARTITION_ROOT_VERITY] = {"root-verity", "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5"},
    [ASH_PARTITION_VAR] = {"var", "4d21b016-b534-45c2-a9fb-5c16e091fd2d"},
    [ASH_PARTITION_LINUX] = {"linux", "0fc63daf-8483-4772-8e79-3d69d8477de4"},
};

static const char *const fs_kinds[] = {
    [ASH_FS_NONE] = "none",
    [ASH_FS_VFAT] = "vfat",
    [ASH_FS_EROFS] = "erofs",
    [ASH_FS_EXT4] = "ext4",
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
		if (strcmp(roles[i].name, text) == 0) {
			*ret_role = (AshPartitionRole) i;
			return TRUE;
		}
	}
	return FALSE;
}

const char *
ash_fs_kind_to_string(AshFsKind kind)
{
	g_return_val_if_fail((guint) kind < G_N_ELEMENTS(fs_kinds), NULL);
	return fs_kinds[kind];
}

gboolean
ash_fs_kind_parse(const char *text, AshFsKind *ret_kind)
{
	for (guint i = 0; i < G_N_ELEMENTS(fs_kinds); i++) {
		if (strcmp(fs_kinds[i], text) == 0) {
			*ret_kind = (AshFsKind) i;
			return TRUE;
		}
	}
	return FALSE;
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
	return copy;
}

void
ash_partition_free(AshPartition *partition)
{
	if (partition == NULL)
		return;
	g_free(partition->label);
	g_free(partition);
}

AshLayout *
ash_layout_new(void)
{
	AshLayout *layout = g_new0(AshLayout, 1);

	layout->partitions = g_ptr_array_new_with_free_func((GDestroyNotify) ash_partition_free);
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
	return copy;
}

void
ash_layout_free(AshLayout *layout)
{
	if (layout == NULL)
		return;
	g_ptr_array_unref(layout->partitions);
	g_free(layout);
}

AshPartition *
ash_layout_find(const AshLayout *layout, AshPartitionRole role, char slot)
{
	for (guint i = 0; i < layout->partitions->len; i++) {
		AshPartition *partition = layout->partitions->pdata[i];

		if (partition->role == role && (slot == 0 || partition->slot == slot))
			return partition;
	}
	return NULL;
}
