/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/command.h"

#include "base/error.h"
#include "base/size.h"
#include "node/health.h"
#include "node/reporter.h"
#include "node/update.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the commands of an update may be told. */
typedef struct {
	gboolean exact, now, retry_bad, allow_full, automatic, reboot;
} Options;

/* Rows of tables of options: which version, and whether to fetch it. */
#define CHOICE_ENTRIES(options) \
	{ "ignore-waves", 0, 0, G_OPTION_ARG_NONE, &(options)->now, "Do not wait for this machine's place in a roll-out", NULL }, \
	{ "retry-bad", 0, 0, G_OPTION_ARG_NONE, &(options)->retry_bad, "Versions that were bad here too", NULL }
#define FETCH_ENTRIES(options) \
	{ "allow-full", 0, 0, G_OPTION_ARG_NONE, &(options)->allow_full, "Although nearly all of it has to be downloaded", NULL }, \
	CHOICE_ENTRIES(options)

/* What became of it, for printing. */
typedef struct {
	const AshNodeMachine *machine;
	const AshNodeUpdater *updater; /* NULL: nobody asked */
	const AshPlanCost *cost;       /* NULL: unknown */
	const AshNodeFetched *fetched; /* NULL: nothing was fetched */
	const char *staged;            /* version that the next boot takes now; NULL: none */
	const char *note;              /* may be NULL */
	bool reboots;
} Outcome;

static JsonObject *
cost_to_json(const AshPlanCost *cost)
{
	JsonObject *object = json_object_new();

	json_object_set_int_member(object, "tree_bytes", (gint64) cost->tree_bytes);
	json_object_set_int_member(object, "data_bytes", (gint64) cost->data_bytes);
	json_object_set_int_member(object, "delta_bytes", (gint64) cost->delta_bytes);
	json_object_set_int_member(object, "requests", (gint64) cost->requests);
	json_object_set_int_member(object, "copied_bytes", (gint64) cost->copied_bytes);
	json_object_set_int_member(object, "kept_bytes", (gint64) cost->kept_bytes);
	return object;
}

/* By the shorter way. */
static guint64
told_data_bytes(const AshReleaseCost *told)
{
	return told->delta_bytes > 0 ? MIN(told->delta_bytes, told->data_bytes) : told->data_bytes;
}

static void
release_to_json(JsonObject *object, const Outcome *outcome)
{
	const AshNodeUpdater *updater = outcome->updater;

	if (updater->release == NULL) {
		json_object_set_null_member(object, "available");
		json_object_set_string_member(object, "why", updater->why);
	} else {
		const AshReleaseCost *told = ash_node_updater_find_cost(updater, outcome->machine);
		json_object_set_string_member(object, "available", updater->release->version);
		json_object_set_int_member(object, "published", (gint64) updater->published);
		if (told != NULL)
			json_object_set_int_member(object, "told_bytes", (gint64) (told->tree_bytes + told_data_bytes(told)));
		json_object_set_int_member(object, "kernel_bytes", (gint64) ash_release_get_kernel_object(updater->release)->size);
	}
	if (updater->next != 0)
		json_object_set_int_member(object, "next", (gint64) updater->next);
}

static void
print_outcome_json(const Outcome *outcome)
{
	g_autoptr(JsonObject) object = json_object_new();

	json_object_set_string_member(object, "version", outcome->machine->running);
	if (outcome->updater != NULL)
		release_to_json(object, outcome);
	if (outcome->cost != NULL)
		json_object_set_object_member(object, "cost", cost_to_json(outcome->cost));
	if (outcome->fetched != NULL)
		json_object_set_int_member(object, "received_bytes", (gint64) outcome->fetched->received);
	if (outcome->staged != NULL)
		json_object_set_string_member(object, "staged", outcome->staged);
	if (outcome->note != NULL)
		json_object_set_string_member(object, "note", outcome->note);
	json_object_set_boolean_member(object, "reboots", outcome->reboots);
	ash_node_print_json(object);
}

static void
print_cost(const AshPlanCost *cost, guint64 kernel_bytes)
{
	g_autofree char *data = ash_size_format(cost->delta_bytes > 0 ? cost->delta_bytes : cost->data_bytes);
	g_autofree char *kernel = ash_size_format(kernel_bytes), *copied = ash_size_format(cost->copied_bytes + cost->kept_bytes);

	printf("Takes:      %s in %" G_GUINT64_FORMAT " requests, kernel image %s; %s are here already\n", data, cost->requests, kernel, copied);
}

