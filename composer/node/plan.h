/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/source.h"

/**
 * How a slot becomes a release's root file system: a list of what happens to each block, made before anything is written or any data is
 * fetched, and then carried out. A slot is a partition (or a file) for data, and one for its hash area.
 *
 * Nothing is trusted but the release: hash tree blocks are checked against the root hash from the top down, data blocks against the leaves
 * before they are written; a source block that is not what its own tree says is fetched instead. If the release has a delta from what the active slot
 * is, and that is shorter than the frames that are missing, the blocks are made by it; those that it fails to make are fetched.
 */

/** A raw partition, or a part of a file. */
typedef struct {
	int fd;
	guint64 offset, bytes;
} AshSlotPart;

/** What is in a slot. */
typedef struct {
	AshSlotPart data, hash;
	char root_hash[65]; /* hex */
	bool known;         /* its content should have @root_hash; else the content is read to see what is there */
} AshSlotView;

/** What a plan takes, bytes. */
typedef struct {
	guint64 tree_bytes;     /* of the hash tree and of the table of frames, fetched while planning */
	guint64 data_bytes;     /* of frames to be fetched, unused ones between them included */
	guint64 delta_bytes;    /* of the delta instead; 0: none is used */
	guint64 requests;       /* of all this: those made while planning, and those for the data */
	guint64 copied_bytes;   /* copied from the active slot or within the target */
	guint64 kept_bytes;     /* in the target already, at their place */
	guint64 fetched_blocks; /* of 4096 bytes, written from frames or by the delta */
} AshPlanCost;

typedef struct AshPlan AshPlan;

/**
 * Reads the new hash tree, as far as @active and @target do not have it, and plans. @active may be NULL: nothing to copy from. Nothing is written.
 * Both views (their descriptors), @source and @release must outlive the plan. ASH_ERROR_NO_SPACE if the release does not fit the target,
 * ASH_ERROR_FETCH, ASH_ERROR_TRUST. Owned.
 */
AshPlan *ash_plan_make(AshContext *ctx, AshSource *source, const AshRelease *release, const AshSlotView *active, const AshSlotView *target,
		       GError **error);
void ash_plan_free(AshPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPlan, ash_plan_free)

/** What it costs; exact if all source blocks are sound, and the delta is. Borrowed. */
const AshPlanCost *ash_plan_get_cost(const AshPlan *plan);

/** Is asked whether @bytes of frames, which the cost does not tell of, may be fetched: the delta was of no use. FALSE and @error: no. */
typedef gboolean (*AshPlanMore)(guint64 bytes, gpointer user_data, GError **error);
/** Without it they are fetched. */
void ash_plan_set_more(AshPlan *plan, AshPlanMore more, gpointer user_data);

/**
 * Carries it out: data and hash area are written and synced, caches dropped, and the whole slot is read back up to the root hash. On success the slot
 * is the release's, bit by bit. The first thing written is a hash area without superblock, the last one the superblock: a slot that has one is
 * complete. After a failure, or if this is interrupted, a new plan finds what is there already. May be called once.
 */
gboolean ash_plan_apply(AshContext *ctx, AshPlan *plan, GError **error);
