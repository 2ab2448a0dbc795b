/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"
#include "publish/cost.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK  ASH_RELEASE_BLOCK_BYTES
#define BLOCKS 4000
#define LARGE  (64 * 1024)

/** A release whose frames all have the same made-up length. */
typedef struct {
	AshRelease *release;
	GBytes *tree;
	AshFrameTable *table;
} Image;

static void
image_clear(Image *image)
{
	g_clear_pointer(&image->release, ash_release_free);
	g_clear_pointer(&image->tree, g_bytes_unref);
	g_clear_pointer(&image->table, ash_frame_table_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Image, image_clear)

/* Noise, so that frames have nearly the size of their content. Block i comes from seed @seeds[i]; 0: zeros. */
static int
make_file(const guint32 *seeds)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	g_assert_cmpint(ftruncate(fd, BLOCKS * BLOCK), ==, 0);
	for (guint i = 0; i < BLOCKS; i++) {
		g_autoptr(GRand) random = g_rand_new_with_seed(seeds[i]);
		guint32 block[BLOCK / sizeof(guint32)];
		for (gsize j = 0; seeds[i] != 0 && j < G_N_ELEMENTS(block); j++)
			block[j] = g_rand_int(random);
		if (seeds[i] != 0)
			g_assert_true(ash_fd_write_all(fd, block, sizeof(block), (guint64) i * BLOCK, NULL));
	}
	return fd;
}

static gboolean
write_segment(const void *data, gsize length, gpointer user_data, GError **error)
{
	*(guint64 *) user_data += length;
	return TRUE;
}

static gboolean
finish_segment(guint64 frames, gpointer user_data, GError **error)
{
	return TRUE;
}

static void
make_image(Image *image, const guint32 *seeds)
{
	static const AshFramesSink sink = { write_segment, finish_segment };
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GBytes) table = NULL;
	ash_autofd int fd = make_file(seeds);
	const guint64 bytes = (guint64) BLOCKS * BLOCK, area = ash_hash_area_bytes(bytes);
	const AshVerityPlace place = { fd, 0, bytes, bytes, area };
	const guint8 salt[ASH_VERITY_SALT_BYTES] = { 1 };
	const AshUuid uuid = { { 2 } };
	guint8 root_hash[ASH_SHA256_SIZE], *tree = g_malloc(area);
	AshPackSegment *segment = g_new0(AshPackSegment, 1);

	g_assert_true(ash_verity_format(ctx, &place, salt, &uuid, root_hash, NULL));
	g_assert_true(ash_fd_read_exact(fd, tree, area, bytes, NULL));
	image->tree = g_bytes_new_take(tree, area);
	image->release = ash_release_new();
	image->release->version = g_strdup("1");
	image->release->root_bytes = bytes;
	image->release->root_hash = ash_hex_encode(root_hash, sizeof(root_hash));
	image->release->salt = ash_hex_encode(salt, sizeof(salt));
	g_ptr_array_add(image->release->segments, segment);
	g_assert_true(ash_frames_write(ctx, fd, 0, bytes, 1, &sink, &segment->object.size, &table, NULL));
	segment->frames = bytes / ASH_RELEASE_FRAME_BYTES;
	image->release->frames.size = g_bytes_get_size(table);
	image->table = ash_frame_table_parse(table, image->release, NULL);
	g_assert_nonnull(image->table);
}

static AshCost
compute(const Image *from, const Image *to)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	const AshCostTarget target = { to->release, to->tree, to->table };
	AshCost cost;

	g_assert_true(ash_cost_compute(ctx, &target, from->release, from->tree, &cost, &error));
	g_assert_no_error(error);
	return cost;
}

