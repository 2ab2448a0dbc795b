/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/report.h"

/**
 * What nodes said last, in an SQLite file: one row for each node of a system. No address is kept. Every text in it came from strangers.
 */
typedef struct AshDatabase AshDatabase;

/** Opens or makes the file @path with its directory; rows of @max_nodes nodes at most. Owned; NULL on failure. */
AshDatabase *ash_database_open(const char *path, guint max_nodes, GError **error);
void ash_database_free(AshDatabase *database);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshDatabase, ash_database_free)

/** Replaces what the node said before. ASH_ERROR_NO_SPACE if it is a new one and there are as many as may be. @now: seconds since 1970. */
gboolean ash_database_put(AshDatabase *database, const AshReport *report, gint64 now, GError **error);

/** Forgets nodes that said nothing since @before, seconds since 1970. */
gboolean ash_database_prune(AshDatabase *database, gint64 before, GError **error);

/** How many nodes there are. */
guint ash_database_get_nodes(const AshDatabase *database);

/** Whom a question is about: nodes of @ref in @channel. Borrowed. */
typedef struct {
	const char *ref, *channel;
} AshDatabaseScope;

/** How many nodes run @version and are in each state. */
typedef struct {
	char *version;
	guint nodes[ASH_REPORT_N_STATES];
} AshDatabaseVersion;

/** The versions that run, most nodes first, at most @max. GPtrArray of AshDatabaseVersion, owned; NULL on failure. */
GPtrArray *ash_database_list_versions(AshDatabase *database, const AshDatabaseScope *scope, guint max, GError **error);

/** Places in a roll-out, 0 to 99; the last is for nodes that did not say theirs. */
#define ASH_DATABASE_PLACES 101

/** The nodes that a roll-out of a version is for: those that run it or want it. */
typedef struct {
	guint nodes[ASH_DATABASE_PLACES];
	guint done[ASH_DATABASE_PLACES];   /* of them: run it */
	guint failed[ASH_DATABASE_PLACES]; /* of them: have failed */
} AshDatabasePlaces;

/** By place. */
gboolean ash_database_count_places(AshDatabase *database, const AshDatabaseScope *scope, const char *version, AshDatabasePlaces *ret,
				   GError **error);

/** Seconds since 1970, and how many nodes had begun to run the version by then. */
typedef struct {
	gint64 time;
	guint nodes;
} AshDatabasePoint;

/** How many nodes ran @version, over the time from @from to @to: at most @max steps, ascending. GArray of AshDatabasePoint, owned; NULL on failure. */
GArray *ash_database_list_progress(AshDatabase *database, const AshDatabaseScope *scope, const char *version, gint64 from, gint64 to,
				   guint max, GError **error);

/** A reason of failures. */
typedef struct {
	char *version; /* that was wanted, else that runs */
	char *reason;  /* NULL: not said */
	guint nodes;
	gint64 last;   /* seconds since 1970 */
} AshDatabaseFailure;

/** The reasons of failures, most nodes first, at most @max. GPtrArray of AshDatabaseFailure, owned; NULL on failure. */
GPtrArray *ash_database_list_failures(AshDatabase *database, const AshDatabaseScope *scope, guint max, GError **error);
