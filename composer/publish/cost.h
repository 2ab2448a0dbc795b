/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/release.h"
#include "pack/frames.h"

/** What an update will take of the network, computed as a node will do it: pack/hashtree.h's walk, pack/ranges.h's requests. */
typedef struct {
	guint64 tree_blocks;    /* of the hash tree, that the old release does not have */
	guint64 tree_bytes;     /* asked for, gaps included, the superblock's block too */
	guint64 data_blocks;    /* that the old release does not have */
	guint64 frames;         /* that have such blocks */
	guint64 data_bytes;     /* asked for, gaps included */
	guint64 requests;       /* for tree and data */
	guint64 kernel_bytes;   /* of the kernel image's recipe, or of it; one request more */
} AshCost;

/** The new release: its hash area, and the table of its frames. All borrowed. */
typedef struct {
	const AshRelease *release;
	GBytes *tree;
	const AshFrameTable *table;
} AshCostTarget;

/** From a node that runs @from, whose hash area is @from_tree, and whose other slot is of no use. ASH_ERROR_TRUST if a tree is damaged. */
gboolean ash_cost_compute(AshContext *ctx, const AshCostTarget *target, const AshRelease *from, GBytes *from_tree, AshCost *ret_cost,
			  GError **error);

/** For a node that has nothing: all of it. */
void ash_cost_compute_full(const AshCostTarget *target, AshCost *ret_cost);

/** The element of a release's list of costs. Owned. */
AshReleaseCost *ash_cost_to_release(const AshCost *cost, const AshRelease *from);
