/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "compose/pushimages.h"
#include "publish/push.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	AshCommonOptions common;
	char **arguments; /* DIR or archives, address */
	char *credentials, *ca_file;
	char *url, *tag; /* the address without its tag; the tag, may be NULL */
	int connections;
	gboolean verify, add;
} PushCommand;

static void
push_command_clear(PushCommand *command)
{
	ash_common_options_clear(&command->common);
	g_strfreev(command->arguments);
	g_free(command->credentials);
	g_free(command->ca_file);
	g_free(command->url);
	g_free(command->tag);
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

/* "oci://HOST:PORT/REPOSITORY:TAG": a colon after the last slash. */
static void
split_tag(const char *address, char **ret_url, char **ret_tag)
{
	const char *slash = strrchr(address, '/');
	const char *colon = slash != NULL ? strchr(slash, ':') : NULL;

	*ret_url = colon != NULL ? g_strndup(address, (gsize) (colon - address)) : g_strdup(address);
	*ret_tag = colon != NULL ? g_strdup(colon + 1) : NULL;
}

static bool
is_release_dir(const PushCommand *command)
{
	return g_file_test(command->arguments[0], G_FILE_TEST_IS_DIR);
}

/* What goes with a release directory, and what with images. */
static gboolean
check(const PushCommand *command, GError **error)
{
	if (command->connections < 0 || command->connections > 16)
		return ash_throw(error, ASH_ERROR_USAGE, "--connections needs a number from 1 to 16");
	if (!g_file_test(command->arguments[0], G_FILE_TEST_EXISTS))
		return ash_throw(error, ASH_ERROR_USAGE, "there is no release directory, and no archive of an image, \"%s\"", command->arguments[0]);
	if (is_release_dir(command) && g_strv_length(command->arguments) > 2)
		return ash_throw(error, ASH_ERROR_USAGE, "one release directory is pushed at a time; several may only be archives of images");
	if (is_release_dir(command) && command->add)
		return ash_throw(error, ASH_ERROR_USAGE, "--add goes with archives of images");
	if (!is_release_dir(command) && (command->verify || command->connections != 0))
		return ash_throw(error, ASH_ERROR_USAGE, "--verify and --connections go with a release directory");
	return TRUE;
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
		{ "add", 0, 0, G_OPTION_ARG_NONE, &command->add, "Images: keep what the tag has for other architectures", NULL },
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 2, G_MAXINT, &command->common, &command->arguments, error))
		return FALSE;
	const char *address = command->arguments[g_strv_length(command->arguments) - 1];
	if (is_release_dir(command))
		command->url = g_strdup(address);
	else
		split_tag(address, &command->url, &command->tag);
	if (!check(command, error))
		return FALSE;
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

static void
print_images_json(const AshPushImagesResult *result)
{
	g_autoptr(JsonObject) object = json_object_new();
	g_autofree char *digest = g_strconcat("sha256:", result->digest, NULL);

	g_ptr_array_add(result->platforms, NULL);
	json_object_set_string_member(object, "tag", result->tag);
	json_object_set_string_member(object, "digest", digest);
	ash_json_set_strv(object, "platforms", (const char *const *) result->platforms->pdata);
	json_object_set_int_member(object, "asked_blobs", result->blobs);
	json_object_set_int_member(object, "sent_blobs", result->sent);
	json_object_set_int_member(object, "sent_bytes", (gint64) result->sent_bytes);
	json_object_set_int_member(object, "requests", (gint64) result->requests);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

static void
print_images(const PushCommand *command, const AshPushImagesResult *result)
{
	g_autofree char *bytes = ash_size_format(result->sent_bytes);

	g_ptr_array_add(result->platforms, NULL);
	g_autofree char *platforms = g_strjoinv(", ", (char **) result->platforms->pdata);
	printf("%s:%s is sha256:%s now (%s): %u of %u blobs were missing (%s)\n", command->url, result->tag, result->digest, platforms,
	       result->sent, result->blobs, bytes);
}

static gboolean
push_images(AshCommandEnv *env, PushCommand *command, GError **error)
{
	g_auto(AshPushImagesResult) result = { 0 };
	const AshPushImagesOptions options = { .credentials = command->credentials, .ca_file = command->ca_file, .tag = command->tag,
					       .add = command->add };
	g_auto(GStrv) archives = g_strdupv(command->arguments);

	g_clear_pointer(&archives[g_strv_length(archives) - 1], g_free);
	if (!ash_push_images(env->ctx, (const char *const *) archives, command->url, &options, &result, error))
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (command->common.json)
		print_images_json(&result);
	else
		print_images(command, &result);
	return TRUE;
}

gboolean
ash_command_push(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(PushCommand) command = { 0 };
	AshPushResult result = { 0 };

	if (!parse(env, argc, argv, &command, error))
		return FALSE;
	if (!is_release_dir(&command))
		return push_images(env, &command, error);
	const AshPushOptions options = { .credentials = command.credentials, .ca_file = command.ca_file,
					 .connections = (guint) command.connections, .verify = command.verify };
	if (!ash_push(env->ctx, command.arguments[0], command.url, &options, &result, error))
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (command.common.json)
		print_json(&result);
	else
		print_result(&command, &result);
	return TRUE;
}
