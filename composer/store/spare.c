/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/spare.h"

#include "base/file.h"
#include "store/inode.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define SPARE_DIR "spare"

static char *
spare_path(const char *key)
{
	return g_strconcat(SPARE_DIR "/", key, NULL);
}

bool
ash_spare_take(AshStore *store, const char *key, const char *dest)
{
	g_autofree char *path = spare_path(key);

	/* Elsewhere it would take more than reading directories to see what is still the same. */
	return ash_inode_is_exact(store->dir_fd) && renameat(store->dir_fd, path, AT_FDCWD, dest) == 0;
}

void
ash_spare_put(AshStore *store, const char *key, const char *path)
{
	g_autofree char *spare = spare_path(key);

	/* As with staging roots: it holds real set-user-ID programs. */
	if (!ash_inode_is_exact(store->dir_fd) || !ash_file_mkdirs(store->dir_fd, SPARE_DIR, 0700, NULL))
		return;
	if (renameat2(AT_FDCWD, path, store->dir_fd, spare, RENAME_NOREPLACE) < 0 && errno == EEXIST &&
	    renameat2(AT_FDCWD, path, store->dir_fd, spare, RENAME_EXCHANGE) < 0)
		g_debug("\"%s\" is not kept as a spare", path);
}
