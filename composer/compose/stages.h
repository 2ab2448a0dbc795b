/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/plan.h"
#include "compose/stagelog.h"

/*
 * The keys of a variant's stages, and which of them the store has results of; private to compose/.
 *
 *     lock    repositories' state and what is asked for      -> the package set (solved every time: it costs milliseconds)
 *     root    packages, installation options, epoch          -> DIR/roots/KEY
 *     tree    root, kickstart, image type, lock, version     -> the content of a commit
 *     commit  tree, ref, what images need to know            -> a commit
 *
 * The initramfs has a key of its own (base/inputcache.h), artifacts too (compose/artifact.h).
 */

/** "lock", "root", "tree", "commit". Borrowed. */
const char *ash_stage_name(AshStage stage);

/** Computes the keys of a resolved variant. @plan: its spec and metadata. */
gboolean ash_stages_make_keys(AshContext *ctx, const AshPlan *plan, AshPlanVariant *variant, GError **error);

/**
 * Asks the store what it has: sets commit, tree_commit and reuse, and says why each stage will run. @store may be NULL. Without
 * @roots, installed roots are left alone. Done again by a build that had to wait for another one.
 */
gboolean ash_stages_find(AshPlanVariant *variant, AshStore *store, bool roots, GError **error);

/** The same of a variant that is a commit from elsewhere: it has the last stage only. */
gboolean ash_stages_find_source(AshContext *ctx, const AshSource *source, AshPlanVariant *variant, AshStore *store, GError **error);

/** Notes in @log what the variant's stages were made from. */
void ash_stages_note(const AshPlanVariant *variant, AshStageLog *log);
