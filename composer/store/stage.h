/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "store/store.h"

/**
 * Who may do what with a store at the same time. Builds share DIR/use for as long as they run; whoever removes what a
 * build may rely on (prune) has it alone. A stage with a key is done by one build at a time: others wait, and
 * then find its result. The locks are flock(2)s: they go with the process that has them.
 */

/**
 * Says that this process adds to the store and relies on what is in it, until @store is freed. Waits while somebody has the
 * store alone. Does nothing if that was said before. A worker is covered by the process that called it.
 */
gboolean ash_store_use(AshContext *ctx, AshStore *store, GError **error);

/**
 * Has the store alone: no build runs on it until the descriptor, which the caller owns, is closed. Waits for the builds
 * that run if @wait. -1 on failure; without @wait, ASH_ERROR_CONFIG if there is such a build. Not to be
 * called by who said ash_store_use().
 */
int ash_store_lock_exclusive(AshStore *store, bool wait, GError **error);

/**
 * Takes the lock of stage @key (a file name), DIR/locks/@key; waits, until ctx->cancellable fires, while another
 * process has it, and says so in the progress. Look for the stage's result again afterwards. Returns a descriptor: the
 * lock is given back when it is closed. -1 on failure.
 */
int ash_store_lock_stage(AshContext *ctx, AshStore *store, const char *key, GError **error);
