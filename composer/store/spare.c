/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/spare.h"

#include "base/digest.h"
#include "base/file.h"
#include "store/inode.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SPARE_DIR "spare"

static char *
spare_path(const char *key)
{
	return g_strconcat(SPARE_DIR "/", key, NULL);
}

/* A symbolic link to the key. */
static char *
last_path(const char *ref)
{
	g_autofree char *digest = ash_sha256_hex(ref, -1);

	return g_strconcat(SPARE_DIR "/last-", digest, NULL);
}

static bool
take(AshStore *store, const char *key, const char *dest)
{
	g_autofree char *path = spare_path(key);

	return renameat(store->dir_fd, path, AT_FDCWD, dest) == 0;
}

static bool
take_last(AshStore *store, const char *ref, const char *dest)
{
	g_autofree char *path = last_path(ref);
	char key[NAME_MAX + 1];
	ssize_t length = readlinkat(store->dir_fd, path, key, NAME_MAX);

	if (length <= 0)
		return false;
	key[length] = '\0';
	return key[0] != '.' && strchr(key, '/') == NULL && take(store, key, dest);
}

bool
ash_spare_take(AshStore *store, const char *key, const char *ref, const char *dest)
{
	/* Elsewhere it would take more than reading directories to see what is still the same. */
	return ash_inode_is_exact(store->dir_fd) && (take(store, key, dest) || take_last(store, ref, dest));
}

/* Two builds may do so at the same time: either link is as good. */
static void
note_last(AshStore *store, const char *key, const char *ref)
{
	g_autofree char *path = last_path(ref);

	(void) !unlinkat(store->dir_fd, path, 0);
	(void) !symlinkat(key, store->dir_fd, path);
}

void
ash_spare_put(AshStore *store, const char *key, const char *ref, const char *path)
{
	g_autofree char *spare = spare_path(key);

	/* As with staging roots: it holds real set-user-ID programs. */
	if (!ash_inode_is_exact(store->dir_fd) || !ash_file_mkdirs(store->dir_fd, SPARE_DIR, 0700, NULL))
		return;
	if (renameat2(AT_FDCWD, path, store->dir_fd, spare, RENAME_NOREPLACE) < 0 && errno == EEXIST &&
	    renameat2(AT_FDCWD, path, store->dir_fd, spare, RENAME_EXCHANGE) < 0)
		g_debug("\"%s\" is not kept as a spare", path);
	else
		note_last(store, key, ref);
}
