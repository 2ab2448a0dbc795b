/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/slot.h"

/** Where a walk finds tree blocks, and what it took. */
typedef struct {
	const AshSlotView *views[2]; /* NULL: there is none */
	const AshSlotContent *contents[2];
} AshWalkSlots;

/**
 * Makes the hash area of @release, superblock first, as it is published: blocks that a slot has are copied from there, the others fetched, all of
 * them checked from the root hash down. @cost: what is fetched is added. Owned: ash_hash_levels_compute().total blocks.
 */
guint8 *ash_walk_tree(AshContext *ctx, AshSource *source, const AshRelease *release, const AshWalkSlots *slots, AshPlanCost *cost,
		      GError **error);
