/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * On-disk structures of EROFS (kernel Documentation/filesystems/erofs.rst, "On-disk
 * details"; all little endian). Private to the writer and the reader in this directory.
 */
#define EROFS_MAGIC        0xe0f5e1e2u
#define EROFS_SUPER_OFFSET 1024
#define EROFS_BLOCK_BITS   12
#define EROFS_BLOCK        4096
#define EROFS_SLOT         32 /* an inode's number is its offset in slots */
#define EROFS_NAME_MAX     255

/* Compatible features: the superblock carries a checksum; inode times are mtimes. */
#define EROFS_COMPAT_SB_CHKSUM 0x1u
#define EROFS_COMPAT_MTIME     0x2u

typedef struct {
	guint32 magic;
	guint32 checksum; /* CRC-32C of the rest of the block, seed ~0, this field being 0 */
	guint32 feature_compat;
	guint8 block_bits;
	guint8 extra_slots;
	guint16 root_nid;
	guint64 inodes;
	guint64 build_time;
	guint32 build_time_nsec;
	guint32 blocks;
	guint32 meta_block;
	guint32 xattr_block;
	guint8 uuid[16];
	guint8 volume_name[16];
	guint32 feature_incompat;
	guint16 compression_algorithms;
	guint16 extra_devices;
	guint16 device_slot;
	guint8 reserved[38];
} ErofsSuperblock;

G_STATIC_ASSERT(sizeof(ErofsSuperblock) == 128);

/* i_format: bit 0 says extended, bits 1-3 the data layout. */
enum {
	EROFS_LAYOUT_PLAIN = 0,
	EROFS_LAYOUT_COMPRESSED = 1, /* with an index of its own behind the inode, not compact */
	EROFS_LAYOUT_INLINE = 2,
};

typedef struct {
	guint16 format;
	guint16 xattr_count; /* 0, or 1 + (bytes - 12) / 4 */
	guint16 mode;
	guint16 reserved;
	guint64 size;
	guint32 block; /* of the first data block */
	guint32 ino;
	guint32 uid;
	guint32 gid;
	guint64 mtime;
	guint32 mtime_nsec;
	guint32 nlink;
	guint8 reserved2[16];
} ErofsInodeExtended;

G_STATIC_ASSERT(sizeof(ErofsInodeExtended) == 64);

typedef struct {
	guint16 format;
	guint16 xattr_count;
	guint16 mode;
	guint16 nlink;
	guint32 size;
	guint32 reserved;
	guint32 block;
	guint32 ino;
	guint16 uid;
	guint16 gid;
	guint32 reserved2;
} ErofsInodeCompact;

G_STATIC_ASSERT(sizeof(ErofsInodeCompact) == 32);

/* Follows the inode if xattr_count is not 0; then shared ids, then entries, each padded to 4 bytes.
 */
#define EROFS_XATTR_HEADER 12
#define EROFS_XATTR_ALIGN  4

typedef struct {
	guint8 name_bytes;
	guint8 name_index;
	guint16 value_bytes;
} ErofsXattrEntry;

G_STATIC_ASSERT(sizeof(ErofsXattrEntry) == 4);

typedef struct __attribute__((packed)) {
	guint64 nid;
	guint16 name_offset; /* in its block; the first one's is 12 * entries */
	guint8 type;
	guint8 reserved;
} ErofsDirent;

G_STATIC_ASSERT(sizeof(ErofsDirent) == 12);

enum {
	EROFS_TYPE_REGULAR = 1,
	EROFS_TYPE_DIRECTORY = 2,
	EROFS_TYPE_CHAR = 3,
	EROFS_TYPE_BLOCK = 4,
	EROFS_TYPE_FIFO = 5,
	EROFS_TYPE_SOCKET = 6,
	EROFS_TYPE_SYMLINK = 7,
};

/* Features that a reader must know: zeros before compressed data; algorithms with limits, clusters of many blocks. */
#define EROFS_INCOMPAT_ZERO_PADDING 0x1u
#define EROFS_INCOMPAT_COMPRESSION  0x2u

enum {
	EROFS_ALGORITHM_LZ4 = 0,
	EROFS_ALGORITHM_ZSTD = 3, /* since Linux 6.10 */
};

/* Behind the superblock, for each algorithm that is used: how long the rest is, and its limits. */
typedef struct __attribute__((packed)) {
	guint16 bytes;
	guint16 max_distance;
	guint16 max_blocks; /* of compressed data */
	guint8 reserved[10];
} ErofsLz4Config;

G_STATIC_ASSERT(sizeof(ErofsLz4Config) == 16);

#define EROFS_ZSTD_WINDOW_LOG_MIN 10

typedef struct __attribute__((packed)) {
	guint16 bytes;
	guint8 format;
	guint8 window_log; /* less EROFS_ZSTD_WINDOW_LOG_MIN */
	guint8 reserved[4];
} ErofsZstdConfig;

G_STATIC_ASSERT(sizeof(ErofsZstdConfig) == 8);

/* The index of a compressed file: aligned behind inode and attributes, a header, a gap, an entry for each 4096 bytes. */
#define EROFS_INDEX_ALIGN 8
#define EROFS_INDEX_GAP   8
#define EROFS_ADVISE_BIG_CLUSTERS 0x2

typedef struct {
	guint32 reserved;
	guint16 advise;
	guint8 algorithms;   /* lower half: of EROFS_CLUSTER_HEAD */
	guint8 cluster_bits; /* lower three: more than 12 */
} ErofsMapHeader;

G_STATIC_ASSERT(sizeof(ErofsMapHeader) == 8);

/* Kinds of entries, in the lower two bits of "advise". */
enum {
	EROFS_CLUSTER_PLAIN = 0,    /* in the block itself */
	EROFS_CLUSTER_HEAD = 1,     /* compressed data begins in the block */
	EROFS_CLUSTER_FOLLOWER = 2, /* belongs to an earlier head */
	EROFS_CLUSTER_MASK = 3,
};

/* In the first follower's distance to its head: it is the number of compressed blocks instead. */
#define EROFS_INDEX_COUNT 0x800

typedef struct {
	guint16 advise;
	guint16 offset; /* of the data's beginning in a head's cluster */
	guint32 block;  /* of a follower: distance to its head, and (upper half) to the next one */
} ErofsIndex;

G_STATIC_ASSERT(sizeof(ErofsIndex) == 8);
