/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/rpmfiles.h"

#include "install/rpmheaders.h"
#include "install/transaction.h"

#include <rpm/rpmfiles.h>
#include <stdlib.h>

static void
list_package(Header header, gpointer paths)
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

GPtrArray *
ash_rpmfiles_list(const char *root, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

	return ash_rpm_headers_read(root, list_package, paths, error) ? g_steal_pointer(&paths) : NULL;
}
