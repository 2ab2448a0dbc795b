/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"

#include <stdbool.h>

/**
 * dm-verity hash trees inside a disk file (kernel
 * Documentation/admin-guide/device-mapper/verity.rst; superblock as cryptsetup's
 * docs/on-disk-format: "verity", version 1). Hash type 1, SHA-256, 4096-byte data and hash blocks,
 * a salt of 32 bytes.
 *
 * This is our own code and not libcryptsetup's, for two reasons: libcryptsetup knows an offset for
 * the hash area but none for the data (crypt_params_verity), so that a partition inside a disk file
 * would have to be copied out or need a loop device; and it hashes on one thread only. The tests
 * compare with veritysetup byte by byte.
 */
#define ASH_VERITY_BLOCK_BYTES 4096
#define ASH_VERITY_SALT_BYTES  32

/** Where data and hash area are: bytes from the start of the file. */
typedef struct {
	int fd;
	guint64 data_offset;
	guint64 data_bytes; /* a multiple of 4096, > 0 */
	guint64 hash_offset;
	guint64 hash_bytes; /* room for the hash area */
} AshVerityPlace;

/**
 * AshVerityTree: the hash tree of data that is just being written, so that nobody has to read it again. What nobody adds is
 * taken for zeros.
 */
typedef struct AshVerityTree AshVerityTree;

/** For @data_bytes, a multiple of 4096, > 0. Owned. */
AshVerityTree *ash_verity_tree_new(guint64 data_bytes, const guint8 salt[ASH_VERITY_SALT_BYTES], GError **error);
void ash_verity_tree_free(AshVerityTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshVerityTree, ash_verity_tree_free)

/** Hashes whole blocks of 4096 bytes at @offset of the data. Several threads may add at the same time, each other blocks. */
void ash_verity_tree_add(AshVerityTree *tree, guint64 offset, const guint8 *data, gsize length);

/** The hashes of the blocks from byte @offset of the data on, one after the other. Borrowed. */
const guint8 *ash_verity_tree_get_leaves(const AshVerityTree *tree, guint64 offset);
/** As ash_verity_tree_add() for @n blocks whose hashes are known, of this salt. */
void ash_verity_tree_set_leaves(AshVerityTree *tree, guint64 offset, const guint8 *leaves, guint64 n);
/** Whether a block with this hash is all zero. */
bool ash_verity_tree_is_zero_leaf(const AshVerityTree *tree, const guint8 *leaf);

/** Hashes the upper levels and writes superblock and tree at @place (of the data, only the length is looked at).
 * ASH_ERROR_CONFIG if the hash area is too small. */
gboolean ash_verity_tree_write(AshVerityTree *tree, const AshVerityPlace *place, const AshUuid *uuid,
			       guint8 ret_root_hash[ASH_SHA256_SIZE], GError **error);

/**
 * Writes superblock and hash tree for the data at @place, using ctx->jobs threads. The same data,
 * salt and @uuid always give the same bytes. ASH_ERROR_CONFIG if the hash area is too small.
 */
gboolean ash_verity_format(AshContext *ctx, const AshVerityPlace *place,
			   const guint8 salt[ASH_VERITY_SALT_BYTES], const AshUuid *uuid,
			   guint8 ret_root_hash[ASH_SHA256_SIZE], GError **error);

/** What a verity superblock says. */
typedef struct {
	AshUuid uuid;
	guint64 data_bytes;
	guint8 salt[256];
	guint salt_bytes;
} AshVeritySuperblock;

/** Reads and checks the superblock at @hash_offset; ASH_ERROR_TRUST if it is none, or of another
 * algorithm or block size. */
gboolean ash_verity_read_superblock(int fd, guint64 hash_offset,
				    AshVeritySuperblock *ret_superblock, GError **error);

/**
 * Checks every data and hash block against @root_hash, with ctx->jobs threads. place->data_bytes is
 * the room that the data has: the superblock's own number counts. ASH_ERROR_TRUST naming the first
 * bad block.
 */
gboolean ash_verity_verify(AshContext *ctx, const AshVerityPlace *place,
			   const guint8 root_hash[ASH_SHA256_SIZE], GError **error);

/** The PARTUUIDs that the Discoverable Partitions Specification derives: first and last 128 bits of
 * the root hash. */
void ash_verity_partition_uuids(const guint8 root_hash[ASH_SHA256_SIZE], AshUuid *ret_data,
				AshUuid *ret_hash);
