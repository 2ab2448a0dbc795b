/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/imagetype.h"
#include "model/layout.h"

/** What is in a partition, as its own first bytes say. All strings owned, NULL where unknown. */
typedef struct {
	const AshPartition *partition; /* borrowed from the layout */
	const char *content; /* static: "erofs", "ext4", "vfat", "verity", "luks2", "swap", "zero",
				or NULL */
	char *fs_label;
	char *fs_uuid; /* or volume ID */
	guint64 used;  /* bytes the file system or hash area takes; 0 if unknown */
} AshDiskContent;

/** A unified kernel image found in EFI/Linux of an EFI system partition. */
typedef struct {
	char *path;                         /* "EFI/Linux/NAME_VERSION+3.efi" */
	guint64 size;                       /* bytes */
	char *cmdline, *uname, *os_release; /* owned, may be NULL */
	char *root_hash;                    /* hex, from roothash= in cmdline; may be NULL */
	GPtrArray *signatures;              /* of AshImageSignature (disk/inspect/imagesignature.h); NULL if it could not be read */
	char *problem;                      /* why it could not be read; NULL: it could */
} AshDiskUki;

/** Outcome of a check. */
typedef enum {
	ASH_DISK_UNCHECKED, /* nothing to check it against */
	ASH_DISK_VALID,
	ASH_DISK_INVALID,
} AshDiskVerdict;

/** A root partition that has content. */
typedef struct {
	const AshPartition *partition; /* borrowed */
	const AshPartition *hash;      /* its hash partition; NULL without verity */
	char *root_hash;               /* hex, of the UKI that boots it; NULL if none does */
	char *signed_by;               /* SHA-256 of a certificate, hex: as the partition with its signature says; NULL: none does */
	AshDiskVerdict verity;
	char *problem;    /* why it is INVALID or could not be read; NULL otherwise */
	char *os_release; /* text of usr/lib/os-release; NULL if it cannot be read */
	char *lock;       /* text of usr/lib/ashlar/packages.lock; NULL if it has none */
} AshDiskRoot;

/** Everything `ashlar inspect` shows of a disk image. */
typedef struct {
	char *path;
	AshDiskFormat format;
	guint64 file_bytes; /* apparent size of the file */
	guint64 disk_bytes; /* what a machine sees */
	AshLayout *layout;
	GPtrArray *contents;   /* of AshDiskContent, one per partition */
	GPtrArray *ukis;       /* of AshDiskUki, sorted by name */
	GPtrArray *roots;      /* of AshDiskRoot, in disk order */
	bool boots_by_default; /* EFI/BOOT/BOOTX64.EFI is there */
	GPtrArray *loader_signatures; /* of AshImageSignature: of that; NULL: it is not there */
	char *loader_conf;     /* text of loader/loader.conf; may be NULL */
} AshDiskInfo;

void ash_disk_info_free(AshDiskInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshDiskInfo, ash_disk_info_free)

/**
 * Looks into a raw disk, a fixed VHD, or a qcow2, VMDK or VHDX file (converted into a temporary sparse file in the
 * cache directory of @ctx, else the system's). All verity hash trees are checked against the root
 * hashes of the UKIs, every block. Damage inside partitions is reported in the result; NULL and
 * ASH_ERROR_CONFIG only if this is no disk image.
 */
AshDiskInfo *ash_disk_inspect(AshContext *ctx, const char *path, GError **error);

/**
 * Opens a raw disk, a fixed VHD, or a qcow2, VMDK or VHDX file for reading as a raw disk (these three: a temporary copy, which is gone when it
 * is closed; ASH_ERROR_CONFIG if they refer to other files). ASH_ERROR_CONFIG for COSI and compressed files. An owned descriptor, or -1. *@ret_bytes: what a
 * machine sees.
 */
int ash_disk_open_raw(AshContext *ctx, const char *path, AshDiskFormat *ret_format, guint64 *ret_bytes, GError **error);
