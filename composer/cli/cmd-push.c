/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "publish/push.h"

#include <stdio.h>

typedef struct {
	AshCommonOptions common;
	char **arguments; /* DIR, address */
	char *credentials, *ca_file;
	int connections;
	gboolean verify;
} PushCommand;

static void
push_command_clear(PushCommand *command)
{
	ash_common_options_clear(&command->common);
	g_strfreev(command->arguments);
	g_free(command->credentials);
	g_free(command->ca_file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PushCommand, push_command_clear)

/* Where the tools for containers keep theirs: REGISTRY_AUTH_FILE, that of podman and skopeo, that of Docker. Owned; NULL: there is none. */
static char *
find_credentials(void)
{
	const char *named = g_getenv("REGISTRY_AUTH_FILE"), *docker = g_getenv("DOCKER_CONFIG");
	g_autofree char *podman = g_build_filename(g_get_user_runtime_dir(), "containers", "auth.json", NULL);
	g_autofree char *config = docker != NULL ? g_build_filename(docker, "config.json", NULL)
						 : g_build_filename(g_get_home_dir(), ".docker", "config.json", NULL);
	const char *const places[] = { podman, config };

	if (named != NULL && *named != '\0')
		return g_strdup(named);
	for (gsize i = 0; i < G_N_ELEMENTS(places); i++)
		if (g_file_test(places[i], G_FILE_TEST_EXISTS))
			return g_strdup(places[i]);
	return NULL;
}

static gboolean
parse(AshCommandEnv *env, int argc, char **argv, PushCommand *command, GError **error)
{
	const GOptionEntry entries[] = {
		{ "credentials", 0, 0, G_OPTION_ARG_FILENAME, &command->credentials,
		  "User and password, as \"docker login\" or \"skopeo login\" store them (default: where these do)", "FILE" },
		{ "ca-file", 0, 0, G_OPTION_ARG_FILENAME, &command->ca_file, "Certificates to check the registry's with (PEM)", "FILE" },
		{ "connections", 0, 0, G_OPTION_ARG_INT, &command->connections, "At most so many at once, 1 to 16 (default: 4)", "NUMBER" },
		{ "verify", 0, 0, G_OPTION_ARG_NONE, &command->verify, "Ask for every object, and send again what the registry has lost", NULL },
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 2, 2, &command->common, &command->arguments, error))
		return FALSE;
	if (command->connections < 0 || command->connections > 16)
		return ash_throw(error, ASH_ERROR_USAGE, "--connections needs a number from 1 to 16");
	if (command->credentials == NULL)
		command->credentials = find_credentials();
	return TRUE;
}

static void
print_json(const AshPushResult *result)
{
	g_autoptr(JsonObject) object = json_object_new();

	json_object_set_int_member(object, "version", (gint64) result->version);
	json_object_set_int_member(object, "releases", result->releases);
	json_object_set_int_member(object, "asked_objects", result->objects);
	json_object_set_int_member(object, "sent_objects", result->sent);
	json_object_set_int_member(object, "sent_bytes", (gint64) result->sent_bytes);
	json_object_set_int_member(object, "removed_tags", result->removed);
	json_object_set_int_member(object, "requests", (gint64) result->requests);
	json_object_set_boolean_member(object, "changed", !result->unchanged);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

static void
print_result(const PushCommand *command, const AshPushResult *result)
{
	g_autofree char *bytes = ash_size_format(result->sent_bytes);

	if (result->unchanged && result->sent == 0)
		printf("%s has all of \"%s\" already (metadata version %" G_GUINT64_FORMAT ")\n", command->arguments[1], command->arguments[0],
		       result->version);
	else
		printf("%s has metadata version %" G_GUINT64_FORMAT " now: %u releases, %u objects were missing (%s)\n", command->arguments[1],
		       result->version, result->releases, result->sent, bytes);
	if (result->removed > 0)
		printf("%u tags of releases that were pruned are gone from it\n", result->removed);
}

gboolean
ash_command_push(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(PushCommand) command = { 0 };
	AshPushResult result = { 0 };

	if (!parse(env, argc, argv, &command, error))
		return FALSE;
	const AshPushOptions options = { .credentials = command.credentials, .ca_file = command.ca_file,
					 .connections = (guint) command.connections, .verify = command.verify };
	if (!ash_push(env->ctx, command.arguments[0], command.arguments[1], &options, &result, error))
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (command.common.json)
		print_json(&result);
	else
		print_result(&command, &result);
	return TRUE;
}
