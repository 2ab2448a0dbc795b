/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "base/signals.h"
#include "node/command.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

static const AshNodeCommand commands[] = {
	{ "status", "show what runs, what is in the slots and what boots next",
	  "--etc compares /etc with the defaults of the running version and with those of an update that was fetched.",
	  ash_node_command_status },
	{ "check", "ask whether there is an update, and what it takes",
	  "Exits 77 if there is none.", ash_node_command_check },
	{ "fetch", "fetch an update into the free slot, all but the last step",
	  "Nothing boots it until \"ashlar-node apply\". An interrupted fetch goes on where it was. Exits 77 if there is none.",
	  ash_node_command_fetch },
	{ "apply", "have the next boot take the update that was fetched", NULL, ash_node_command_apply },
	{ "update", "fetch and apply", "With --automatic as [Update] Automatic= and [Limits] of node.conf say.", ash_node_command_update },
	{ "rollback", "have the next boot take the other slot",
	  "Going back to an older version remembers the running one as bad: it does not come again by itself. From there, another\n"
	  "rollback goes forward again. An update that was applied and not booted yet is taken back.",
	  ash_node_command_rollback },
	{ "mark-good", "say that the running version is good",
	  "Run after boot-complete.target was reached: its tries are over, and versions older than it are not taken any more.",
	  ash_node_command_mark_good },
	{ "history", "show what happened here, newest first", NULL, ash_node_command_history },
	{ "health", "run the health checks of a boot (for ashlar-node-health.service)",
	  "Runs health.d/* of /usr/lib/ashlar and /etc/ashlar and looks at units. If this boot is a try of a new version, and something else\n"
	  "can boot, a failure reboots the machine.",
	  ash_node_command_health },
};

const AshNodeCommand *
ash_node_command_find(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void
print_help(void)
{
	printf("usage: ashlar-node COMMAND [OPTIONS]\n\nUpdates this machine's system, the running version untouched.\n\nCommands:\n");
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\n\"ashlar-node COMMAND --help\" shows the options of a command. Manual: ashlar-node(8), ashlar-node.conf(5).\n");
}

/* With --json a failure is one object too. */
static int
report(const AshNodeEnv *env, const GError *error)
{
	const bool cancelled = g_cancellable_is_cancelled(env->ctx->cancellable);

	if (env->json) {
		g_autoptr(JsonObject) object = json_object_new();
		json_object_set_string_member(object, "error", cancelled ? "cancelled" : ash_error_code_to_string(ash_error_code(error)));
		json_object_set_string_member(object, "message", error->message);
		ash_node_print_json(object);
	}
	fprintf(stderr, "ashlar-node: %s\n", cancelled ? "interrupted" : error->message);
	return cancelled ? 130 : ash_error_exit_status(error);
}

static int
run_command(const AshNodeCommand *command, int argc, char **argv)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	AshNodeEnv env = { .ctx = ctx };

	ash_signals_cancel(ctx);
	const gboolean ok = command->run(&env, argc, argv, &error);
	g_clear_pointer(&env.terminal, ash_terminal_free);
	const int status = ok ? (env.unchanged ? 77 : 0) : report(&env, error);
	ash_node_places_clear(&env.places);
	if (fflush(stdout) != 0 && ok) {
		fprintf(stderr, "ashlar-node: cannot write the result: %s\n", g_strerror(errno));
		return errno == ENOSPC ? 8 : 1;
	}
	return status;
}

int
main(int argc, char **argv)
{
	ash_digest_prepare();
	setlocale(LC_ALL, "");
	if (argc < 2) {
		fprintf(stderr, "ashlar-node: no command given; see \"ashlar-node --help\"\n");
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help();
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("ashlar-node %s\n", PACKAGE_VERSION);
		return 0;
	}
	const AshNodeCommand *command = ash_node_command_find(argv[1]);
	if (command == NULL) {
		fprintf(stderr, "ashlar-node: unknown command \"%s\"; see \"ashlar-node --help\"\n", argv[1]);
		return 2;
	}
	return run_command(command, argc - 1, argv + 1);
}
