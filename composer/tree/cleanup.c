/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "tree/steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Directories that every tree has, whatever its packages say; with the modes of the Filesystem Hierarchy Standard. */
static const struct {
	const char *path;
	mode_t mode;
} skeleton[] = { { "dev", 0755 }, { "proc", 0555 }, { "sys", 0555 }, { "run", 0755 }, { "tmp", 01777 } };

gboolean
ash_step_skeleton(AshTreeRoot *root, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(skeleton); i++) {
		if (!ash_tree_root_mkdirs(root, skeleton[i].path, 0755, error))
			return FALSE;
		if (fchmodat(root->fd, skeleton[i].path, skeleton[i].mode, 0) < 0)
			return ash_throw_errno(error, "cannot set the mode of \"/%s\"", skeleton[i].path);
	}
	return TRUE;
}

/* What only says when and where the tree was made, or is another machine's to make. */
static const char *const removed[] = {
	"etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-", "etc/.pwd.lock",
	"etc/mtab.tmp", "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "var/lib/dbus/machine-id",
	"var/lib/systemd/catalog/database", "var/lib/rpm-state", "usr/lib/sysimage/rpm/.rpm.lock",
	"var/lib/misc/random-seed", "boot/efi/loader/random-seed", "var/lib/alternatives.lock", "var/.updated",
	"root/.bash_history", "root/.rpmdb", "etc/resolv.conf.tmp",
	"etc/selinux/targeted/.policy.sha512", "var/lib/selinux/targeted/semanage.read.LOCK",
	"var/lib/selinux/targeted/semanage.trans.LOCK", "etc/selinux/targeted/semanage.read.LOCK",
	"etc/selinux/targeted/semanage.trans.LOCK", "var/lib/selinux/default/semanage.read.LOCK",
	"var/lib/selinux/default/semanage.trans.LOCK",
};

/* Caches and temporary files; the directories stay. */
static const char *const emptied[] = {
	"var/cache/dnf", "var/cache/yum", "var/cache/apt", "var/cache/ldconfig", "var/cache/fontconfig", "var/cache/man",
	"var/cache/debconf", "var/tmp", "var/lib/apt/lists", "tmp", "run", "sys", "dev", "proc",
};

/* Host keys must be each machine's own (ssh-keygen -A makes them). */
static gboolean
remove_host_keys(const AshTreeRoot *root, GError **error)
{
	g_auto(GStrv) names = ash_tree_root_list(root, "etc/ssh");

	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *path = g_build_filename("etc/ssh", names[i], NULL);
		if (g_str_has_prefix(names[i], "ssh_host_") && strstr(names[i], "_key") != NULL &&
		    !ash_tree_root_remove(root, path, error))
			return FALSE;
	}
	return TRUE;
}

/* Regular files below var/log: their directories, which programs expect, stay. */
static gboolean
remove_logs(const AshTreeRoot *root, const char *dir, GError **error)
{
	g_auto(GStrv) names = ash_tree_root_list(root, dir);

	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *path = g_build_filename(dir, names[i], NULL);
		struct stat info;
		ash_autofd int fd = ash_fd_open_in_root(root->fd, path, O_PATH | O_NOFOLLOW, 0, NULL);
		if (fd < 0 || fstat(fd, &info) < 0)
			continue;
		gboolean done = S_ISDIR(info.st_mode) ? remove_logs(root, path, error)
				: S_ISREG(info.st_mode) ? ash_tree_root_remove(root, path, error)
							: TRUE;
		if (!done)
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_step_cleanup(AshTreeRoot *root, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(removed); i++)
		if (!ash_tree_root_remove(root, removed[i], error))
			return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(emptied); i++)
		if (!ash_tree_root_empty(root, emptied[i], error))
			return FALSE;
	return remove_host_keys(root, error) && remove_logs(root, "var/log", error);
}
