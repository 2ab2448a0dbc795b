/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/rootdir.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define UNOWNED_MODE 0755

int
ash_root_dir_open_safely(int dir_fd, const char *name, int flags)
{
	struct stat link, target;
	int fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_CLOEXEC);

	/* With O_DIRECTORY a link is "no directory". */
	if (fd >= 0 || (errno != ELOOP && errno != ENOTDIR))
		return fd;
	/* The link is looked at after its target was opened: it cannot have become somebody else's in between. */
	ash_autofd int found = openat(dir_fd, name, flags | O_CLOEXEC);
	if (found < 0 || fstatat(dir_fd, name, &link, AT_SYMLINK_NOFOLLOW) < 0 || fstat(found, &target) < 0)
		return -1;
	if (link.st_uid != 0 && link.st_uid != target.st_uid) {
		errno = ELOOP;
		return -1;
	}
	return ash_fd_steal(&found);
}

static int
open_resolved(int dir_fd, const char *path, guint64 resolve)
{
	struct open_how how = { .flags = DIR_FLAGS, .resolve = resolve };

	return (int) syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
}

static int
open_element(int dir_fd, const char *name, bool create)
{
	int fd = ash_root_dir_open_safely(dir_fd, name, DIR_FLAGS);

	if (fd >= 0 || errno != ENOENT || !create)
		return fd;
	if (mkdirat(dir_fd, name, UNOWNED_MODE) < 0)
		return -1;
	return openat(dir_fd, name, DIR_FLAGS | O_NOFOLLOW);
}

/* One element after the other. */
static int
walk(const char *path, bool create, GError **error)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	ash_autofd int fd = open("/", DIR_FLAGS);

	for (gsize i = 0; names[i] != NULL && fd >= 0; i++) {
		if (*names[i] == '\0')
			continue;
		int next = open_element(fd, names[i], create);
		int saved = errno;
		close(fd);
		fd = next;
		errno = saved;
	}
	if (fd < 0)
		ash_throw_errno(error, "cannot open the directory \"%s\"", path);
	return ash_fd_steal(&fd);
}

int
ash_root_dir_open(const char *path, bool create, GError **error)
{
	/* Most have no link on their way: one call, and the kernel says so. */
	int fd = open_resolved(AT_FDCWD, path, RESOLVE_NO_SYMLINKS);

	return fd >= 0 ? fd : walk(path, create, error);
}

int
ash_root_dir_on_host(int host_root, const char *path, int dir_fd)
{
	const char *relative = path + strspn(path, "/");
	struct stat inside, outside;
	ash_autofd int fd = open_resolved(host_root, *relative != '\0' ? relative : ".", RESOLVE_IN_ROOT);

	if (fd < 0 || fstat(dir_fd, &inside) < 0 || fstat(fd, &outside) < 0 || inside.st_dev != outside.st_dev ||
	    inside.st_ino != outside.st_ino)
		return -1;
	return ash_fd_steal(&fd);
}
