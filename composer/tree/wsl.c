/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"
#include "tree/wslicon.h"

#include <string.h>

/*
 * What WSL reads of a distribution: Microsoft, "Advanced settings configuration in WSL" (wsl.conf) and "Build a custom Linux distribution
 * for WSL" (the rest). Files that a package has brought are the distribution's own and stay.
 */

static bool
is_set(const char *text)
{
	return text != NULL && *text != '\0';
}

/* /etc/wsl.conf: settings of this distribution. */
static gboolean
write_conf(const AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	g_autofree char *text = g_strdup_printf("[boot]\nsystemd=%s\n", type->wsl_systemd ? "true" : "false");

	return ash_tree_root_save(root, "etc/wsl.conf", text, 0644, error);
}

/*
 * First start: gives the person an account, unless the kickstart has made one; then its password, as none is in the image. WSL runs it as root
 * with a terminal, opens no shell if it fails, and takes the default user from [oobe] defaultUid. Whoever just closes the window is
 * asked again the next time; an account without a password does for all but sudo. Passwords are asked for by passwd(1) only.
 */
static const char oobe_script[] =
	"#!/bin/sh\n"
	"# Run by WSL at the first start, as root: makes the account that everything after runs as.\n"
	"uid=%d\n"
	"tries=5\n"
	"\n"
	"# find: is there such an account? Its name goes into $name.\n"
	"find() {\n"
	"\tname=$(getent passwd \"$uid\") && name=${name%%%%:*}\n"
	"}\n"
	"\n"
	"# make NAME: in one go, so that nothing is half done whatever stops it.\n"
	"make() {\n"
	"\tcase $1 in\n"
	"\t'' | [!a-z_]* | *[!a-z0-9_-]*)\n"
	"\t\techo 'A name has small letters, digits, \"_\" and \"-\", and begins with a letter.'\n"
	"\t\treturn 1\n"
	"\t\t;;\n"
	"\tesac\n"
	"\tgroups=\n"
	"\tfor group in sudo wheel adm; do\n"
	"\t\tif getent group \"$group\" >/dev/null; then\n"
	"\t\t\tgroups=${groups:+$groups,}$group\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tuseradd --uid \"$uid\" --create-home --shell %s --groups \"$groups\" \"$1\"\n"
	"}\n"
	"\n"
	"if ! find; then\n"
	"\techo 'Please choose a name for your account. It need not be your name in Windows.'\n"
	"fi\n"
	"until find; do\n"
	"\tif [ \"$tries\" = 0 ]; then\n"
	"\t\techo 'There is no account yet; the next start asks again.' >&2\n"
	"\t\texit 1\n"
	"\tfi\n"
	"\ttries=$((tries - 1))\n"
	"\tprintf 'Name: '\n"
	"\tif ! IFS= read -r answer; then\n"
	"\t\techo 'There is no account yet; the next start asks again.' >&2\n"
	"\t\texit 1\n"
	"\tfi\n"
	"\tmake \"$answer\"\n"
	"done\n"
	"\n"
	"# It may have one already.\n"
	"case $(getent shadow \"$name\") in\n"
	"\"$name:!\"* | \"$name:*\"* | \"$name::\"*) ;;\n"
	"*) exit 0 ;;\n"
	"esac\n"
	"for try in 1 2 3; do\n"
	"\tif passwd \"$name\"; then\n"
	"\t\texit 0\n"
	"\tfi\n"
	"done\n"
	"echo \"There is no password yet: \\\"passwd $name\\\" sets one, run as root (wsl --user root).\"\n"
	"exit 0\n";

/* Nobody needs to be made if the default user is root. */
static bool
has_oobe(const AshImageType *type)
{
	return is_set(type->wsl_oobe_command) && type->wsl_default_uid != 0;
}

static gboolean
write_oobe(const AshTreeRoot *root, GError **error)
{
	static const char *const needed[] = { "useradd", "passwd" };
	const AshImageType *type = root->request->type;
	const char *shell = ash_tree_root_has(root, "bin/bash") ? "/bin/bash" : "/bin/sh";

	if (!has_oobe(type))
		return TRUE;
	const char *path = type->wsl_oobe_command + strspn(type->wsl_oobe_command, "/");
	if (ash_tree_root_has(root, path))
		return TRUE;
	for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
		if (!ash_tree_root_has_program(root, needed[i]))
			return ash_throw(error, ASH_ERROR_CONFIG, "wsl: \"/%s\" needs %s: add its package (passwd, shadow-utils)", path, needed[i]);
	g_autofree char *text = g_strdup_printf(oobe_script, type->wsl_default_uid, shell);
	return ash_tree_root_save(root, path, text, 0755, error);
}

static gboolean
write_icon(const AshTreeRoot *root, GError **error)
{
	const char *path = root->request->type->wsl_icon;

	if (!is_set(path) || ash_tree_root_has(root, path))
		return TRUE;
	g_autoptr(GBytes) icon = ash_wsl_icon_new();
	return ash_tree_root_save_bytes(root, path + strspn(path, "/"), g_bytes_get_data(icon, NULL), g_bytes_get_size(icon), 0644, error);
}

/*
 * A fragment of Windows Terminal ("JSON fragment extensions"): WSL adds name, command line, icon and GUID to each profile. The scheme is called
 * as the distribution, whose name needs no escapes. The mode is the one that Microsoft's own check of distributions expects.
 */
