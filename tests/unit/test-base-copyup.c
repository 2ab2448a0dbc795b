/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/copyup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sandbox.h"
#include "base/shared.h"
#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "sanitizers.h"

/*
 * A root with the same files in two directories: "w" holds marked links of files in "outer", beside the root, "p" copies of
 * them without a mark. Each way to write is tried in both. Afterwards "outer" must be as it was, and "w" be as "p".
 */

#define CONTENT "line one\nline two\nline three\n"

static const char *const files[] = { "f", "g", "d/h", "exe" };

/* Ways to write that no program of a small system has: "--do NAME FILE" of this very program. */

typedef int (*Action)(const char *path);

static int
do_mmap(const char *path)
{
	int fd = open(path, O_RDWR);
	char *map = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	memcpy(map, "MMAP", 4);
	return munmap(map, 4);
}

/* For calls on a descriptor: read a part first, so that the position counts. */
static int
open_read(const char *path)
{
	char text[4];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return read(fd, text, sizeof text) == sizeof text ? fd : -1;
}

/* The descriptor must be what it was but for the new inode. */
static int
check_fd(const char *path, int fd)
{
	char text[4];
	struct stat named, opened;

	if (lseek(fd, 0, SEEK_CUR) != 4 || fcntl(fd, F_GETFD) != FD_CLOEXEC || read(fd, text, 4) != 4 ||
	    memcmp(text, " one", 4) != 0 || fstat(fd, &opened) < 0 || stat(path, &named) < 0)
		return -1;
	return named.st_ino == opened.st_ino ? 0 : -1;
}

static int
do_fchmod(const char *path)
{
	int fd = open_read(path);

	return fchmod(fd, 0611) < 0 ? -1 : check_fd(path, fd);
}

static int
do_fchown(const char *path)
{
	int fd = open_read(path);

	return fchown(fd, 5, 6) < 0 ? -1 : check_fd(path, fd);
}

static int
do_fchownat_empty(const char *path)
{
	int fd = open(path, O_PATH);

	return fchownat(fd, "", 7, 8, AT_EMPTY_PATH);
}

static const struct timespec old_times[2] = { { 1234567890, 1 }, { 1234567891, 2 } };

static int
do_futimens(const char *path)
{
	int fd = open_read(path);

	return futimens(fd, old_times) < 0 ? -1 : check_fd(path, fd);
}

static int
do_utimensat_nofollow(const char *path)
{
	return utimensat(AT_FDCWD, path, old_times, AT_SYMLINK_NOFOLLOW);
}

static int
do_truncate(const char *path)
{
	return truncate(path, 5);
}

static int
do_lremovexattr(const char *path)
{
	return lremovexattr(path, "user.kept");
}

static int
do_fsetxattr(const char *path)
{
	int fd = open_read(path);

	return fsetxattr(fd, "user.test", "1", 1, 0) < 0 ? -1 : check_fd(path, fd);
}

static int
do_setxattr(const char *path)
{
	return setxattr(path, "user.test", "2", 1, 0);
}

static int
do_lsetxattr(const char *path)
{
	return lsetxattr(path, "user.test", "3", 1, 0);
}

static int
do_removexattr(const char *path)
{
	return removexattr(path, "user.kept");
}

static int
do_fremovexattr(const char *path)
{
	int fd = open_read(path);

	return fremovexattr(fd, "user.kept") < 0 ? -1 : check_fd(path, fd);
}

