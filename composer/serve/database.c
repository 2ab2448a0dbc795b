/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/database.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>

#define SCHEMA_VERSION 1
#define BUSY_MILLIS    2000

struct AshDatabase {
	char *path;
	sqlite3 *sqlite;
	guint nodes, max_nodes;
};

static const char schema[] =
	"CREATE TABLE node ("
	" ref TEXT NOT NULL, node TEXT NOT NULL, channel TEXT NOT NULL, version TEXT NOT NULL, wanted TEXT,"
	" state INTEGER NOT NULL, place INTEGER NOT NULL, reason TEXT,"
	" first INTEGER NOT NULL," /* when the first report came */
	" since INTEGER NOT NULL," /* when it first said that it runs this version */
	" last INTEGER NOT NULL,"
	" PRIMARY KEY (ref, node)) WITHOUT ROWID;"
	"CREATE INDEX node_version ON node (ref, channel, version, state);"
	"CREATE INDEX node_last ON node (last);";

static gboolean
throw_sqlite(const AshDatabase *database, GError **error)
{
	const bool full = sqlite3_errcode(database->sqlite) == SQLITE_FULL;

	return ash_throw(error, full ? ASH_ERROR_NO_SPACE : ASH_ERROR_INTERNAL, "database \"%s\": %s", database->path,
			 sqlite3_errmsg(database->sqlite));
}

static gboolean
run_sql(AshDatabase *database, const char *sql, GError **error)
{
	return sqlite3_exec(database->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK || throw_sqlite(database, error);
}

typedef sqlite3_stmt Query;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Query, sqlite3_finalize)

static Query *
prepare(AshDatabase *database, const char *sql, GError **error)
{
	Query *query = NULL;

	if (sqlite3_prepare_v2(database->sqlite, sql, -1, &query, NULL) != SQLITE_OK)
		throw_sqlite(database, error);
	return query;
}

/* 1: a row, 0: the end, -1: failed. */
static int
step(AshDatabase *database, Query *query, GError **error)
{
	const int status = sqlite3_step(query);

	if (status == SQLITE_ROW)
		return 1;
	return status == SQLITE_DONE ? 0 : throw_sqlite(database, error) - 1;
}

static void
bind_text(Query *query, int index, const char *text)
{
	if (text != NULL)
		sqlite3_bind_text(query, index, text, -1, SQLITE_TRANSIENT);
	else
		sqlite3_bind_null(query, index);
}

static char *
dup_text(Query *query, int column)
{
	return g_strdup((const char *) sqlite3_column_text(query, column));
}

static guint
get_count(Query *query, int column)
{
	return (guint) CLAMP(sqlite3_column_int64(query, column), 0, G_MAXUINT);
}

static gboolean
read_number(AshDatabase *database, const char *sql, gint64 *ret, GError **error)
{
	g_autoptr(Query) query = prepare(database, sql, error);

	if (query == NULL || step(database, query, error) < 0)
		return FALSE;
	*ret = sqlite3_column_int64(query, 0);
	return TRUE;
}

