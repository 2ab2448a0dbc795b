/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reports that are kept, and how many. */
#include "base/error.h"
#include "serve/database.h"
#include "serve/metrics.h"
#include "serve/ratelimit.h"

#include <glib/gstdio.h>
#include <string.h>

static const AshDatabaseScope scope = { .ref = "lab/x86_64/vm", .channel = "stable" };

typedef struct {
	char *dir, *path;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ash-reports-XXXXXX", NULL);
	fixture->path = g_build_filename(fixture->dir, "a", "b", "reports.sqlite", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	const char *const command[] = { "rm", "-rf", fixture->dir, NULL };

	g_spawn_sync(NULL, (char **) command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
	g_free(fixture->dir);
	g_free(fixture->path);
}

static AshDatabase *
open_database(const Fixture *fixture, guint max)
{
	g_autoptr(GError) error = NULL;
	AshDatabase *database = ash_database_open(fixture->path, max, &error);

	g_assert_no_error(error);
	return database;
}

/* What one node says. */
typedef struct {
	guint node;
	const char *version, *wanted;
	AshReportState state;
	int place;
	const char *reason;
} Said;

static gboolean
put(AshDatabase *database, const Said *said, gint64 now, GError **error)
{
	g_autoptr(AshReport) report = ash_report_new();

	report->ref = g_strdup(scope.ref);
	report->channel = g_strdup(scope.channel);
	report->node = g_strdup_printf("%032x", said->node);
	report->version = g_strdup(said->version);
	report->wanted = g_strdup(said->wanted);
	report->state = said->state;
	report->place = said->place;
	report->reason = g_strdup(said->reason);
	return ash_database_put(database, report, now, error);
}

static void
put_all(AshDatabase *database, const Said *said, gsize count, gint64 now)
{
	g_autoptr(GError) error = NULL;

	for (gsize i = 0; i < count; i++) {
		put(database, &said[i], now + (gint64) i, &error);
		g_assert_no_error(error);
	}
}

static const Said fleet[] = {
	{ 1, "1", "2", ASH_REPORT_OK, 70, NULL },
	{ 2, "1", "2", ASH_REPORT_UPDATING, 20, NULL },
	{ 3, "1", "2", ASH_REPORT_FAILED, 5, "its tries were used up" },
	{ 4, "2", NULL, ASH_REPORT_OK, 0, NULL },
	{ 5, "2", NULL, ASH_REPORT_OK, 9, NULL },
	{ 6, "1", "2", ASH_REPORT_FAILED, 6, "its tries were used up" },
	{ 7, "1", "2", ASH_REPORT_FAILED, -1, "'; DROP TABLE node; --" },
};

static void
test_counts(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshDatabase) database = open_database(fixture, 100);
	g_autoptr(GError) error = NULL;
	AshDatabasePlaces places;

	put_all(database, fleet, G_N_ELEMENTS(fleet), 1000);
	g_assert_cmpuint(ash_database_get_nodes(database), ==, 7);
	g_autoptr(GPtrArray) versions = ash_database_list_versions(database, &scope, 10, &error);
	g_assert_cmpuint(versions->len, ==, 2);
	const AshDatabaseVersion *one = versions->pdata[0];
	g_assert_cmpstr(one->version, ==, "1");
	g_assert_cmpuint(one->nodes[ASH_REPORT_OK], ==, 1);
	g_assert_cmpuint(one->nodes[ASH_REPORT_UPDATING], ==, 1);
	g_assert_cmpuint(one->nodes[ASH_REPORT_FAILED], ==, 3);
	g_assert_true(ash_database_count_places(database, &scope, "2", &places, &error));
	g_assert_cmpuint(places.nodes[0], ==, 1);
	g_assert_cmpuint(places.done[0], ==, 1);
	g_assert_cmpuint(places.failed[5], ==, 1);
	g_assert_cmpuint(places.nodes[ASH_DATABASE_PLACES - 1], ==, 1);
	g_autoptr(GPtrArray) failures = ash_database_list_failures(database, &scope, 10, &error);
	g_assert_cmpuint(failures->len, ==, 2);
	const AshDatabaseFailure *most = failures->pdata[0];
	g_assert_cmpstr(most->reason, ==, "its tries were used up");
	g_assert_cmpuint(most->nodes, ==, 2);
	g_assert_cmpint(most->last, ==, 1005);
	g_autoptr(GArray) progress = ash_database_list_progress(database, &scope, "2", 1000, 1010, 60, &error);
	g_assert_cmpuint(progress->len, ==, 2);
	g_assert_cmpuint(g_array_index(progress, AshDatabasePoint, 1).nodes, ==, 2);
	const AshDatabaseScope elsewhere = { .ref = scope.ref, .channel = "beta" };
	g_autoptr(GPtrArray) none = ash_database_list_versions(database, &elsewhere, 10, &error);
	g_assert_cmpuint(none->len, ==, 0);
	g_assert_no_error(error);
}

/* A node that says the same again keeps the time since when; another version begins anew. */
static void
test_since(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshDatabase) database = open_database(fixture, 100);
	g_autoptr(GError) error = NULL;
	const Said old = { .node = 1, .version = "1" }, new = { .node = 1, .version = "2" };

	put_all(database, &old, 1, 100);
	put_all(database, &new, 1, 200);
	put_all(database, &new, 1, 300);
	g_assert_cmpuint(ash_database_get_nodes(database), ==, 1);
	g_autoptr(GArray) progress = ash_database_list_progress(database, &scope, "2", 0, 1000, 60, &error);
	g_assert_cmpuint(progress->len, ==, 1);
	g_assert_cmpint(g_array_index(progress, AshDatabasePoint, 0).time, ==, 200);
}