static int
do_capability(const char *path)
{
	/* Version 2: permitted and inheritable CAP_CHOWN, effective. */
	static const guint8 value[] = { 1, 0, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

	return setxattr(path, "security.capability", value, sizeof value, 0);
}

static int
do_acl(const char *path)
{
	/* Version 2: owner rw-, user 9 r--, group r--, mask r--, others none. */
	static const guint8 value[] = {
		2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2,  0, 4, 0, 9,   0,   0,   0,   4, 0,
		4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
	};

	return setxattr(path, "system.posix_acl_access", value, sizeof value, 0) < 0 && errno != ENOTSUP ? -1 : 0;
}

static int
write_and_close(int fd)
{
	return fd >= 0 && write(fd, "XY", 2) == 2 ? close(fd) : -1;
}

static int
do_openat2(const char *path)
{
	struct open_how how = { .flags = O_WRONLY | O_APPEND };

	return write_and_close((int) syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

static int
do_openat2_root(const char *path)
{
	struct open_how how = { .flags = O_WRONLY | O_APPEND, .resolve = RESOLVE_IN_ROOT };
	g_autofree char *dir = g_path_get_dirname(path), *name = g_path_get_basename(path);
	g_autofree char *inside = g_strconcat("/../", name, NULL);
	ash_autofd int dir_fd = open(dir, O_PATH);

	return write_and_close((int) syscall(SYS_openat2, dir_fd, inside, &how, sizeof how));
}

static int
do_dirfd(const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path), *name = g_path_get_basename(path);
	g_autofree char *odd = g_strconcat("./d/..//", name, NULL);
	ash_autofd int dir_fd = open(dir, O_RDONLY | O_DIRECTORY);

	return write_and_close(openat(dir_fd, odd, O_WRONLY));
}

static int
do_read_truncate(const char *path)
{
	return close(open(path, O_RDONLY | O_TRUNC));
}

static int
do_creat(const char *path)
{
	return close(creat(path, 0600));
}

/* O_EXCL says nothing without O_CREAT. */
static int
do_exclusive(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0 ? -1 : write_and_close(open(path, O_WRONLY | O_EXCL));
}

static int
do_proc_fd(const char *path)
{
	int fd = open_read(path);
	g_autofree char *again = g_strdup_printf("/proc/self/fd/%d", fd), *dev = g_strdup_printf("/dev/fd/%d", fd);

	if (chmod(again, 0640) < 0 || write_and_close(open(dev, O_WRONLY | O_APPEND)) < 0)
		return -1;
	return check_fd(path, fd);
}

static int
do_proc_opath(const char *path)
{
	int fd = open(path, O_PATH);
	g_autofree char *again = g_strdup_printf("/proc/thread-self/fd/%d", fd);

	if (chmod(again, 0640) < 0)
		return -1;
	return write_and_close(open(again, O_WRONLY | O_APPEND));
}

/* Where the file has no name any more, only the descriptor is left. */
static int
do_unlinked(const char *path)
{
	int fd = open_read(path);

	if (unlink(path) < 0 || fchmod(fd, 0600) < 0)
		return -1;
	return lseek(fd, 0, SEEK_CUR) == 4 ? 0 : -1;
}

static int
do_flags(const char *path)
{
	int fd = open_read(path), flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return 0;
	flags |= FS_NOATIME_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -1 : check_fd(path, fd);
}

static int
wait_for(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int
do_fork(const char *path)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(write_and_close(open(path, O_WRONLY | O_APPEND)) == 0 ? 0 : 1);
	return wait_for(pid);
}

static int
do_vfork(const char *path)
{
	/* As vfork(2), which compilers warn of. */
	pid_t pid = (pid_t) syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(write_and_close(open(path, O_WRONLY | O_APPEND)) == 0 ? 0 : 1);
	return wait_for(pid);
}

static int
do_chroot(const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path), *name = g_path_get_basename(path);
	g_autofree char *inside = g_strconcat("/d/../../", name, NULL);
	pid_t pid = fork();

	if (pid == 0)
		_exit(chroot(dir) == 0 && write_and_close(open(inside, O_WRONLY | O_APPEND)) == 0 ? 0 : 1);
	return wait_for(pid);
}

/* A descriptor that came from elsewhere, and another root at once. */
static int
do_chroot_dirfd(const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path), *name = g_path_get_basename(path);
	g_autofree char *inner = g_strconcat(dir, "/d", NULL);
	ash_autofd int dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	pid_t pid = fork();

	if (pid == 0)
		_exit(chroot(inner) == 0 && write_and_close(openat(dir_fd, name, O_WRONLY | O_APPEND)) == 0 ? 0 : 1);
	return wait_for(pid);
}

/* The call of a thread: it has its own number. */
static gpointer
write_in_thread(gpointer path)
{
	return GINT_TO_POINTER(write_and_close(open(path, O_WRONLY | O_APPEND)) == 0 ? 0 : 1);
}

static int
do_thread(const char *path)
{
	return GPOINTER_TO_INT(g_thread_join(g_thread_new("write", write_in_thread, (gpointer) path)));
}

