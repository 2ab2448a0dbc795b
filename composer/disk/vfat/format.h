/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Private to disk/vfat/: FAT32 on disk (Microsoft "FAT32 File System Specification: FAT: General Overview of On-Disk Format" 1.03).
 * All numbers are little endian.
 */
#include <glib.h>

#define ASH_VFAT_SECTOR_BYTES 512
#define ASH_VFAT_ENTRY_BYTES  32
#define ASH_VFAT_NAME_BYTES   11 /* of a short name: eight, and three of its extension */

#define ASH_VFAT_ATTR_VOLUME    0x08
#define ASH_VFAT_ATTR_DIRECTORY 0x10
#define ASH_VFAT_ATTR_ARCHIVE   0x20
#define ASH_VFAT_ATTR_LONG_NAME 0x0f

/* One entry has so many UTF-16 units of a long name, and so many entries a name. */
#define ASH_VFAT_LONG_UNITS 13
#define ASH_VFAT_LONG_PARTS 20
#define ASH_VFAT_LAST_PART  0x40

#define ASH_VFAT_END_OF_CHAIN 0x0ffffff8u
#define ASH_VFAT_CLUSTER_MASK 0x0fffffffu
#define ASH_VFAT_FIRST_CLUSTER 2

/** Where the units of a long name lie in its entry. */
static const guint8 ash_vfat_long_places[ASH_VFAT_LONG_UNITS] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };

static inline guint16
ash_vfat_get16(const guint8 *at)
{
	return (guint16) (at[0] | at[1] << 8);
}

static inline guint32
ash_vfat_get32(const guint8 *at)
{
	return ash_vfat_get16(at) | (guint32) ash_vfat_get16(at + 2) << 16;
}

static inline void
ash_vfat_put16(guint8 *at, guint16 value)
{
	at[0] = (guint8) value;
	at[1] = (guint8) (value >> 8);
}

static inline void
ash_vfat_put32(guint8 *at, guint32 value)
{
	ash_vfat_put16(at, (guint16) value);
	ash_vfat_put16(at + 2, (guint16) (value >> 16));
}
