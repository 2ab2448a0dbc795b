/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/hashtree.h"

#include "base/error.h"

#include <string.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES
#define SUM   ASH_SHA256_SIZE
#define NONE  G_MAXUINT32

AshHashSpec
ash_hash_spec_from_release(const AshRelease *release)
{
	AshHashSpec spec = { .data_bytes = release->root_bytes };

	ash_hex_decode(release->root_hash, spec.root_hash, sizeof(spec.root_hash));
	ash_hex_decode(release->salt, spec.salt, sizeof(spec.salt));
	return spec;
}

/* Hash type 1: the salt comes first. */
void
ash_hash_block(AshDigest *digest, const AshHashSpec *spec, const guint8 *block, guint8 ret_sum[ASH_SHA256_SIZE])
{
	ash_digest_reset(digest);
	ash_digest_update(digest, spec->salt, sizeof(spec->salt));
	ash_digest_update(digest, block, BLOCK);
	ash_digest_finish(digest, ret_sum);
}

struct AshHashIndex {
	const guint8 *sums;
	guint32 *slots; /* positions or NONE; open addressing, at most half full */
	guint32 mask;
};

/* Hashes are even already: their first bytes are as good as any function of them. */
static guint32
first_slot(const AshHashIndex *index, const guint8 *sum)
{
	guint32 number;

	memcpy(&number, sum, sizeof(number));
	return GUINT32_FROM_LE(number) & index->mask;
}

AshHashIndex *
ash_hash_index_new(const guint8 *sums, guint64 n)
{
	AshHashIndex *index = g_new0(AshHashIndex, 1);
	guint64 slots = 16;

	g_assert(n < G_MAXINT32);
	while (slots < 2 * n)
		slots *= 2;
	index->sums = sums;
	index->mask = (guint32) (slots - 1);
	index->slots = g_malloc_n(slots, sizeof(guint32));
	memset(index->slots, 0xff, slots * sizeof(guint32));
	for (guint32 i = 0; i < n; i++) {
		guint32 slot = first_slot(index, sums + (gsize) i * SUM);
		while (index->slots[slot] != NONE && memcmp(sums + (gsize) index->slots[slot] * SUM, sums + (gsize) i * SUM, SUM) != 0)
			slot = (slot + 1) & index->mask;
		if (index->slots[slot] == NONE)
			index->slots[slot] = i;
	}
	return index;
}

void
ash_hash_index_free(AshHashIndex *index)
{
	if (index == NULL)
		return;
	g_free(index->slots);
	g_free(index);
}

bool
ash_hash_index_find(const AshHashIndex *index, const guint8 sum[ASH_SHA256_SIZE], guint64 *ret_position)
{
	for (guint32 slot = first_slot(index, sum); index->slots[slot] != NONE; slot = (slot + 1) & index->mask) {
		if (memcmp(index->sums + (gsize) index->slots[slot] * SUM, sum, SUM) != 0)
			continue;
		*ret_position = index->slots[slot];
		return true;
	}
	return false;
}

struct AshTreeView {
	GBytes *area;
	const guint8 *blocks; /* of area */
	guint8 *sums;         /* of the blocks of area, the superblock's place first */
	AshHashIndex *tree, *data;
};

void
ash_tree_view_free(AshTreeView *view)
{
	if (view == NULL)
		return;
	g_clear_pointer(&view->tree, ash_hash_index_free);
	g_clear_pointer(&view->data, ash_hash_index_free);
	g_free(view->sums);
	g_bytes_unref(view->area);
	g_free(view);
}

/* What the level above, or the root hash, says of a block. */
static const guint8 *
expected_sum(const AshTreeView *view, const AshHashSpec *spec, const AshHashLevels *levels, guint level, guint64 index)
{
	return level + 1 == levels->n ? spec->root_hash : view->blocks + levels->first[level + 1] * BLOCK + index * SUM;
}

static gboolean
check_tree(AshTreeView *view, const AshHashSpec *spec, const AshHashLevels *levels, GError **error)
{
	g_autoptr(AshDigest) digest = ash_digest_new();

	for (guint level = levels->n; level-- > 0;) {
		for (guint64 i = 0; i < levels->blocks[level]; i++) {
			const guint64 block = levels->first[level] + i;
			ash_hash_block(digest, spec, view->blocks + block * BLOCK, view->sums + block * SUM);
			if (memcmp(view->sums + block * SUM, expected_sum(view, spec, levels, level, i), SUM) != 0)
				return ash_throw(error, ASH_ERROR_TRUST, "block %" G_GUINT64_FORMAT " of the hash tree is damaged", block);
		}
	}
	return TRUE;
}

AshTreeView *
ash_tree_view_new(GBytes *area, const AshHashSpec *spec, GError **error)
{
	const AshHashLevels levels = ash_hash_levels_compute(spec->data_bytes);
	g_autoptr(AshTreeView) view = g_new0(AshTreeView, 1);

	view->area = g_bytes_ref(area);
	view->blocks = g_bytes_get_data(area, NULL);
	if (levels.n == 0 || g_bytes_get_size(area) < levels.total * BLOCK || spec->data_bytes / BLOCK >= G_MAXINT32)
		return ash_throw_null(error, ASH_ERROR_TRUST, "a hash tree does not have the size that %" G_GUINT64_FORMAT " bytes of data need",
				      spec->data_bytes);
	view->sums = g_malloc0(levels.total * SUM);
	if (!check_tree(view, spec, &levels, error))
		return NULL;
	view->tree = ash_hash_index_new(view->sums, levels.total);
	view->data = ash_hash_index_new(view->blocks + levels.first[0] * BLOCK, spec->data_bytes / BLOCK);
	return g_steal_pointer(&view);
}