/* As "cp -a" does it. */
static int
do_mark(const char *path)
{
	g_autofree char *copy = g_strconcat(path, ".copy", NULL);
	int fd = open(copy, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (setxattr(copy, ASH_SHARED_XATTR, "", 0, 0) < 0 || fsetxattr(fd, ASH_SHARED_OBJECT_XATTR, "x", 1, 0) < 0 ||
	    fsetxattr(fd, "user.test", "4", 1, 0) < 0)
		return -1;
	return fgetxattr(fd, ASH_SHARED_XATTR, NULL, 0) < 0 && fgetxattr(fd, ASH_SHARED_OBJECT_XATTR, NULL, 0) < 0 ? close(fd) : -1;
}

/* Two names that a program makes stay one file. */
static int
do_link(const char *path)
{
	g_autofree char *other = g_strconcat(path, ".link", NULL), *third = g_strconcat(path, ".linkat", NULL);

	if (link(path, other) < 0 || linkat(AT_FDCWD, other, AT_FDCWD, third, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	return write_and_close(open(other, O_WRONLY | O_APPEND));
}

#ifdef __x86_64__
/* Calls that the C library no longer makes, and that newer machines do not have. */

static const struct timeval old_timevals[2] = { { 1234567890, 1 }, { 1234567891, 2 } };

static int
do_open(const char *path)
{
	return write_and_close((int) syscall(SYS_open, path, O_RDWR, 0));
}

static int
do_chown(const char *path)
{
	return (int) syscall(SYS_chown, path, 11, 12);
}

static int
do_lchown(const char *path)
{
	return (int) syscall(SYS_lchown, path, 13, 14);
}

static int
do_utimes(const char *path)
{
	return (int) syscall(SYS_utimes, path, old_timevals);
}

static int
do_futimesat(const char *path)
{
	return (int) syscall(SYS_futimesat, AT_FDCWD, path, old_timevals);
}

static int
do_futimesat_null(const char *path)
{
	int fd = open_read(path);

	return syscall(SYS_futimesat, fd, NULL, old_timevals) < 0 ? -1 : check_fd(path, fd);
}

static int
do_utime(const char *path)
{
	static const struct utimbuf times = { 1234567890, 1234567891 };

	return (int) syscall(SYS_utime, path, &times);
}

/* The 32-bit entry of the same kernel: chmod(2) is 15. */
static int
do_32_bit(const char *path)
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result = 15;

	strcpy(low, path);
	__asm__ volatile("int $0x80" : "+a"(result) : "b"(low), "c"(0604) : "memory");
	return result == 0 || result == -ENOSYS ? 0 : -1;
}
#endif

static const struct {
	const char *name;
	Action run;
} actions[] = {
	{ "mmap", do_mmap },
	{ "fchmod", do_fchmod },
	{ "fchown", do_fchown },
	{ "fchownat-empty", do_fchownat_empty },
	{ "futimens", do_futimens },
	{ "utimensat-nofollow", do_utimensat_nofollow },
	{ "fsetxattr", do_fsetxattr },
	{ "setxattr", do_setxattr },
	{ "lsetxattr", do_lsetxattr },
	{ "removexattr", do_removexattr },
	{ "fremovexattr", do_fremovexattr },
	{ "capability", do_capability },
	{ "acl", do_acl },
	{ "lremovexattr", do_lremovexattr },
	{ "truncate", do_truncate },
	{ "openat2", do_openat2 },
	{ "openat2-root", do_openat2_root },
	{ "dirfd", do_dirfd },
	{ "read-truncate", do_read_truncate },
	{ "creat", do_creat },
	{ "exclusive", do_exclusive },
	{ "proc-fd", do_proc_fd },
	{ "proc-opath", do_proc_opath },
	{ "unlinked", do_unlinked },
	{ "flags", do_flags },
	{ "fork", do_fork },
	{ "vfork", do_vfork },
	{ "chroot", do_chroot },
	{ "chroot-dirfd", do_chroot_dirfd },
	{ "link", do_link },
	{ "mark", do_mark },
	{ "thread", do_thread },
#ifdef __x86_64__
	{ "32-bit", do_32_bit },
	{ "open", do_open },
	{ "chown", do_chown },
	{ "lchown", do_lchown },
	{ "utimes", do_utimes },
	{ "futimesat", do_futimesat },
	{ "futimesat-null", do_futimesat_null },
	{ "utime", do_utime },
#endif
};

static int
run_action(const char *name, const char *path)
{
	for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return actions[i].run(path);
	return -1;
}

/* Ways that programs have, in a shell whose current directory is $D, "/w" or "/p". */
static const char *const scripts[] = {
	"echo more >> f",
	"echo other > f",
	": > f",
	"truncate -s 3 f",
	"sed -i s/line/LINE/ f g d/h",
	"cp g f; cp --remove-destination g d/h",
	"printf XX | dd of=f conv=notrunc bs=1 seek=2 2>/dev/null",
	"chmod 600 f; chmod u+s exe; chmod -R g+w .",
	"chown 1:2 f; chgrp 3 g; chown -h 4 d/h",
	"touch -d @1111111111.222222222 f; touch -r g d/h",
	"echo more >> $D/f; echo more >> ../$D/./d/../g",
	"cd d && echo more >> ../f && echo more >> h",
	"ln -s f l; echo more >> l; ln -s $D/g m; chmod 604 m",
	"ln -s l2 l1; ln -s d l2; echo more >> l1/h; ln -s $D n; echo more >> n/f; echo more >> n/l1/../g",
	"ln -s $D/f /tmp/out; echo more >> /tmp/out; ln -s / /run/root; echo more >> /run/root$D/g",
	"echo more | tee -a f g > /dev/null",
	"exec 3< f; echo more >> /dev/fd/3; echo more >> /proc/self/fd/3; chmod 640 /proc/self/fd/3",
	"mv f x; echo more >> x; mv g f; rm d/h; cat f x",
	"ln f x; echo more >> x; ln g y; chmod 600 g",
	"cat f g d/h > /dev/null; ./exe; test -w f; stat f > /dev/null; cp f x; cp -a g y",
	"i=0; while [ $i -lt 50 ]; do (echo more >> f; chmod 6$((i % 8))0 g; chmod 644 g) & i=$((i + 1)); done; wait; wc -c < f",
	"chroot . /missing; mkdir e; cp -a f e/; tar c f g | (cd e; tar x); rm -r e",
	"{ echo more >> f; } 4< f; exec 5<> g; echo MORE >&5",
	"rm f; echo new > f; chmod 600 f; test ! -e .ash*",
	"mkfifo q; (echo x > q &); cat q; rm q; echo x > /dev/null",
};

/* Everything about a directory but times of just now, in a text that differs if it differs. */

static int
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
describe_xattrs(GString *text, int fd)
{
	char names[4096], value[4096];
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	ssize_t length = flistxattr(fd, names, sizeof names);

	for (const char *name = names; name < names + length; name += strlen(name) + 1)
		if (strcmp(name, ASH_SHARED_XATTR) != 0)
			g_ptr_array_add(sorted, (gpointer) name);
	g_ptr_array_sort(sorted, compare_names);
	for (guint i = 0; i < sorted->len; i++) {
		const char *name = g_ptr_array_index(sorted, i);
		ssize_t size = fgetxattr(fd, name, value, sizeof value);
		g_autofree char *encoded = g_base64_encode((const guchar *) value, (gsize) MAX(size, 0));
		g_string_append_printf(text, " %s=%s", name, encoded);
	}
}

static void
describe_file(GString *text, int dir_fd, const char *name, const struct stat *info, bool exact)
{
	ash_autofd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW);
	g_autofree char *content = ash_file_load(dir_fd, name, 0, NULL, NULL);
	bool recent = !exact && info->st_mtime > time(NULL) - 3600;
	int flags = 0;

	ioctl(fd, FS_IOC_GETFLAGS, &flags);
	g_string_append_printf(text, " %s %d", recent ? "now" : "then", flags & FS_NOATIME_FL);
	if (!recent)
		g_string_append_printf(text, " %ld.%09ld", (long) info->st_mtim.tv_sec, info->st_mtim.tv_nsec);
	describe_xattrs(text, fd);
	g_string_append_printf(text, "\n%s", content);
}

static void
describe_dir(GString *text, int parent, const char *path, gsize skipped, bool exact)
{
	g_autofree char *full = g_strdup_printf("/proc/self/fd/%d/%s", parent, path);
	g_autoptr(GDir) dir = g_dir_open(full, 0, NULL);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const char *entry;

	while (dir != NULL && (entry = g_dir_read_name(dir)) != NULL)
		g_ptr_array_add(names, g_strdup(entry));
	g_ptr_array_sort(names, compare_names);
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *name = g_build_filename(path, g_ptr_array_index(names, i), NULL);
		struct stat info;
		if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		g_string_append_printf(text, "%s %o %u:%u", name + skipped, info.st_mode, info.st_uid, info.st_gid);
		if (S_ISREG(info.st_mode))
			describe_file(text, parent, name, &info, exact);
		g_string_append_c(text, '\n');
		if (S_ISDIR(info.st_mode))
			describe_dir(text, parent, name, skipped, exact);
	}
}

