/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/root.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/shared.h"
#include "store/dirwalk.h"
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROOTS_DIR "roots"

char *
ash_store_root_path(const AshStore *store, const char *key)
{
	return g_strdup_printf("%s/" ROOTS_DIR "/%s", store->dir, key);
}

bool
ash_store_has_root(AshStore *store, const char *key)
{
	g_autofree char *path = ash_store_root_path(store, key);

	return ash_file_exists(AT_FDCWD, path);
}

/* A directory of a root that is marked. */
typedef struct {
	AshDirWalk *walk;
	const char *path;
	int fd;
} Marking;

/* The host's own label does not count. */
static bool
has_xattrs(int fd)
{
	char names[256];
	ssize_t length = flistxattr(fd, names, sizeof(names));

	return length != 0 && (length != sizeof "security.selinux" || strcmp(names, "security.selinux") != 0);
}

static gboolean
mark_entry(const Marking *marking, const struct dirent *entry, GError **error)
{
	struct stat info;

	if (fstatat(marking->fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot stat \"%s\"", entry->d_name);
	if (S_ISDIR(info.st_mode))
		ash_dir_walk_add(marking->walk, marking->path, entry->d_name);
	if (!ash_shared_is_plain(&info) || info.st_nlink != 1)
		return TRUE;
	ash_autofd int fd = ash_fd_open(marking->fd, entry->d_name, O_RDONLY | O_NOFOLLOW, 0, error);
	return fd >= 0 && (has_xattrs(fd) || ash_shared_mark(fd, error));
}

static gboolean
mark_directory(AshDirWalk *walk, const char *path, gpointer user_data, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(*(int *) user_data, path, error);
	struct dirent *entry;

	if (stream == NULL)
		return FALSE;
	const Marking marking = { .walk = walk, .path = path, .fd = dirfd(stream) };
	while (errno = 0, (entry = ash_fd_next_entry(stream)) != NULL)
		if (!mark_entry(&marking, entry, error))
			return ash_prefix(error, "\"/%s\"", path);
	return errno == 0 || ash_throw_errno(error, "cannot read the directory \"/%s\"", path);
}

gboolean
ash_store_mark_root(AshContext *ctx, const char *path, GError **error)
{
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, path, false, error);

	return fd >= 0 && (ash_dir_walk_run(ctx, mark_directory, &fd, error) ||
			   ash_prefix(error, "cannot mark the files of the root \"%s\"", path));
}

gboolean
ash_store_keep_root(AshStore *store, const char *key, const char *staging_path, GError **error)
{
	ash_autofd int roots_fd = -1;

	/* As with staging roots: it holds real set-user-ID programs. */
	if (!ash_file_mkdirs(store->dir_fd, ROOTS_DIR, 0700, error))
		return FALSE;
	roots_fd = ash_file_open_dir(store->dir_fd, ROOTS_DIR, false, error);
	if (roots_fd < 0)
		return FALSE;
	/* A directory is only replaced by rename(2) if it is empty, which a root is not. */
	if (renameat(AT_FDCWD, staging_path, roots_fd, key) == 0 || errno == EEXIST || errno == ENOTEMPTY)
		return TRUE;
	return ash_throw_errno(error, "cannot keep the root \"%s\" as \"%s/" ROOTS_DIR "/%s\"", staging_path, store->dir,
			       key);
}

static gpointer
sync_thread(gpointer data)
{
	ash_autofd int fd = GPOINTER_TO_INT(data);

	syncfs(fd);
	return NULL;
}

void
ash_store_start_sync(AshStore *store)
{
	int fd = fcntl(store->objects_fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		g_thread_unref(g_thread_new("sync", sync_thread, GINT_TO_POINTER(fd)));
}

gboolean
ash_store_sync(AshStore *store, GError **error)
{
	return syncfs(store->objects_fd) == 0 || ash_throw_errno(error, "cannot sync the store \"%s\"", store->dir);
}
