/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/steps.h"

/**
 * Fetches the delta of @plan and makes the blocks of kind ASH_STEP_DELTA while it comes, from the active slot: each is written only if it has its
 * hash. A slot that is rotten, or a delta that is damaged, lies or cannot be had, is no failure: some blocks are not made then. *@ret_made (owned)
 * has a byte for each block of the plan: 1 for those that were. Steps are only read, so that other threads may work on blocks of other kinds.
 * @count is told of bytes as they are written, and says whether to go on. Errors: of writing, ASH_ERROR_CANCELLED.
 */
gboolean ash_delta_fetch(AshContext *ctx, AshPlan *plan, bool (*count)(guint64 bytes, gpointer user_data), gpointer user_data,
			 guint8 **ret_made, GError **error);

/** Once nothing else works on the plan: blocks that were made are kept, the others become wanted from frames. */
void ash_delta_settle(AshPlan *plan, const guint8 *made);