const guint8 *
ash_tree_view_find_block(const AshTreeView *view, const guint8 sum[ASH_SHA256_SIZE])
{
	guint64 block;

	/* The superblock's place in the sums is zero. */
	return ash_hash_index_find(view->tree, sum, &block) && block > 0 ? view->blocks + block * BLOCK : NULL;
}

bool
ash_tree_view_find_data(const AshTreeView *view, const guint8 sum[ASH_SHA256_SIZE], guint64 *ret_block)
{
	return ash_hash_index_find(view->data, sum, ret_block);
}

/** A walk, at one batch of one level. */
typedef struct {
	const AshHashSpec *spec;
	const AshTreeWalkOps *ops;
	gpointer user_data;
	AshHashLevels levels;
	AshDigest *digest;
	guint8 *blocks;           /* of the batch */
	guint64 *missing;         /* numbers of blocks to fetch */
	guint8 *fetched;
	guint64 first;            /* of the batch, counted in the level */
	gsize n;
} Walk;

static void
walk_clear(Walk *walk)
{
	g_clear_pointer(&walk->digest, ash_digest_free);
	g_clear_pointer(&walk->blocks, g_free);
	g_clear_pointer(&walk->missing, g_free);
	g_clear_pointer(&walk->fetched, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Walk, walk_clear)

static bool
has_sum(const Walk *walk, const guint8 *block, const guint8 *expected)
{
	guint8 sum[SUM];

	ash_hash_block(walk->digest, walk->spec, block, sum);
	return memcmp(sum, expected, SUM) == 0;
}

/* Puts what was fetched, in order, into the places where nothing was found: those are marked in @found. */
static gboolean
place_fetched(Walk *walk, const guint8 *expected, const bool *found, GError **error)
{
	const guint8 *next = walk->fetched;

	for (gsize i = 0; i < walk->n; i++) {
		if (found[i])
			continue;
		if (!has_sum(walk, next, expected + i * SUM))
			return ash_throw(error, ASH_ERROR_TRUST, "a block of the hash tree is not what its parent says");
		memcpy(walk->blocks + i * BLOCK, next, BLOCK);
		next += BLOCK;
	}
	return TRUE;
}

/* @expected: the hashes of the batch's blocks. */
static gboolean
load_batch(Walk *walk, guint level, const guint8 *expected, GError **error)
{
	g_autofree bool *found = g_new0(bool, walk->n);
	gsize missing = 0;

	for (gsize i = 0; i < walk->n; i++) {
		guint8 *block = walk->blocks + i * BLOCK;
		found[i] = walk->ops->find(expected + i * SUM, block, walk->user_data) && has_sum(walk, block, expected + i * SUM);
		if (!found[i])
			walk->missing[missing++] = walk->levels.first[level] + walk->first + i;
	}
	return missing == 0 || (walk->ops->fetch(walk->missing, missing, walk->fetched, walk->user_data, error) &&
				place_fetched(walk, expected, found, error));
}

/* All blocks of a level; those of an upper one are kept in @ret_level, which is NULL for the last. */
static gboolean
walk_level(AshContext *ctx, Walk *walk, guint level, const guint8 *expected, guint8 *ret_level, GError **error)
{
	for (walk->first = 0; walk->first < walk->levels.blocks[level]; walk->first += walk->n) {
		walk->n = (gsize) MIN((guint64) ASH_TREE_WALK_BLOCKS, walk->levels.blocks[level] - walk->first);
		if (!ash_context_check(ctx, error) || !load_batch(walk, level, expected + walk->first * SUM, error))
			return FALSE;
		for (gsize i = 0; i < walk->n; i++)
			if (!walk->ops->take(level, walk->first + i, walk->blocks + i * BLOCK, walk->user_data, error))
				return FALSE;
		if (ret_level != NULL)
			memcpy(ret_level + walk->first * BLOCK, walk->blocks, walk->n * BLOCK);
	}
	return TRUE;
}

gboolean
ash_tree_walk(AshContext *ctx, const AshHashSpec *spec, const AshTreeWalkOps *ops, gpointer user_data, GError **error)
{
	g_auto(Walk) walk = { .spec = spec, .ops = ops, .user_data = user_data, .levels = ash_hash_levels_compute(spec->data_bytes) };
	g_autofree guint8 *above = g_memdup2(spec->root_hash, SUM);

	if (walk.levels.n == 0)
		return ash_throw(error, ASH_ERROR_TRUST, "a root file system of one block is not updated");
	const gsize most = (gsize) MIN((guint64) ASH_TREE_WALK_BLOCKS, walk.levels.blocks[0]);
	walk.digest = ash_digest_new();
	walk.blocks = g_malloc(most * BLOCK);
	walk.fetched = g_malloc(most * BLOCK);
	walk.missing = g_new(guint64, most);
	for (guint level = walk.levels.n; level-- > 0;) {
		g_autofree guint8 *here = level > 0 ? g_malloc(walk.levels.blocks[level] * BLOCK) : NULL;
		if (!walk_level(ctx, &walk, level, above, here, error))
			return FALSE;
		g_free(above);
		above = g_steal_pointer(&here);
	}
	return TRUE;
}
