/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to disk/image/: a disk while it is planned (plan.c), files of its root that name it (files.c), its root (root.c), all else (image.c). */

#include "disk/boot/boot.h"
#include "disk/erofs/erofs.h"
#include "disk/image/image.h"
#include "disk/io/usedmap.h"
#include "model/fsbranch.h"

/** A disk while it is built. */
typedef struct {
	AshContext *ctx;
	const AshDiskRequest *request;
	AshLayout *layout;
	AshBootFiles *boot; /* NULL if the type does not boot */
	guint64 *content;   /* bytes per partition */
	guint64 *volume_content; /* bytes per logical volume */
	AshFsTree *root_tree; /* what the root has if it is not the request's tree; else NULL */
	AshFsNode *initrd;  /* taken out of the tree meanwhile; NULL: none was */
	char **mount_points;     /* of other partitions than the root, with something of the tree */
	AshFsBranches *branches; /* what other partitions than the root have of the tree, which is without it meanwhile */
	AshErofs *erofs;    /* the root, in every slot that is to have it; NULL if it is of another kind */
	int root_fd;        /* of a file that is the root, made by another; else -1 */
	guint64 root_bytes; /* of that */
	char *partial;      /* name of the raw file in output_dir */
	int dir_fd;
	int fd;            /* of the raw file */
	AshUsedMap *used;  /* of it */
	GArray *files;     /* of AshFileCopy: of the root in it, if they are as they are; or NULL */
	GArray *contents;  /* of AshContentPlace: what is to be in it, too */
	char *root_hash;   /* hex; NULL without verity */
	char *root_argument; /* of a writable root: "root=UUID=... rw"; else NULL */
	AshUuid root_uuid; /* PARTUUID of the first root partition */
	GThread *saver;    /* of the leaf cache; or NULL */
	GPtrArray *secret_files; /* of char *: paths of recovery keys */
} AshDiskBuild;

/** The plan: every partition's place, before a byte is written. */
gboolean ash_disk_build_plan(AshDiskBuild *build, GError **error);

/** Writes the root partition @root, which is number @index of the layout, and its hash partition if it has one. */
gboolean ash_disk_build_write_root(AshDiskBuild *build, AshPartition *root, guint index, GError **error);

/** Whether the raw file is one that nobody gets: those who write the formats take large contents from where they are, they need not be in it. */
bool ash_disk_build_leaves_raw(const AshDiskBuild *build);

/** What @partition is to hold; NULL: nothing. Borrowed. */
const AshFsTree *ash_disk_build_get_tree(const AshDiskBuild *build, const AshPartition *partition);

/** The file system of @partition, with what ash_disk_build_get_tree() says. */
gboolean ash_disk_build_write_filesystem(AshDiskBuild *build, const AshPartition *partition, GError **error);

/**
 * What a writable root says of its own disk, by identifiers that the disk alone has: in /etc/fstab in place of
 * the labels of its partitions, and /etc/kernel/cmdline, by which kernel-install(8) makes the entries of later kernels. Of the partitions' identifiers all must be known.
 */
gboolean ash_disk_build_fill_files(AshDiskBuild *build, GError **error);

/** The kernel command line. Owned. */
char *ash_disk_build_cmdline(const AshDiskBuild *build);

/** Volume ID of the FAT file system in @partition. */
guint32 ash_disk_build_volume_id(const AshDiskBuild *build, const AshPartition *partition);

/** An identifier for @what of the file system in @partition. */
AshUuid ash_disk_build_uuid(const AshDiskBuild *build, const AshPartition *partition, const char *what);