static void
print_offer(const Outcome *outcome)
{
	const AshNodeUpdater *updater = outcome->updater;
	g_autofree char *next = ash_node_format_time(updater->next);

	if (updater->release == NULL) {
		printf("No update: %s%s%s.\n", updater->why, updater->next != 0 ? " before " : "", updater->next != 0 ? next : "");
		return;
	}
	g_autofree char *published = ash_node_format_time(updater->published);
	printf("Available:  %s (published %s)\n", updater->release->version, published);
	const AshReleaseCost *told = ash_node_updater_find_cost(updater, outcome->machine);
	if (outcome->cost != NULL) {
		print_cost(outcome->cost, ash_release_get_kernel_object(updater->release)->size);
	} else if (told != NULL) {
		g_autofree char *bytes = ash_size_format(told->tree_bytes + told_data_bytes(told));
		g_autofree char *kernel = ash_size_format(ash_release_get_kernel_object(updater->release)->size);
		printf("Takes:      about %s, kernel image %s (--exact: reckoned for this machine)\n", bytes, kernel);
	}
}

static void
print_outcome(const Outcome *outcome)
{
	printf("Running:    %s\n", outcome->machine->running);
	if (outcome->updater != NULL)
		print_offer(outcome);
	if (outcome->fetched != NULL && outcome->fetched->was_there)
		printf("Fetched:    it was there already\n");
	else if (outcome->fetched != NULL) {
		g_autofree char *received = ash_size_format(outcome->fetched->received);
		printf("Fetched:    %s came over the network\n", received);
	}
	if (outcome->staged != NULL)
		printf("Next boot:  %s%s\n", outcome->staged, outcome->reboots ? ", now" : "");
	if (outcome->note != NULL)
		printf("%s\n", outcome->note);
}

static void
show(AshNodeEnv *env, const Outcome *outcome)
{
	ash_terminal_clear(env->terminal);
	if (env->json)
		print_outcome_json(outcome);
	else
		print_outcome(outcome);
	fflush(stdout);
}

static AshNodeMachine *
open_for_update(AshNodeEnv *env, GError **error)
{
	AshNodeMachine *machine = ash_node_machine_open(&env->places, ASH_NODE_STATE_WRITE, error);

	for (guint i = 0; machine != NULL && i < machine->state->notes->len; i++)
		ash_progress_message(env->ctx->progress, "%s", (const char *) machine->state->notes->pdata[i]);
	return machine;
}

static AshNodeUpdater *
ask(AshNodeEnv *env, AshNodeMachine *machine, const Options *options, GError **error)
{
	const AshNodeCheckOptions check = { .ignore_waves = options->now, .retry_bad = options->retry_bad };

	return ash_node_updater_check(env->ctx, machine, &check, error);
}

