/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Private to disk/xfs/: where things are in an XFS of version 5 ("XFS Algorithms and Data Structures", 3rd edition). All numbers are big-endian. */

#include <glib.h>

/* The superblock, and where its fields are. */
#define SECTOR_BYTES       512
#define SB_BLOCK_BYTES     4
#define SB_ROOT            56
#define SB_AG_BLOCKS       84
#define SB_AG_COUNT        88
#define SB_VERSION         100
#define SB_INODE_BYTES     104
#define SB_BLOCK_LOG       120
#define SB_INODE_LOG       122
#define SB_INODES_LOG      123 /* in a block */
#define SB_AG_BLOCK_LOG    124
#define SB_DIR_BLOCK_LOG   192
#define SB_INCOMPAT        216
/* The inode header of an allocation group, in its third sector. */
#define AGI_SECTOR         2
#define AGI_ROOT           20
#define AGI_LEVEL          24
/* A block of a tree of inodes, with checksums. */
#define TREE_RECORDS       6
#define TREE_RIGHT         12
#define TREE_HEADER_BYTES  56
#define TREE_RECORD_BYTES  16
#define TREE_KEY_BYTES     4
#define NO_BLOCK           0xffffffffu
/* A record of it: 64 inodes. */
#define CHUNK_FREE         8
#define CHUNK_INODES       64
/* An inode of version 3. */
#define INODE_MODE         2
#define INODE_VERSION      4
#define INODE_FORMAT       5
#define INODE_UID          8
#define INODE_GID          12
#define INODE_LINKS        16
#define INODE_ATIME        32
#define INODE_MTIME        40
#define INODE_CTIME        48
#define INODE_SIZE         56
#define INODE_EXTENTS      76
#define INODE_FORK         82
#define INODE_ATTR_FORMAT  83
#define INODE_CRC          100
#define INODE_FLAGS2       120
#define INODE_CRTIME       144
#define INODE_NUMBER       152
#define INODE_HEADER_BYTES 176
#define FLAG2_BIGTIME      ((guint64) 1 << 3)
#define FORMAT_DEVICE      0
#define FORMAT_LOCAL       1
#define FORMAT_EXTENTS     2
#define FORMAT_TREE        3
#define EXTENT_BYTES       16
#define FORK_UNIT          8
#define DEVICE_BYTES       8
/* Attributes in short form. */
#define ATTR_HEADER_BYTES  4
#define ATTR_ENTRY_BYTES   3
#define ATTR_MAX           255
/* Large times count nanoseconds from 1901 on. */
#define BIGTIME_START      (-((gint64) 1 << 31))
#define BIGTIME_LAST       ((gint64) 16299260424)
#define SECOND             ((guint64) 1000000000)

/** The number in @bytes bytes (1 to 8) at @at. */
static inline guint64
ash_xfs_get(const guint8 *at, gsize bytes)
{
	guint64 value = 0;

	for (gsize i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}
