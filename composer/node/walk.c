/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/walk.h"

#include "base/error.h"
#include "base/fd.h"
#include "pack/ranges.h"

#include <string.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES
#define SUM   ASH_SHA256_SIZE

/* dm-verity's superblock (disk/verity/verity.h). */
#define SUPERBLOCK_UUID	      16
#define SUPERBLOCK_UUID_BYTES 16
#define SUPERBLOCK_ALGORITHM  32
#define SUPERBLOCK_DATA_BLOCK 64
#define SUPERBLOCK_HASH_BLOCK 68
#define SUPERBLOCK_BLOCKS     72
#define SUPERBLOCK_SALT_BYTES 80
#define SUPERBLOCK_SALT	      88

typedef struct {
	AshContext *ctx;
	AshSource *source;
	const AshRelease *release;
	const AshWalkSlots *slots;
	AshHashSpec spec;
	AshHashLevels levels;
	AshDigest *digest;
	guint8 *area; /* what is known so far */
	bool has_superblock;
	AshPlanCost *cost;
} Walk;

static void
walk_clear(Walk *walk)
{
	g_clear_pointer(&walk->digest, ash_digest_free);
	g_clear_pointer(&walk->area, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Walk, walk_clear)

static bool
find_block(const guint8 *sum, guint8 *ret_block, gpointer user_data)
{
	const Walk *walk = user_data;

	for (guint i = 0; i < G_N_ELEMENTS(walk->slots->views); i++) {
		const AshSlotView *view = walk->slots->views[i];
		g_autoptr(GError) ignored = NULL;
		guint64 block;

		if (view != NULL && ash_block_set_find(walk->slots->contents[i]->tree, sum, &block) && block > 0 &&
		    ash_fd_read_exact(view->hash.fd, ret_block, BLOCK, view->hash.offset + block * BLOCK, &ignored))
			return true;
	}
	return false;
}

/* One call of fetch_blocks(). */
typedef struct {
	Walk *walk;
	const guint64 *blocks; /* wanted, ascending */
	gsize n;
	guint8 *ret_blocks;
	GArray *ranges;
} Fetch;

/* What block @block of the hash area must hash to: the level above is here already. */
static const guint8 *
expected_sum(const Walk *walk, guint64 block)
{
	const AshHashLevels *levels = &walk->levels;

	for (guint level = 0; level + 1 < levels->n; level++) {
		if (block >= levels->first[level])
			return walk->area + levels->first[level + 1] * BLOCK + (block - levels->first[level]) * SUM;
	}
	return walk->spec.root_hash;
}

/* Where block @block goes; NULL: it only lies between others. */
static guint8 *
find_place(const Fetch *fetch, guint64 block)
{
	gsize from = 0, to = fetch->n;

	if (block == 0)
		return fetch->walk->area;
	while (from < to) {
		gsize middle = from + (to - from) / 2;

		if (fetch->blocks[middle] < block)
			from = middle + 1;
		else
			to = middle;
	}
	return from < fetch->n && fetch->blocks[from] == block ? fetch->ret_blocks + from * BLOCK : NULL;
}

static gboolean
check_block(const Fetch *fetch, guint64 block, const guint8 *data, GError **error)
{
	guint8 sum[SUM];

	if (block == 0)
		return TRUE; /* the superblock, which no hash covers */
	ash_hash_block(fetch->walk->digest, &fetch->walk->spec, data, sum);
	if (memcmp(sum, expected_sum(fetch->walk, block), SUM) == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_TRUST, "block %" G_GUINT64_FORMAT " of the hash tree does not have its hash", block);
}

static gboolean
take_tree_bytes(guint index, guint64 position, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
	const Fetch *fetch = user_data;

	position += g_array_index(fetch->ranges, AshRange, index).offset;
	while (length > 0) {
		guint64 block = position / BLOCK;
		gsize within = (gsize) (position % BLOCK);
		gsize n = MIN(length, BLOCK - within);
		guint8 *place = find_place(fetch, block);

		if (place != NULL) {
			memcpy(place + within, data, n);
			if (within + n == BLOCK && !check_block(fetch, block, place, error))
				return FALSE;
		}
		position += n;
		data += n;
		length -= n;
	}
	return TRUE;
}

static gboolean
fetch_ranges(const Fetch *fetch, GError **error)
{
	g_autofree AshSourceRange *ranges = g_new(AshSourceRange, fetch->ranges->len);

	for (guint i = 0; i < fetch->ranges->len; i++) {
		const AshRange *range = &g_array_index(fetch->ranges, AshRange, i);

		ranges[i] = (AshSourceRange){ .object = &fetch->walk->release->tree, .offset = range->offset, .length = range->bytes };
	}
	return ash_source_fetch_ranges(fetch->walk->ctx, fetch->walk->source, ranges, fetch->ranges->len, BLOCK, 0, take_tree_bytes,
				       (gpointer) fetch, error);
}

static gboolean
fetch_blocks(const guint64 *blocks, gsize n, guint8 *ret_blocks, gpointer user_data, GError **error)
{
	Walk *walk = user_data;
	g_autoptr(GArray) ranges = ash_ranges_new();
	Fetch fetch = { .walk = walk, .blocks = blocks, .n = n, .ret_blocks = ret_blocks, .ranges = ranges };

	/* It lies before the root's block: one request for both. */
	if (!walk->has_superblock)
		ash_ranges_add(ranges, 0, 0, BLOCK);
	walk->has_superblock = true;
	for (gsize i = 0; i < n; i++)
		ash_ranges_add(ranges, 0, blocks[i] * BLOCK, BLOCK);
	walk->cost->tree_bytes += ash_ranges_sum(ranges);
	walk->cost->requests += ranges->len;
	return fetch_ranges(&fetch, error);
}

static gboolean
take_block(guint level, guint64 index, const guint8 *block, gpointer user_data, GError **error)
{
	Walk *walk = user_data;

	memcpy(walk->area + (walk->levels.first[level] + index) * BLOCK, block, BLOCK);
	return TRUE;
}

static void
put32(guint8 *place, guint32 value)
{
	value = GUINT32_TO_LE(value);
	memcpy(place, &value, sizeof(value));
}

/* All of the superblock but its UUID follows from the release. */
static gboolean
check_superblock(const Walk *walk, GError **error)
{
	g_autofree guint8 *expected = g_malloc0(BLOCK);
	const guint64 blocks = GUINT64_TO_LE(walk->spec.data_bytes / BLOCK);

	memcpy(expected, "verity\0", 8);
	put32(expected + 8, 1);
	put32(expected + 12, 1);
	memcpy(expected + SUPERBLOCK_UUID, walk->area + SUPERBLOCK_UUID, SUPERBLOCK_UUID_BYTES);
	memcpy(expected + SUPERBLOCK_ALGORITHM, "sha256", 6);
	put32(expected + SUPERBLOCK_DATA_BLOCK, BLOCK);
	put32(expected + SUPERBLOCK_HASH_BLOCK, BLOCK);
	memcpy(expected + SUPERBLOCK_BLOCKS, &blocks, sizeof(blocks));
	expected[SUPERBLOCK_SALT_BYTES] = sizeof(walk->spec.salt);
	memcpy(expected + SUPERBLOCK_SALT, walk->spec.salt, sizeof(walk->spec.salt));
	if (memcmp(expected, walk->area, BLOCK) == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_TRUST, "the hash tree of \"%s\" has a superblock that does not fit the release", walk->release->version);
}

guint8 *
ash_walk_tree(AshContext *ctx, AshSource *source, const AshRelease *release, const AshWalkSlots *slots, AshPlanCost *cost, GError **error)
{
	static const AshTreeWalkOps ops = { find_block, fetch_blocks, take_block };
	g_auto(Walk) walk = { .ctx = ctx, .source = source, .release = release, .slots = slots, .cost = cost };

	walk.spec = ash_hash_spec_from_release(release);
	walk.levels = ash_hash_levels_compute(release->root_bytes);
	if (walk.levels.total * BLOCK != release->tree.size)
		return ash_throw_null(error, ASH_ERROR_TRUST, "the hash tree of \"%s\" does not have the right size", release->version);
	walk.digest = ash_digest_new();
	walk.area = g_try_malloc0(walk.levels.total * BLOCK);
	if (walk.area == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "no memory for a hash tree");
	if (!ash_tree_walk(ctx, &walk.spec, &ops, &walk, error) ||
	    (!walk.has_superblock && !fetch_blocks(NULL, 0, NULL, &walk, error)) || !check_superblock(&walk, error))
		return NULL;
	return g_steal_pointer(&walk.area);
}
