/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/plan.h"

#include "base/error.h"
#include "disk/verity/verity.h"
#include "node/steps.h"
#include "node/walk.h"
#include "pack/ranges.h"

#include <string.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES
#define SUM   ASH_SHA256_SIZE

void
ash_plan_set_more(AshPlan *plan, AshPlanMore more, gpointer user_data)
{
	plan->more = more;
	plan->more_data = user_data;
}

void
ash_plan_free(AshPlan *plan)
{
	if (plan == NULL)
		return;
	g_clear_pointer(&plan->frames, ash_frame_table_free);
	g_free(plan->tree);
	g_free(plan->steps);
	g_free(plan->wanted);
	g_free(plan);
}

const AshPlanCost *
ash_plan_get_cost(const AshPlan *plan)
{
	return &plan->cost;
}

gboolean
ash_plan_load_frames(AshContext *ctx, AshPlan *plan, GError **error)
{
	g_autoptr(GBytes) object = NULL;

	if (plan->frames != NULL)
		return TRUE;
	object = ash_source_load_object(ctx, plan->source, &plan->release->frames, error);
	if (object == NULL)
		return FALSE;
	plan->frames = ash_frame_table_parse(object, plan->release, error);
	return plan->frames != NULL;
}

GArray *
ash_plan_make_ranges(const AshPlan *plan, const guint8 *wanted)
{
	GArray *ranges = ash_ranges_new();

	for (guint64 frame = 0; frame < plan->n_frames; frame++) {
		guint segment;
		guint64 offset;
		guint32 length;

		if (!wanted[frame])
			continue;
		ash_frame_table_locate(plan->frames, frame, &segment, &offset, &length);
		ash_ranges_add(ranges, segment, offset, length);
	}
	return ranges;
}

/* Where the blocks of a release may come from, while it is planned. */
typedef struct {
	AshPlan *plan;
	AshSlotContent active, target;
	guint8 zero_sum[SUM];
	guint64 next_active; /* the block of the active slot behind the last one copied */
} Search;