static char *
describe(int parent, const char *path, bool exact)
{
	GString *text = g_string_new(NULL);

	describe_dir(text, parent, path, strlen(path), exact);
	return g_string_free(text, FALSE);
}

/* One file in outer, its marked link in w, its copy in p. */
static gboolean
make_file(int top, const char *name, const char *content, GError **error)
{
	static const struct timespec times[2] = { { 1000000001, 123456789 }, { 1000000002, 987654321 } };
	g_autofree char *outer = g_strconcat("outer/", name, NULL);
	g_autofree char *w = g_strconcat("root/w/", name, NULL), *p = g_strconcat("root/p/", name, NULL);
	ash_autofd int fd = openat(top, outer, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || write(fd, content, strlen(content)) < 0 || fchmod(fd, *content == '#' ? 0755 : 0644) < 0 ||
	    fsetxattr(fd, "user.kept", "k", 1, 0) < 0 || futimens(fd, times) < 0)
		return ash_throw_errno(error, "cannot make \"%s\"", outer);
	ash_fd_clear(&fd);
	fd = openat(top, outer, O_RDONLY);
	return ash_shared_mark(fd, error) && ash_shared_clone(top, outer, top, w, true, error) &&
	       ash_shared_clone(top, outer, top, p, false, error);
}

