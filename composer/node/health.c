/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/health.h"

#include "base/error.h"
#include "base/runner.h"

#include <string.h>

static const char *const script_dirs[] = { "/usr/lib/ashlar/health.d", "/etc/ashlar/health.d" };

static void
result_free(gpointer data)
{
	AshNodeHealthResult *result = data;

	g_free(result->name);
	g_free(result->problem);
	g_free(result);
}

/* A time limit for what waits on a GCancellable. */
typedef struct {
	GMutex mutex;
	GCond cond;
	bool over;
	gint64 end; /* monotonic microseconds */
	GCancellable *limit, *outer;
} Watchdog;

static gpointer
watch(gpointer data)
{
	Watchdog *dog = data;

	g_mutex_lock(&dog->mutex);
	while (!dog->over && g_get_monotonic_time() < dog->end && !g_cancellable_is_cancelled(dog->outer))
		g_cond_wait_until(&dog->cond, &dog->mutex, MIN(dog->end, g_get_monotonic_time() + G_TIME_SPAN_SECOND));
	if (!dog->over)
		g_cancellable_cancel(dog->limit);
	g_mutex_unlock(&dog->mutex);
	return NULL;
}

/* FALSE and an error if it fails or takes longer. */
static gboolean
run_limited(AshContext *ctx, AshRun *run, guint64 seconds, GError **error)
{
	g_autoptr(GCancellable) limit = g_cancellable_new();
	Watchdog dog = { .end = g_get_monotonic_time() + (gint64) seconds * G_TIME_SPAN_SECOND, .limit = limit, .outer = ctx->cancellable };
	AshContext limited = *ctx;
	g_autoptr(GError) local = NULL;

	limited.cancellable = limit;
	g_mutex_init(&dog.mutex);
	g_cond_init(&dog.cond);
	GThread *thread = g_thread_new("time limit", watch, &dog);
	const gboolean ok = ash_run_sync(run, &limited, NULL, &local);
	g_mutex_lock(&dog.mutex);
	dog.over = true;
	g_cond_signal(&dog.cond);
	g_mutex_unlock(&dog.mutex);
	g_thread_join(thread);
	g_mutex_clear(&dog.mutex);
	g_cond_clear(&dog.cond);
	if (ok)
		return TRUE;
	if (g_cancellable_is_cancelled(limit))
		return ash_throw(error, ASH_ERROR_SCRIPT, "did not end within %" G_GUINT64_FORMAT " seconds", seconds);
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static void
add_result(GPtrArray *results, const char *name, gint64 begun, const GError *problem)
{
	AshNodeHealthResult *result = g_new0(AshNodeHealthResult, 1);

	result->name = g_strdup(name);
	result->ok = problem == NULL;
	result->problem = problem != NULL ? g_strdup(problem->message) : NULL;
	result->millis = (guint64) (g_get_monotonic_time() - begun) / 1000;
	g_ptr_array_add(results, result);
}

/* Name to path. */
static GHashTable *
find_scripts(const AshNodePlaces *places)
{
	GHashTable *found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

	for (guint i = 0; i < G_N_ELEMENTS(script_dirs); i++) {
		g_autofree char *path = ash_node_places_path(places, script_dirs[i]);
		g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
		const char *name;
		while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
			if (name[0] != '.' && !g_str_has_suffix(name, "~"))
				g_hash_table_replace(found, g_strdup(name), g_build_filename(path, name, NULL));
	}
	return found;
}

static void
run_scripts(AshContext *ctx, const AshNodePlaces *places, guint64 seconds, GPtrArray *results)
{
	g_autoptr(GHashTable) scripts = find_scripts(places);
	g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(scripts), (GCompareFunc) strcmp);

	for (GList *i = names; i != NULL && !g_cancellable_is_cancelled(ctx->cancellable); i = i->next) {
		const char *path = g_hash_table_lookup(scripts, i->data);
		g_autoptr(AshRun) run = ash_run_new_for_path(path);
		g_autoptr(GError) problem = NULL;
		const gint64 begun = g_get_monotonic_time();
		if (!g_file_test(path, G_FILE_TEST_IS_EXECUTABLE) || !g_file_test(path, G_FILE_TEST_IS_REGULAR))
			continue;
		(void) run_limited(ctx, run, seconds, &problem);
		add_result(results, i->data, begun, problem);
	}
}

/* A unit that is still starting has until the limit. */
static void
wait_for_unit(AshContext *ctx, const char *unit, guint64 seconds, GPtrArray *results)
{
	const gint64 begun = g_get_monotonic_time(), end = begun + (gint64) seconds * G_TIME_SPAN_SECOND;
	g_autoptr(GError) problem = NULL;

	for (;;) {
		g_clear_error(&problem);
		g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_SYSTEMCTL, &problem);
		if (run == NULL)
			break;
		ash_run_args(run, "is-active", "--quiet", "--", unit, NULL);
		if (run_limited(ctx, run, seconds, &problem) || g_get_monotonic_time() >= end || g_cancellable_is_cancelled(ctx->cancellable))
			break;
		g_usleep(G_USEC_PER_SEC);
	}
	if (problem != NULL)
		ash_prefix(&problem, "is not active");
	add_result(results, unit, begun, problem);
}

GPtrArray *
ash_node_health_run(AshContext *ctx, const AshNodePlaces *places, const AshNodeConfig *config, GError **error)
{
	g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(result_free);

	run_scripts(ctx, places, config->health_timeout, results);
	for (guint i = 0; config->health_units[i] != NULL && !g_cancellable_is_cancelled(ctx->cancellable); i++)
		wait_for_unit(ctx, config->health_units[i], config->health_timeout, results);
	return ash_context_check(ctx, error) ? g_steal_pointer(&results) : NULL;
}

bool
ash_node_health_should_reboot(const AshNodeMachine *machine)
{
	const AshBootEntry *entry = ash_node_machine_get_running_entry(machine);

	return entry != NULL && entry->counted && (entry->left > 0 || ash_node_machine_has_other_choice(machine));
}

gboolean
ash_node_reboot(AshContext *ctx, GError **error)
{
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_SYSTEMCTL, error);

	if (run == NULL)
		return FALSE;
	ash_run_args(run, "--no-block", "reboot", NULL);
	return ash_run_sync(run, ctx, NULL, error);
}
