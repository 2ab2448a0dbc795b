/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"
#include "store/store.h"

#include <ostree.h>

/** An object of the repository: its checksum and type. */
typedef struct {
	guint8 sum[ASH_SHA256_SIZE];
	guint8 type; /* OstreeObjectType */
} AshObjectId;

#define ASH_OBJECT_PATH_SIZE (2 + 1 + 62 + sizeof(".payload-link"))

/** "ab/cdef....dirtree": the object's path below REPO/objects. */
void ash_object_id_path(const AshObjectId *id, char ret_path[ASH_OBJECT_PATH_SIZE]);

/** The checksum as hex. */
void ash_object_id_checksum(const AshObjectId *id, char ret_checksum[ASH_SHA256_HEX_SIZE]);

/** The id of the object of @type with this checksum, which must be valid. */
AshObjectId ash_object_id(const char *checksum, OstreeObjectType type);

/** A set of AshObjectId, which it owns copies of. */
GHashTable *ash_object_set_new(void);
/** Adds a copy; false if it was there. */
bool ash_object_set_add(GHashTable *set, const AshObjectId *id);

/** Adds every object that the repository has to @set, by name alone. */
gboolean ash_reach_list(AshStore *store, GHashTable *set, GError **error);

/**
 * Adds a commit and every object that it needs to @set. A commit or directory that cannot be read is added to
 * @broken, and what is below it is not seen; with NULL for @broken that is an error.
 */
gboolean ash_reach_add_commit(AshStore *store, const char *checksum, GHashTable *set, GHashTable *broken,
			      GError **error);
