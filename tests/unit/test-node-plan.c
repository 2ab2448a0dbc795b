/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/plan.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "node-fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES
#define FRAME (ASH_RELEASE_FRAME_BYTES / BLOCK)
#define N     640 /* blocks of an image: five leaves' blocks, 40 frames */
#define BYTES ((guint64) N * BLOCK)

/* A release directory, and slots. */
typedef struct {
	char *dir, *url;
	AshContext *ctx;
	AshSource *source;
} Case;

static void
case_set_up(Case *c, gconstpointer data)
{
	GError *error = NULL;

	c->dir = g_dir_make_tmp("ash-plan-XXXXXX", &error);
	g_assert_no_error(error);
	c->url = g_filename_to_uri(c->dir, NULL, &error);
	g_assert_no_error(error);
	c->ctx = ash_context_new();
	const char *urls[] = { c->url, NULL };
	AshSourceOptions options = { .urls = urls, .pause = 1 };
	c->source = ash_source_new(&options, &error);
	g_assert_no_error(error);
}

static void
case_tear_down(Case *c, gconstpointer data)
{
	ash_source_free(c->source);
	ash_context_free(c->ctx);
	ash_file_remove_tree(AT_FDCWD, c->dir, NULL);
	g_free(c->dir);
	g_free(c->url);
}

static AshPlan *
make_plan(Case *c, const AshRelease *release, const NodeSlot *active, const NodeSlot *target)
{
	GError *error = NULL;
	AshPlan *plan = ash_plan_make(c->ctx, c->source, release, active != NULL ? &active->view : NULL, &target->view, &error);

	g_assert_no_error(error);
	return plan;
}

