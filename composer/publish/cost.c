/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/cost.h"

#include "base/error.h"
#include "pack/hashtree.h"

#include <string.h>

#define BLOCK        ASH_RELEASE_BLOCK_BYTES
#define FRAME_BLOCKS (ASH_RELEASE_FRAME_BYTES / ASH_RELEASE_BLOCK_BYTES)

/** The node's side, with a server that only counts. */
typedef struct {
	const guint8 *area; /* of the new tree */
	const AshTreeView *old;
	bool has_superblock;
	AshCost *cost;
} Counter;

static bool
find_block(const guint8 sum[ASH_SHA256_SIZE], guint8 *ret_block, gpointer user_data)
{
	const Counter *counter = user_data;
	const guint8 *block = ash_tree_view_find_block(counter->old, sum);

	if (block != NULL)
		memcpy(ret_block, block, BLOCK);
	return block != NULL;
}

/* The superblock lies before the root's block: one request for both. */
static gboolean
fetch_blocks(const guint64 *blocks, gsize n, guint8 *ret_blocks, gpointer user_data, GError **error)
{
	Counter *counter = user_data;
	g_autoptr(GArray) ranges = ash_ranges_new();

	if (!counter->has_superblock)
		ash_ranges_add(ranges, 0, 0, BLOCK);
	counter->has_superblock = true;
	for (gsize i = 0; i < n; i++) {
		ash_ranges_add(ranges, 0, blocks[i] * BLOCK, BLOCK);
		memcpy(ret_blocks + i * BLOCK, counter->area + blocks[i] * BLOCK, BLOCK);
	}
	counter->cost->tree_blocks += n;
	counter->cost->tree_bytes += ash_ranges_sum(ranges);
	counter->cost->requests += ranges->len;
	return TRUE;
}

static gboolean
take_block(guint level, guint64 index, const guint8 *block, gpointer user_data, GError **error)
{
	return TRUE;
}

static void
hash_zeros(const AshHashSpec *spec, guint8 ret_sum[ASH_SHA256_SIZE])
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree guint8 *zeros = g_malloc0(BLOCK);

	ash_hash_block(digest, spec, zeros, ret_sum);
}

/* A byte for each frame: it has a block that the old release does not have, and no frame before it either. Owned. */
static guint8 *
find_frames(const AshHashSpec *spec, const guint8 *leaves, const AshTreeView *old, guint64 n_frames, AshCost *cost)
{
	const guint64 n = spec->data_bytes / BLOCK;
	g_autoptr(AshHashIndex) all = ash_hash_index_new(leaves, n);
	guint8 *wanted = g_malloc0(n_frames);
	guint8 zero[ASH_SHA256_SIZE];
	guint64 found;

	hash_zeros(spec, zero);
	for (guint64 i = 0; i < n; i++) {
		const guint8 *leaf = leaves + i * ASH_SHA256_SIZE;
		if (memcmp(leaf, zero, sizeof(zero)) == 0 || ash_tree_view_find_data(old, leaf, &found))
			continue;
		cost->data_blocks++;
		if (ash_hash_index_find(all, leaf, &found) && found == i)
			wanted[i / FRAME_BLOCKS] = 1;
	}
	return wanted;
}

static void
count_frames(const AshCostTarget *target, const guint8 *wanted, AshCost *cost)
{
	g_autoptr(GArray) ranges = ash_ranges_new();

	for (guint64 frame = 0; frame < ash_frame_table_get_count(target->table); frame++) {
		guint segment;
		guint64 offset;
		guint32 length;
		if (wanted != NULL && !wanted[frame])
			continue;
		ash_frame_table_locate(target->table, frame, &segment, &offset, &length);
		ash_ranges_add(ranges, segment, offset, length);
		cost->frames++;
	}
	cost->data_bytes = ash_ranges_sum(ranges);
	cost->requests += ranges->len;
	/* The table of frames, without which no frame is found. */
	if (cost->frames > 0) {
		cost->tree_bytes += target->release->frames.size;
		cost->requests++;
	}
}

static gboolean
check_tree_size(const AshRelease *release, GBytes *tree, GError **error)
{
	const AshHashLevels levels = ash_hash_levels_compute(release->root_bytes);

	return g_bytes_get_size(tree) == levels.total * BLOCK
		       ? TRUE
		       : ash_throw(error, ASH_ERROR_TRUST, "the hash tree of \"%s\" does not have its size", release->version);
}

gboolean
ash_cost_compute(AshContext *ctx, const AshCostTarget *target, const AshRelease *from, GBytes *from_tree, AshCost *ret_cost,
		 GError **error)
{
	static const AshTreeWalkOps ops = { find_block, fetch_blocks, take_block };
	const AshHashSpec spec = ash_hash_spec_from_release(target->release), from_spec = ash_hash_spec_from_release(from);
	const AshHashLevels levels = ash_hash_levels_compute(spec.data_bytes);
	AshCost cost = { .kernel_bytes = ash_release_get_kernel_object(target->release)->size };

	if (!check_tree_size(target->release, target->tree, error) || !check_tree_size(from, from_tree, error))
		return FALSE;
	g_autoptr(AshTreeView) old = ash_tree_view_new(from_tree, &from_spec, error);
	Counter counter = { .area = g_bytes_get_data(target->tree, NULL), .old = old, .cost = &cost };
	if (old == NULL)
		return ash_prefix(error, "release \"%s\"", from->version);
	if (!ash_tree_walk(ctx, &spec, &ops, &counter, error))
		return FALSE;
	if (!counter.has_superblock)
		fetch_blocks(NULL, 0, NULL, &counter, NULL);
	g_autofree guint8 *wanted =
		find_frames(&spec, counter.area + levels.first[0] * BLOCK, old, ash_frame_table_get_count(target->table), &cost);
	count_frames(target, wanted, &cost);
	*ret_cost = cost;
	return TRUE;
}

void
ash_cost_compute_full(const AshCostTarget *target, AshCost *ret_cost)
{
	const AshHashLevels levels = ash_hash_levels_compute(target->release->root_bytes);
	g_autoptr(GArray) ranges = ash_ranges_new();
	AshCost cost = {
		.tree_blocks = levels.total - 1,
		.data_blocks = target->release->root_bytes / BLOCK,
		.kernel_bytes = ash_release_get_kernel_object(target->release)->size,
	};

	for (guint64 block = 0; block < levels.total; block++)
		ash_ranges_add(ranges, 0, block * BLOCK, BLOCK);
	cost.tree_bytes = ash_ranges_sum(ranges);
	cost.requests = ranges->len;
	count_frames(target, NULL, &cost);
	*ret_cost = cost;
}

AshReleaseCost *
ash_cost_to_release(const AshCost *cost, const AshRelease *from)
{
	AshReleaseCost *element = g_new0(AshReleaseCost, 1);

	element->from_version = g_strdup(from->version);
	element->from_root_hash = g_strdup(from->root_hash);
	element->tree_bytes = cost->tree_bytes;
	element->data_bytes = cost->data_bytes;
	element->requests = cost->requests;
	element->kernel_bytes = cost->kernel_bytes;
	return element;
}