static gboolean
set_up(AshDatabase *database, GError **error)
{
	gint64 version = 0, nodes = 0;

	sqlite3_busy_timeout(database->sqlite, BUSY_MILLIS);
	/* A report that a power cut takes comes again. */
	if (!run_sql(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF;", error) ||
	    !read_number(database, "PRAGMA user_version", &version, error))
		return FALSE;
	if (version > SCHEMA_VERSION)
		return ash_throw(error, ASH_ERROR_CONFIG, "database \"%s\" was made by a newer version: name another one", database->path);
	if (version == 0) {
		g_autofree char *sql = g_strdup_printf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;", schema, SCHEMA_VERSION);
		if (!run_sql(database, sql, error))
			return FALSE;
	}
	if (!read_number(database, "SELECT COUNT(*) FROM node", &nodes, error))
		return FALSE;
	database->nodes = (guint) nodes;
	return TRUE;
}

AshDatabase *
ash_database_open(const char *path, guint max_nodes, GError **error)
{
	g_autoptr(AshDatabase) database = g_new0(AshDatabase, 1);
	g_autofree char *dir = g_path_get_dirname(path);

	database->path = g_strdup(path);
	database->max_nodes = max_nodes;
	if (!ash_file_mkdirs(AT_FDCWD, dir, 0755, error))
		return NULL;
	if (sqlite3_open_v2(path, &database->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		throw_sqlite(database, error);
		return NULL;
	}
	return set_up(database, error) ? g_steal_pointer(&database) : NULL;
}

void
ash_database_free(AshDatabase *database)
{
	if (database == NULL)
		return;
	sqlite3_close_v2(database->sqlite);
	g_free(database->path);
	g_free(database);
}

guint
ash_database_get_nodes(const AshDatabase *database)
{
	return database->nodes;
}

static gboolean
is_known(AshDatabase *database, const AshReport *report, bool *ret, GError **error)
{
	g_autoptr(Query) query = prepare(database, "SELECT 1 FROM node WHERE ref = ?1 AND node = ?2", error);

	if (query == NULL)
		return FALSE;
	bind_text(query, 1, report->ref);
	bind_text(query, 2, report->node);
	const int row = step(database, query, error);
	*ret = row > 0;
	return row >= 0;
}

gboolean
ash_database_put(AshDatabase *database, const AshReport *report, gint64 now, GError **error)
{
	bool known = false;

	if (!is_known(database, report, &known, error))
		return FALSE;
	if (!known && database->nodes >= database->max_nodes)
		return ash_throw(error, ASH_ERROR_NO_SPACE, "database \"%s\" has %u nodes already, as many as it may", database->path,
				 database->nodes);
	g_autoptr(Query) query = prepare(database,
					 "INSERT INTO node VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?9)"
					 " ON CONFLICT (ref, node) DO UPDATE SET channel = ?3, wanted = ?5, state = ?6, place = ?7, reason = ?8, last = ?9,"
					 " since = CASE version WHEN ?4 THEN since ELSE ?9 END, version = ?4",
					 error);
	if (query == NULL)
		return FALSE;
	bind_text(query, 1, report->ref);
	bind_text(query, 2, report->node);
	bind_text(query, 3, report->channel);
	bind_text(query, 4, report->version);
	bind_text(query, 5, report->wanted);
	sqlite3_bind_int(query, 6, (int) report->state);
	sqlite3_bind_int(query, 7, report->place);
	bind_text(query, 8, report->reason);
	sqlite3_bind_int64(query, 9, now);
	if (step(database, query, error) < 0)
		return FALSE;
	database->nodes += known ? 0 : 1;
	return TRUE;
}

gboolean
ash_database_prune(AshDatabase *database, gint64 before, GError **error)
{
	g_autoptr(Query) query = prepare(database, "DELETE FROM node WHERE last < ?1", error);

	if (query == NULL)
		return FALSE;
	sqlite3_bind_int64(query, 1, before);
	if (step(database, query, error) < 0)
		return FALSE;
	database->nodes -= MIN(database->nodes, (guint) sqlite3_changes(database->sqlite));
	return TRUE;
}

/* A query whose ?1 and ?2 are the scope's. */
static Query *
ask(AshDatabase *database, const AshDatabaseScope *scope, const char *sql, GError **error)
{
	Query *query = prepare(database, sql, error);

	if (query == NULL)
		return NULL;
	bind_text(query, 1, scope->ref);
	bind_text(query, 2, scope->channel);
	return query;
}

static void
version_free(AshDatabaseVersion *version)
{
	g_free(version->version);
	g_free(version);
}

GPtrArray *
ash_database_list_versions(AshDatabase *database, const AshDatabaseScope *scope, guint max, GError **error)
{
	g_autoptr(GPtrArray) versions = g_ptr_array_new_with_free_func((GDestroyNotify) version_free);
	g_autoptr(Query) query = ask(database, scope,
				     "SELECT version, SUM(state = 0), SUM(state = 1), SUM(state = 2) FROM node WHERE ref = ?1 AND channel = ?2"
				     " GROUP BY version ORDER BY COUNT(*) DESC, version LIMIT ?3",
				     error);
	int row;

	if (query == NULL)
		return NULL;
	sqlite3_bind_int64(query, 3, max);
	while ((row = step(database, query, error)) > 0) {
		AshDatabaseVersion *version = g_new0(AshDatabaseVersion, 1);
		version->version = dup_text(query, 0);
		for (int i = 0; i < ASH_REPORT_N_STATES; i++)
			version->nodes[i] = get_count(query, i + 1);
		g_ptr_array_add(versions, version);
	}
	return row == 0 ? g_steal_pointer(&versions) : NULL;
}

gboolean
ash_database_count_places(AshDatabase *database, const AshDatabaseScope *scope, const char *version, AshDatabasePlaces *ret, GError **error)
{
	g_autoptr(Query) query = ask(database, scope,
				     "SELECT place, COUNT(*), SUM(version = ?3), SUM(version <> ?3 AND state = 2) FROM node"
				     " WHERE ref = ?1 AND channel = ?2 AND (version = ?3 OR wanted = ?3) GROUP BY place",
				     error);
	int row;

	if (query == NULL)
		return FALSE;
	memset(ret, 0, sizeof(*ret));
	bind_text(query, 3, version);
	while ((row = step(database, query, error)) > 0) {
		const int place = sqlite3_column_int(query, 0);
		const int at = place >= 0 && place < ASH_DATABASE_PLACES - 1 ? place : ASH_DATABASE_PLACES - 1;
		ret->nodes[at] += get_count(query, 1);
		ret->done[at] += get_count(query, 2);
		ret->failed[at] += get_count(query, 3);
	}
	return row == 0;
}

GArray *
ash_database_list_progress(AshDatabase *database, const AshDatabaseScope *scope, const char *version, gint64 from, gint64 to, guint max,
			   GError **error)
{
	g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(AshDatabasePoint));
	g_autoptr(Query) query = ask(database, scope,
				     "SELECT MAX(since, ?4), COUNT(*) FROM node WHERE ref = ?1 AND channel = ?2 AND version = ?3 AND since <= ?5"
				     " GROUP BY (MAX(since, ?4) - ?4) / ?6 ORDER BY 1",
				     error);
	guint sum = 0;
	int row;

	if (query == NULL)
		return NULL;
	bind_text(query, 3, version);
	sqlite3_bind_int64(query, 4, from);
	sqlite3_bind_int64(query, 5, to);
	sqlite3_bind_int64(query, 6, MAX(1, (to - from) / MAX(max, 1) + 1));
	while ((row = step(database, query, error)) > 0) {
		sum += get_count(query, 1);
		const AshDatabasePoint point = { .time = sqlite3_column_int64(query, 0), .nodes = sum };
		g_array_append_val(points, point);
	}
	return row == 0 ? g_steal_pointer(&points) : NULL;
}

static void
failure_free(AshDatabaseFailure *failure)
{
	g_free(failure->version);
	g_free(failure->reason);
	g_free(failure);
}

GPtrArray *
ash_database_list_failures(AshDatabase *database, const AshDatabaseScope *scope, guint max, GError **error)
{
	g_autoptr(GPtrArray) failures = g_ptr_array_new_with_free_func((GDestroyNotify) failure_free);
	g_autoptr(Query) query = ask(database, scope,
				     "SELECT COALESCE(wanted, version), reason, COUNT(*), MAX(last) FROM node"
				     " WHERE ref = ?1 AND channel = ?2 AND state = 2 GROUP BY 1, 2 ORDER BY 3 DESC, 4 DESC, 1, 2 LIMIT ?3",
				     error);
	int row;

	if (query == NULL)
		return NULL;
	sqlite3_bind_int64(query, 3, max);
	while ((row = step(database, query, error)) > 0) {
		AshDatabaseFailure *failure = g_new0(AshDatabaseFailure, 1);
		failure->version = dup_text(query, 0);
		failure->reason = dup_text(query, 1);
		failure->nodes = get_count(query, 2);
		failure->last = sqlite3_column_int64(query, 3);
		g_ptr_array_add(failures, failure);
	}
	return row == 0 ? g_steal_pointer(&failures) : NULL;
}
