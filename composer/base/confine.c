/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/confine.h"

#include "base/callfilter.h"
#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/seccomp.h of 5.19. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* One host path shown inside. */
typedef struct {
	char *target; /* relative to "/" of the sandbox */
	char *source;
	bool writable;
} Bind;

struct AshConfine {
	char *root_path;
	bool nested, read_only, supervised;
	GArray *binds;  /* of Bind */
	int *bind_fds;  /* as many: room for the trees while mounting */
	GBytes *filter;
};

/* Devices that programs need; one that the host lacks becomes an empty file. */
static const char *const device_names[] = { "null", "zero", "full", "random", "urandom", "tty" };

static const struct {
	const char *name, *target;
} device_links[] = {
	{ "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
	{ "core", "/proc/kcore" },
};

/* What is mounted on the root's own directories, in this order. */
typedef struct {
	const char *path, *type;
	const char *mode; /* of the tmpfs */
	guint attributes;
	bool required;
} Furniture;

static const Furniture furniture[] = {
	/* Read-only: to the kernel's settings in /proc/sys, root of a namespace is root if its id is 0 outside, too. */
	{ "proc", "proc", NULL, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, true },
	{ "sys", "tmpfs", "0555", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, false },
	{ "run", "tmpfs", "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false },
	{ "tmp", "tmpfs", "1777", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, false },
	{ "dev", "tmpfs", "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, true },
};

static const int kept_capabilities[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP,
	CAP_SETFCAP, CAP_SYS_CHROOT,
};

static void
bind_clear(gpointer data)
{
	Bind *bind = data;

	g_free(bind->target);
	g_free(bind->source);
}

static void
add_binds(AshConfine *confine, const char *const *pairs, bool writable)
{
	for (gsize i = 0; pairs != NULL && pairs[i] != NULL; i += 2) {
		const char *target = pairs[i];
		while (*target == '/')
			target++;
		Bind bind = { g_strdup(target), g_strdup(pairs[i + 1]), writable };
		g_array_append_val(confine->binds, bind);
	}
}

AshConfine *
ash_confine_new(const char *root_path, bool nested, bool read_only, bool supervised, const char *const *bind_pairs,
		const char *const *output_pairs, GError **error)
{
	g_autoptr(AshConfine) confine = g_new0(AshConfine, 1);

	confine->root_path = g_strdup(root_path);
	confine->nested = nested;
	confine->read_only = read_only;
	confine->supervised = supervised;
	confine->binds = g_array_new(FALSE, FALSE, sizeof(Bind));
	g_array_set_clear_func(confine->binds, bind_clear);
	add_binds(confine, bind_pairs, false);
	add_binds(confine, output_pairs, true);
	confine->bind_fds = g_new(int, confine->binds->len + 1);
	confine->filter = ash_call_filter_new(supervised, false, error);
	if (confine->filter == NULL)
		return NULL;
	return g_steal_pointer(&confine);
}

AshConfine *
ash_confine_new_watched(GError **error)
{
	g_autoptr(AshConfine) confine = g_new0(AshConfine, 1);

	confine->supervised = true;
	confine->binds = g_array_new(FALSE, FALSE, sizeof(Bind));
	confine->filter = ash_call_filter_new(true, true, error);
	return confine->filter != NULL ? g_steal_pointer(&confine) : NULL;
}

void
ash_confine_free(AshConfine *confine)
{
	if (confine == NULL)
		return;
	g_free(confine->root_path);
	g_array_unref(confine->binds);
	g_free(confine->bind_fds);
	g_clear_pointer(&confine->filter, g_bytes_unref);
	g_free(confine);
}

static int
set_attributes(int tree_fd, guint64 attributes)
{
	struct mount_attr attr = { .attr_set = attributes };

	return mount_setattr(tree_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr);
}

/* A mount of its own of what is at @path, with everything mounted below it. */
static int
clone_tree(const char *path)
{
	return open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

static int
attach(int tree_fd, int dir_fd, const char *path)
{
	return move_mount(tree_fd, "", dir_fd, path,
			  MOVE_MOUNT_F_EMPTY_PATH | (*path == '\0' ? MOVE_MOUNT_T_EMPTY_PATH : 0));
}

/* A new file system, not yet attached. */
static int
new_mount(const char *type, const char *mode, guint attributes)
{
	ash_autofd int context = fsopen(type, FSOPEN_CLOEXEC);

	if (context < 0)
		return -1;
	if (mode != NULL && fsconfig(context, FSCONFIG_SET_STRING, "mode", mode, 0) < 0)
		return -1;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(context, FSMOUNT_CLOEXEC, attributes);
}

/* Opens a path for use as a mount point, following links only inside @root_fd. */
static int
open_point(int root_fd, const char *path, guint64 resolve)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = resolve };

	return (int) syscall(SYS_openat2, root_fd, path, &how, sizeof how);
}

static const char *
fill_dev(int dev_fd)
{
	for (gsize i = 0; i < G_N_ELEMENTS(device_names); i++) {
		char source[16] = "/dev/";
		ash_autofd int file = openat(dev_fd, device_names[i], O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
		if (file < 0)
			return "cannot make a device file";
		fchmod(file, 0666);
		strcpy(source + 5, device_names[i]);
		ash_autofd int node = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (node >= 0 && attach(node, dev_fd, device_names[i]) < 0)
			return "cannot bind a device";
	}
	for (gsize i = 0; i < G_N_ELEMENTS(device_links); i++)
		if (symlinkat(device_links[i].target, dev_fd, device_links[i].name) < 0)
			return "cannot fill /dev";
	if (mkdirat(dev_fd, "shm", 01777) < 0 || fchmodat(dev_fd, "shm", 01777, 0) < 0)
		return "cannot fill /dev";
	return NULL;
}

/* A new one, or the host's where the kernel allows no other (some of its /proc is covered). */
static int
new_furniture(const Furniture *piece)
{
	int fd = new_mount(piece->type, piece->mode, piece->attributes);

	if (fd >= 0 || errno != EPERM || strcmp(piece->type, "proc") != 0)
		return fd;
	fd = clone_tree("/proc");
	if (fd >= 0 && set_attributes(fd, piece->attributes) < 0)
		ash_fd_clear(&fd);
	return fd;
}

/* Mounts one piece on the root's directory of that name, which must be a real one. */
static const char *
place_furniture(const Furniture *piece, int root_fd)
{
	ash_autofd int point = openat(root_fd, piece->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (point < 0)
		return piece->required ? "the root has no directory for /dev or /proc" : NULL;
	ash_autofd int made = new_furniture(piece);
	if (made < 0)
		return "cannot make a file system for /dev, /proc, /sys, /run or /tmp";
	if (attach(made, point, "") < 0)
		return "cannot mount on /dev, /proc, /sys, /run or /tmp";
	return strcmp(piece->path, "dev") == 0 ? fill_dev(made) : NULL;
}

static const char *
place_all_furniture(int root_fd)
{
	for (gsize i = 0; i < G_N_ELEMENTS(furniture); i++) {
		const char *failed = place_furniture(&furniture[i], root_fd);
		if (failed != NULL)
			return failed;
	}
	return NULL;
}

/* mkdir -p of the directories above the last element, below @dir_fd. Writes into @path while it works. */
static void
make_parents(int dir_fd, char *path)
{
	for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdirat(dir_fd, path, 0755);
		*slash = '/';
	}
}

/* A mount point of the kind of @tree_fd: made where nothing is kept, else it must be there. */
static int
bind_point(const AshConfine *confine, int base_fd, const Bind *bind, int tree_fd)
{
	struct stat info;
	char path[4096];
	bool own = confine->nested || strncmp(bind->target, "run/", 4) == 0 || strncmp(bind->target, "tmp/", 4) == 0;

	if (strlen(bind->target) >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(path, bind->target);
	if (own && fstat(tree_fd, &info) == 0) {
		make_parents(base_fd, path);
		if (S_ISDIR(info.st_mode)) {
			mkdirat(base_fd, path, 0755);
		} else {
			int made = openat(base_fd, path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
			ash_fd_clear(&made);
		}
	}
	return open_point(base_fd, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

static const char *
place_binds(const AshConfine *confine, int base_fd)
{
	for (guint i = 0; i < confine->binds->len; i++) {
		const Bind *bind = &g_array_index(confine->binds, Bind, i);
		ash_autofd int tree = confine->bind_fds[i];
		ash_autofd int point = bind_point(confine, base_fd, bind, tree);
		if (point < 0)
			return "there is no place in the root for a bound path";
		if (set_attributes(tree, (bind->writable ? 0 : MOUNT_ATTR_RDONLY) | MOUNT_ATTR_NOSUID) < 0)
			return "cannot make a bound path read-only";
		if (attach(tree, point, "") < 0)
			return "cannot bind a path";
	}
	return NULL;
}

/* "/" becomes what is mounted at our current directory; the old one goes away. */
static const char *
pivot_here(void)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return "cannot change the root";
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return "cannot leave the old root";
	return NULL;
}

static const char *
open_sources(const AshConfine *confine)
{
	for (guint i = 0; i < confine->binds->len; i++) {
		confine->bind_fds[i] = clone_tree(g_array_index(confine->binds, Bind, i).source);
		if (confine->bind_fds[i] < 0)
			return "cannot open a path to bind";
	}
	return NULL;
}

/* Mounts the base of the new view over the root's own path, the one place that is sure to exist. */
static const char *
place_base(const AshConfine *confine, int root_tree, int *ret_base)
{
	ash_autofd int base = confine->nested ? new_mount("tmpfs", "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV) : -1;

	if (confine->nested && base < 0)
		return "cannot make a file system";
	if (attach(confine->nested ? base : root_tree, AT_FDCWD, confine->root_path) < 0)
		return "cannot mount over the root";
	if (confine->nested) {
		if (mkdirat(base, "sysroot", 0755) < 0 || attach(root_tree, base, "sysroot") < 0)
			return "cannot mount the root";
		if (mkdirat(base, "proc", 0555) < 0 || mkdirat(base, "dev", 0755) < 0)
			return "cannot make a directory";
		*ret_base = ash_fd_steal(&base);
		return place_all_furniture(*ret_base);
	}
	*ret_base = fcntl(root_tree, F_DUPFD_CLOEXEC, 3);
	return NULL;
}

const char *
ash_confine_mounts(const AshConfine *confine)
{
	ash_autofd int root = clone_tree(confine->root_path), base = -1;
	const char *failed = root >= 0 ? open_sources(confine) : "cannot open the root";

	if (failed == NULL && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		failed = "cannot separate the mounts";
	if (failed == NULL && confine->read_only && set_attributes(root, MOUNT_ATTR_RDONLY) < 0)
		failed = "cannot make the root read-only";
	if (failed == NULL)
		failed = place_base(confine, root, &base);
	if (failed == NULL)
		failed = place_all_furniture(root);
	if (failed == NULL)
		failed = place_binds(confine, base);
	if (failed == NULL && fchdir(base) < 0)
		failed = "cannot enter the root";
	return failed != NULL ? failed : pivot_here();
}

/* Sets the filter; its listener if it has one, else -1. False with errno. */
static bool
set_filter(const AshConfine *confine, int *ret_listener)
{
	gsize length;
	const void *code = g_bytes_get_data(confine->filter, &length);
	struct sock_fprog program = { (unsigned short) (length / sizeof(struct sock_filter)), (struct sock_filter *) code };
	unsigned long flags = confine->supervised ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	/* Signals do not interrupt a call that is being looked at: a kernel of 5.19 can do that. */
	unsigned long best = confine->supervised ? flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0;
	int result = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, best, &program);

	if (result < 0 && errno == EINVAL && best != flags)
		result = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (result < 0)
		return false;
	*ret_listener = confine->supervised ? result : -1;
	return true;
}

const char *
ash_confine_rights(const AshConfine *confine, int *ret_listener)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	guint64 kept = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(kept_capabilities); i++)
		kept |= G_GUINT64_CONSTANT(1) << kept_capabilities[i];
	for (int capability = 0; capability < 64; capability++)
		if ((kept & (G_GUINT64_CONSTANT(1) << capability)) == 0 &&
		    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
			return "cannot drop a capability";
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = (guint32) (kept >> (32 * i));
	if (syscall(SYS_capset, &header, data) < 0)
		return "cannot drop capabilities";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return "cannot give up new privileges";
	if (!set_filter(confine, ret_listener))
		return "cannot set the system call filter";
	return NULL;
}
