/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/repository.h"

/** Root metadata being changed or signed: a file of its own, which may travel to the machine with the offline keys. */

/** What to change; NULL and 0 leave things as they are. */
typedef struct {
	AshTufRole role;
	GPtrArray *add;    /* of AshKey, for @role */
	char **remove;     /* key ids, or at least 8 digits that begin one */
	guint64 threshold; /* of @role */
} AshTufRootChange;

/** Begins or goes on with DIR/metadata/next.root.json: version N+1, expiry anew, all signatures dropped. ASH_ERROR_USAGE. */
gboolean ash_tuf_root_draft_change(int dir_fd, const AshTufRootChange *change, const AshTufValidity *validity, gint64 now,
				   GError **error);

/** How many signatures a file has and needs. */
typedef struct {
	AshTufRole role;
	gint64 version;
	guint signed_new;   /* by keys that the metadata itself (root) names */
	guint64 needed_new;
	guint signed_old;   /* by keys of the root in force, if it is there to look at */
	guint64 needed_old; /* 0: not known */
} AshTufSignStatus;

/**
 * Adds (or renews) the signature of @key to the metadata file @path of any role. For a root, the key must be of its root role or, if
 * @dir_fd has the version before it, of that one's. ASH_ERROR_USAGE otherwise.
 */
gboolean ash_tuf_sign_file(int dir_fd, const char *path, const AshKey *key, AshTufSignStatus *ret_status, GError **error);
