/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/osrelease.h"

#include <string.h>

char *
ash_os_release_value(const char *text, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);
	const gsize length = strlen(name);

	for (guint i = 0; lines[i] != NULL; i++) {
		if (strncmp(lines[i], name, length) != 0 || lines[i][length] != '=')
			continue;
		char *value = g_shell_unquote(lines[i] + length + 1, NULL);
		return value != NULL ? value : g_strdup(lines[i] + length + 1);
	}
	return NULL;
}
