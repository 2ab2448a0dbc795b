/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/release.h"

#include <stdbool.h>

/** What is published in a release directory: /api/v1/releases, and what reports are compared with. Read again when the metadata changes. */
typedef struct AshOverview AshOverview;

/** Reads nothing yet. Owned. */
AshOverview *ash_overview_new(const char *path);
void ash_overview_free(AshOverview *overview);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshOverview, ash_overview_free)

/**
 * Reads it if metadata/timestamp.json is another one than the last time. ASH_ERROR_USAGE, _TRUST: it is none, or damaged; what was read
 * before is kept.
 */
gboolean ash_overview_refresh(AshOverview *overview, GError **error);

/** AshChannel: all there are, by ref and name. Borrowed until the next refresh. */
const GPtrArray *ash_overview_get_channels(const AshOverview *overview);
/** True if there is such a channel. */
bool ash_overview_has_channel(const AshOverview *overview, const char *ref, const char *channel);

/** {"refs": [{"ref", "channels": [...], "releases": [...]}]}, releases newest first. Owned. */
char *ash_overview_format(const AshOverview *overview, bool reports);
