/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.h"

/** One ref's history, and what of it stays. */
typedef struct {
	char *ref;
	char *current;    /* what the ref points to; NULL if only its history is left */
	GPtrArray *lines; /* checksums, oldest first, owned strings */
} AshRefHistory;

/** Which commits stay. */
typedef struct {
	GPtrArray *refs;     /* of AshRefHistory, sorted by name */
	GHashTable *kept;    /* checksums; owned strings */
	GHashTable *current; /* those that a ref points to: they never go; borrowed from refs */
} AshRetention;

void ash_retention_free(AshRetention *retention);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRetention, ash_retention_free)

/**
 * Keeps, of each ref (or of @only_ref, all else whole), what it points to and the newest @keep different commits of its
 * history that the store has, unless they were made before @oldest (seconds since 1970). Owned; NULL on failure.
 */
AshRetention *ash_retention_new(AshStore *store, const char *only_ref, guint64 keep, gint64 oldest, GError **error);

/** When a commit was written into the store, seconds since 1970; 0 if it is not there. */
gint64 ash_retention_commit_time(AshStore *store, const char *checksum);

/** Takes the lines of commits that do not stay, and histories of refs that are gone, out of DIR/history. */
gboolean ash_retention_save_histories(AshStore *store, const AshRetention *retention, GError **error);