static void
test_costs(void)
{
	g_autofree guint32 *seeds = g_new(guint32, BLOCKS);
	g_auto(Image) old = { 0 }, same = { 0 }, one = { 0 }, moved = { 0 }, equal = { 0 }, other = { 0 };

	for (guint i = 0; i < BLOCKS; i++)
		seeds[i] = i + 1;
	make_image(&old, seeds);
	make_image(&same, seeds);
	AshCost cost = compute(&old, &same);
	/* The superblock is told by no hash. */
	g_assert_cmpuint(cost.tree_blocks + cost.data_blocks + cost.frames + cost.data_bytes, ==, 0);
	g_assert_cmpuint(cost.tree_bytes, ==, BLOCK);
	g_assert_cmpuint(cost.requests, ==, 1);

	/* One block: its leaf, the root's block beside the superblock, one frame, and the table to find it. */
	seeds[1234] = 999999;
	make_image(&one, seeds);
	cost = compute(&old, &one);
	g_assert_cmpuint(cost.tree_blocks, ==, 2);
	g_assert_cmpuint(cost.tree_bytes, ==, 3 * BLOCK + one.release->frames.size);
	g_assert_cmpuint(cost.data_blocks, ==, 1);
	g_assert_cmpuint(cost.frames, ==, 1);
	g_assert_true(cost.data_bytes > LARGE && cost.data_bytes <= ASH_FRAME_MAX_BYTES);
	g_assert_cmpuint(cost.requests, ==, 4);

	/* Everything a block further: the leaves are new, of the data only the first block. */
	for (guint i = 0; i < BLOCKS; i++)
		seeds[i] = i == 0 ? 888888 : i;
	make_image(&moved, seeds);
	cost = compute(&old, &moved);
	g_assert_cmpuint(cost.data_blocks, ==, 1);
	g_assert_cmpuint(cost.frames, ==, 1);
	g_assert_cmpuint(cost.tree_blocks, ==, 33);

	/* New ones that equal one another are fetched once, zeros never. */
	for (guint i = 0; i < BLOCKS; i++)
		seeds[i] = i < 2000 ? 0 : 777777;
	make_image(&equal, seeds);
	cost = compute(&old, &equal);
	g_assert_cmpuint(cost.data_blocks, ==, 2000);
	g_assert_cmpuint(cost.frames, ==, 1);

	/* Nothing in common: as from nothing. */
	for (guint i = 0; i < BLOCKS; i++)
		seeds[i] = 100000 + i;
	make_image(&other, seeds);
	cost = compute(&old, &other);
	const AshCostTarget target = { other.release, other.tree, other.table };
	AshCost full;
	ash_cost_compute_full(&target, &full);
	g_assert_cmpuint(cost.data_blocks, ==, BLOCKS);
	g_assert_cmpuint(cost.data_bytes, ==, full.data_bytes);
	g_assert_cmpuint(cost.tree_bytes, ==, full.tree_bytes);
	g_assert_cmpuint(cost.frames, ==, full.frames);
}

static void
test_damaged(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autofree guint32 *seeds = g_new0(guint32, BLOCKS);
	g_auto(Image) old = { 0 }, new = { 0 };
	g_autoptr(GError) error = NULL;
	AshCost cost;

	for (guint i = 0; i < BLOCKS; i++)
		seeds[i] = i + 1;
	make_image(&old, seeds);
	seeds[7] = 0;
	make_image(&new, seeds);
	const AshCostTarget target = { new.release, new.tree, new.table };
	gsize length;
	const guint8 *tree = g_bytes_get_data(old.tree, &length);
	g_autofree guint8 *copy = g_memdup2(tree, length);
	copy[BLOCK + 5] ^= 1;
	g_autoptr(GBytes) bad = g_bytes_new(copy, length), shorter = g_bytes_new(tree, length - BLOCK);
	g_assert_false(ash_cost_compute(ctx, &target, old.release, bad, &cost, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_clear_error(&error);
	g_assert_false(ash_cost_compute(ctx, &target, old.release, shorter, &cost, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/publish/cost/costs", test_costs);
	g_test_add_func("/publish/cost/damaged", test_damaged);
	return g_test_run();
}
