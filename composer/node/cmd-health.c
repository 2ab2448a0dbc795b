/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/runner.h"
#include "node/health.h"
#include "node/reporter.h"

#include <stdio.h>

static guint
count_failures(const GPtrArray *results)
{
	guint failed = 0;

	for (guint i = 0; i < results->len; i++)
		if (!((const AshNodeHealthResult *) results->pdata[i])->ok)
			failed++;
	return failed;
}

static void
print_results(const GPtrArray *results)
{
	for (guint i = 0; i < results->len; i++) {
		const AshNodeHealthResult *result = results->pdata[i];
		printf("%s %s (%.1f s)%s%s\n", result->ok ? "good  " : "failed", result->name, (double) result->millis / 1000,
		       result->ok ? "" : ": ", result->ok ? "" : result->problem);
	}
	if (results->len == 0)
		printf("no health checks are configured\n");
}

static void
print_results_json(const GPtrArray *results, bool reboots)
{
	g_autoptr(JsonObject) object = json_object_new();
	JsonArray *array = json_array_new();

	for (guint i = 0; i < results->len; i++) {
		const AshNodeHealthResult *result = results->pdata[i];
		JsonObject *one = json_object_new();
		json_object_set_string_member(one, "name", result->name);
		json_object_set_boolean_member(one, "ok", result->ok);
		if (result->problem != NULL)
			json_object_set_string_member(one, "problem", result->problem);
		json_object_set_int_member(one, "milliseconds", (gint64) result->millis);
		json_array_add_object_element(array, one);
	}
	json_object_set_array_member(object, "checks", array);
	json_object_set_boolean_member(object, "reboots", reboots);
	ash_node_print_json(object);
}

/* Whoever is logged in should know why, and has the time to look. */
static gboolean
reboot_after_delay(AshNodeEnv *env, const AshNodeConfig *config, const char *why, GError **error)
{
	fprintf(stderr, "ashlar-node: %s: rebooting in %" G_GUINT64_FORMAT " seconds\n", why, config->reboot_delay);
	for (guint64 i = 0; i < config->reboot_delay; i++) {
		g_usleep(G_USEC_PER_SEC);
		if (!ash_context_check(env->ctx, error))
			return FALSE;
	}
	return ash_node_reboot(env->ctx, error);
}

/* On a machine whose slots cannot be read, a failed check still fails; but nothing is rebooted. */
static bool
may_reboot(AshNodeEnv *env, gboolean wanted)
{
	g_autoptr(GError) ignored = NULL;
	g_autoptr(AshNodeMachine) machine = wanted ? ash_node_machine_open(&env->places, ASH_NODE_STATE_READ, &ignored) : NULL;

	return machine != NULL && ash_node_health_should_reboot(machine);
}

/* Which checks failed, and how. Owned. */
static GError *
make_failure(const GPtrArray *results)
{
	g_autoptr(GString) text = g_string_new("failed health checks: ");

	for (guint i = 0; i < results->len; i++) {
		const AshNodeHealthResult *result = results->pdata[i];
		if (!result->ok)
			g_string_append_printf(text, "%s (%s) ", result->name, result->problem);
	}
	return g_error_new_literal(ASH_ERROR, ASH_ERROR_SCRIPT, g_strchomp(text->str));
}

/* Before a reboot, after which it is another version that runs. */
static void
send_report(AshNodeEnv *env, const GPtrArray *results)
{
	g_autoptr(AshNodeMachine) machine = ash_node_machine_open(&env->places, ASH_NODE_STATE_READ, NULL);
	g_autoptr(GError) failure = make_failure(results);

	if (machine != NULL)
		ash_node_reporter_send(env->ctx, machine, NULL, failure);
}

static gboolean
run_checks(AshNodeEnv *env, const AshNodeConfig *config, gboolean reboot, GError **error)
{
	g_autoptr(GPtrArray) results = ash_node_health_run(env->ctx, &env->places, config, error);

	if (results == NULL)
		return FALSE;
	const guint failed = count_failures(results);
	const bool reboots = failed > 0 && may_reboot(env, reboot);
	if (env->json)
		print_results_json(results, reboots);
	else
		print_results(results);
	fflush(stdout);
	if (failed == 0)
		return TRUE;
	send_report(env, results);
	if (reboots && !reboot_after_delay(env, config, "this version failed its health checks", error))
		return FALSE;
	return ash_throw(error, ASH_ERROR_SCRIPT, "%u of %u health checks failed", failed, results->len);
}

/* The boot is not over, though it should be: whatever it hangs in, this try is lost. */
static gboolean
check_overdue(AshNodeEnv *env, const AshNodeConfig *config, GError **error)
{
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_SYSTEMCTL, error);
	g_autoptr(GError) inactive = NULL;

	if (run == NULL)
		return FALSE;
	ash_run_args(run, "is-active", "--quiet", "boot-complete.target", NULL);
	if (ash_run_sync(run, env->ctx, NULL, &inactive) || !may_reboot(env, TRUE))
		return TRUE;
	return reboot_after_delay(env, config, "boot-complete.target was not reached in time", error);
}

gboolean
ash_node_command_health(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	gboolean reboot = FALSE, overdue = FALSE;
	const GOptionEntry entries[] = {
		{ "reboot", 0, 0, G_OPTION_ARG_NONE, &reboot, "On failure, reboot if this boot is a try of a new version", NULL },
		{ "overdue", 0, 0, G_OPTION_ARG_NONE, &overdue, "Reboot likewise if boot-complete.target was not reached; run no checks", NULL },
		{ NULL },
	};

	if (!ash_node_command_parse(env, entries, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeConfig) config = ash_node_config_load(&env->places, error);
	/* A configuration that cannot be read must not keep a bad version running. */
	if (config == NULL) {
		fprintf(stderr, "ashlar-node: %s\n", (*error)->message);
		g_clear_error(error);
		config = ash_node_config_new();
	}
	return overdue ? check_overdue(env, config, error) : run_checks(env, config, reboot, error);
}