/* Makes outer, w and p anew. */
static gboolean
make_files(int top, GError **error)
{
	static const char *const dirs[] = { "outer", "root/w", "root/p" };

	for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++) {
		g_autofree char *inner = g_strconcat(dirs[i], "/d", NULL);
		if (!ash_file_remove_tree(top, dirs[i], error) || !ash_file_mkdirs(top, inner, 0755, error))
			return FALSE;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
		if (!make_file(top, files[i], strcmp(files[i], "exe") == 0 ? "#!/bin/sh\nexit 0\n" : CONTENT, error))
			return FALSE;
	return TRUE;
}

static gboolean
run_script(AshContext *ctx, JsonObject *request, const char *dir, const char *script, char **ret_output, GError **error)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	g_autofree char *variable = g_strconcat("D=/", dir, NULL);
	const char *const env[] = { variable, NULL };
	const char *const binds[] = { "usr", "/usr", "/run/t", ash_json_get_string(request, "program", NULL), NULL };
	g_autofree char *root = g_build_filename(ash_json_get_string(request, "dir", NULL), "root", NULL);
	AshSandboxCommand command = { .root_path = root, .argv = argv, .env = env, .bind_pairs = binds, .timeout_seconds = 60 };
	g_autofree char *output = NULL;
	int status = -1;

	if (!ash_sandbox_run(ctx, &command, &output, &status, error))
		return FALSE;
	*ret_output = g_strdup_printf("status %d\n%s", status, output);
	return TRUE;
}

/* Runs @script in both directories: an error names what differs. */
static gboolean
compare(AshContext *ctx, JsonObject *request, int top, const char *script, GError **error)
{
	g_autofree char *whole = g_strconcat("cd $D || exit 99\n", script, NULL);
	g_autofree char *w_output = NULL, *p_output = NULL;

	if (!make_files(top, error))
		return FALSE;
	g_autofree char *before = describe(top, "outer", true);
	if (!run_script(ctx, request, "w", whole, &w_output, error) || !run_script(ctx, request, "p", whole, &p_output, error))
		return FALSE;
	g_autofree char *after = describe(top, "outer", true);
	g_autofree char *w = describe(top, "root/w", false), *p = describe(top, "root/p", false);
	if (strcmp(before, after) != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "%s: the shared files were\n%sand are\n%s", script, before, after);
	if (strcmp(w, p) != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "%s: copies become\n%sbut shared files\n%s", script, p, w);
	if (strcmp(w_output, p_output) != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "%s: for copies %sbut for shared files %s", script, p_output, w_output);
	return TRUE;
}

/* A marked file whose other names are gone stays, but is no longer marked. */
static gboolean
check_alone(AshContext *ctx, JsonObject *request, int top, GError **error)
{
	g_autofree char *output = NULL;
	struct stat before, after;

	if (!make_files(top, error))
		return FALSE;
	if (unlinkat(top, "outer/f", 0) < 0 || fstatat(top, "root/w/f", &before, 0) < 0)
		return ash_throw_errno(error, "a file alone");
	if (!run_script(ctx, request, "w", "chmod 755 /w/f", &output, error))
		return FALSE;
	if (fstatat(top, "root/w/f", &after, 0) < 0 || after.st_ino != before.st_ino || (after.st_mode & 0777) != 0755 ||
	    ash_shared_is_marked(top, "root/w/f"))
		return ash_throw(error, ASH_ERROR_INTERNAL, "a file alone was copied, or is marked");
	return TRUE;
}

static JsonObject *
run_compare(AshContext *ctx, JsonObject *request, GError **error)
{
	ash_autofd int top = ash_file_open_dir(AT_FDCWD, ash_json_get_string(request, "dir", NULL), false, error);

	if (top < 0 || !ash_copyup_available())
		return ash_throw_null(error, ASH_ERROR_UNCHANGED, "there is no copy on write here");
	for (gsize i = 0; i < G_N_ELEMENTS(scripts); i++)
		if (!compare(ctx, request, top, scripts[i], error))
			return NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
		g_autofree char *script = g_strdup_printf("exec /run/t --do %s $D/f", actions[i].name);
		if (!compare(ctx, request, top, script, error))
			return NULL;
	}
	if (!check_alone(ctx, request, top, error))
		return NULL;
	return json_object_new();
}

/* ash_sandbox_enter() cannot be undone: three workers, one after another, make, write and look. */

static char *
action_path(const char *root, const char *dir, const char *prefix, gsize index)
{
	return g_strdup_printf("%s/%s/%s%s", root, dir, prefix, actions[index].name);
}

