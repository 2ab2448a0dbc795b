/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"
#include "model/fstree.h"

/** No image refers further back than two to the power of this, bytes. */
#define ASH_COSI_WINDOW_LOG 22

/** What a COSI file says of the system in a disk; all borrowed. */
typedef struct {
	const AshFsTree *tree;     /* the root: os-release, packages, mount points */
	const GPtrArray *mounts;   /* of AshMount, or NULL: what is mounted elsewhere than by the type of its partition */
	const char *root_hash;     /* hex, of the root that is in the disk; NULL without verity */
	const char *boot_path;     /* of the kernel image or the entry that systemd-boot boots, from the root of the EFI system partition; NULL: it is GRUB */
	const char *boot_type;     /* what that is: "uki-standalone" or "config" */
	const char *cmdline;       /* of that */
	const char *kernel_release;
	AshUuid id;
	guint64 epoch;             /* SOURCE_DATE_EPOCH, seconds */
} AshCosiSource;

/** A part of the disk that has an image of its own. Strings owned. */
typedef struct {
	guint number;           /* of the partition, from 1; 0: the partition table */
	guint64 offset, bytes;  /* in the disk */
	AshUuid type, uuid;     /* of a partition */
	const char *mount_point; /* borrowed; NULL: nothing is mounted from it by name */
	const char *fs_type;     /* static */
	char *fs_uuid;
	guint hash;             /* number of its hash partition; 0: none */
	char *path;             /* in the archive */
	guint64 compressed;     /* bytes there */
	char *sha384;           /* of those */
} AshCosiRegion;

/** metadata.json of COSI 1.2, and what it is made of. */
typedef struct {
	const AshCosiSource *source;
	guint64 disk_bytes;
	GPtrArray *regions; /* of AshCosiRegion, in disk order; the partition table first */
	char *os_release;
	GPtrArray *locks;   /* of AshLock: what is installed; NULL: the tree does not say */
	const char *esp;    /* where the EFI system partition is mounted; borrowed */
} AshCosiMeta;

/**
 * Looks at the disk of @disk_bytes @fd, whose regions then have the largest sizes and no digests: so it has its longest text.
 * ASH_ERROR_CONFIG if it has no GPT, or does not boot from an EFI system partition. Owned.
 */
AshCosiMeta *ash_cosi_meta_new(int fd, guint64 disk_bytes, const AshCosiSource *source, GError **error);
void ash_cosi_meta_free(AshCosiMeta *meta);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshCosiMeta, ash_cosi_meta_free)

/** The text. Owned. */
char *ash_cosi_meta_format(const AshCosiMeta *meta);
