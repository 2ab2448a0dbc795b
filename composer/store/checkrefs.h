/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/check.h"

/**
 * Checks that refs and histories name commits that the store has and that are not among @lost (checksums). To @repair,
 * such lines go, and a ref goes back to the newest commit left in its history, or goes if there is none. Under the
 * store's lock then.
 */
gboolean ash_check_refs(AshStore *store, const GPtrArray *lost, bool repair, AshCheckReport *report, GError **error);
