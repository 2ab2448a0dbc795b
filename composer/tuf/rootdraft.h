/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/metadata.h"

/**
 * Root metadata being changed and signed: "next.root.json", a file that no client looks for and that may travel to the machine with
 * the offline keys. @dir_fd is the folder of metadata.
 */
#define ASH_TUF_DRAFT_NAME "next.root.json"

/** What to change; NULL and 0 leave things as they are. */
typedef struct {
	AshTufRole role;
	GPtrArray *add;    /* of AshKey, for @role */
	char **remove;     /* key ids, or at least 8 digits that begin just one */
	guint64 threshold; /* of @role */
} AshTufRootChange;

/** The first draft of a new repository: @keys (of AshKey) of each role and @thresholds (0: 1). ASH_ERROR_USAGE if one cannot be met. */
gboolean ash_tuf_root_draft_create(int dir_fd, GPtrArray *const keys[ASH_TUF_N_ROLES], const guint64 thresholds[ASH_TUF_N_ROLES],
				   guint days, gint64 now, GError **error);

/**
 * Begins a draft from the root in force, or goes on with the one that is there: the next version, valid for @days (0: the default) from @now,
 * and not signed by anybody. Keys that no role uses any more are left out. ASH_ERROR_USAGE.
 */
gboolean ash_tuf_root_draft_change(int dir_fd, const AshTufRootChange *change, guint days, gint64 now, GError **error);

/** How many signatures a file has and needs. */
typedef struct {
	AshTufRole role;
	gint64 version;
	guint signed_new;  /* by keys of the root that it is, or (other roles) of the one in force */
	gint64 needed_new;
	guint signed_old;  /* a root: by keys of the one before it */
	gint64 needed_old; /* 0: there is none, or it is not beside the file */
} AshTufSignStatus;

/** True if all are there. */
bool ash_tuf_sign_status_is_complete(const AshTufSignStatus *status);

/**
 * Adds the signatures of @keys (of AshKey) to the metadata file @path of any role, whose root metadata is looked for beside it. ASH_ERROR_USAGE if one of
 * them is not of that role. Without keys only the status is told.
 */
gboolean ash_tuf_sign_file(int dir_fd, const char *path, GPtrArray *keys, AshTufSignStatus *ret_status, GError **error);

/** The root of version @version beside other metadata, checked to be signed by itself. Owned. */
AshTufMetadata *ash_tuf_root_load(int dir_fd, gint64 version, GError **error);
