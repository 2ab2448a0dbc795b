/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/worker.h"
#include "compose/plan.h"

/** The workers of this program, for ash_worker_main(). */
extern const AshWorkerEntry ash_compose_workers[];

/*
 * The caller's side, private to compose/: each runs one worker and waits for it.
 */

/**
 * Installs variant->set (fetched and verified) into the empty directory @root. What the scriptlets said is kept in the
 * store's directory, logs/REF.scriptlets.
 */
gboolean ash_workers_install(AshContext *ctx, AshStore *store, const AshPlanVariant *variant, const char *root,
			     GError **error);

/**
 * Turns the installed @root into a tree and commits it; the root is used up. Sets variant->commit.
 */
gboolean ash_workers_commit(AshContext *ctx, AshStore *store, const AshPlan *plan, AshPlanVariant *variant,
			    const char *root, GError **error);

/** Removes @path, whatever ids its files belong to, and what is stale in @store. */
gboolean ash_workers_remove(AshContext *ctx, const AshStore *store, const char *path, GError **error);
