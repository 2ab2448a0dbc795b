/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <json-glib/json-glib.h>

/** %pre and %pre-install of a kickstart, run in the sandbox of a worker with the programs of this machine and a /tmp of their own. */

#define ASH_PRESCRIPT_WORKER "prescript"

/** Who runs them, and for what folder; the data of ash_prescript_run(). Borrowed. */
typedef struct {
	AshContext *ctx;
	const char *dir; /* absolute: becomes their /tmp; afterwards there are plain files and folders in it only */
} AshPrescript;

/** An AshKsRunPre (config/kickstart.h). */
gboolean ash_prescript_run(const GPtrArray *scripts, gpointer prescript, GError **error);

/** An AshWorkerFunc (base/worker.h). */
JsonObject *ash_prescript_worker(AshContext *ctx, JsonObject *request, GError **error);
