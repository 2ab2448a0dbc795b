/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "model/strv.h"
#include "tree/steps.h"

/* authselect(8) writes the PAM stack and nsswitch.conf of a profile; --force: what packages have put there gives way. */
gboolean
ash_step_authselect(AshTreeRoot *root, GError **error)
{
	char **words = root->request->spec->authselect;
	g_auto(GStrv) argv = ash_strv_new();

	if (words[0] == NULL)
		return TRUE;
	if (!ash_tree_root_has_program(root, "authselect"))
		return ash_throw(error, ASH_ERROR_CONFIG, "authselect \"%s\": this system has no such program: add the package authselect", words[0]);
	ash_strv_add(&argv, "authselect");
	ash_strv_add_all(&argv, (const char *const *) words);
	ash_strv_add_unique(&argv, "--force");
	return ash_tree_root_run(root, (const char *const *) argv, error);
}

/* xconfig: the target that is booted, and the session that display managers of Fedora's family start. */
gboolean
ash_step_desktop(AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;

	if (spec->start_x && !ash_tree_root_has_unit(root, "graphical.target"))
		return ash_throw(error, ASH_ERROR_CONFIG, "xconfig --startxonboot: this system has no \"graphical.target\"");
	if (spec->start_x &&
	    !ash_tree_root_link(root, "etc/systemd/system/default.target", "/usr/lib/systemd/system/graphical.target", error))
		return FALSE;
	if (spec->desktop == NULL)
		return TRUE;
	g_autofree char *text = g_strdup_printf("PREFERRED=/usr/bin/startx\nDESKTOP=%s\n", spec->desktop);
	return ash_tree_root_save(root, "etc/sysconfig/desktop", text, 0644, error);
}
