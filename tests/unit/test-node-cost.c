/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a publisher prints as the cost of an update is what a node that runs the old version plans, to the byte and the request. */
#include "base/fd.h"
#include "base/file.h"
#include "node-fixture.h"
#include "node/plan.h"
#include "publish/cost.h"

#include <fcntl.h>
#include <string.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES
#define MAX_BLOCKS 3000
#define ROUNDS 12

static GBytes *
load_object(const char *dir, const AshObjectRef *object)
{
	g_autofree char *below = ash_object_ref_path(object), *path = g_build_filename(dir, below, NULL), *text = NULL;
	gsize length;

	g_assert_true(g_file_get_contents(path, &text, &length, NULL));
	return g_bytes_new_take(g_steal_pointer(&text), length);
}

/* Blocks that changed, moved, became zeros or have a double, in runs, as the files of an image do. */
static void
change_image(GRand *chance, guint8 *image, guint64 blocks, guint64 old_blocks)
{
	const guint runs = (guint) g_rand_int_range(chance, 0, 40);

	for (guint i = 0; i < runs; i++) {
		const guint64 at = (guint64) g_rand_int_range(chance, 0, (gint32) blocks), run = (guint64) g_rand_int_range(chance, 1, 30);
		const guint64 n = MIN(blocks - at, run);
		const guint64 from = (guint64) g_rand_int_range(chance, 0, (gint32) old_blocks);
		g_autofree guint8 *fresh = node_image_new(g_rand_int(chance), n * BLOCK);

		switch (g_rand_int_range(chance, 0, 4)) {
		case 0:
			memset(image + at * BLOCK, 0, n * BLOCK);
			break;
		case 1:
			memmove(image + at * BLOCK, image + from * BLOCK, MIN(n, MIN(blocks, old_blocks) - MIN(from, MIN(blocks, old_blocks))) * BLOCK);
			break;
		default:
			memcpy(image + at * BLOCK, fresh, n * BLOCK);
		}
	}
}

static void
compare(AshContext *ctx, const char *dir, GRand *chance, guint round)
{
	const guint64 old_blocks = (guint64) g_rand_int_range(chance, 1, MAX_BLOCKS), blocks = (guint64) g_rand_int_range(chance, 1, MAX_BLOCKS);
	g_autofree guint8 *old_image = node_image_new(round, old_blocks * BLOCK), *image = node_image_new(round, blocks * BLOCK);
	g_autofree char *url = g_filename_to_uri(dir, NULL, NULL);
	const char *const urls[] = { url, NULL };
	const AshSourceOptions options = { .urls = urls };
	GError *error = NULL;
	AshCost told = { 0 };

	change_image(chance, image, blocks, old_blocks);
	g_autoptr(NodeSlot) active = node_slot_new_image(dir, "active", old_image, old_blocks * BLOCK);
	g_autoptr(NodeSlot) next = node_slot_new_image(dir, "next", image, blocks * BLOCK);
	g_autoptr(NodeSlot) target = node_slot_new(dir, "target", MAX_BLOCKS * BLOCK, 64 * BLOCK);
	g_autoptr(AshRelease) from = node_release_publish(dir, active, old_blocks * BLOCK, "1");
	g_autoptr(AshRelease) release = node_release_publish(dir, next, blocks * BLOCK, "2");
	g_autoptr(GBytes) from_tree = load_object(dir, &from->tree), tree = load_object(dir, &release->tree), frames = load_object(dir, &release->frames);
	g_autoptr(AshFrameTable) table = ash_frame_table_parse(frames, release, &error);
	g_assert_no_error(error);
	const AshCostTarget goal = { release, tree, table };
	ash_cost_compute(ctx, &goal, from, from_tree, &told, &error);
	g_assert_no_error(error);

	g_autoptr(AshSource) source = ash_source_new(&options, &error);
	g_assert_no_error(error);
	g_autoptr(AshPlan) plan = ash_plan_make(ctx, source, release, &active->view, &target->view, &error);
	g_assert_no_error(error);
	const AshPlanCost *planned = ash_plan_get_cost(plan);
	g_test_message("%u: %u -> %u blocks: %u of tree, %u of data, %u requests", round, (guint) old_blocks, (guint) blocks, (guint) told.tree_bytes,
		       (guint) told.data_bytes, (guint) told.requests);
	g_assert_cmpuint(planned->tree_bytes, ==, told.tree_bytes);
	g_assert_cmpuint(planned->data_bytes, ==, told.data_bytes);
	g_assert_cmpuint(planned->requests, ==, told.requests);
}

static void
test_same(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GRand) chance = g_rand_new_with_seed(4);
	g_autofree char *dir = g_dir_make_tmp("ash-cost-XXXXXX", NULL);

	for (guint round = 0; round < ROUNDS; round++)
		compare(ctx, dir, chance, round);
	ash_file_remove_tree(AT_FDCWD, dir, NULL);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/node/cost/as-published", test_same);
	return g_test_run();
}
