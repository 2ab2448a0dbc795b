/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/rpmtree.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/size.h"
#include "install/transaction.h"

#include <fcntl.h>
#include <sys/stat.h>

#define RPMDB       ASH_RPMDB_DIR "/rpmdb.sqlite"
#define RPMDB_BYTES (512 * ASH_MIB)

bool
ash_rpmtree_has_database(const AshFsTree *tree)
{
	const AshFsNode *database = ash_fs_tree_resolve(tree, RPMDB);

	return database != NULL && S_ISREG(database->mode) && database->size > 0 && database->size <= RPMDB_BYTES;
}

static gboolean
copy_database(int from, guint64 size, const char *dir, GError **error)
{
	g_autofree char *folder = g_build_filename(dir, ASH_RPMDB_DIR, NULL), *path = g_build_filename(dir, RPMDB, NULL);
	ash_autofd int to = -1;

	if (!ash_file_mkdirs(AT_FDCWD, folder, 0700, error))
		return FALSE;
	to = ash_fd_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600, error);
	return to >= 0 && ash_fd_copy_range(from, 0, to, 0, size, error);
}

/* librpm writes beside a database, and SQLite into it: neither may happen to files that others share. */
static char *
extract(int from, guint64 size, GError **error)
{
	g_autofree char *dir = g_dir_make_tmp("ashlar-rpmdb-XXXXXX", error);

	if (dir == NULL)
		return NULL;
	if (copy_database(from, size, dir, error))
		return g_steal_pointer(&dir);
	ash_rpmtree_remove(g_steal_pointer(&dir));
	return NULL;
}

char *
ash_rpmtree_extract(const AshFsTree *tree, GError **error)
{
	const AshFsNode *database = ash_fs_tree_resolve(tree, RPMDB);
	ash_autofd int from = -1;

	if (!ash_rpmtree_has_database(tree))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the system has no package database \"/%s\"", RPMDB);
	from = ash_fs_tree_open(tree, database, error);
	return from >= 0 ? extract(from, database->size, error) : NULL;
}

void
ash_rpmtree_remove(char *dir)
{
	if (dir == NULL)
		return;
	(void) ash_file_remove_tree(AT_FDCWD, dir, NULL);
	g_free(dir);
}

AshRpmOwners *
ash_rpmtree_load_owners(const AshFsTree *tree, GError **error)
{
	char *dir = ash_rpmtree_extract(tree, error);
	AshRpmOwners *owners = dir != NULL ? ash_rpm_owners_load(dir, error) : NULL;

	ash_rpmtree_remove(dir);
	return owners;
}

AshRpmOwners *
ash_rpmtree_load_owners_of_root(int root_fd, GError **error)
{
	ash_autofd int from = ash_fd_open_in_root(root_fd, RPMDB, O_RDONLY, 0, error);
	struct stat info;
	AshRpmOwners *owners;
	char *dir;

	if (from < 0 || !ash_fd_stat(from, RPMDB, &info, error))
		return NULL;
	dir = extract(from, (guint64) info.st_size, error);
	owners = dir != NULL ? ash_rpm_owners_load(dir, error) : NULL;
	ash_rpmtree_remove(dir);
	return owners;
}
