/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/build.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>

/** Results on standard output: tables for people, with one that explains each stage if @explain, or one JSON object. */
void ash_render_plan(const AshPlan *plan, bool explain, bool json);
void ash_render_result(const AshBuildResult *result, bool explain, bool json);

/** "2026-11-22 18:05:14Z". Owned. */
char *ash_render_time(guint64 timestamp);

/** A commit as a JSON object. Owned. */
JsonObject *ash_render_commit(const AshCommitInfo *info);
