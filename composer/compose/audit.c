/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/audit.h"

#include "archive/treereader.h"
#include "audit/unowned.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/size.h"
#include "disk/imagetree.h"
#include "install/rpmfiles.h"
#include "install/transaction.h"
#include "store/tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#define RPMDB       ASH_RPMDB_DIR "/rpmdb.sqlite"
#define RPMDB_BYTES (512 * ASH_MIB)

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

/* The paths of all files of all packages; an error only if there is a database that cannot be read. */
static GPtrArray *
list_owned(const AshFsTree *tree, const AshFsNode *database, const char *dir, GError **error)
{
	g_autofree char *folder = g_build_filename(dir, ASH_RPMDB_DIR, NULL), *path = g_build_filename(dir, RPMDB, NULL);
	ash_autofd int from = ash_fs_tree_open(tree, database, error);
	ash_autofd int to = -1;

	if (from < 0 || !ash_file_mkdirs(AT_FDCWD, folder, 0700, error))
		return NULL;
	to = ash_fd_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600, error);
	if (to < 0 || !ash_fd_copy_range(from, 0, to, 0, database->size, error))
		return NULL;
	return ash_rpmfiles_list(dir, error);
}

/* librpm wants the database in a root of its own. */
static void
check_unowned(const AshFsTree *tree, AshAuditReport *report)
{
	const AshFsNode *database = ash_fs_tree_resolve(tree, RPMDB);
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = NULL;
	g_autoptr(GPtrArray) paths = NULL;

	if (database == NULL || !S_ISREG(database->mode) || database->size == 0 || database->size > RPMDB_BYTES)
		return;
	dir = g_dir_make_tmp("ashlar-audit-XXXXXX", &error);
	paths = dir != NULL ? list_owned(tree, database, dir, &error) : NULL;
	if (paths != NULL)
		ash_unowned_check(tree, paths, report);
	else
		ash_audit_report_notice(report, "files that no package owns: %s", error->message);
	if (dir != NULL)
		(void) ash_file_remove_tree(AT_FDCWD, dir, NULL);
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
