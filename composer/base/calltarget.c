/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/calltarget.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Times that a name may be gone before it is found; each is a rename that happened in between. */
#define NAME_TRIES 3
#define PATH_LENGTH ASH_CALL_PATH_LENGTH
#define SHORT_PATH_LENGTH 128
#define PAGE_LENGTH 4096

/* The name of an inode that was shared, after it got one of its own. */
typedef struct {
	bool broken;
	int dir;
	char *name;
} Place;

static void
place_clear(Place *place)
{
	ash_fd_clear(&place->dir);
	g_free(place->name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* A path by which calls that take no descriptor reach one of ours. */
typedef struct {
	char text[32];
} FdPath;

static FdPath
fd_path(int fd)
{
	FdPath path;

	snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
	return path;
}

static bool
still_waits(const AshCallTarget *target)
{
	return ioctl(target->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &target->notif->id) == 0;
}

/* The directory and the name of @fd, if it still has that name. */
static bool
find_place(const AshCallTarget *target, int fd, const struct stat *info, Place *place)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	char path[PATH_LENGTH + 1];
	struct stat found;
	ssize_t length = readlink(fd_path(fd).text, path, PATH_LENGTH);

	if (length <= 1 || *path != '/')
		return false;
	path[length] = '\0';
	char *slash = strrchr(path, '/');
	g_autofree char *name = g_strdup(slash + 1);
	*slash = '\0';
	ash_autofd int dir = (int) syscall(SYS_openat2, target->base, *path != '\0' ? path : "/", &how, sizeof how);
	if (dir < 0 || fstatat(dir, name, &found, AT_SYMLINK_NOFOLLOW) < 0 || found.st_ino != info->st_ino ||
	    found.st_dev != info->st_dev)
		return false;
	place->dir = ash_fd_steal(&dir);
	place->name = g_steal_pointer(&name);
	return true;
}

/* What the caller is told when there is no copy. */
static int
break_error(const GError *error, int dir)
{
	if (g_error_matches(error, ASH_ERROR, ASH_ERROR_NO_SPACE))
		return ENOSPC;
	return faccessat(dir, ".", W_OK, AT_EACCESS) < 0 && errno == EROFS ? EROFS : EIO;
}

static bool
is_marked(const char *path)
{
	return getxattr(path, ASH_SHARED_XATTR, NULL, 0) >= 0;
}

/* ENOENT: it is shared, and has no name that we could change. */
static int
break_shared(const AshCallTarget *target, int fd, Place *place)
{
	g_autoptr(GError) error = NULL;
	struct stat info;

	if (fstat(fd, &info) < 0)
		return errno;
	/* What has no name is shared with nobody; with one link, it may be the name of somebody else. */
	if (!S_ISREG(info.st_mode) || info.st_nlink == 0 || !is_marked(fd_path(fd).text))
		return 0;
	if (!still_waits(target))
		return ESRCH;
	if (!find_place(target, fd, &info, place))
		return ENOENT;
	if (!ash_shared_break(place->dir, place->name, &error))
		return break_error(error, place->dir);
	place->broken = info.st_nlink > 1;
	return 0;
}

/* What the process' descriptor is like. */
static bool
load_fd_info(pid_t pid, int number, int *ret_flags, gint64 *ret_position)
{
	char path[64], text[256];
	long long position = 0;
	unsigned flags = 0;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, number);
	ash_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (length <= 0)
		return false;
	text[length] = '\0';
	if (sscanf(text, "pos: %lld flags: %o", &position, &flags) != 2)
		return false;
	*ret_flags = (int) flags;
	*ret_position = position;
	return true;
}

