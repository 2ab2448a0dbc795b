/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/rpmdb.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "install/transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What librpm and SQLite leave beside the database. */
gboolean
ash_rpmdb_clean(const char *root, GError **error)
{
	static const char *const names[] = { ".rpm.lock", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm", "rpmdb.sqlite-journal" };
	g_autofree char *path = g_build_filename(root, ASH_RPMDB_DIR, NULL);
	ash_autofd int dir = ash_file_open_dir(AT_FDCWD, path, false, error);

	if (dir < 0)
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		if (unlinkat(dir, names[i], 0) < 0 && errno != ENOENT)
			return ash_throw_errno(error, "cannot remove \"%s/%s\"", path, names[i]);
	return TRUE;
}
