/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/shared.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/writecall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Mode bits that a plain file may have. */
#define PLAIN_BITS 0775

/* Inside the sandbox, too, these are no calls to guard against: what they write to is new, or meant. */

static int
own_setxattr(int fd, const char *name, const void *value, gsize size)
{
	return (int) ash_write_call(SYS_fsetxattr, fd, (long) name, (long) value, (long) size, 0);
}

static int
own_removexattr(int fd, const char *name)
{
	return (int) ash_write_call(SYS_fremovexattr, fd, (long) name, 0, 0, 0);
}

static int
own_chown(int fd, uid_t owner, gid_t group)
{
	return (int) ash_write_call(SYS_fchown, fd, (long) owner, (long) group, 0, 0);
}

static int
own_chmod(int fd, mode_t mode)
{
	return (int) ash_write_call(SYS_fchmod, fd, (long) mode, 0, 0, 0);
}

static int
own_utimes(int fd, const char *name, const struct timespec *times)
{
	return (int) ash_write_call(SYS_utimensat, fd, (long) name, (long) times, 0, 0);
}

int
ash_shared_link(int from_dir, const char *from_name, int to_dir, const char *to_name)
{
	return (int) ash_write_call(SYS_linkat, from_dir, (long) from_name, to_dir, (long) to_name, 0);
}

bool
ash_shared_is_plain(const struct stat *info)
{
	mode_t bits = info->st_mode & 07777;

	return S_ISREG(info->st_mode) && info->st_uid == 0 && info->st_gid == 0 && (bits & ~(mode_t) PLAIN_BITS) == 0 &&
	       (bits & S_IRUSR) != 0;
}

gboolean
ash_shared_mark(int fd, GError **error)
{
	if (own_setxattr(fd, ASH_SHARED_XATTR, "", 0) < 0)
		return ash_throw_errno(error, "cannot set the attribute \"%s\"", ASH_SHARED_XATTR);
	return TRUE;
}

gboolean
ash_shared_unmark(int fd, GError **error)
{
	static const char *const names[] = { ASH_SHARED_OBJECT_XATTR, ASH_SHARED_XATTR };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		if (own_removexattr(fd, names[i]) < 0 && errno != ENODATA)
			return ash_throw_errno(error, "cannot remove the attribute \"%s\"", names[i]);
	return TRUE;
}

static bool
fd_is_marked(int fd)
{
	return fgetxattr(fd, ASH_SHARED_XATTR, NULL, 0) >= 0;
}

/* Opens for reading only what is a regular file: opening a device or a pipe may do something. */
static int
open_regular(int dir_fd, const char *name, struct stat *ret_info)
{
	ash_autofd int fd = -1;

	if (fstatat(dir_fd, name, ret_info, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISREG(ret_info->st_mode)) {
		errno = EINVAL;
		return -1;
	}
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, ret_info) < 0)
		return -1;
	return ash_fd_steal(&fd);
}

bool
ash_shared_is_marked(int dir_fd, const char *name)
{
	char path[4096];
	struct stat info;

	/* One call where /proc is: there is no getxattrat(2) in most kernels. */
	int length = snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir_fd, name);
	if (dir_fd >= 0 && *name != '/' && length < (int) sizeof path) {
		if (lgetxattr(path, ASH_SHARED_XATTR, NULL, 0) >= 0)
			return true;
		if (errno == ENODATA || errno == ENOTSUP)
			return false;
	}
	ash_autofd int fd = open_regular(dir_fd, name, &info);
	return fd >= 0 && fd_is_marked(fd);
}

