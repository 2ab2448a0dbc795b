/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/check.h"

/**
 * Checks all that the store keeps beside commits. Adds to @bad_inodes (gint64) those of what is damaged, and to
 * @ret_bad (AshStoreEntry, owned) what should go. Roots that share one of @bad_inodes are damaged too.
 */
gboolean ash_check_entries(AshContext *ctx, AshStore *store, const AshCheckOptions *options, GHashTable *bad_inodes,
			   GPtrArray *ret_bad, AshCheckReport *report, GError **error);

/** Removes what ash_check_entries() found. */
gboolean ash_check_remove_entries(AshStore *store, const GPtrArray *bad, AshCheckReport *report, GError **error);
