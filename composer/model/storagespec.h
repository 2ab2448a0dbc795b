/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** What a kickstart says about disks, as it says it: which of it an image type can carry out is found at plan time. Strings are owned. */

/** Options of LUKS, as "part --encrypted" has them. NULL and -1 mean "not said". */
typedef struct {
	bool encrypted;
	char *passphrase;      /* may be NULL with encrypted: asked for, or from elsewhere */
	char *cipher;          /* dm-crypt's notation: "aes-xts-plain64" */
	char *luks_version;    /* "luks1" or "luks2" */
	char *pbkdf;           /* "argon2i", "argon2id" or "pbkdf2" */
	int pbkdf_memory;      /* KiB */
	int pbkdf_time;        /* milliseconds */
	int pbkdf_iterations;  /* passes; excludes pbkdf_time */
} AshEncryptionSpec;

/** Which command made a volume. */
typedef enum {
	ASH_VOLUME_PARTITION, /* part */
	ASH_VOLUME_LOGICAL,   /* logvol */
	ASH_VOLUME_RAID,      /* raid */
	ASH_VOLUME_BTRFS,     /* btrfs, a file system or a subvolume */
	ASH_VOLUME_GROUP,     /* volgroup */
	ASH_VOLUME_MOUNT,     /* mount */
} AshVolumeKind;

/** One thing on a disk. What its command has no option for stays NULL, 0, false or -1. */
typedef struct {
	AshVolumeKind kind;
	char *mount_point;  /* absolute; or "swap", "biosboot", "prepboot", "pv.NAME", "raid.NAME", "btrfs.NAME", "none" */
	char *fstype;       /* NULL: the type's default */
	guint64 size;       /* bytes; 0: not said, or as much as "swap --recommended" would have */
	guint64 max_size;   /* bytes, of one that grows; 0: no limit */
	int percent;        /* of the volume group; -1 */
	bool grow;
	bool recommended;   /* size by what is customary */
	bool existing;      /* --noformat, --useexisting, --onpart: there is something on the disk already */
	char *label;        /* of the file system */
	char *fsoptions;    /* fourth field of fstab(5) */
	char *mkfsoptions;  /* words for the program that makes the file system */
	char *disk;         /* --ondisk */
	char *name;         /* of volume group, logical volume, array or subvolume; device of "mount" and --onpart */
	guint64 extent_bytes; /* volgroup --pesize; 0: not said */
	bool thin;          /* logvol --thin, --thinpool */
	bool reserved;      /* volgroup --reserved-space, --reserved-percent */
	char *group;        /* logvol --vgname, btrfs --parent */
	char *level;        /* raid --level, btrfs --data */
	char **members;     /* of volgroup, raid, btrfs; never NULL */
	AshEncryptionSpec encryption;
	char *origin;       /* "file:line" */
} AshVolumeSpec;

typedef enum { ASH_AUTOPART_UNSET, ASH_AUTOPART_PLAIN, ASH_AUTOPART_LVM, ASH_AUTOPART_THINP, ASH_AUTOPART_BTRFS } AshAutopartScheme;

typedef struct {
	bool set;                 /* autopart was given */
	AshAutopartScheme scheme; /* UNSET: the type's own */
	char *fstype;             /* NULL: the type's own */
	bool home, boot, swap;    /* unless --nohome, --noboot, --noswap */
	AshEncryptionSpec encryption;
	char *origin;             /* "file:line" */
} AshAutopartSpec;

/** All that a kickstart says about disks. */
typedef struct {
	AshAutopartSpec autopart;
	char *reqpart;        /* "file:line" of reqpart, or NULL */
	bool reqpart_boot;    /* reqpart --add-boot */
	char *disk_label;     /* clearpart --disklabel: "gpt", "msdos"; may be NULL */
	GPtrArray *volumes;   /* of AshVolumeSpec, in the order said */
} AshStorageSpec;

/** All numbers -1, nothing said. */
#define ASH_ENCRYPTION_SPEC_INIT { .pbkdf_memory = -1, .pbkdf_time = -1, .pbkdf_iterations = -1 }

/** Frees what is in it; nothing is said any more. */
void ash_encryption_spec_clear(AshEncryptionSpec *encryption);

/** Nothing said but @kind and where (@origin is copied). Owned. */
AshVolumeSpec *ash_volume_spec_new(AshVolumeKind kind, const char *origin);
void ash_volume_spec_free(AshVolumeSpec *volume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshVolumeSpec, ash_volume_spec_free)

/** "part", "logvol", "raid", "btrfs", "volgroup", "mount": the command that says one. */
const char *ash_volume_kind_to_string(AshVolumeKind kind);
/** "plain", "lvm", "thinp", "btrfs"; NULL for UNSET. */
const char *ash_autopart_scheme_to_string(AshAutopartScheme scheme);
/** FALSE (no error) for any other text. */
gboolean ash_autopart_scheme_parse(const char *text, AshAutopartScheme *ret_scheme);

/** Nothing said; for memory of any content. */
void ash_storage_spec_init(AshStorageSpec *storage);
/** Frees what is in it, not itself; init makes it usable again. */
void ash_storage_spec_clear(AshStorageSpec *storage);
/** Borrowed: the volume with that mount point said last, or NULL. */
const AshVolumeSpec *ash_storage_spec_find(const AshStorageSpec *storage, const char *mount_point);
/** Borrowed: the passphrase of the first thing that is encrypted and has one, or NULL. */
const char *ash_storage_spec_get_passphrase(const AshStorageSpec *storage);
/** True if anything is said that an image would have to carry out. */
bool ash_storage_spec_is_set(const AshStorageSpec *storage);

/**
 * Lines of a kickstart that say the same of partitions again, but for passphrases; NULL if nothing is said. For what an image type could carry out:
 * volumes that are no partitions are left out. Owned.
 */
char *ash_storage_spec_to_kickstart(const AshStorageSpec *storage);