/* The parts between holes; a file system without holes has one part. */
static gboolean
copy_content(int from_fd, int to_fd, guint64 size, GError **error)
{
	off_t position = 0;

	if (size == 0 || ioctl(to_fd, FICLONE, from_fd) == 0)
		return TRUE;
	while (position < (off_t) size) {
		off_t data = lseek(from_fd, position, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		data = data < 0 ? position : data;
		off_t hole = lseek(from_fd, data, SEEK_HOLE);
		hole = hole < 0 ? (off_t) size : MIN(hole, (off_t) size);
		if (hole <= data)
			break;
		if (!ash_fd_copy_range(from_fd, (guint64) data, to_fd, (guint64) data, (guint64) (hole - data), error))
			return FALSE;
		position = hole;
	}
	if (ftruncate(to_fd, (off_t) size) < 0)
		return ash_throw_errno(error, "cannot set the size");
	return TRUE;
}

static gboolean
copy_xattr(int from_fd, int to_fd, const char *name, GError **error)
{
	ssize_t size = fgetxattr(from_fd, name, NULL, 0);
	g_autofree char *value = g_malloc((gsize) MAX(size, 0) + 1);

	if (size >= 0)
		size = fgetxattr(from_fd, name, value, (gsize) size);
	if (size < 0)
		return ash_throw_errno(error, "cannot read the attribute \"%s\"", name);
	if (own_setxattr(to_fd, name, value, (gsize) size) == 0)
		return TRUE;
	/* The host's own label: the kernel gives the copy one. */
	if (strcmp(name, "security.selinux") == 0)
		return TRUE;
	return ash_throw_errno(error, "cannot set the attribute \"%s\"", name);
}

static gboolean
copy_xattrs(int from_fd, int to_fd, GError **error)
{
	ssize_t size = flistxattr(from_fd, NULL, 0);

	if (size == 0 || (size < 0 && errno == ENOTSUP))
		return TRUE;
	g_autofree char *names = g_malloc((gsize) MAX(size, 0) + 1);
	if (size > 0)
		size = flistxattr(from_fd, names, (gsize) size);
	if (size < 0)
		return ash_throw_errno(error, "cannot list the attributes");
	for (const char *name = names; name < names + size; name += strlen(name) + 1) {
		if (strcmp(name, ASH_SHARED_XATTR) == 0 || strcmp(name, ASH_SHARED_OBJECT_XATTR) == 0)
			continue;
		if (!copy_xattr(from_fd, to_fd, name, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_shared_copy(int from_fd, int to_fd, GError **error)
{
	struct stat info;

	if (!ash_fd_stat(from_fd, "file", &info, error))
		return FALSE;
	if (!copy_content(from_fd, to_fd, (guint64) info.st_size, error))
		return FALSE;
	/* In this order: a change of owner takes set-id bits and capabilities away, each of them changes no mtime. */
	struct timespec times[2] = { info.st_atim, info.st_mtim };
	if (own_chown(to_fd, info.st_uid, info.st_gid) < 0)
		return ash_throw_errno(error, "cannot set the owner");
	if (!copy_xattrs(from_fd, to_fd, error))
		return FALSE;
	if (own_chmod(to_fd, info.st_mode & 07777) < 0)
		return ash_throw_errno(error, "cannot set the mode");
	if (own_utimes(to_fd, NULL, times) < 0)
		return ash_throw_errno(error, "cannot set the times");
	return TRUE;
}

/* A copy under a new name; nothing is left if it fails. */
static gboolean
copy_to_name(int from_fd, int to_dir, const char *to_name, GError **error)
{
	ash_autofd int to = ash_fd_open(to_dir, to_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, error);

	if (to < 0)
		return FALSE;
	if (ash_shared_copy(from_fd, to, error))
		return TRUE;
	unlinkat(to_dir, to_name, 0);
	return ash_prefix(error, "\"%s\"", to_name);
}

gboolean
ash_shared_break(int dir_fd, const char *name, GError **error)
{
	g_autofree char *temporary = g_strdup_printf(".ashlar.%d.%08x.tmp", getpid(), g_random_int());
	struct stat info, directory;
	ash_autofd int from = open_regular(dir_fd, name, &info);

	if (from < 0 && (errno == EINVAL || errno == ENOENT))
		return TRUE;
	if (from < 0 || fstatat(dir_fd, ".", &directory, 0) < 0)
		return ash_throw_errno(error, "cannot open \"%s\"", name);
	if (!fd_is_marked(from))
		return TRUE;
	if (info.st_nlink == 1)
		return ash_shared_unmark(from, error);
	if (!copy_to_name(from, dir_fd, temporary, error))
		return ash_prefix(error, "cannot copy \"%s\"", name);
	if (renameat(dir_fd, temporary, dir_fd, name) < 0) {
		ash_throw_errno(error, "cannot replace \"%s\"", name);
		unlinkat(dir_fd, temporary, 0);
		return FALSE;
	}
	struct timespec times[2] = { directory.st_atim, directory.st_mtim };
	own_utimes(dir_fd, ".", times);
	return TRUE;
}

gboolean
ash_shared_clone(int from_dir, const char *from_name, int to_dir, const char *to_name, bool may_link, GError **error)
{
	struct stat info;

	if (may_link && ash_shared_is_marked(from_dir, from_name)) {
		if (ash_shared_link(from_dir, from_name, to_dir, to_name) == 0)
			return TRUE;
		/* Another file system, as many links as it can count, or one that has none: a copy does as well. */
		if (errno != EXDEV && errno != EMLINK && errno != EPERM && errno != EOPNOTSUPP)
			return ash_throw_errno(error, "cannot link \"%s\"", to_name);
	}
	ash_autofd int from = open_regular(from_dir, from_name, &info);
	if (from < 0)
		return ash_throw_errno(error, "cannot open the file \"%s\"", from_name);
	return copy_to_name(from, to_dir, to_name, error);
}
