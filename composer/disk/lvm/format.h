/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LVM2 on disk, all little endian: a label and what it says of the physical volume in its second sector, then a metadata area with the description of
 * the group as text (lvm2: lib/label/label.h, lib/format_text/layout.h; the text is that of vgcfgbackup(8)).
 */

#include <glib.h>

#define LVM_SECTOR_BYTES 512
#define LVM_LABEL_ID     "LABELONE"
#define LVM_LABEL_TYPE   "LVM2 001"
#define LVM_ID_BYTES     32 /* of an identifier, without the hyphens that it is written with */
/* CRC-32 with the usual polynomial, from this value, not inverted at the end. */
#define LVM_CRC_START    0xf597a6cfu

/** Where something is in the physical volume; a list ends with one of zeros. In bytes; a data area of size 0 goes to the end. */
typedef struct __attribute__((packed)) {
	guint64 offset, bytes;
} LvmArea;

/** The second sector. */
typedef struct __attribute__((packed)) {
	char id[8];
	guint64 sector;         /* this one */
	guint32 checksum;       /* of what follows, to the end of the sector */
	guint32 content_offset; /* of pv_id from the start of the sector */
	char type[8];
	char pv_id[LVM_ID_BYTES];
	guint64 pv_bytes;
	LvmArea data[2], metadata[2];
	guint32 extension_version;
	guint32 extension_flags;
	LvmArea boot[1];
	guint8 zero[LVM_SECTOR_BYTES - 32 - LVM_ID_BYTES - 8 - 5 * sizeof(LvmArea) - 8];
} LvmLabel;

#define LVM_EXTENSION_VERSION 2
#define LVM_EXTENSION_USED    1 /* the volume is in a group */

#define LVM_METADATA_MAGIC   " LVM2 x[5A%r0N*>"
#define LVM_METADATA_VERSION 1

/** First sector of a metadata area; texts follow it, the one that counts is named here. Offsets are from this sector. */
typedef struct __attribute__((packed)) {
	guint32 checksum; /* of what follows, to the end of the sector */
	char magic[16];
	guint32 version;
	guint64 start, bytes; /* the area in the physical volume */
	struct __attribute__((packed)) {
		guint64 offset, bytes; /* with the NUL behind the text */
		guint32 checksum;
		guint32 flags;
	} text[2];
	guint8 zero[LVM_SECTOR_BYTES - 40 - 2 * 24];
} LvmMetadataHeader;

G_STATIC_ASSERT(sizeof(LvmLabel) == LVM_SECTOR_BYTES);
G_STATIC_ASSERT(sizeof(LvmMetadataHeader) == LVM_SECTOR_BYTES);