static JsonObject *
run_make(AshContext *ctx, JsonObject *request, GError **error)
{
	ash_autofd int top = ash_file_open_dir(AT_FDCWD, ash_json_get_string(request, "dir", NULL), false, error);
	g_autoptr(JsonObject) reply = json_object_new();

	if (top < 0 || !ash_copyup_available())
		return ash_throw_null(error, ASH_ERROR_UNCHANGED, "there is no copy on write here");
	if (!make_files(top, error))
		return NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
		g_autofree char *first = g_strconcat("a-", actions[i].name, NULL), *second = g_strconcat("b-", actions[i].name, NULL);
		if (!make_file(top, first, CONTENT, error) || !make_file(top, second, CONTENT, error))
			return NULL;
	}
	g_autofree char *outer = describe(top, "outer", true);
	json_object_set_string_member(reply, "outer", outer);
	return g_steal_pointer(&reply);
}

/* Each action on a file of its own, in both directories. */
static gboolean
act_on_all(const char *root, const char *prefix, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
		g_autofree char *w = action_path(root, "w", prefix, i), *p = action_path(root, "p", prefix, i);
		if (actions[i].run(p) != 0)
			return ash_throw_errno(error, "%s on a copy, %s", actions[i].name, p);
		if (actions[i].run(w) != 0)
			return ash_throw_errno(error, "%s on a shared file, %s", actions[i].name, w);
	}
	return TRUE;
}

#define PROCESS_COUNT 50

/* Many at once append to one file; each line must be there. */
static gboolean
append_at_once(const char *path, GError **error)
{
	pid_t pids[PROCESS_COUNT];
	gboolean fine = TRUE;

	for (gsize i = 0; i < PROCESS_COUNT; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(write_and_close(open(path, O_WRONLY | O_APPEND)) == 0 ? 0 : 1);
	}
	for (gsize i = 0; i < PROCESS_COUNT; i++)
		fine = wait_for(pids[i]) == 0 && fine;
	return fine ? TRUE : ash_throw(error, ASH_ERROR_INTERNAL, "cannot append to \"%s\" at once", path);
}

/* What code of ours links in the sandbox stays shared; @top was opened before. */
static gboolean
link_own(int top, GError **error)
{
	struct stat outer, own;

	if (!ash_shared_clone(top, "outer/f", top, "root/w/own", true, error))
		return FALSE;
	if (fstatat(top, "outer/f", &outer, 0) < 0 || stat("/sysroot/w/own", &own) < 0 || outer.st_ino != own.st_ino ||
	    unlink("/sysroot/w/own") < 0)
		return ash_throw_errno(error, "what we link is not shared");
	return TRUE;
}

static JsonObject *
run_enter(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *dir = ash_json_get_string(request, "dir", NULL);
	g_autofree char *root = g_build_filename(dir, "root", NULL);
	ash_autofd int top = ash_file_open_dir(AT_FDCWD, dir, false, error);

	if (top < 0 || !ash_sandbox_enter(root, NULL, error) || !link_own(top, error) || !act_on_all("/sysroot", "a-", error))
		return NULL;
	/* Whoever waits for any child must not get the supervisor. */
	if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "there is a child");
	/* As librpm does it. */
	if (chroot("/sysroot") < 0)
		return ash_throw_errno_null(error, "chroot");
	if (!act_on_all("", "b-", error) || !append_at_once("/w/f", error) || !append_at_once("/p/f", error))
		return NULL;
	return json_object_new();
}

static JsonObject *
run_look(AshContext *ctx, JsonObject *request, GError **error)
{
	static const char *const paths[] = { "outer", "root/w", "root/p" };
	ash_autofd int top = ash_file_open_dir(AT_FDCWD, ash_json_get_string(request, "dir", NULL), false, error);
	JsonObject *reply = json_object_new();

	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autofree char *text = describe(top, paths[i], i == 0);
		json_object_set_string_member(reply, paths[i], text);
	}
	return reply;
}

/* A file system of 64 KiB with a shared file of 40: there is no room for a copy. */
static JsonObject *
run_full(AshContext *ctx, JsonObject *request, GError **error)
{
	static const char *const dirs[] = { "root/dev", "root/proc", "root/tmp", "root/usr", "outer" };
	const char *dir = ash_json_get_string(request, "dir", NULL);
	const char *script = "(echo x >> /f) 2>&1 | grep -c 'No space'; chmod 600 /f 2>&1 | grep -c 'No space'; "
			     "echo /.ash* /f; wc -c < /f";
	g_autofree char *content = g_strnfill(40 * 1024, 'x'), *output = NULL;

	if (!ash_copyup_available() || mount("none", dir, "tmpfs", 0, "size=64k") < 0)
		return ash_throw_null(error, ASH_ERROR_UNCHANGED, "there is no copy on write here");
	ash_autofd int top = ash_file_open_dir(AT_FDCWD, dir, false, error);
	for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++)
		if (!ash_file_mkdirs(top, dirs[i], 0755, error))
			return NULL;
	if (symlinkat("usr/bin", top, "root/bin") < 0 || symlinkat("usr/lib", top, "root/lib") < 0 ||
	    symlinkat("usr/lib64", top, "root/lib64") < 0 || !ash_file_save(top, "outer/f", content, -1, 0644, error))
		return NULL;
	ash_autofd int fd = openat(top, "outer/f", O_RDONLY);
	if (!ash_shared_mark(fd, NULL) || ash_shared_link(top, "outer/f", top, "root/f") < 0)
		return ash_throw_null(error, ASH_ERROR_UNCHANGED, "tmpfs has no user attributes here");
	if (!run_script(ctx, request, "f", script, &output, error))
		return NULL;
	g_autofree char *after = ash_file_load(top, "outer/f", 0, NULL, error);
	JsonObject *reply = json_object_new();
	json_object_set_boolean_member(reply, "same", g_strcmp0(after, content) == 0);
	json_object_set_string_member(reply, "output", output);
	return reply;
}