gboolean
ash_node_command_check(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	Options options = { 0 };
	const GOptionEntry entries[] = {
		{ "exact", 0, 0, G_OPTION_ARG_NONE, &options.exact, "Reckon to the byte what it takes from here", NULL },
		CHOICE_ENTRIES(&options),
		{ NULL },
	};
	AshPlanCost cost;

	if (!ash_node_command_parse(env, entries, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeMachine) machine = open_for_update(env, error);
	if (machine == NULL)
		return FALSE;
	g_autoptr(AshNodeUpdater) updater = ask(env, machine, &options, error);
	ash_node_reporter_send(env->ctx, machine, updater, *error);
	if (updater == NULL)
		return FALSE;
	Outcome outcome = { .machine = machine, .updater = updater };
	if (options.exact && updater->release != NULL) {
		if (!ash_node_update_measure(env->ctx, machine, updater, &cost, error))
			return FALSE;
		outcome.cost = &cost;
	}
	/* Metadata and tree count too. */
	if (!ash_node_state_add_day_bytes(machine->state, machine->now, ash_source_get_received(updater->source), error))
		return FALSE;
	if (outcome.updater->staged_is_withdrawn)
		outcome.note = "The update that was fetched has been withdrawn.";
	env->unchanged = updater->release == NULL;
	show(env, &outcome);
	return TRUE;
}

/* What was fetched or applied, and should not have been: whoever published it took it back. */
static gboolean
cancel_withdrawn(AshNodeMachine *machine, const AshNodeUpdater *updater, Outcome *outcome, GError **error)
{
	if (!updater->staged_is_withdrawn)
		return TRUE;
	outcome->note = "The update that was fetched has been withdrawn, and will not be booted.";
	return ash_node_update_cancel(machine, "withdrawn", error);
}

/* Of somebody who sits there; without, it is no. */
static bool
ask_about_full(const char *question, gpointer user_data)
{
	AshNodeEnv *env = user_data;
	char answer[16] = "";

	if (env->json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	ash_terminal_clear(env->terminal);
	fprintf(stderr, "%s Fetch it? [y/N] ", question);
	return fgets(answer, sizeof(answer), stdin) != NULL && g_ascii_tolower(answer[0]) == 'y';
}

/* fetch, and with @commit apply. *@ret_updater is borrowed by the outcome. */
static gboolean
carry_out(AshNodeEnv *env, AshNodeMachine *machine, const Options *options, bool commit, AshNodeFetched *fetched, AshNodeUpdater **ret_updater,
	  Outcome *outcome, GError **error)
{
	const AshNodeFetchOptions fetch = { .allow_full = options->allow_full,
					    .ask = options->automatic ? NULL : ask_about_full,
					    .user_data = env };
	AshNodeUpdater *updater = *ret_updater = ask(env, machine, options, error);

	if (updater == NULL || !cancel_withdrawn(machine, updater, outcome, error))
		return FALSE;
	outcome->updater = updater;
	if (updater->release != NULL) {
		if (!ash_node_update_fetch(env->ctx, machine, updater, &fetch, fetched, error))
			return FALSE;
		outcome->fetched = fetched;
		outcome->cost = fetched->was_there ? NULL : &fetched->cost;
	}
	const bool to_commit = commit && updater->release != NULL && ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_PREPARED);
	if (to_commit && !ash_node_update_commit(env->ctx, machine, fetched->was_there, &outcome->staged, error))
		return FALSE;
	env->unchanged = updater->release == NULL || (fetched->was_there && !to_commit);
	return TRUE;
}

static gboolean
fetch_and_commit(AshNodeEnv *env, AshNodeMachine *machine, const Options *options, bool commit, bool reboot, GError **error)
{
	AshNodeFetched fetched = { 0 };
	Outcome outcome = { .machine = machine };
	g_autoptr(AshNodeUpdater) updater = NULL;
	const gboolean ok = carry_out(env, machine, options, commit, &fetched, &updater, &outcome, error);

	ash_node_reporter_send(env->ctx, machine, updater, *error);
	if (!ok)
		return FALSE;
	const bool staged = ash_node_state_is_at(machine->state, ASH_NODE_JOURNAL_STAGED) &&
			    g_strcmp0(machine->state->journal.version, machine->running) != 0;
	if (staged)
		outcome.staged = machine->state->journal.version;
	outcome.reboots = reboot && staged;
	env->unchanged = env->unchanged && !(outcome.reboots && updater->release != NULL);
	show(env, &outcome);
	return !outcome.reboots || ash_node_reboot(env->ctx, error);
}

gboolean
ash_node_command_fetch(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	Options options = { 0 };
	const GOptionEntry entries[] = {
		FETCH_ENTRIES(&options),
		{ NULL },
	};

	if (!ash_node_command_parse(env, entries, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeMachine) machine = open_for_update(env, error);
	return machine != NULL && fetch_and_commit(env, machine, &options, false, false, error);
}

gboolean
ash_node_command_apply(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	Options options = { 0 };
	const GOptionEntry entries[] = {
		{ "reboot", 0, 0, G_OPTION_ARG_NONE, &options.reboot, "Reboot into it", NULL },
		{ NULL },
	};

	if (!ash_node_command_parse(env, entries, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeMachine) machine = open_for_update(env, error);
	if (machine == NULL || !ash_node_machine_check(machine, error) || !ash_node_machine_reconcile(machine, error))
		return FALSE;
	Outcome outcome = { .machine = machine, .reboots = options.reboot };
	const gboolean ok = ash_node_update_commit(env->ctx, machine, true, &outcome.staged, error);
	if (ok || !g_error_matches(*error, ASH_ERROR, ASH_ERROR_UNCHANGED))
		ash_node_reporter_send(env->ctx, machine, NULL, *error);
	if (!ok)
		return FALSE;
	show(env, &outcome);
	return !options.reboot || ash_node_reboot(env->ctx, error);
}

/* Nobody is there to ask, and the machine has its hours. */
static gboolean
update_automatically(AshNodeEnv *env, AshNodeMachine *machine, Options *options, GError **error)
{
	const int automatic = machine->config->automatic;
	Outcome outcome = { .machine = machine };
	guint64 next = 0;

	if (automatic == ASH_NODE_AUTOMATIC_NO)
		outcome.note = "Automatic updates are off (Automatic= in [Update] of node.conf).";
	else if (!ash_node_windows_allow(machine->config->windows, machine->now, &next))
		outcome.note = "Not in one of the times for updates (Window= in [Limits] of node.conf).";
	if (outcome.note == NULL)
		return fetch_and_commit(env, machine, options, automatic >= ASH_NODE_AUTOMATIC_APPLY, automatic == ASH_NODE_AUTOMATIC_REBOOT, error);
	env->unchanged = true;
	ash_node_reporter_send(env->ctx, machine, NULL, NULL);
	show(env, &outcome);
	return TRUE;
}

gboolean
ash_node_command_update(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	Options options = { 0 };
	const GOptionEntry entries[] = {
		{ "automatic", 0, 0, G_OPTION_ARG_NONE, &options.automatic, "As a timer does: what node.conf says, at the times that it says", NULL },
		{ "reboot", 0, 0, G_OPTION_ARG_NONE, &options.reboot, "Reboot into it", NULL },
		FETCH_ENTRIES(&options),
		{ NULL },
	};

	if (!ash_node_command_parse(env, entries, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeMachine) machine = open_for_update(env, error);
	if (machine == NULL)
		return FALSE;
	if (options.automatic)
		return update_automatically(env, machine, &options, error);
	return fetch_and_commit(env, machine, &options, true, options.reboot, error);
}

gboolean
ash_node_command_rollback(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	gboolean force = FALSE, reboot = FALSE;
	AshNodeRollback rollback;
	const GOptionEntry entries[] = {
		{ "force", 0, 0, G_OPTION_ARG_NONE, &force, "Although the other version was bad here", NULL },
		{ "reboot", 0, 0, G_OPTION_ARG_NONE, &reboot, "Reboot into it", NULL },
		{ NULL },
	};

	if (!ash_node_command_parse(env, entries, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeMachine) machine = open_for_update(env, error);
	if (machine == NULL || !ash_node_machine_check(machine, error) || !ash_node_machine_reconcile(machine, error) ||
	    !ash_node_machine_rollback(env->ctx, machine, force, &rollback, error))
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (env->json) {
		g_autoptr(JsonObject) object = json_object_new();
		json_object_set_string_member(object, "from", rollback.from);
		json_object_set_string_member(object, "to", rollback.to);
		ash_node_print_json(object);
	} else {
		printf("The next boot takes %s in place of %s.\n", rollback.to, rollback.from);
	}
	fflush(stdout);
	return !reboot || ash_node_reboot(env->ctx, error);
}

gboolean
ash_node_command_mark_good(AshNodeEnv *env, int argc, char **argv, GError **error)
{
	bool changed = false;

	if (!ash_node_command_parse(env, NULL, argc, argv, error))
		return FALSE;
	g_autoptr(AshNodeMachine) machine = open_for_update(env, error);
	if (machine == NULL || !ash_node_machine_check(machine, error) || !ash_node_machine_reconcile(machine, error) ||
	    !ash_node_machine_mark_good(machine, &changed, error))
		return FALSE;
	ash_node_reporter_send(env->ctx, machine, NULL, NULL);
	ash_terminal_clear(env->terminal);
	if (env->json) {
		g_autoptr(JsonObject) object = json_object_new();
		json_object_set_string_member(object, "version", machine->running);
		json_object_set_boolean_member(object, "changed", changed);
		ash_node_print_json(object);
	} else {
		printf("%s %s good.\n", machine->running, changed ? "is" : "was");
	}
	return TRUE;
}
