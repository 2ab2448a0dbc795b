/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <fcntl.h>
#include <stdio.h>

#define CONFIG	"etc/selinux/config"
#define SEMANAGE "etc/selinux/semanage.conf"
/* libsemanage's default, as Fedora and Debian build it (semanage.conf(5), "store-root"). */
#define OLD_STORE "var/lib/selinux"
#define NEW_STORE "etc/selinux"

static bool
has_setting(const char *text, const char *key)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (gsize i = 0; lines[i] != NULL; i++)
		if (g_str_has_prefix(g_strchug(lines[i]), key))
			return true;
	return false;
}

/* The modules of one policy: beside what was made of them. */
static gboolean
move_policy(const AshTreeRoot *root, const char *policy, GError **error)
{
	g_autofree char *old = g_build_filename(OLD_STORE, policy, NULL), *new = g_build_filename(NEW_STORE, policy, NULL);
	g_auto(GStrv) names = ash_tree_root_list(root, old);

	if (!ash_tree_root_mkdirs(root, new, 0755, error))
		return FALSE;
	for (gsize i = 0; names[i] != NULL; i++) {
		g_autofree char *from = g_build_filename(old, names[i], NULL), *to = g_build_filename(new, names[i], NULL);
		if (!ash_tree_root_remove(root, to, error))
			return FALSE;
		if (renameat(root->fd, from, root->fd, to) < 0)
			return ash_throw_errno(error, "cannot move \"/%s\" to \"/%s\"", from, to);
	}
	return TRUE;
}

static gboolean
move_store(const AshTreeRoot *root, GError **error)
{
	g_autofree char *text = NULL;

	if (!ash_tree_root_load(root, SEMANAGE, &text, error))
		return FALSE;
	g_auto(GStrv) policies = ash_tree_root_list(root, OLD_STORE);
	if (text == NULL || policies[0] == NULL || has_setting(text, "store-root"))
		return TRUE;
	for (gsize i = 0; policies[i] != NULL; i++)
		if (!move_policy(root, policies[i], error))
			return FALSE;
	g_autofree char *lines = g_strconcat(text, g_str_has_suffix(text, "\n") ? "" : "\n", "store-root = /" NEW_STORE "\n", NULL);
	return ash_tree_root_rewrite(root, SEMANAGE, lines, 0644, error) && ash_tree_root_remove(root, OLD_STORE, error);
}

/*
 * Where there is this file, whatever it says, libostree calls semodule(8) for each deployment to come (libostree 2022.3,
 * sysroot_finalize_selinux_policy), by bwrap(1) in the deployment, whose /var is empty: the modules of the policy have to be in its /etc.
 */
gboolean
ash_step_ostree_policy(AshTreeRoot *root, GError **error)
{
	if (!ash_tree_root_has(root, CONFIG))
		return TRUE;
	if (!ash_tree_root_has(root, "usr/bin/bwrap") || !ash_tree_root_has_program(root, "semodule"))
		ash_progress_message(root->ctx->progress, "note: OSTree upgrades a system with \"/" CONFIG "\" by bwrap and semodule: add what has them to %%packages "
							  "(\"bubblewrap\", \"policycoreutils\")");
	return move_store(root, error);
}
