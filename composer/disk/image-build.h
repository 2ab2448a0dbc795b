/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to disk/image*.c: a disk while it is planned (image-plan.c), its root (image-root.c), all else (image.c). */

#include "disk/boot.h"
#include "disk/erofs.h"
#include "disk/image.h"
#include "disk/usedmap.h"

/** A disk while it is built. */
typedef struct {
	AshContext *ctx;
	const AshDiskRequest *request;
	AshLayout *layout;
	AshBootFiles *boot; /* NULL if the type does not boot */
	guint64 *content;   /* bytes per partition */
	AshFsNode *initrd;  /* taken out of the tree meanwhile; NULL: none was */
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
	AshUuid root_uuid; /* PARTUUID of the first root partition */
	GPtrArray *secret_files; /* of char *: paths of recovery keys */
} AshDiskBuild;

/** The plan: every partition's place, before a byte is written. */
gboolean ash_disk_build_plan(AshDiskBuild *build, GError **error);

/** Writes the root partition @root, which is number @index of the layout, and its hash partition if it has one. */
gboolean ash_disk_build_write_root(AshDiskBuild *build, AshPartition *root, guint index, GError **error);

/** Whether the raw file is one that nobody gets: those who write the formats take large contents from where they are, they need not be in it. */
bool ash_disk_build_leaves_raw(const AshDiskBuild *build);

/** An empty file system, or one with @tree. */
gboolean ash_disk_build_write_ext4(AshDiskBuild *build, const AshPartition *partition, const AshFsTree *tree, GError **error);

/** An identifier for @what of the file system in @partition. */
AshUuid ash_disk_build_uuid(const AshDiskBuild *build, const AshPartition *partition, const char *what);