/* A supervisor that is killed: calls fail, none waits for ever. */
static JsonObject *
run_kill_guard(AshContext *ctx, JsonObject *request, GError **error)
{
	g_autofree char *root = g_build_filename(ash_json_get_string(request, "dir", NULL), "root", NULL);
	pid_t last = 0;

	if (!ash_sandbox_enter(root, NULL, error))
		return NULL;
	if (write_and_close(open("/sysroot/w/f", O_WRONLY)) < 0)
		return ash_throw_errno_null(error, "cannot write");
	g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
	for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
		last = MAX(last, (pid_t) g_ascii_strtoll(name, NULL, 10));
	if (last <= getpid() || kill(last, SIGKILL) < 0)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "there is no supervisor");
	int fd;
	while ((fd = open("/sysroot/w/g", O_WRONLY)) >= 0)
		close(fd);
	if (errno != ENOSYS)
		return ash_throw_errno_null(error, "without a supervisor");
	return json_object_new();
}

/* Never ends by itself. */
static JsonObject *
run_for_ever(AshContext *ctx, JsonObject *request, GError **error)
{
	g_autofree char *output = NULL;
	const char *script = "(while :; do echo x >> /w/f; done) & while :; do echo x >> /w/g; done";

	if (json_object_get_boolean_member(request, "enter")) {
		g_autofree char *root = g_build_filename(ash_json_get_string(request, "dir", NULL), "root", NULL);
		if (!ash_sandbox_enter(root, NULL, error))
			return NULL;
		if (fork() >= 0)
			for (;;)
				close(open("/sysroot/w/f", O_WRONLY));
	}
	run_script(ctx, request, "w", script, &output, error);
	return NULL;
}

/* Made by a worker, removed by a worker: other owners. */
static JsonObject *
run_remove(AshContext *ctx, JsonObject *request, GError **error)
{
	static const char *const paths[] = { "outer", "root/w", "root/p" };
	ash_autofd int top = ash_file_open_dir(AT_FDCWD, ash_json_get_string(request, "dir", NULL), false, error);

	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
		if (!ash_file_remove_tree(top, paths[i], error))
			return NULL;
	return json_object_new();
}

static const AshWorkerEntry workers[] = {
	{ "compare", run_compare }, { "make", run_make },
	{ "enter", run_enter },     { "look", run_look },
	{ "full", run_full },
	{ "kill", run_kill_guard }, { "for-ever", run_for_ever },
	{ "remove", run_remove },
	{ NULL, NULL },
};

typedef struct {
	AshContext *ctx;
	char *dir;
	JsonObject *request;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	static const char *const dirs[] = { "root/dev", "root/proc", "root/sys", "root/run", "root/tmp", "root/usr" };
	static const char *const links[] = { "bin", "lib", "lib64", "sbin" };
	g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);

	fixture->ctx = ash_context_new();
	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++)
		g_assert_true(ash_file_mkdirs(fd, dirs[i], 0755, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(links); i++) {
		g_autofree char *target = g_strconcat("usr/", links[i], NULL), *path = g_strconcat("root/", links[i], NULL);
		g_assert_cmpint(symlinkat(target, fd, path), ==, 0);
	}
	fixture->request = json_object_new();
	json_object_set_string_member(fixture->request, "dir", fixture->dir);
	json_object_set_string_member(fixture->request, "program", program);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	JsonObject *reply = ash_worker_call(fixture->ctx, "remove", fixture->request, NULL);

	g_clear_pointer(&reply, json_object_unref);
	ash_context_free(fixture->ctx);
	json_object_unref(fixture->request);
	g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL));
	g_free(fixture->dir);
}

/* The reply, or NULL if this machine cannot do it. */
static JsonObject *
call(Fixture *fixture, const char *worker)
{
	g_autoptr(GError) error = NULL;

	if (!ash_worker_check(&error)) {
		g_test_skip(error->message);
		return NULL;
	}
	JsonObject *reply = ash_worker_call(fixture->ctx, worker, fixture->request, &error);
	if (g_error_matches(error, ASH_ERROR, ASH_ERROR_UNCHANGED))
		g_test_skip(error->message);
	else
		g_assert_no_error(error);
	return reply;
}

