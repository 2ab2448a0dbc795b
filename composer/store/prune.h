/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.h"

typedef struct {
	guint removed;  /* objects */
	guint total;    /* objects there were */
	guint64 bytes;  /* freed */
} AshPruneResult;

/**
 * Removes everything but the @keep newest commits of each ref, and what killed writers left. @keep 0 keeps all
 * commits that a ref leads to. Waits for writers; a tree that is being read may lose its content.
 */
gboolean ash_store_prune(AshContext *ctx, AshStore *store, guint keep, AshPruneResult *ret_result,
			 GError **error);

/** Removes a ref; its commits go with the next prune. ASH_ERROR_CONFIG if there is no such ref. */
gboolean ash_store_delete_ref(AshContext *ctx, AshStore *store, const char *ref, GError **error);
