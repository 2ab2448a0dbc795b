/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <string.h>

/* locale.conf(5), and where Debian's tools look. */
gboolean
ash_step_locale(AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;
	const char *lang = spec->lang != NULL ? spec->lang : "C.UTF-8";
	g_autofree char *text = g_strdup_printf("LANG=%s\n", lang);

	if (!ash_tree_root_save(root, "etc/locale.conf", text, 0644, error))
		return FALSE;
	if (ash_tree_root_has(root, "etc/default") && !ash_tree_root_save(root, "etc/default/locale", text, 0644, error))
		return FALSE;
	return TRUE;
}

/* vconsole.conf(5), and for X11 what localectl(1) writes. */
gboolean
ash_step_keymap(AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;

	if (spec->keymap != NULL) {
		g_autofree char *text = g_strdup_printf("KEYMAP=%s\n", spec->keymap);
		if (!ash_tree_root_save(root, "etc/vconsole.conf", text, 0644, error))
			return FALSE;
	}
	if (spec->xlayouts == NULL || spec->xlayouts[0] == NULL)
		return TRUE;
	g_autofree char *layouts = g_strjoinv(",", spec->xlayouts);
	g_autofree char *text = g_strdup_printf("Section \"InputClass\"\n"
						"\tIdentifier \"system-keyboard\"\n"
						"\tMatchIsKeyboard \"on\"\n"
						"\tOption \"XkbLayout\" \"%s\"\n"
						"EndSection\n",
						layouts);
	return ash_tree_root_save(root, "etc/X11/xorg.conf.d/00-keyboard.conf", text, 0644, error);
}

/* localtime(5); /etc/adjtime says whether the hardware clock is in local time (hwclock(8)). */
gboolean
ash_step_timezone(AshTreeRoot *root, GError **error)
{
	const AshSpec *spec = root->request->spec;
	const char *zone = spec->timezone != NULL ? spec->timezone : "UTC";
	g_autofree char *file = g_build_filename("usr/share/zoneinfo", zone, NULL);
	g_autofree char *target = g_strconcat("../", file, NULL);
	g_autofree char *line = g_strconcat(zone, "\n", NULL);

	if (!ash_tree_root_has(root, file)) {
		/* A system without tzdata is in UTC as it is. */
		if (spec->timezone == NULL || g_str_equal(zone, "UTC"))
			return TRUE;
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "time zone \"%s\": the tree has no \"/%s\"; add the package tzdata or correct the name",
				 zone, file);
	}
	if (!ash_tree_root_link(root, "etc/localtime", target, error))
		return FALSE;
	if (ash_tree_root_has(root, "etc/timezone") && !ash_tree_root_save(root, "etc/timezone", line, 0644, error))
		return FALSE;
	if (spec->timezone == NULL || spec->timezone_utc)
		return TRUE;
	return ash_tree_root_save(root, "etc/adjtime", "0.0 0 0.0\n0\nLOCAL\n", 0644, error);
}
