/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/**
 * AshObjectMap: which inode is which file object of a repository, from the inode numbers in its directories. A file that
 * is a hard link to an object need not be read to know its checksum. What it says is a hint, unless ash_object_map_is_exact():
 * numbers are those of the file system's directories, so compare the object with the file.
 */
typedef struct AshObjectMap AshObjectMap;

AshObjectMap *ash_object_map_new(void);
void ash_object_map_free(AshObjectMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshObjectMap, ash_object_map_free)

/** Asks for @ino, unless it was asked for before; then ash_object_map_load(), which keeps what was asked for only. */
void ash_object_map_want(AshObjectMap *map, ino_t ino);

/** Reads the names below @objects_fd, REPO/objects. Does nothing if nothing more was asked for since the last time. */
gboolean ash_object_map_load(AshObjectMap *map, int objects_fd, GError **error);

/** Notes an object that is new since then. No other thread may use the map meanwhile. */
void ash_object_map_add(AshObjectMap *map, ino_t ino, const char *checksum);

/** True if a number that is in the map is the object's: see ash_inode_is_exact(). */
bool ash_object_map_is_exact(const AshObjectMap *map);

/** The checksum of the object that has inode @ino, borrowed; NULL if none was found. May be called from any thread. */
const char *ash_object_map_lookup(const AshObjectMap *map, ino_t ino);
