/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/audit.h"

#include "store/tree.h"

static AshFsTree *
load_commit(const char *store_dir, const char *target, GError **error)
{
	g_autoptr(AshStore) store = ash_store_open(store_dir, false, error);

	return store != NULL ? ash_store_load_tree(store, target, error) : NULL;
}

AshAuditReport *
ash_compose_audit(AshContext *ctx, const char *store_dir, const char *target, GError **error)
{
	g_autoptr(AshFsTree) tree = load_commit(store_dir, target, error);

	return tree != NULL ? ash_audit_run(ctx, tree, error) : NULL;
}
