/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "config.h"

#ifdef HAVE_SERVE
#include "serve/server.h"

#include <stdio.h>

typedef struct {
	AshCommonOptions common;
	char **arguments; /* DIR */
	char **listen;
	char *tls_certificate, *tls_key, *access_log, *database;
	gboolean reports;
	int report_rate, keep_days, max_nodes, max_connections, timeout;
} ServeCommand;

static void
serve_command_clear(ServeCommand *command)
{
	ash_common_options_clear(&command->common);
	g_strfreev(command->arguments);
	g_strfreev(command->listen);
	g_free(command->tls_certificate);
	g_free(command->tls_key);
	g_free(command->access_log);
	g_free(command->database);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ServeCommand, serve_command_clear)

static gboolean
check_number(const char *option, int value, int most, GError **error)
{
	return (value >= 1 && value <= most) || ash_throw(error, ASH_ERROR_USAGE, "%s %d is not a number from 1 to %d", option, value, most);
}

/* Where state goes by the XDG rules, and as a service below /var/lib (StateDirectory=). */
static char *
find_database(void)
{
	const char *service = g_getenv("STATE_DIRECTORY"), *user = g_getenv("XDG_STATE_HOME");

	if (service != NULL && *service == '/')
		return g_build_filename(service, "reports.sqlite", NULL);
	return user != NULL && *user == '/' ? g_build_filename(user, "ashlar", "reports.sqlite", NULL)
					    : g_build_filename(g_get_home_dir(), ".local/state/ashlar/reports.sqlite", NULL);
}

static gboolean
check_options(ServeCommand *command, GError **error)
{
	const struct {
		const char *option;
		int value, most;
	} numbers[] = {
		{ "--report-rate", command->report_rate, 1000000 },      { "--keep-days", command->keep_days, 36500 },
		{ "--max-nodes", command->max_nodes, 10000000 },         { "--max-connections", command->max_connections, 100000 },
		{ "--timeout", command->timeout, 3600 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
		if (!check_number(numbers[i].option, numbers[i].value, numbers[i].most, error))
			return FALSE;
	if (command->database == NULL && command->reports)
		command->database = find_database();
	return TRUE;
}

static gboolean
parse(AshCommandEnv *env, int argc, char **argv, ServeCommand *command, GError **error)
{
	const GOptionEntry entries[] = {
		{ "listen", 'l', 0, G_OPTION_ARG_STRING_ARRAY, &command->listen,
		  "Where to listen, again for more (default: " ASH_SERVER_LISTEN ", or the sockets of systemd)", "ADDRESS:PORT" },
		{ "tls-certificate", 0, 0, G_OPTION_ARG_FILENAME, &command->tls_certificate, "HTTPS with this certificate and those above it (PEM)", "FILE" },
		{ "tls-key", 0, 0, G_OPTION_ARG_FILENAME, &command->tls_key, "Its private key (PEM)", "FILE" },
		{ "access-log", 0, 0, G_OPTION_ARG_FILENAME, &command->access_log, "Requests, in the common log format (-: standard output)", "FILE" },
		{ "reports", 0, 0, G_OPTION_ARG_NONE, &command->reports, "Take reports of nodes, and show them", NULL },
		{ "database", 0, 0, G_OPTION_ARG_FILENAME, &command->database, "The same, kept in this SQLite file", "FILE" },
		{ "report-rate", 0, 0, G_OPTION_ARG_INT, &command->report_rate, "Reports a minute from one address (default: 60)", "NUMBER" },
		{ "keep-days", 0, 0, G_OPTION_ARG_INT, &command->keep_days, "Forget nodes that were silent for so long (default: 90)", "DAYS" },
		{ "max-nodes", 0, 0, G_OPTION_ARG_INT, &command->max_nodes, "Remember so many nodes (default: 200000)", "NUMBER" },
		{ "max-connections", 0, 0, G_OPTION_ARG_INT, &command->max_connections, "At once (default: 1000)", "NUMBER" },
		{ "timeout", 0, 0, G_OPTION_ARG_INT, &command->timeout, "Close connections without progress after so long (default: 60)", "SECONDS" },
		{ NULL },
	};

	return ash_command_parse(env, entries, argc, argv, 1, 1, &command->common, &command->arguments, error) &&
	       check_options(command, error);
}

gboolean
ash_command_serve(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(ServeCommand) command = {
		.report_rate = ASH_SERVER_REPORT_RATE,
		.keep_days = ASH_SERVER_KEEP_DAYS,
		.max_nodes = ASH_SERVER_MAX_NODES,
		.max_connections = ASH_SERVER_MAX_CONNECTIONS,
		.timeout = ASH_SERVER_TIMEOUT,
	};

	if (!parse(env, argc, argv, &command, error))
		return FALSE;
	const AshServerOptions options = {
		.dir = command.arguments[0],
		.listen = (const char *const *) command.listen,
		.tls_certificate = command.tls_certificate,
		.tls_key = command.tls_key,
		.access_log = command.access_log,
		.database = command.database,
		.report_rate = (guint) command.report_rate,
		.keep_days = (guint) command.keep_days,
		.max_nodes = (guint) command.max_nodes,
		.max_connections = (guint) command.max_connections,
		.timeout = (guint) command.timeout,
	};
	g_autoptr(AshServer) server = ash_server_new(env->ctx, &options, error);
	if (server == NULL)
		return FALSE;
	for (const char *const *url = ash_server_get_urls(server); *url != NULL; url++)
		printf("serving \"%s\" at %s\n", options.dir, *url);
	fflush(stdout);
	ash_server_run(server);
	return TRUE;
}

#else

gboolean
ash_command_serve(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(AshCommonOptions) common = { 0 };
	g_auto(GStrv) arguments = NULL;

	return ash_command_parse(env, NULL, argc, argv, 1, 1, &common, &arguments, error) &&
	       ash_throw(error, ASH_ERROR_USAGE, "this ashlar was built without \"serve\": build it where libsoup-3.0 and sqlite3 are, or serve \"%s\" "
						 "with any web server", arguments[0]);
}

#endif
