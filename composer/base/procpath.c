/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/procpath.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As many as the kernel follows (path_resolution(7)). */
#define LINKS_MAX 40

static int
open_proc(pid_t pid, const char *what)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
	return open(path, O_PATH | O_CLOEXEC);
}

int
ash_proc_path_open_fd(pid_t pid, int number)
{
	char what[32];

	snprintf(what, sizeof what, "fd/%d", number);
	return open_proc(pid, what);
}

static int
open_how(int dir_fd, const char *path, bool follow, guint64 resolve)
{
	struct open_how how = {
		.flags = (guint64) (O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)),
		.resolve = resolve,
	};

	return (int) syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
}

static bool
is_proc(int fd)
{
	struct statfs info;

	return fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

static bool
is_same(int fd, int other_fd)
{
	struct stat info, other;

	return fstat(fd, &info) == 0 && fstat(other_fd, &other) == 0 && info.st_dev == other.st_dev &&
	       info.st_ino == other.st_ino;
}

static bool
is_link(int fd)
{
	struct stat info;

	return fstat(fd, &info) == 0 && S_ISLNK(info.st_mode);
}

/* One path on its way. */
typedef struct {
	pid_t pid;
	int root, current;
	char *rest;
	bool follow;
	guint links;
	int magic;
} Walk;

static void
walk_clear(Walk *walk)
{
	ash_fd_clear(&walk->root);
	ash_fd_clear(&walk->current);
	g_free(walk->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Walk, walk_clear)

static void
walk_move(Walk *walk, int fd)
{
	ash_fd_clear(&walk->current);
	walk->current = fd;
}

/* The next part of the path, NULL at its end. Owned. */
static char *
walk_take(Walk *walk, bool *ret_last)
{
	const char *start = walk->rest + strspn(walk->rest, "/");
	gsize length = strcspn(start, "/");

	if (length == 0)
		return NULL;
	char *name = g_strndup(start, length);
	*ret_last = start[length] == '\0';
	char *rest = g_strdup(start + length);
	g_free(walk->rest);
	walk->rest = rest;
	return name;
}

/* Puts what a link says before the rest of the path. */
static bool
walk_insert(Walk *walk, int link_fd)
{
	char text[4096];
	ssize_t length = readlinkat(link_fd, "", text, sizeof text - 1);

	if (length <= 0)
		return false;
	text[length] = '\0';
	if (*text == '/')
		walk_move(walk, fcntl(walk->root, F_DUPFD_CLOEXEC, 3));
	char *rest = g_strconcat(text, walk->rest, NULL);
	g_free(walk->rest);
	walk->rest = rest;
	return walk->current >= 0;
}

/* A link of /proc: "self" is the process that asks, not we, and some links are no text. */
static bool
walk_proc_link(Walk *walk, const char *name, int link_fd)
{
	ash_autofd int plain = -1, own = -1;

	if (strcmp(name, "self") == 0 || strcmp(name, "thread-self") == 0) {
		walk_move(walk, open_proc(walk->pid, ""));
		return walk->current >= 0;
	}
	plain = open_how(walk->current, name, true, RESOLVE_NO_MAGICLINKS);
	if (plain >= 0 || errno != ELOOP)
		return walk_insert(walk, link_fd);
	int target = openat(walk->current, name, O_PATH | O_CLOEXEC);
	if (target < 0)
		return false;
	walk->magic = ASH_PROC_PATH_FOREIGN;
	if (g_ascii_isdigit(*name)) {
		int number = (int) g_ascii_strtoll(name, NULL, 10);
		own = ash_proc_path_open_fd(walk->pid, number);
		if (own >= 0 && is_same(own, target))
			walk->magic = number;
	}
	walk_move(walk, target);
	return true;
}

static bool
walk_step(Walk *walk, const char *name, bool last)
{
	walk->magic = ASH_PROC_PATH_PLAIN;
	if (strcmp(name, ".") == 0 || (strcmp(name, "..") == 0 && is_same(walk->current, walk->root)))
		return true;
	ash_autofd int next = openat(walk->current, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0)
		return false;
	if (!is_link(next) || (last && !walk->follow)) {
		walk_move(walk, ash_fd_steal(&next));
		return true;
	}
	if (++walk->links > LINKS_MAX) {
		errno = ELOOP;
		return false;
	}
	return is_proc(next) ? walk_proc_link(walk, name, next) : walk_insert(walk, next);
}

/* Part by part: for paths that lead over mount points, out of their directory, or through /proc. */
static int
walk_path(const AshProcPath *request, int root, int start, int *ret_magic)
{
	g_auto(Walk) walk = {
		.pid = request->pid,
		.root = fcntl(root, F_DUPFD_CLOEXEC, 3),
		.current = fcntl(start, F_DUPFD_CLOEXEC, 3),
		.rest = g_strdup(request->path),
		.follow = request->follow,
		.magic = ASH_PROC_PATH_PLAIN,
	};
	bool last = false;

	if (walk.root < 0 || walk.current < 0)
		return -1;
	for (;;) {
		g_autofree char *name = walk_take(&walk, &last);
		if (name == NULL)
			break;
		if (!walk_step(&walk, name, last))
			return -1;
	}
	*ret_magic = walk.magic;
	return ash_fd_steal(&walk.current);
}

int
ash_proc_path_open(const AshProcPath *request, int *ret_magic)
{
	bool absolute = *request->path == '/', from_root = absolute && !request->in_root;
	ash_autofd int start = -1, root = -1;
	guint64 resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

	*ret_magic = ASH_PROC_PATH_PLAIN;
	if (from_root)
		start = open_proc(request->pid, "root");
	else if (request->dir_fd == AT_FDCWD)
		start = open_proc(request->pid, "cwd");
	else
		start = ash_proc_path_open_fd(request->pid, request->dir_fd);
	if (start < 0)
		return -1;
	/* The kernel's own walk where it cannot differ from that of the process: inside of one mount. */
	resolve |= from_root || request->in_root ? RESOLVE_IN_ROOT : RESOLVE_BENEATH;
	int fd = open_how(start, request->path, request->follow, resolve);
	if (fd >= 0)
		return fd;
	if (errno != EXDEV && errno != ELOOP && errno != EAGAIN && !(errno == ENOENT && is_proc(start)))
		return -1;
	if (from_root || request->in_root)
		return walk_path(request, start, start, ret_magic);
	root = open_proc(request->pid, "root");
	return root < 0 ? -1 : walk_path(request, root, start, ret_magic);
}
