/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/plan.h"
#include "node/slot.h"
#include "pack/frames.h"
#include "pack/hashtree.h"

/** The inside of a plan, for node/plan.c, which makes it, and node/apply.c, which carries it out. */

#define ASH_STEP_POSITION_BITS 29
/** No plan has more blocks: 2 TiB of data. */
#define ASH_STEP_BLOCKS_MAX    (1U << ASH_STEP_POSITION_BITS)
#define ASH_FRAME_BLOCKS       (ASH_RELEASE_FRAME_BYTES / ASH_RELEASE_BLOCK_BYTES)

/** What happens to a block of the target. */
typedef enum {
	ASH_STEP_KEEP,   /* it is there */
	ASH_STEP_ZERO,   /* zeros */
	ASH_STEP_ACTIVE, /* copied from a block of the active slot */
	ASH_STEP_MOVE,   /* copied from a later block of the target, as it is before anything is written */
	ASH_STEP_SAME,   /* copied from an earlier block of the target, as it is in the end */
	ASH_STEP_FRAME,  /* from the release's frames */
	ASH_STEP_DELTA,  /* by the release's delta from the active slot */
} AshStepKind;

struct AshPlan {
	AshSource *source;
	const AshRelease *release;
	const AshSlotView *active; /* may be NULL */
	const AshSlotView *target;
	AshPlanCost cost;

	AshHashSpec spec;
	AshHashLevels levels;
	guint8 *tree;          /* the hash area */
	guint64 n;             /* blocks of data */
	guint32 *steps;        /* of each block: kind, and position of the source */
	AshFrameTable *frames; /* NULL: not needed so far */
	guint8 *wanted;        /* a byte for each frame: it is to be fetched; set by several threads */
	guint64 n_frames;
	const AshReleaseDelta *delta; /* NULL: none is used; in @release */
	guint64 old_bytes;            /* of the image in the active slot that it is from */
	AshPlanMore more;             /* NULL: whatever it takes */
	gpointer more_data;
};

static inline guint32
ash_step_make(AshStepKind kind, guint64 position)
{
	return (guint32) kind << ASH_STEP_POSITION_BITS | (guint32) position;
}

static inline AshStepKind
ash_step_kind(guint32 step)
{
	return (AshStepKind) (step >> ASH_STEP_POSITION_BITS);
}

static inline guint64
ash_step_position(guint32 step)
{
	return step & (ASH_STEP_BLOCKS_MAX - 1);
}

/** What block @block must hash to. Borrowed. */
static inline const guint8 *
ash_plan_get_leaf(const AshPlan *plan, guint64 block)
{
	return plan->levels.n == 0 ? plan->spec.root_hash
				   : plan->tree + plan->levels.first[0] * ASH_RELEASE_BLOCK_BYTES + block * ASH_SHA256_SIZE;
}

/** Has frame @frame fetched, in the next round if one is under way. */
static inline void
ash_plan_want(AshPlan *plan, guint64 frame)
{
	__atomic_store_n(&plan->wanted[frame], 1, __ATOMIC_RELAXED);
}

/** Loads the table of frames unless it is here. */
gboolean ash_plan_load_frames(AshContext *ctx, AshPlan *plan, GError **error);

/** The requests for all frames with a 1 in @wanted: of AshRange, the object being the segment. Owned. */
GArray *ash_plan_make_ranges(const AshPlan *plan, const guint8 *wanted);
