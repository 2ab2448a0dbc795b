/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"
#include "model/encryption.h"
#include "model/filesystem.h"

#include <stdbool.h>

/** What a partition is for; type GUIDs, labels and default contents follow (Discoverable Partitions Specification). */
typedef enum {
	ASH_PARTITION_ESP,
	ASH_PARTITION_ROOT,
	ASH_PARTITION_ROOT_VERITY,
	ASH_PARTITION_ROOT_VERITY_SIG,
	ASH_PARTITION_VAR,
	ASH_PARTITION_LINUX, /* generic data */
	ASH_PARTITION_HOME,
	ASH_PARTITION_SRV,
	ASH_PARTITION_TMP,     /* /var/tmp */
	ASH_PARTITION_XBOOTLDR, /* /boot */
	ASH_PARTITION_SWAP,
	ASH_PARTITION_BIOS_BOOT, /* GRUB for BIOS, as it is read from a GPT disk */
	ASH_PARTITION_LVM,       /* the physical volume of a volume group */
	_ASH_PARTITION_ROLE_COUNT,
} AshPartitionRole;

/** "esp", "root", "root-verity", "root-verity-sig", "var", "linux", "home", "srv", "tmp", "xbootldr", "swap", "bios-boot", "lvm" */
const char *ash_partition_role_to_string(AshPartitionRole role);
/** FALSE (no error) for any other text, and for "lvm": logical volumes are what a kickstart says. */
gboolean ash_partition_role_parse(const char *text, AshPartitionRole *ret_role);
#define ASH_PARTITION_ROLE_NAMES "esp root root-verity root-verity-sig var linux home srv tmp xbootldr swap bios-boot" /* that an image type can say */
/** Whether such a partition may hold @kind. */
bool ash_partition_role_can_hold(AshPartitionRole role, AshFsKind kind);
/** Static: where it is mounted unless something else is said, or NULL. */
const char *ash_partition_role_get_mount_point(AshPartitionRole role);
/** The role of partitions that are mounted at @mount_point by the DPS; LINUX for any other place. */
AshPartitionRole ash_partition_role_for_mount_point(const char *mount_point);
/** What repart.d(5) calls its type. */
const char *ash_partition_role_get_repart_type(AshPartitionRole role);
/** The DPS type GUID of @role for x86-64. */
AshUuid ash_partition_role_type_guid(AshPartitionRole role);
/** The role whose type GUID is @guid; FALSE if none. */
gboolean ash_partition_role_from_guid(const AshUuid *guid, AshPartitionRole *ret_role);

typedef struct {
	AshPartitionRole role;
	AshFsKind fs;
	char *label;       /* GPT name, at most 36 UTF-16 units; as a template may hold "@NAME@" and "@VERSION@" */
	char slot;         /* 'a', 'b', or 0 */
	guint64 size;      /* bytes; 0: as large as its content needs (slots of one role get the same size) */
	guint64 min_size;  /* bytes; a floor for size 0 */
	guint64 headroom_percent; /* added to the content's size when size is 0: room for later versions */
	bool empty;        /* reserved: label "_empty", no content */
	bool grow;         /* GPT flag 59: grown at first boot */
	bool read_only;    /* GPT flag 60 */
	AshEncryption encryption;
	char *mount_point;   /* absolute path, if it is not that of the role; what the tree has there is in this partition */
	char *mount_options; /* fourth field of fstab(5), if it is not ours */
	char *fs_label;      /* of the file system, if it is not @label */
	guint64 max_size;    /* bytes; of one that grows, 0: no limit */
	char *group;          /* of role LVM: the volume group that is on it; of a logical volume: the one that it is in; else NULL */
	guint64 extent_bytes; /* of role LVM */
	int percent;          /* of a logical volume, in place of a size: so much of its group; else 0 */
	/* filled in by disk/: */
	guint64 offset;    /* bytes from the start of the disk */
	AshUuid type_guid, uuid;
	guint64 flags;     /* GPT attribute bits, UEFI 2.10 5.3.3 */
} AshPartition;

/** A GPT disk: bytes throughout, 512-byte sectors, partitions aligned to 1 MiB, in disk order. */
typedef struct {
	GPtrArray *partitions; /* of AshPartition */
	GPtrArray *volumes;    /* of AshPartition: logical volumes, which have no entry in the table; the label is the name, the offset that in the disk */
	AshUuid disk_uuid;
	guint64 size;          /* bytes of the whole disk; 0 until computed */
} AshLayout;

/** Owned; a copy is deep. */
AshPartition *ash_partition_new(AshPartitionRole role);
AshPartition *ash_partition_copy(const AshPartition *partition);
void ash_partition_free(AshPartition *partition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPartition, ash_partition_free)
AshLayout *ash_layout_new(void);
AshLayout *ash_layout_copy(const AshLayout *layout);
void ash_layout_free(AshLayout *layout);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshLayout, ash_layout_free)
/** Borrowed: where it is mounted, by what it says or by its role; NULL if it is not. */
const char *ash_partition_get_mount_point(const AshPartition *partition);
/** Whether it is a logical volume: one of the layout's volumes. */
bool ash_partition_is_volume(const AshPartition *partition);
/** Its name below /dev/mapper (dmsetup(8): a hyphen of a name is doubled). Owned. */
char *ash_partition_dup_mapper_name(const AshPartition *volume);
/** Borrowed: the physical volume of the group @group, or NULL. */
AshPartition *ash_layout_find_group(const AshLayout *layout, const char *group);
/** Borrowed: the partition or logical volume mounted at @mount_point, or NULL. */
AshPartition *ash_layout_find_mount_point(const AshLayout *layout, const char *mount_point);
/** As the partition table numbers them, from 1: the first partition of @role; 0 if there is none. */
guint ash_layout_find_number(const AshLayout *layout, AshPartitionRole role);
/** Borrowed; first partition, or logical volume, of @role (and @slot unless 0), or NULL. */
AshPartition *ash_layout_find(const AshLayout *layout, AshPartitionRole role, char slot);
