/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/prune.h"

#include "base/error.h"
#include "base/fd.h"
#include "store/internal.h"

/* libostree's word for the whole history. */
#define WHOLE_HISTORY (-1)

gboolean
ash_store_prune(AshContext *ctx, AshStore *store, guint keep, AshPruneResult *ret_result, GError **error)
{
	/* libostree counts the parents of the newest commit. */
	gint depth = keep > 0 ? (gint) MIN(keep - 1, G_MAXINT) : WHOLE_HISTORY;
	ash_autofd int lock_fd = ash_store_lock(store, error);
	gint total, removed;
	guint64 bytes;

	if (lock_fd < 0)
		return FALSE;
	if (!ostree_repo_prune(store->repo, OSTREE_REPO_PRUNE_FLAGS_REFS_ONLY, depth, &total, &removed, &bytes,
			       ctx->cancellable, error))
		return ash_prefix(error, "cannot prune the store \"%s\"", store->dir);
	*ret_result = (AshPruneResult){
		.removed = (guint) removed,
		.total = (guint) total,
		.bytes = bytes,
	};
	return TRUE;
}

gboolean
ash_store_delete_ref(AshContext *ctx, AshStore *store, const char *ref, GError **error)
{
	ash_autofd int lock_fd = ash_store_lock(store, error);
	g_autofree char *checksum = NULL;

	if (lock_fd < 0)
		return FALSE;
	checksum = ash_store_resolve(store, ref, error);
	if (checksum == NULL)
		return FALSE;
	if (!ostree_repo_set_ref_immediate(store->repo, NULL, ref, NULL, ctx->cancellable, error))
		return ash_prefix(error, "cannot delete the ref \"%s\"", ref);
	return TRUE;
}
