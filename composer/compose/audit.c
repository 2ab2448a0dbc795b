/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/audit.h"

#include "disk/imagetree.h"
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
	g_autoptr(GPtrArray) notices = NULL;
	g_autoptr(AshFsTree) tree = g_file_test(target, G_FILE_TEST_IS_REGULAR) ? ash_image_load_tree(ctx, target, &notices, error)
									: load_commit(store_dir, target, error);
	g_autoptr(AshAuditReport) report = tree != NULL ? ash_audit_run(ctx, tree, error) : NULL;

	for (guint i = 0; report != NULL && notices != NULL && i < notices->len; i++)
		ash_audit_report_notice(report, "%s", (const char *) g_ptr_array_index(notices, i));
	return g_steal_pointer(&report);
}
