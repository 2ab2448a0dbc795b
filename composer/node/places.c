/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/places.h"

#include <string.h>

void
ash_node_places_clear(AshNodePlaces *places)
{
	g_clear_pointer(&places->root, g_free);
	g_clear_pointer(&places->disk, g_free);
	g_clear_pointer(&places->esp, g_free);
	g_clear_pointer(&places->state, g_free);
	g_clear_pointer(&places->config, g_free);
}

char *
ash_node_places_path(const AshNodePlaces *places, const char *path)
{
	if (places->root == NULL || strcmp(places->root, "/") == 0)
		return g_strdup(path);
	return g_strconcat(places->root, path, NULL);
}

char *
ash_node_places_read(const AshNodePlaces *places, const char *path)
{
	g_autofree char *full = ash_node_places_path(places, path);
	char *text = NULL;

	if (!g_file_get_contents(full, &text, NULL, NULL))
		return NULL;
	return g_strstrip(text);
}

char *
ash_node_places_state(const AshNodePlaces *places)
{
	return places->state != NULL ? g_strdup(places->state) : ash_node_places_path(places, "/var/lib/ashlar/node");
}

guint64
ash_node_places_now(const AshNodePlaces *places)
{
	return places->now != 0 ? places->now : (guint64) (g_get_real_time() / G_USEC_PER_SEC);
}

char *
ash_node_os_release_value(const char *text, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	const gsize length = strlen(name);

	for (guint i = 0; lines[i] != NULL; i++) {
		if (strncmp(lines[i], name, length) != 0 || lines[i][length] != '=')
			continue;
		char *value = g_shell_unquote(lines[i] + length + 1, NULL);
		return value != NULL ? value : g_strdup(lines[i] + length + 1);
	}
	return NULL;
}
