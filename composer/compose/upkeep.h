/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/worker.h"
#include "store/check.h"
#include "store/prune.h"

#define ASH_PRUNE_WORKER "prune"
#define ASH_CHECK_WORKER "check"

/** ash_store_prune() in a worker, where the files of kept roots can be removed. Owned; NULL on failure. */
AshPruneReport *ash_upkeep_prune(AshContext *ctx, const char *store_dir, const AshPruneOptions *options, GError **error);

/** ash_store_check() in a worker, with the checks of all formats. Owned; NULL on failure. */
AshCheckReport *ash_upkeep_check(AshContext *ctx, const char *store_dir, bool repair, GError **error);

/* The worker's side, for the table of workers. */
JsonObject *ash_upkeep_prune_worker(AshContext *ctx, JsonObject *request, GError **error);
JsonObject *ash_upkeep_check_worker(AshContext *ctx, JsonObject *request, GError **error);