/* Processes of this program that are not this one: a worker and what it started have its name. */
static guint
count_processes(void)
{
	g_autofree char *own = g_file_read_link("/proc/self/exe", NULL);
	g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
	guint count = 0;

	for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
		g_autofree char *link = g_strconcat("/proc/", name, "/exe", NULL), *program = g_file_read_link(link, NULL);
		if (g_ascii_isdigit(*name) && g_ascii_strtoll(name, NULL, 10) != getpid() && g_strcmp0(program, own) == 0)
			count++;
	}
	return count;
}

static void
test_compare(Fixture *fixture, gconstpointer data)
{
	JsonObject *reply = call(fixture, "compare");

	g_clear_pointer(&reply, json_object_unref);
	g_assert_cmpuint(count_processes(), ==, 0);
}

static bool
skip_enter(void)
{
	if (ASH_TEST_UNDER_ASAN)
		g_test_skip("the leak sanitizer cannot work in a confined process");
	return ASH_TEST_UNDER_ASAN;
}

static void
test_enter(Fixture *fixture, gconstpointer data)
{
	g_autoptr(JsonObject) made = skip_enter() ? NULL : call(fixture, "make");

	if (made == NULL)
		return;
	g_autoptr(JsonObject) entered = call(fixture, "enter"), seen = call(fixture, "look");
	g_assert_nonnull(entered);
	g_assert_cmpuint(count_processes(), ==, 0);
	g_assert_cmpstr(json_object_get_string_member(made, "outer"), ==, json_object_get_string_member(seen, "outer"));
	g_assert_cmpstr(json_object_get_string_member(seen, "root/w"), ==, json_object_get_string_member(seen, "root/p"));
}

static void
test_full(Fixture *fixture, gconstpointer data)
{
	g_autoptr(JsonObject) reply = call(fixture, "full");

	if (reply == NULL)
		return;
	g_assert_true(json_object_get_boolean_member(reply, "same"));
	g_assert_cmpstr(json_object_get_string_member(reply, "output"), ==, "status 0\n1\n1\n/.ash* /f\n40960\n");
}

static void
test_kill(Fixture *fixture, gconstpointer data)
{
	g_autoptr(JsonObject) made = skip_enter() ? NULL : call(fixture, "make");

	if (made == NULL)
		return;
	g_autoptr(JsonObject) killed = call(fixture, "kill"), seen = call(fixture, "look");
	g_assert_nonnull(killed);
	g_assert_cmpuint(count_processes(), ==, 0);
	g_assert_cmpstr(json_object_get_string_member(made, "outer"), ==, json_object_get_string_member(seen, "outer"));
}

static gpointer
cancel_soon(gpointer cancellable)
{
	g_usleep(G_USEC_PER_SEC / 2);
	g_cancellable_cancel(cancellable);
	return NULL;
}

static void
test_cancel(Fixture *fixture, gconstpointer enter)
{
	g_autoptr(JsonObject) made = skip_enter() ? NULL : call(fixture, "make");
	g_autoptr(GError) error = NULL;

	if (made == NULL)
		return;
	json_object_set_boolean_member(fixture->request, "enter", enter != NULL);
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	fixture->ctx->cancellable = cancellable;
	GThread *thread = g_thread_new("cancel", cancel_soon, cancellable);
	g_assert_null(ash_worker_call(fixture->ctx, "for-ever", fixture->request, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CANCELLED);
	g_thread_join(thread);
	fixture->ctx->cancellable = NULL;
	g_assert_cmpuint(count_processes(), ==, 0);
	g_autoptr(JsonObject) seen = call(fixture, "look");
	g_assert_cmpstr(json_object_get_string_member(made, "outer"), ==, json_object_get_string_member(seen, "outer"));
}

int
main(int argc, char **argv)
{
	int status;

	if (argc == 4 && strcmp(argv[1], "--do") == 0)
		return run_action(argv[2], argv[3]) == 0 ? 0 : 1;
	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	g_test_init(&argc, &argv, NULL);
	g_test_add("/base/copyup/compare", Fixture, NULL, setup, test_compare, teardown);
	g_test_add("/base/copyup/enter", Fixture, NULL, setup, test_enter, teardown);
	g_test_add("/base/copyup/full", Fixture, NULL, setup, test_full, teardown);
	g_test_add("/base/copyup/kill", Fixture, NULL, setup, test_kill, teardown);
	g_test_add("/base/copyup/cancel-run", Fixture, NULL, setup, test_cancel, teardown);
	g_test_add("/base/copyup/cancel-enter", Fixture, "enter", setup, test_cancel, teardown);
	return g_test_run();
}
