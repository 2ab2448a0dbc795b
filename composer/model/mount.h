/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/layout.h"

/** A partition, or a logical volume, as the system on the disk knows it: a line of fstab(5), perhaps one of crypttab(5), perhaps a file of repart.d(5). */
typedef struct {
	char *label;       /* of the partition, by which it is found */
	char *mount_point; /* absolute; NULL: swap */
	char *fs;
	char *options;     /* of mount(8); NULL: nothing is said */
	AshPartitionRole role;
	int check_pass;    /* sixth field of fstab(5) */
	bool grow;         /* to the end of the disk, at first boot */
	guint64 max_size;  /* bytes, then; 0: no limit */
	bool encrypted;
	char *volume;      /* of a logical volume: "GROUP/NAME", as programs of LVM take it; else NULL */
	char *device;      /* of that: its path below /dev */
	char *grows_on;    /* of one that grows: label of the partition with its group, which grows first; else NULL */
} AshMount;

/** Whether a partition can be mounted at @path, absolute: not what is needed to mount anything, and not what the kernel has there. */
bool ash_mount_point_is_possible(const char *path);

void ash_mount_free(AshMount *mount);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshMount, ash_mount_free)

/**
 * What @layout says is to be mounted, parents first (of AshMount); swap last. Not an ESP without a mount point, which systemd finds, and not
 * a root that cannot be written to, or whose label changes with the version. Owned.
 */
GPtrArray *ash_mounts_from_layout(const AshLayout *layout);

/** Borrowed: that of @mount_point, or NULL. */
const AshMount *ash_mounts_find(const GPtrArray *mounts, const char *mount_point);
