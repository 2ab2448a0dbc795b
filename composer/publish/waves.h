/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/release.h"

/**
 * Waves of a roll-out as a person writes them: "5@now,25@+6h,100@+2d": the share of all nodes in per cent (a "%" may follow), and when it
 * may begin: "now", "+" and a whole number of minutes (m), hours (h), days (d) or weeks (w) from @now (seconds since 1970), or a time
 * of ISO 8601 with a zone ("2026-11-24T06:00Z"). Shares ascend, times do not descend. "all" is no waves: every node at once.
 * ASH_ERROR_USAGE saying what is wrong. An array of AshWave, owned.
 */
GPtrArray *ash_waves_parse(const char *text, guint64 now, GError **error);

/** For people: "5 % from 2026-11-23 06:00Z, 100 % from ..."; "all nodes". Owned. */
char *ash_waves_describe(const GPtrArray *waves);
