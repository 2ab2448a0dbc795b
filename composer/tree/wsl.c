/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

#include <string.h>



/* /etc/wsl.conf: per distribution settings (Microsoft, "Advanced settings configuration in WSL"). */
static gboolean
write_conf(const AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	g_autofree char *text = g_strdup_printf("[boot]\nsystemd=%s\n", type->wsl_systemd ? "true" : "false");

	return ash_tree_root_save(root, "etc/wsl.conf", text, 0644, error);
}

/*
 * First start: gives the person an account, unless the kickstart has made one. WSL runs it as root with a terminal and
 * takes the default user from [oobe] defaultUid.
 */
static const char oobe_script[] =
	"#!/bin/sh\n"
	"# Run by WSL at the first start, as root: makes the account that everything after runs as.\n"
	"uid=%d\n"
	"if getent passwd \"$uid\" >/dev/null; then\n"
	"\texit 0\n"
	"fi\n"
	"echo 'Please choose a name for your account. It need not be your name in Windows.'\n"
	"while :; do\n"
	"\tprintf 'Name: '\n"
	"\tread -r name || exit 1\n"
	"\tif useradd --uid \"$uid\" --create-home --shell \"%s\" \"$name\"; then\n"
	"\t\tbreak\n"
	"\tfi\n"
	"done\n"
	"for group in sudo wheel adm; do\n"
	"\tif getent group \"$group\" >/dev/null; then\n"
	"\t\tusermod --append --groups \"$group\" \"$name\"\n"
	"\tfi\n"
	"done\n"
	"until passwd \"$name\"; do\n"
	"\techo 'Please try again.'\n"
	"done\n";

static gboolean
write_oobe(const AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	const char *shell = ash_tree_root_has(root, "bin/bash") ? "/bin/bash" : "/bin/sh";

	if (type->wsl_oobe_command == NULL)
		return TRUE;
	const char *path = type->wsl_oobe_command + strspn(type->wsl_oobe_command, "/");
	/* One that a package brings is the distribution's own. */
	if (ash_tree_root_has(root, path))
		return TRUE;
	if (!ash_tree_root_has_program(root, "useradd"))
		return ash_throw(error, ASH_ERROR_CONFIG, "wsl: \"/%s\" needs useradd: add its package (passwd, shadow-utils)",
				 path);
	g_autofree char *text = g_strdup_printf(oobe_script, type->wsl_default_uid, shell);
	return ash_tree_root_save(root, path, text, 0755, error);
}

/* A plain icon of one colour, where the distribution has none: 16x16 pixels, 32 bits (ICO with a DIB). */
static gboolean
write_icon(const AshTreeRoot *root, const char *path, GError **error)
{
	enum { SIDE = 16, HEADER = 6 + 16 + 40, PIXELS = SIDE * SIDE * 4, MASK = SIDE * 4 };
	static const guint8 header[HEADER] = {
		0, 0, 1, 0, 1, 0,
		SIDE, SIDE, 0, 0, 1, 0, 32, 0, (40 + PIXELS + MASK) & 0xff, (40 + PIXELS + MASK) >> 8, 0, 0, 22, 0, 0, 0,
		40, 0, 0, 0, SIDE, 0, 0, 0, 2 * SIDE, 0, 0, 0, 1, 0, 32, 0,
	};
	guint8 icon[HEADER + PIXELS + MASK] = { 0 };

	memcpy(icon, header, HEADER);
	for (guint i = 0; i < SIDE * SIDE; i++)
		memcpy(icon + HEADER + 4 * i, "\x80\x60\x40\xff", 4);
	return ash_tree_root_save_bytes(root, path, icon, sizeof icon, 0644, error);
}

/* /etc/wsl-distribution.conf: how the distribution is registered (Microsoft, "Build a custom Linux distribution for WSL"). */
static gboolean
write_distribution(const AshTreeRoot *root, GError **error)
{
	const AshImageType *type = root->request->type;
	const char *name = type->wsl_default_name != NULL ? type->wsl_default_name : root->request->spec->name;
	g_autoptr(GString) text = g_string_new("[oobe]\n");

	if (type->wsl_oobe_command != NULL)
		g_string_append_printf(text, "command = %s\n", type->wsl_oobe_command);
	g_string_append_printf(text, "defaultUid = %d\ndefaultName = %s\n", type->wsl_default_uid, name);
	if (type->wsl_icon != NULL) {
		const char *icon = type->wsl_icon + strspn(type->wsl_icon, "/");
		if (!ash_tree_root_has(root, icon) && !write_icon(root, icon, error))
			return FALSE;
		g_string_append_printf(text, "\n[shortcut]\nenabled = true\nicon = /%s\n", icon);
	}
	return ash_tree_root_save(root, "usr/lib/wsl-distribution.conf", text->str, 0644, error) &&
	       ash_tree_root_link(root, "etc/wsl-distribution.conf", "../usr/lib/wsl-distribution.conf", error);
}

gboolean
ash_step_wsl(AshTreeRoot *root, GError **error)
{
	return write_conf(root, error) && write_oobe(root, error) && write_distribution(root, error);
}