static void
test_limits(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshDatabase) database = open_database(fixture, 2);
	g_autoptr(GError) error = NULL;
	const Said more = { .node = 9, .version = "1" };

	put_all(database, fleet, 2, 100);
	g_assert_false(put(database, &more, 500, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_NO_SPACE);
	g_clear_error(&error);
	put_all(database, fleet, 1, 600); /* one that is known */
	g_assert_true(ash_database_prune(database, 500, &error));
	g_assert_cmpuint(ash_database_get_nodes(database), ==, 1);
	g_assert_true(put(database, &more, 700, &error));
	g_clear_pointer(&database, ash_database_free);
	database = open_database(fixture, 2);
	g_assert_cmpuint(ash_database_get_nodes(database), ==, 2);
}

static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	g_autofree char *dir = g_path_get_dirname(fixture->path);
	g_autoptr(GError) error = NULL;

	g_mkdir_with_parents(dir, 0755);
	g_assert_true(g_file_set_contents(fixture->path, "this is no database, and long enough to be looked at: ................................................", -1, NULL));
	g_autoptr(AshDatabase) database = ash_database_open(fixture->path, 2, &error);
	g_assert_null(database);
	g_assert_nonnull(error);
	g_assert_nonnull(strstr(error->message, fixture->path));
}

static void
test_rate(void)
{
	g_autoptr(AshRateLimit) limit = ash_rate_limit_new(60, 3, 2);
	g_autoptr(GInetAddress) a = g_inet_address_new_from_string("192.0.2.1");
	g_autoptr(GInetAddress) mapped = g_inet_address_new_from_string("::ffff:192.0.2.1");
	g_autoptr(GInetAddress) six = g_inet_address_new_from_string("2001:db8::1");
	g_autoptr(GInetAddress) near = g_inet_address_new_from_string("2001:db8::ffff:1");
	guint seconds = 0;

	for (guint i = 0; i < 3; i++)
		g_assert_true(ash_rate_limit_allow(limit, i == 1 ? mapped : a, 0, &seconds));
	g_assert_false(ash_rate_limit_allow(limit, a, 0, &seconds));
	g_assert_cmpuint(seconds, ==, 2);
	g_assert_true(ash_rate_limit_allow(limit, a, G_USEC_PER_SEC, &seconds));
	g_assert_false(ash_rate_limit_allow(limit, a, G_USEC_PER_SEC, &seconds));
	for (guint i = 0; i < 3; i++)
		g_assert_true(ash_rate_limit_allow(limit, i == 1 ? near : six, 2 * G_USEC_PER_SEC, &seconds));
	g_assert_false(ash_rate_limit_allow(limit, near, 2 * G_USEC_PER_SEC, &seconds));
	/* A third address: the quietest is forgotten. */
	g_autoptr(GInetAddress) b = g_inet_address_new_from_string("192.0.2.2");
	g_assert_true(ash_rate_limit_allow(limit, b, 2 * G_USEC_PER_SEC, &seconds));
	g_assert_false(ash_rate_limit_allow(limit, six, 2 * G_USEC_PER_SEC, &seconds));
}

static void
test_metrics(void)
{
	g_autoptr(AshMetrics) metrics = ash_metrics_new(42);

	ash_metrics_count(metrics, ASH_SITE_OBJECTS, 206, 100, false);
	ash_metrics_count(metrics, ASH_SITE_OBJECTS, 206, 50, true);
	ash_metrics_count(metrics, ASH_SITE_OTHER, 0, 0, false);
	ash_metrics_count_report(metrics, ASH_METRICS_REPORT_KEPT);
	g_autofree char *text = ash_metrics_format(metrics, 3, 7);
	static const char *const lines[] = {
		"\nashlar_serve_requests_total{class=\"objects\",status=\"206\"} 2\n",
		"\nashlar_serve_response_bytes_total{class=\"objects\",status=\"206\"} 150\n",
		"\nashlar_serve_aborted_total{class=\"objects\"} 1\n",
		"\nashlar_serve_reports_total{result=\"kept\"} 1\n",
		"\nashlar_serve_connections 3\n",
		"\nashlar_serve_nodes 7\n",
		"# TYPE ashlar_serve_requests_total counter\n",
	};
	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
		g_assert_nonnull(strstr(text, lines[i]));
	g_autofree char *without = ash_metrics_format(metrics, 3, -1);
	g_assert_null(strstr(without, "ashlar_serve_nodes"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/serve/database/counts", Fixture, NULL, set_up, test_counts, tear_down);
	g_test_add("/serve/database/since", Fixture, NULL, set_up, test_since, tear_down);
	g_test_add("/serve/database/limits", Fixture, NULL, set_up, test_limits, tear_down);
	g_test_add("/serve/database/damaged", Fixture, NULL, set_up, test_damaged, tear_down);
	g_test_add_func("/serve/rate-limit", test_rate);
	g_test_add_func("/serve/metrics", test_metrics);
	return g_test_run();
}
