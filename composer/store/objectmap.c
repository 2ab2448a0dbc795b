/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/objectmap.h"

#include "base/error.h"
#include "base/fd.h"
#include "store/inode.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* The part of a file object's name that is in its directory: 62 digits and this. */
#define SUFFIX ".file"
#define NAME_LENGTH (62 + sizeof SUFFIX - 1)

struct AshObjectMap {
	GHashTable *checksums; /* inode number -> checksum, owned; NULL until it is found */
	bool has_wishes;       /* since it was loaded */
	bool exact;
};

/* Where pointers are shorter than inode numbers, two numbers may meet: the map is a hint. */
static gpointer
key_of(ino_t ino)
{
	return GSIZE_TO_POINTER((gsize) ino);
}

AshObjectMap *
ash_object_map_new(void)
{
	AshObjectMap *map = g_new0(AshObjectMap, 1);

	map->checksums = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	return map;
}

void
ash_object_map_free(AshObjectMap *map)
{
	if (map == NULL)
		return;
	g_hash_table_unref(map->checksums);
	g_free(map);
}

void
ash_object_map_want(AshObjectMap *map, ino_t ino)
{
	if (g_hash_table_contains(map->checksums, key_of(ino)))
		return;
	g_hash_table_insert(map->checksums, key_of(ino), NULL);
	map->has_wishes = true;
}

void
ash_object_map_add(AshObjectMap *map, ino_t ino, const char *checksum)
{
	g_hash_table_insert(map->checksums, key_of(ino), g_strdup(checksum));
}

static gboolean
load_directory(AshObjectMap *map, int objects_fd, const char *prefix, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(objects_fd, prefix, error);
	struct dirent *entry;

	if (stream == NULL)
		return FALSE;
	while ((entry = ash_fd_next_entry(stream)) != NULL) {
		gpointer key = key_of(entry->d_ino);

		if (g_hash_table_contains(map->checksums, key) && strlen(entry->d_name) == NAME_LENGTH &&
		    g_str_has_suffix(entry->d_name, SUFFIX))
			g_hash_table_insert(map->checksums, key,
					    g_strdup_printf("%s%.62s", prefix, entry->d_name));
	}
	return TRUE;
}

bool
ash_object_map_is_exact(const AshObjectMap *map)
{
	return map->exact;
}

gboolean
ash_object_map_load(AshObjectMap *map, int objects_fd, GError **error)
{
	g_autoptr(DIR) stream = NULL;
	struct dirent *entry;

	/* A pointer shorter than a number may stand for two. */
	map->exact = sizeof(gpointer) >= sizeof(ino_t) && ash_inode_is_exact(objects_fd);
	if (!map->has_wishes)
		return TRUE;
	stream = ash_fd_open_stream(objects_fd, ".", error);
	if (stream == NULL)
		return FALSE;
	while ((entry = ash_fd_next_entry(stream)) != NULL) {
		if (g_ascii_isxdigit(entry->d_name[0]) && g_ascii_isxdigit(entry->d_name[1]) &&
		    entry->d_name[2] == '\0' && !load_directory(map, objects_fd, entry->d_name, error))
			return FALSE;
	}
	map->has_wishes = false;
	return TRUE;
}

const char *
ash_object_map_lookup(const AshObjectMap *map, ino_t ino)
{
	return g_hash_table_lookup(map->checksums, key_of(ino));
}
