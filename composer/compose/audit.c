/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/audit.h"

#include "archive/treereader.h"
#include "audit/unowned.h"
#include "compose/rpmtree.h"
#include "disk/imagetree.h"
#include "install/rpmfiles.h"
#include "store/tree.h"

static AshFsTree *
load_commit(const char *store_dir, const char *target, GError **error)
{
	g_autoptr(AshStore) store = ash_store_open(store_dir, false, error);

	return store != NULL ? ash_store_load_tree(store, target, error) : NULL;
}

static AshFsTree *
load(AshContext *ctx, const char *store_dir, const char *target, GPtrArray **ret_notices, GError **error)
{
	if (!g_file_test(target, G_FILE_TEST_IS_REGULAR))
		return load_commit(store_dir, target, error);
	if (ash_treereader_detect(target))
		return ash_treereader_load(ctx, target, error);
	return ash_image_load_tree(ctx, target, ret_notices, error);
}

static void
check_unowned(const AshFsTree *tree, AshAuditReport *report)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) paths = NULL;
	char *dir = NULL;

	if (!ash_rpmtree_has_database(tree))
		return;
	dir = ash_rpmtree_extract(tree, &error);
	paths = dir != NULL ? ash_rpmfiles_list(dir, &error) : NULL;
	if (paths != NULL)
		ash_unowned_check(tree, paths, report);
	else
		ash_audit_report_notice(report, "files that no package owns: %s", error->message);
	ash_rpmtree_remove(dir);
}

AshAuditReport *
ash_compose_audit(AshContext *ctx, const char *store_dir, const char *target, GError **error)
{
	g_autoptr(GPtrArray) notices = NULL;
	g_autoptr(AshFsTree) tree = load(ctx, store_dir, target, &notices, error);
	g_autoptr(AshAuditReport) report = tree != NULL ? ash_audit_run(ctx, tree, error) : NULL;

	if (report != NULL)
		check_unowned(tree, report);
	for (guint i = 0; report != NULL && notices != NULL && i < notices->len; i++)
		ash_audit_report_notice(report, "%s", (const char *) g_ptr_array_index(notices, i));
	if (report != NULL)
		ash_audit_report_finish(report);
	return g_steal_pointer(&report);
}
