/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * On-disk structures of EROFS, uncompressed (kernel Documentation/filesystems/erofs.rst, "On-disk
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
