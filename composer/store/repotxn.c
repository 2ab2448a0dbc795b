/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/repotxn.h"

#include "base/error.h"
#include "store/internal.h"

#include <fcntl.h>
#include <unistd.h>

void
ash_repo_txn_clear(AshRepoTxn *txn)
{
	if (txn->is_open)
		ostree_repo_abort_transaction(txn->repo, NULL, NULL);
	g_clear_object(&txn->repo);
}

gboolean
ash_repo_txn_begin(AshRepoTxn *txn, AshContext *ctx, AshStore *store, GError **error)
{
	g_autoptr(OstreeRepo) repo = ostree_repo_open_at(AT_FDCWD, store->repo_path, ctx->cancellable, error);

	if (repo == NULL || !ostree_repo_prepare_transaction(repo, NULL, ctx->cancellable, error))
		return FALSE;
	txn->repo = g_steal_pointer(&repo);
	txn->is_open = true;
	return TRUE;
}

gboolean
ash_repo_txn_sync(AshRepoTxn *txn, AshStore *store, GError **error)
{
	if (syncfs(store->objects_fd) < 0)
		return ash_throw_errno(error, "cannot sync the new objects");
	/* Not before: libostree would have staged nothing. Else it would sync each of 256 directories now. */
	ostree_repo_set_disable_fsync(txn->repo, TRUE);
	return TRUE;
}

gboolean
ash_repo_txn_end(AshRepoTxn *txn, AshContext *ctx, GError **error)
{
	if (!ostree_repo_commit_transaction(txn->repo, NULL, ctx->cancellable, error))
		return FALSE;
	txn->is_open = false;
	return TRUE;
}
