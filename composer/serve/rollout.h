/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "serve/database.h"
#include "serve/overview.h"

/**
 * How far roll-outs are, from what nodes reported: /api/v1/nodes. {"now", "systems": [{"ref", "channel", "nodes", "versions": [{"version", "ok",
 * "updating", "failed"}], "rollout": {"version", "published", "nodes", "done", "failed", "waves": [{"start", "percent", "nodes", "done",
 * "failed"}], "progress": [[TIME, NODES], ...]}, "failures": [{"version", "reason", "nodes", "last"}]}]}. The roll-out is that of the newest version that
 * is not withdrawn; "nodes" of it are those that run it or want it. Owned; NULL on failure.
 */
char *ash_rollout_format(AshDatabase *database, const AshOverview *overview, gint64 now, GError **error);