/* Applies, and sees that what came is what the plan said. */
static void
apply(Case *c, const AshRelease *release, const NodeSlot *active, const NodeSlot *target, AshPlanCost *ret_cost)
{
	guint64 before = ash_source_get_received(c->source), requests_before = ash_source_get_requests(c->source);
	g_autoptr(AshPlan) plan = make_plan(c, release, active, target);
	guint64 planned = ash_source_get_received(c->source);
	GError *error = NULL;

	*ret_cost = *ash_plan_get_cost(plan);
	g_assert_cmpuint(planned - before, ==, ret_cost->tree_bytes);
	guint64 requests = ash_source_get_requests(c->source);
	ash_plan_apply(c->ctx, plan, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(ash_source_get_received(c->source) - planned, ==, ret_cost->data_bytes);
	ret_cost->requests -= requests - requests_before; /* those for the data */
	g_assert_cmpuint(ash_source_get_requests(c->source) - requests, ==, ret_cost->requests);
	g_assert_true(node_slot_has_release(target, release));
}

static AshRelease *
publish(Case *c, const guint8 *image, guint64 bytes, const char *version)
{
	g_autoptr(NodeSlot) slot = node_slot_new_image(c->dir, version, image, bytes);

	return node_release_publish(c->dir, slot, bytes, version);
}

static void
test_all(Case *c, gconstpointer data)
{
	g_autofree guint8 *image = node_image_new(1, BYTES);
	g_autoptr(AshRelease) release = publish(c, image, BYTES, "1");
	g_autoptr(NodeSlot) target = node_slot_new(c->dir, "target", BYTES + 8 * BLOCK, 16 * BLOCK);
	AshPlanCost cost;

	apply(c, release, NULL, target, &cost);
	g_assert_cmpuint(cost.fetched_blocks, ==, N);
	g_assert_cmpuint(cost.requests, ==, 1);
	g_assert_cmpuint(cost.kept_bytes + cost.copied_bytes, ==, 0);
	/* Again: nothing but the superblock, whether the target is known or not. */
	apply(c, release, NULL, target, &cost);
	g_assert_cmpuint(cost.kept_bytes, ==, BYTES);
	g_assert_cmpuint(cost.tree_bytes, ==, BLOCK);
	g_strlcpy(target->view.root_hash, release->root_hash, sizeof(target->view.root_hash));
	target->view.known = true;
	apply(c, release, NULL, target, &cost);
	g_assert_cmpuint(cost.kept_bytes, ==, BYTES);
}

static void
test_copy(Case *c, gconstpointer data)
{
	g_autofree guint8 *old = node_image_new(1, BYTES);
	g_autofree guint8 *new = node_image_new(1, BYTES);
	g_autoptr(NodeSlot) active = node_slot_new_image(c->dir, "active", old, BYTES);
	g_autoptr(NodeSlot) target = node_slot_new(c->dir, "target", BYTES, 16 * BLOCK);
	g_autofree guint8 *fresh = node_image_new(2, BYTES);
	AshPlanCost cost;

	memcpy(new + 100 * BLOCK, fresh, BLOCK);           /* new */
	memcpy(new + 300 * BLOCK, fresh, BLOCK);           /* equal to it: elsewhere */
	memset(new + 301 * BLOCK, 0, 3 * BLOCK);           /* zeros */
	memcpy(new + 400 * BLOCK, old + 10 * BLOCK, 50 * BLOCK); /* moved */
	g_autoptr(AshRelease) release = publish(c, new, BYTES, "2");
	apply(c, release, active, target, &cost);
	g_assert_cmpuint(cost.fetched_blocks, ==, FRAME);
	g_assert_cmpuint(cost.requests, ==, 1);
	g_assert_cmpuint(cost.copied_bytes, ==, BYTES - (FRAME + 3) * BLOCK);
	g_assert_cmpuint(cost.kept_bytes, ==, 3 * BLOCK); /* the target is all zeros */
}

/* Blocks of the old target are used before they are written over; the tree's as well. */
static void
test_target(Case *c, gconstpointer data)
{
	g_autofree guint8 *old = node_image_new(1, BYTES);
	g_autofree guint8 *new = g_memdup2(old, BYTES);
	g_autofree guint8 *fresh = node_image_new(2, BYTES);
	g_autoptr(NodeSlot) target = node_slot_new_image(c->dir, "target", old, BYTES);
	AshPlanCost cost;

	memcpy(new, fresh, 2 * BLOCK);
	memcpy(new + 2 * BLOCK, old + 500 * BLOCK, 8 * BLOCK);         /* from behind */
	memcpy(new + 500 * BLOCK, old + 510 * BLOCK, 20 * BLOCK);      /* a shift */
	memcpy(new + 600 * BLOCK, old + 200 * BLOCK, BLOCK);           /* from before, which stays */
	memcpy(new + 601 * BLOCK, old, BLOCK);                         /* from before, which is written over: fetched */
	g_autoptr(AshRelease) release = publish(c, new, BYTES, "2");
	apply(c, release, NULL, target, &cost);
	g_assert_cmpuint(cost.fetched_blocks, ==, 10 + 2); /* not what is kept in the two frames */
	g_assert_cmpuint(cost.copied_bytes, ==, 20 * BLOCK);
	g_assert_cmpuint(cost.kept_bytes, ==, BYTES - 32 * BLOCK);
	g_assert_cmpuint(cost.tree_bytes - release->frames.size, <=, release->tree.size);
}

/* A known tree that is not what its root hash says, and one of another salt, are not believed. */
static void
test_unbelieved(Case *c, gconstpointer data)
{
	g_autofree guint8 *image = node_image_new(1, BYTES);
	g_autoptr(AshRelease) release = publish(c, image, BYTES, "1");
	g_autoptr(NodeSlot) active = node_slot_new_image(c->dir, "active", image, BYTES);
	guint8 bad[BLOCK], good[BLOCK];
	GError *error = NULL;
	AshPlanCost cost;

	memset(bad, 7, sizeof(bad));
	for (guint i = 0; i < 3; i++) { /* superblock, root's block, leaves: the data is read instead */
		g_autofree char *name = g_strdup_printf("target%u", i);
		g_autoptr(NodeSlot) target = node_slot_new(c->dir, name, BYTES, 16 * BLOCK);

		g_assert_true(ash_fd_read_exact(active->view.hash.fd, good, BLOCK, i * BLOCK, NULL));
		ash_fd_write_all(active->view.hash.fd, bad, BLOCK, i * BLOCK, &error);
		g_assert_no_error(error);
		apply(c, release, active, target, &cost);
		g_assert_cmpuint(cost.copied_bytes, ==, BYTES);
		ash_fd_write_all(active->view.hash.fd, good, BLOCK, i * BLOCK, &error);
		g_assert_no_error(error);
	}
}

/* Source blocks that rot after the plan, or already had: fetched, and the slot is right. */
static void
test_rotten(Case *c, gconstpointer data)
{
	g_autofree guint8 *image = node_image_new(1, BYTES);

	memset(image + FRAME * BLOCK, 0, FRAME * BLOCK); /* a frame of zeros is in no segment */
	g_autoptr(AshRelease) release = publish(c, image, BYTES, "1");
	g_autoptr(NodeSlot) active = node_slot_new_image(c->dir, "active", image, BYTES);
	g_autoptr(NodeSlot) target = node_slot_new_image(c->dir, "target", image, BYTES / 2);
	GError *error = NULL;

	/* The target is half the image long: give it room. */
	g_assert_cmpint(ftruncate(target->view.data.fd, (off_t) BYTES), ==, 0);
	target->view.data.bytes = BYTES;
	g_assert_cmpint(ftruncate(target->view.hash.fd, 16 * BLOCK), ==, 0);
	target->view.hash.bytes = 16 * BLOCK;
	ash_fd_write_all(active->view.data.fd, "rot", 3, 500 * BLOCK + 17, &error);
	ash_fd_write_all(target->view.data.fd, "rot", 3, 20 * BLOCK + 17, &error);
	ash_fd_write_all(target->view.data.fd, "rot", 3, 60 * BLOCK + 17, &error);
	g_assert_no_error(error);
	g_autoptr(AshPlan) plan = make_plan(c, release, active, target);
	const AshPlanCost *cost = ash_plan_get_cost(plan);
	g_assert_cmpuint(cost->kept_bytes, ==, BYTES / 2);
	g_assert_cmpuint(cost->data_bytes, ==, 0);
	guint64 before = ash_source_get_received(c->source);
	ash_plan_apply(c->ctx, plan, &error);
	g_assert_no_error(error);
	g_assert_true(node_slot_has_release(target, release));
	g_assert_cmpuint(ash_source_get_received(c->source) - before, >, 2 * BLOCK);
	g_assert_cmpuint(ash_source_get_received(c->source) - before, <, 5 * ASH_RELEASE_FRAME_BYTES);
}

static void
test_no_room(Case *c, gconstpointer data)
{
	g_autofree guint8 *image = node_image_new(1, BYTES);
	g_autoptr(AshRelease) release = publish(c, image, BYTES, "1");
	g_autoptr(NodeSlot) small = node_slot_new(c->dir, "small", BYTES - BLOCK, 16 * BLOCK);
	g_autoptr(NodeSlot) flat = node_slot_new(c->dir, "flat", BYTES, 3 * BLOCK);
	GError *error = NULL;

	g_assert_null(ash_plan_make(c->ctx, c->source, release, NULL, &small->view, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_NO_SPACE);
	g_clear_error(&error);
	g_assert_null(ash_plan_make(c->ctx, c->source, release, NULL, &flat->view, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_NO_SPACE);
	g_clear_error(&error);
	g_assert_cmpuint(ash_source_get_received(c->source), ==, 0);
}

/* All kinds of steps, at random: the slot is always right, and a second plan finds everything. */
static void
test_random(Case *c, gconstpointer data)
{
	g_autoptr(GRand) random = g_rand_new_with_seed(4);
	g_autofree guint8 *pool = node_image_new(9, 64 * BLOCK);

	memset(pool, 0, BLOCK);
	for (guint round = 0; round < 20; round++) {
		g_autofree guint8 *a = g_malloc(BYTES);
		g_autofree guint8 *t = g_malloc(BYTES);
		g_autofree guint8 *n = g_malloc(BYTES);
		g_autofree char *name_a = g_strdup_printf("a%u", round);
		g_autofree char *name_t = g_strdup_printf("t%u", round);
		g_autofree char *name_n = g_strdup_printf("n%u", round);
		AshPlanCost cost;

		for (guint i = 0; i < N; i++) {
			memcpy(a + i * BLOCK, pool + g_rand_int_range(random, 0, 20) * BLOCK, BLOCK);
			memcpy(t + i * BLOCK, pool + g_rand_int_range(random, 10, 50) * BLOCK, BLOCK);
			memcpy(n + i * BLOCK, i % 3 == 0 ? t + i * BLOCK : pool + g_rand_int_range(random, 0, 64) * BLOCK, BLOCK);
		}
		g_autoptr(NodeSlot) active = node_slot_new_image(c->dir, name_a, a, BYTES);
		g_autoptr(NodeSlot) target = node_slot_new_image(c->dir, name_t, t, BYTES);
		target->view.known = round % 2 == 0;
		g_autoptr(AshRelease) release = publish(c, n, BYTES, name_n);
		apply(c, release, round % 4 < 3 ? active : NULL, target, &cost);
		target->view.known = false;
		apply(c, release, NULL, target, &cost);
		g_assert_cmpuint(cost.kept_bytes, ==, BYTES);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/node/plan/all", Case, NULL, case_set_up, test_all, case_tear_down);
	g_test_add("/node/plan/copy", Case, NULL, case_set_up, test_copy, case_tear_down);
	g_test_add("/node/plan/target", Case, NULL, case_set_up, test_target, case_tear_down);
	g_test_add("/node/plan/unbelieved", Case, NULL, case_set_up, test_unbelieved, case_tear_down);
	g_test_add("/node/plan/rotten", Case, NULL, case_set_up, test_rotten, case_tear_down);
	g_test_add("/node/plan/no-room", Case, NULL, case_set_up, test_no_room, case_tear_down);
	g_test_add("/node/plan/random", Case, NULL, case_set_up, test_random, case_tear_down);
	return g_test_run();
}
