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