static const char terminal_profile[] =
	"{\n"
	"  \"profiles\": [\n"
	"    {\n"
	"      \"startingDirectory\": \"~\",\n"
	"      \"colorScheme\": \"%s\"\n"
	"    }\n"
	"  ],\n"
	"  \"schemes\": [\n"
	"    {\n"
	"      \"name\": \"%s\",\n"
	"      \"background\": \"#1C1A17\",\n"
	"      \"foreground\": \"#E6E1D8\",\n"
	"      \"cursorColor\": \"#E6E1D8\",\n"
	"      \"selectionBackground\": \"#5A5348\",\n"
	"      \"black\": \"#2C2823\",\n"
	"      \"red\": \"#C8553D\",\n"
	"      \"green\": \"#7FA650\",\n"
	"      \"yellow\": \"#D0A03C\",\n"
	"      \"blue\": \"#5B8FB9\",\n"
	"      \"purple\": \"#A678A8\",\n"
	"      \"cyan\": \"#5FA8A0\",\n"
	"      \"white\": \"#CFC8BB\",\n"
	"      \"brightBlack\": \"#7A7164\",\n"
	"      \"brightRed\": \"#E57A63\",\n"
	"      \"brightGreen\": \"#A3C976\",\n"
	"      \"brightYellow\": \"#EBC263\",\n"
	"      \"brightBlue\": \"#84B3DA\",\n"
	"      \"brightPurple\": \"#C79CC9\",\n"
	"      \"brightCyan\": \"#85CBC3\",\n"
	"      \"brightWhite\": \"#F7F3EC\"\n"
	"    }\n"
	"  ]\n"
	"}\n";

static gboolean
write_terminal_profile(const AshTreeRoot *root, const char *name, GError **error)
{
	const char *path = root->request->type->wsl_terminal_profile;

	if (!is_set(path) || ash_tree_root_has(root, path))
		return TRUE;
	g_autofree char *text = g_strdup_printf(terminal_profile, name, name);
	return ash_tree_root_save(root, path + strspn(path, "/"), text, 0640, error);
}

/*
 * WSLg's sockets, where programs look for them. The lines of a file whose name comes later are ignored for the same path: x11.conf of systemd would
 * make a directory there.
 */
static gboolean
write_tmpfiles(const AshTreeRoot *root, GError **error)
{
	static const char system[] = "# Graphical programs: the X server of WSLg.\n"
				     "L+ /tmp/.X11-unix - - - - /mnt/wslg/.X11-unix\n";
	static const char user[] = "# Graphical programs and sound: Wayland and PulseAudio of WSLg.\n"
				   "L+ %t/wayland-0 - - - - /mnt/wslg/runtime-dir/wayland-0\n"
				   "L+ %t/wayland-0.lock - - - - /mnt/wslg/runtime-dir/wayland-0.lock\n"
				   "L+ %t/pulse - - - - /mnt/wslg/runtime-dir/pulse\n";

	if (!root->request->type->wsl_systemd || ash_tree_root_has(root, "usr/lib/tmpfiles.d/wsl-setup.conf"))
		return TRUE;
	return ash_tree_root_save(root, "usr/lib/tmpfiles.d/ashlar-wsl.conf", system, 0644, error) &&
	       ash_tree_root_save(root, "usr/share/user-tmpfiles.d/ashlar-wsl.conf", user, 0644, error);
}

/* /etc/wsl-distribution.conf: how the distribution is registered. */
static gboolean
write_distribution(const AshTreeRoot *root, const char *name, GError **error)
{
	const AshImageType *type = root->request->type;
	g_autoptr(GString) text = g_string_new("[oobe]\n");

	if (has_oobe(type))
		g_string_append_printf(text, "command = %s\n", type->wsl_oobe_command);
	g_string_append_printf(text, "defaultUid = %d\ndefaultName = %s\n", type->wsl_default_uid, name);
	g_string_append_printf(text, "\n[shortcut]\nenabled = %s\n", type->wsl_shortcut ? "true" : "false");
	if (is_set(type->wsl_icon))
		g_string_append_printf(text, "icon = %s\n", type->wsl_icon);
	g_string_append_printf(text, "\n[windowsterminal]\nenabled = %s\n", type->wsl_terminal ? "true" : "false");
	if (is_set(type->wsl_terminal_profile))
		g_string_append_printf(text, "profileTemplate = %s\n", type->wsl_terminal_profile);
	return ash_tree_root_save(root, "usr/lib/wsl-distribution.conf", text->str, 0644, error) &&
	       ash_tree_root_link(root, "etc/wsl-distribution.conf", "../usr/lib/wsl-distribution.conf", error);
}

gboolean
ash_step_wsl(AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	const char *name = type->wsl_default_name != NULL ? type->wsl_default_name : root->request->spec->name;

	if (!ash_wsl_name_is_valid(name))
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\": " ASH_WSL_NAME_RULE ": set \"wsl.default_name\" in the image type", name);
	return write_conf(root, error) && write_oobe(root, error) && write_icon(root, error) &&
	       write_terminal_profile(root, name, error) && write_tmpfiles(root, error) && write_distribution(root, name, error);
}
