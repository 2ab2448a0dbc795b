/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "model/hashlevels.h"
#include "model/release.h"
#include "pack/ranges.h"

#include <stdbool.h>

/**
 * The dm-verity hash tree of a release (model/hashlevels.h has its shape) as an index of its blocks. All is SHA-256(salt || block).
 */

/** How blocks of one release are hashed. */
typedef struct {
	guint8 root_hash[ASH_SHA256_SIZE];
	guint8 salt[ASH_SHA256_SIZE];
	guint64 data_bytes;
} AshHashSpec;

/** From the members of a release that ash_release_parse() has checked. */
AshHashSpec ash_hash_spec_from_release(const AshRelease *release);

/** Hashes one block of 4096 bytes; @digest is reset first. */
void ash_hash_block(AshDigest *digest, const AshHashSpec *spec, const guint8 *block, guint8 ret_sum[ASH_SHA256_SIZE]);

/**
 * AshHashIndex: finds equal hashes in an array of them. Takes 8 to 16 bytes for each two hashes beside the array.
 */
typedef struct AshHashIndex AshHashIndex;

/** Over @n hashes of 32 bytes each, fewer than 2^31; @sums is borrowed. Of equal ones the first is found. Owned. */
AshHashIndex *ash_hash_index_new(const guint8 *sums, guint64 n);
void ash_hash_index_free(AshHashIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshHashIndex, ash_hash_index_free)
/** False if there is none; *@ret_position counts hashes. */
bool ash_hash_index_find(const AshHashIndex *index, const guint8 sum[ASH_SHA256_SIZE], guint64 *ret_position);

/**
 * AshTreeView: a whole hash tree that is here, with all its blocks checked, as a set of tree blocks and of data blocks. In memory: the
 * tree and two per cent.
 */
typedef struct AshTreeView AshTreeView;

/** @area: the hash area, superblock first. ASH_ERROR_TRUST if a block does not have the hash that the one above it says. Owned. */
AshTreeView *ash_tree_view_new(GBytes *area, const AshHashSpec *spec, GError **error);
void ash_tree_view_free(AshTreeView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTreeView, ash_tree_view_free)
/** The tree block with this hash, 4096 bytes, borrowed; NULL: this tree does not have it. */
const guint8 *ash_tree_view_find_block(const AshTreeView *view, const guint8 sum[ASH_SHA256_SIZE]);
/** The number of a data block with this hash. */
bool ash_tree_view_find_data(const AshTreeView *view, const guint8 sum[ASH_SHA256_SIZE], guint64 *ret_block);

/** What ash_tree_walk() is helped with. */
typedef struct {
	/** Copies the tree block with this hash to @ret_block, if it is here; it is checked again. */
	bool (*find)(const guint8 sum[ASH_SHA256_SIZE], guint8 *ret_block, gpointer user_data);
	/** Fetches @n blocks of the hash area, by number, ascending; all of one level, and no more than ASH_TREE_WALK_BLOCKS at a time. */
	gboolean (*fetch)(const guint64 *blocks, gsize n, guint8 *ret_blocks, gpointer user_data, GError **error);
	/** Is given every tree block, checked: level by level from the root's, in order; @index counts from the level's first. */
	gboolean (*take)(guint level, guint64 index, const guint8 *block, gpointer user_data, GError **error);
} AshTreeWalkOps;

#define ASH_TREE_WALK_BLOCKS (ASH_RANGE_MAX_BYTES / ASH_RELEASE_BLOCK_BYTES)

/**
 * Walks the tree of @spec from the root hash down: each block is found here or fetched, and checked against its parent before its own
 * hashes count. The superblock, which no hash covers, is not part of it. ASH_ERROR_TRUST for a fetched block that is not right. Memory: 8 MiB
 * and the tree's upper levels (one byte for each 16 KiB of data).
 */
gboolean ash_tree_walk(AshContext *ctx, const AshHashSpec *spec, const AshTreeWalkOps *ops, gpointer user_data, GError **error);
