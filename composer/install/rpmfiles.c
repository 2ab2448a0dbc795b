/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/rpmfiles.h"

#include "base/error.h"
#include "install/rpmconfig.h"
#include "install/transaction.h"

#include <fcntl.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmts.h>
#include <stdlib.h>

static void
list_package(Header header, GPtrArray *paths)
{
	rpmfiles files = rpmfilesNew(NULL, header, 0, 0);
	int n = rpmfilesFC(files);

	for (int i = 0; i < n; i++) {
		char *path = rpmfilesFN(files, i);

		g_ptr_array_add(paths, g_strdup(path));
		free(path);
	}
	rpmfilesFree(files);
}

static gboolean
list_packages(rpmts ts, const char *root, GPtrArray *paths, GError **error)
{
	rpmdbMatchIterator iterator;
	Header header;

	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	if (rpmtsSetRootDir(ts, root) != 0 || rpmtsOpenDB(ts, O_RDONLY) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "librpm cannot read the package database");
	iterator = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
	while ((header = rpmdbNextIterator(iterator)) != NULL)
		list_package(header, paths);
	rpmdbFreeIterator(iterator);
	return TRUE;
}

GPtrArray *
ash_rpmfiles_list(const char *root, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	gboolean ok;
	rpmts ts;

	if (!ash_rpm_configure(error))
		return NULL;
	ts = rpmtsCreate();
	ok = list_packages(ts, root, paths, error);
	rpmtsFree(ts);
	return ok ? g_steal_pointer(&paths) : NULL;
}
