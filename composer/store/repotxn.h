/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "store/store.h"

#include <ostree.h>

/**
 * AshRepoTxn: a transaction of libostree, given up unless it was ended; in a repository object of its own, because several threads
 * may write to one store. Zero-initialise.
 */
typedef struct {
	OstreeRepo *repo; /* owned; NULL before it began */
	bool is_open;
} AshRepoTxn;

void ash_repo_txn_clear(AshRepoTxn *txn);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshRepoTxn, ash_repo_txn_clear)

/** Begins one: opens the repository. */
gboolean ash_repo_txn_begin(AshRepoTxn *txn, AshContext *ctx, AshStore *store, GError **error);

/** Brings all that was written, by anybody, to the disk with one syncfs(2). Once, before ash_repo_txn_end(). */
gboolean ash_repo_txn_sync(AshRepoTxn *txn, AshStore *store, GError **error);

/** Gives the objects their names. */
gboolean ash_repo_txn_end(AshRepoTxn *txn, AshContext *ctx, GError **error);
