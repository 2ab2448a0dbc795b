/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "disk/io/content.h"

/** One file of a FAT file system. */
typedef struct {
	char *path; /* "EFI/BOOT/BOOTX64.EFI": relative, directories are made */
	AshContent *content; /* NULL: a directory, which may be empty */
} AshVfatFile;

/** @content (or NULL) is referenced. */
AshVfatFile *ash_vfat_file_new(const char *path, AshContent *content);
void ash_vfat_file_free(AshVfatFile *file);

typedef struct {
	guint32 volume_id;
	char label[12]; /* at most 11 characters, upper case */
	guint64 epoch;  /* every file's time */
} AshVfatOptions;

/** The volume id that a file system with this identifier has: its first four bytes, as blkid(8) prints them. */
guint32 ash_vfat_volume_id(const AshUuid *uuid);

/** The least that FAT32 can have, in bytes: 65,525 clusters of 512 bytes and its tables. */
#define ASH_VFAT_MIN_BYTES ((guint64) 34 * 1024 * 1024)

/**
 * Writes a FAT32 file system (Microsoft "FAT: General Overview of On-Disk Format" 1.03) of @bytes (whole MiB) with @files (of AshVfatFile),
 * each in one piece, in their order, to byte @offset (a multiple of 4096) of the plain file @fd, where that must be all zero. Same arguments,
 * same bytes.
 *
 * @ret_left (of AshContentPlace, which get references; or NULL): is told where the contents are to be, which then are not written.
 * ASH_ERROR_CONFIG for a name that FAT cannot have, or if they need more room.
 */
gboolean ash_vfat_write(const AshVfatOptions *options, GPtrArray *files, int fd, guint64 offset, guint64 bytes, GArray *ret_left,
			GError **error);

/** Bytes that a file system for @files must have, rounded up to whole MiB. */
guint64 ash_vfat_estimate(GPtrArray *files);

/** An open FAT file system inside a file, read by our own bounded reader: no program is run. Owned
 * by the caller. */
typedef struct AshVfatReader AshVfatReader;
AshVfatReader *ash_vfat_open(int fd, guint64 offset, GError **error);
void ash_vfat_close(AshVfatReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshVfatReader, ash_vfat_close)

/** Names in directory @path ("" for the root), sorted, without "." and ".."; owned vector. */
char **ash_vfat_list(AshVfatReader *reader, const char *path, GError **error);
/** Content of file @path (compared without case) of at most 1 GiB. Owned. */
GBytes *ash_vfat_load(AshVfatReader *reader, const char *path, GError **error);
