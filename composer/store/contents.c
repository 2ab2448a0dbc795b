/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/contents.h"

#include "store/dirtree.h"
#include "store/internal.h"
#include "store/repotxn.h"

gboolean
ash_contents_write(AshContext *ctx, AshStore *store, AshObjectWriter *writer, AshFsTree *tree, char **ret_tree,
		   char **ret_meta, GError **error)
{
	g_auto(AshRepoTxn) txn = { .repo = NULL };

	return ash_repo_txn_begin(&txn, ctx, store, error) && ash_object_write_files(ctx, writer, tree, error) &&
	       ash_dirtree_write(ctx, txn.repo, store->objects_fd, tree, writer->shared_only, ret_tree, ret_meta, error) &&
	       ash_repo_txn_sync(&txn, store, error) && ash_object_publish(ctx, writer, error) &&
	       ash_repo_txn_end(&txn, ctx, error);
}
