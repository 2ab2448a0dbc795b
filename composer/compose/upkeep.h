/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/worker.h"
#include "store/prune.h"

#define ASH_PRUNE_WORKER "prune"

/** ash_store_prune() in a worker, where the files of kept roots can be removed. Owned; NULL on failure. */
AshPruneReport *ash_upkeep_prune(AshContext *ctx, const char *store_dir, const AshPruneOptions *options, GError **error);

/** The worker's side, for the table of workers. */
JsonObject *ash_upkeep_prune_worker(AshContext *ctx, JsonObject *request, GError **error);