/* Puts the file @name, or what "/proc/self/fd/N" of ours leads to, in the place of the process' descriptor. */
static int
replace_fd(const AshCallTarget *target, int number, int dir, const char *name)
{
	gint64 position = 0;
	int flags = 0;

	if (!load_fd_info((pid_t) target->notif->pid, number, &flags, &position))
		return EPERM;
	/* The kernel hands no O_PATH descriptor over: one for reading can do all that it could. */
	int kept = (flags & O_PATH) != 0 ? O_RDONLY : flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_NOFOLLOW | O_TMPFILE);
	ash_autofd int fd = openat(dir, name, kept | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (position != 0)
		lseek(fd, position, SEEK_SET);
	struct seccomp_notif_addfd add = {
		.id = target->notif->id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (guint32) fd,
		.newfd = (guint32) number,
		.newfd_flags = (guint32) (flags & O_CLOEXEC),
	};
	return ioctl(target->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 ? errno : 0;
}

/* The file has no name any more: the descriptor gets a copy without one. */
static int
replace_by_nameless(const AshCallTarget *target, int number, int fd)
{
	g_autoptr(GError) error = NULL;
	ash_autofd int from = open(fd_path(fd).text, O_RDONLY | O_CLOEXEC);
	ash_autofd int to = openat(target->base, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (to < 0)
		to = openat(target->base, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (from < 0 || to < 0)
		return EPERM;
	if (!ash_shared_copy(from, to, &error))
		return break_error(error, target->base);
	return replace_fd(target, number, AT_FDCWD, fd_path(to).text);
}

int
ash_call_target_guard_fd(const AshCallTarget *target, int number)
{
	g_auto(Place) place = { .dir = -1 };
	char path[64];

	/* One call for most of them: descriptors of new files. */
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int) target->notif->pid, number);
	if (!is_marked(path))
		return errno == EACCES || errno == EPERM ? errno : 0;
	ash_autofd int fd = ash_proc_path_open_fd((pid_t) target->notif->pid, number);
	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	int failed = break_shared(target, fd, &place);
	if (failed == ENOENT)
		return replace_by_nameless(target, number, fd);
	if (failed != 0 || !place.broken)
		return failed;
	return replace_fd(target, number, place.dir, place.name);
}

/* The call itself will find the same. */
static bool
is_no_target(int errnum)
{
	return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP || errnum == ENAMETOOLONG || errnum == EBADF;
}

int
ash_call_target_guard_path(const AshCallTarget *target)
{
	int failed = 0;

	for (guint tries = 0; tries < NAME_TRIES; tries++) {
		g_auto(Place) place = { .dir = -1 };
		int magic = ASH_PROC_PATH_PLAIN;
		ash_autofd int fd = ash_proc_path_open(&target->path, &magic);
		if (fd < 0)
			return is_no_target(errno) ? 0 : errno;
		if (magic >= 0)
			return ash_call_target_guard_fd(target, magic);
		failed = break_shared(target, fd, &place);
		/* Another process' descriptor leads to the old inode still. */
		if (failed == 0 && place.broken && magic == ASH_PROC_PATH_FOREIGN)
			return EPERM;
		if (failed != ENOENT)
			return failed;
	}
	return EPERM;
}

int
ash_call_target_read_memory(const AshCallTarget *target, guint64 address, void *buffer, gsize length, gsize *ret_length)
{
	gsize first = MIN(length, PAGE_LENGTH - address % PAGE_LENGTH);
	struct iovec local = { buffer, length };
	struct iovec remote[2] = {
		{ (void *) (guintptr) address, first },
		{ (void *) (guintptr) (address + first), length - first },
	};
	ssize_t got = process_vm_readv((pid_t) target->notif->pid, &local, 1, remote, length > first ? 2 : 1, 0);

	if (got < 0)
		return errno;
	*ret_length = (gsize) got;
	return 0;
}

int
ash_call_target_read_text(AshCallTarget *target, guint64 address)
{
	/* Most are short; what is copied for nothing costs more than a second call. */
	static const gsize lengths[] = { SHORT_PATH_LENGTH, PATH_LENGTH };
	gsize length = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
		int failed = address != 0 ? ash_call_target_read_memory(target, address, target->text, lengths[i], &length) : EFAULT;
		if (failed != 0)
			return failed == EFAULT || failed == ESRCH ? ENOENT : failed;
		if (memchr(target->text, '\0', length) != NULL)
			return 0;
	}
	return ENOENT;
}
