/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"

/**
 * The shape of a dm-verity hash area (kernel Documentation/admin-guide/device-mapper/verity.rst) with SHA-256 and blocks of 4096 bytes:
 * block 0 is the superblock, then come the levels, the topmost first. A block of level 0 holds the hashes of 128 data blocks, one of
 * level k those of 128 blocks of level k - 1. One data block has no level: its own hash is the root hash.
 */
#define ASH_HASH_BLOCK_BYTES 4096
#define ASH_HASHES_PER_BLOCK (ASH_HASH_BLOCK_BYTES / ASH_SHA256_SIZE)
#define ASH_HASH_LEVELS_MAX  9 /* 128^9 blocks: more than 2^63 bytes */

/** Where the levels are, in blocks of the hash area. */
typedef struct {
	guint n;                             /* the top one is n - 1, a single block; 0: one data block only */
	guint64 blocks[ASH_HASH_LEVELS_MAX]; /* of each level */
	guint64 first[ASH_HASH_LEVELS_MAX];  /* block of the hash area at which it begins */
	guint64 total;                       /* superblock included */
} AshHashLevels;

/** For @data_bytes of data, of which whole blocks count. */
AshHashLevels ash_hash_levels_compute(guint64 data_bytes);

/** Bytes of the whole hash area for @data_bytes of data: superblock and all levels. */
guint64 ash_hash_area_bytes(guint64 data_bytes);