static void
search_clear(Search *search)
{
	ash_slot_content_clear(&search->active);
	ash_slot_content_clear(&search->target);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

/* Copies that continue one another are read at once. */
static bool
find_active(Search *search, const guint8 *leaf, guint64 block, guint64 *ret_position)
{
	if (ash_block_set_has_at(search->active.data, search->next_active, leaf))
		*ret_position = search->next_active;
	else if (ash_block_set_has_at(search->active.data, block, leaf))
		*ret_position = block;
	else if (!ash_block_set_find(search->active.data, leaf, ret_position))
		return false;
	search->next_active = *ret_position + 1;
	return *ret_position < ASH_STEP_BLOCKS_MAX;
}

/*
 * Blocks are moved within the target in ascending order and before anything else is written: what lies behind is still the old content then. What lies
 * before is so only if it stays.
 */
static bool
find_target(const Search *search, const guint8 *leaf, guint64 block, guint32 *ret_step)
{
	const AshPlan *plan = search->plan;
	guint64 position;

	if (!ash_block_set_find(search->target.data, leaf, &position) || position >= ASH_STEP_BLOCKS_MAX)
		return false;
	if (position > block)
		*ret_step = ash_step_make(ASH_STEP_MOVE, position);
	else if (ash_step_kind(plan->steps[position]) == ASH_STEP_KEEP)
		*ret_step = ash_step_make(ASH_STEP_SAME, position);
	else
		return false;
	return true;
}

static guint32
choose_step(Search *search, guint64 block)
{
	const guint8 *leaf = ash_plan_get_leaf(search->plan, block);
	guint64 position;
	guint32 step;

	if (ash_block_set_has_at(search->target.data, block, leaf))
		return ash_step_make(ASH_STEP_KEEP, 0);
	if (memcmp(leaf, search->zero_sum, SUM) == 0)
		return ash_step_make(ASH_STEP_ZERO, 0);
	if (find_active(search, leaf, block, &position))
		return ash_step_make(ASH_STEP_ACTIVE, position);
	if (find_target(search, leaf, block, &step))
		return step;
	return ash_step_make(ASH_STEP_FRAME, 0);
}

/* Of equal blocks to be fetched the first is, the others are copies of it. */
static void
find_equal(AshPlan *plan)
{
	guint64 *keys = g_new0(guint64, plan->n);
	g_autoptr(AshBlockSet) set = NULL;
	guint64 first;

	for (guint64 i = 0; i < plan->n; i++) {
		if (ash_step_kind(plan->steps[i]) == ASH_STEP_FRAME)
			keys[i] = ash_block_key(ash_plan_get_leaf(plan, i));
	}
	set = ash_block_set_new(keys, plan->n, false);
	for (guint64 i = 0; i < plan->n; i++) {
		const guint8 *leaf = ash_plan_get_leaf(plan, i);

		if (ash_step_kind(plan->steps[i]) == ASH_STEP_FRAME && ash_block_set_find(set, leaf, &first) && first < i &&
		    memcmp(leaf, ash_plan_get_leaf(plan, first), SUM) == 0)
			plan->steps[i] = ash_step_make(ASH_STEP_SAME, first);
	}
}

/* How many frames are to be fetched. */
static guint64
want_frames(AshPlan *plan)
{
	guint64 sum = 0;

	for (guint64 i = 0; i < plan->n; i++) {
		if (ash_step_kind(plan->steps[i]) == ASH_STEP_FRAME)
			ash_plan_want(plan, i / ASH_FRAME_BLOCKS);
	}
	for (guint64 frame = 0; frame < plan->n_frames; frame++)
		sum += plan->wanted[frame];
	return sum;
}

/* Once a frame is fetched, everything in it is written from it: that saves reading it elsewhere. */
static void
fill_frames(AshPlan *plan)
{
	for (guint64 i = 0; i < plan->n; i++) {
		AshStepKind kind = ash_step_kind(plan->steps[i]);

		if (plan->wanted[i / ASH_FRAME_BLOCKS] && kind != ASH_STEP_KEEP && kind != ASH_STEP_ZERO)
			plan->steps[i] = ash_step_make(ASH_STEP_FRAME, 0);
	}
}

/* The release's delta from what the active slot is said to be; NULL: there is none. */
static const AshReleaseDelta *
find_delta(AshPlan *plan)
{
	const AshSlotView *active = plan->active;
	AshVeritySuperblock sb;

	if (active == NULL || !active->known || !ash_verity_read_superblock(active->hash.fd, active->hash.offset, &sb, NULL) ||
	    sb.data_bytes > active->data.bytes)
		return NULL;
	plan->old_bytes = sb.data_bytes;
	for (guint i = 0; i < plan->release->deltas->len; i++) {
		const AshReleaseDelta *delta = g_ptr_array_index(plan->release->deltas, i);
		if (strcmp(delta->from_root_hash, active->root_hash) == 0)
			return delta;
	}
	return NULL;
}

/* Clearly less than so many frames of the mean length: their table need not be fetched to know that. */
static bool
is_much_shorter(const AshPlan *plan, const AshReleaseDelta *delta, guint64 frames)
{
	guint64 sum = 0;

	for (guint i = 0; i < plan->release->segments->len; i++)
		sum += ((const AshPackSegment *) g_ptr_array_index(plan->release->segments, i))->object.size;
	return delta->object.size < sum / plan->n_frames * frames / 3;
}

static void
use_delta(AshPlan *plan, const AshReleaseDelta *delta)
{
	plan->delta = delta;
	for (guint64 i = 0; i < plan->n; i++) {
		if (ash_step_kind(plan->steps[i]) == ASH_STEP_FRAME)
			plan->steps[i] = ash_step_make(ASH_STEP_DELTA, 0);
	}
	memset(plan->wanted, 0, plan->n_frames);
	plan->cost.delta_bytes = delta->object.size;
	plan->cost.data_bytes = 0;
	plan->cost.requests++;
}

static gboolean
load_table(AshContext *ctx, AshPlan *plan, GError **error)
{
	if (!ash_plan_load_frames(ctx, plan, error))
		return FALSE;
	plan->cost.tree_bytes += plan->release->frames.size;
	plan->cost.requests++;
	return TRUE;
}

/* What is not here: from frames, or by a delta, whichever takes fewer bytes. */
static gboolean
choose_way(AshContext *ctx, AshPlan *plan, GError **error)
{
	const AshReleaseDelta *delta = find_delta(plan);
	const guint64 frames = want_frames(plan);

	if (frames == 0)
		return TRUE;
	if (delta != NULL && is_much_shorter(plan, delta, frames)) {
		use_delta(plan, delta);
		return TRUE;
	}
	if (!load_table(ctx, plan, error))
		return FALSE;
	g_autoptr(GArray) ranges = ash_plan_make_ranges(plan, plan->wanted);
	if (delta != NULL && delta->object.size < ash_ranges_sum(ranges)) {
		use_delta(plan, delta);
		return TRUE;
	}
	plan->cost.data_bytes = ash_ranges_sum(ranges);
	plan->cost.requests += ranges->len;
	fill_frames(plan);
	return TRUE;
}

static void
count_blocks(AshPlan *plan)
{
	guint64 counts[ASH_STEP_DELTA + 1] = { 0 };

	for (guint64 i = 0; i < plan->n; i++)
		counts[ash_step_kind(plan->steps[i])]++;
	plan->cost.kept_bytes = counts[ASH_STEP_KEEP] * BLOCK;
	plan->cost.copied_bytes = (counts[ASH_STEP_ACTIVE] + counts[ASH_STEP_MOVE] + counts[ASH_STEP_SAME]) * BLOCK;
	plan->cost.fetched_blocks = counts[ASH_STEP_FRAME] + counts[ASH_STEP_DELTA];
}

static gboolean
check_room(const AshRelease *release, const AshPlan *plan, const AshSlotView *target, GError **error)
{
	if (plan->levels.n == 0 || plan->n >= ASH_STEP_BLOCKS_MAX || release->root_bytes % BLOCK != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" has a root file system of %" G_GUINT64_FORMAT " bytes: that is not possible",
				 release->version, release->root_bytes);
	if (release->root_bytes <= target->data.bytes && plan->levels.total * BLOCK <= target->hash.bytes)
		return TRUE;
	return ash_throw(error, ASH_ERROR_NO_SPACE,
			 "\"%s\" needs %" G_GUINT64_FORMAT " bytes for data and %" G_GUINT64_FORMAT
			 " for the hash tree, the slot has %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT,
			 release->version, release->root_bytes, plan->levels.total * BLOCK, target->data.bytes, target->hash.bytes);
}

/* The new tree, and what the slots have. */
static gboolean
look_around(AshContext *ctx, Search *search, GError **error)
{
	AshPlan *plan = search->plan;
	AshWalkSlots slots = { .views = { plan->active, plan->target }, .contents = { &search->active, &search->target } };

	if (plan->active != NULL &&
	    !ash_slot_content_load(ctx, plan->active, &plan->spec, plan->active->data.bytes, &search->active, error))
		return FALSE;
	if (!ash_slot_content_load(ctx, plan->target, &plan->spec, plan->release->root_bytes, &search->target, error))
		return FALSE;
	plan->tree = ash_walk_tree(ctx, plan->source, plan->release, &slots, &plan->cost, error);
	return plan->tree != NULL;
}

static gboolean
fill_plan(AshContext *ctx, AshPlan *plan, GError **error)
{
	g_auto(Search) search = { .plan = plan };
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree guint8 *zeros = g_malloc0(BLOCK);

	ash_hash_block(digest, &plan->spec, zeros, search.zero_sum);
	if (!look_around(ctx, &search, error))
		return FALSE;
	plan->n_frames = (plan->n + ASH_FRAME_BLOCKS - 1) / ASH_FRAME_BLOCKS;
	plan->steps = g_try_new0(guint32, plan->n);
	plan->wanted = g_malloc0(plan->n_frames);
	if (plan->steps == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "no memory for a plan");
	for (guint64 i = 0; i < plan->n; i++)
		plan->steps[i] = choose_step(&search, i);
	search_clear(&search);
	find_equal(plan);
	if (!choose_way(ctx, plan, error))
		return FALSE;
	count_blocks(plan);
	return TRUE;
}

AshPlan *
ash_plan_make(AshContext *ctx, AshSource *source, const AshRelease *release, const AshSlotView *active, const AshSlotView *target,
	      GError **error)
{
	g_autoptr(AshPlan) plan = g_new0(AshPlan, 1);

	plan->source = source;
	plan->release = release;
	plan->active = active;
	plan->target = target;
	plan->spec = ash_hash_spec_from_release(release);
	plan->levels = ash_hash_levels_compute(release->root_bytes);
	plan->n = release->root_bytes / BLOCK;
	if (!check_room(release, plan, target, error) || !fill_plan(ctx, plan, error))
		return NULL;
	return g_steal_pointer(&plan);
}
