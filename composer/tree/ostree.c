/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tree/steps.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* Where libostree mounts the root that deployments are in, and /boot of that root (ostree-prepare-root). */
static const char *const directories[] = { "sysroot", "boot", "var" };

static const struct {
	const char *name, *target;
} links[] = {
	{ "ostree", "sysroot/ostree" }, /* the root of a commit is found by it, wherever it is deployed */
	{ "media", "run/media" },
};

/* Where a root is read-only, /tmp is in memory; a disk is none of a commit's business. */
static gboolean
add_tmp(AshTreeRoot *root, GError **error)
{
	g_autofree char *text = NULL;

	if (!ash_tree_root_load(root, "etc/fstab", &text, error))
		return FALSE;
	g_autofree char *lines = g_strconcat("tmpfs\t/tmp\ttmpfs\tmode=1777,nosuid,nodev,size=50%\t0\t0\n", text, NULL);
	return ash_tree_root_save(root, "etc/fstab", lines, 0644, error);
}

/* The defaults of the configuration: each deployment gets its /etc of them, merged with that of the one before. */
static gboolean
move_etc(const AshTreeRoot *root, GError **error)
{
	struct stat info;

	if (fstatat(root->fd, "usr/etc", &info, AT_SYMLINK_NOFOLLOW) == 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "a package has \"/usr/etc\", which a tree for OSTree needs for the contents of \"/etc\"");
	if (renameat(root->fd, "etc", root->fd, "usr/etc") < 0)
		return ash_throw_errno(error, "cannot move \"/etc\" to \"/usr/etc\"");
	return TRUE;
}

/*
 * The layout that libostree deploys ("Adapting existing mainstream distributions" in its manual). The kernel and the initramfs are
 * where it looks for them already; /home and the like are links into /var (ash_step_toplevel()).
 */
gboolean
ash_step_ostree(AshTreeRoot *root, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(directories); i++)
		if (!ash_tree_root_mkdirs(root, directories[i], 0755, error))
			return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(links); i++)
		if (!ash_tree_root_remove(root, links[i].name, error) || !ash_tree_root_link(root, links[i].name, links[i].target, error))
			return FALSE;
	return add_tmp(root, error) && move_etc(root, error);
}
