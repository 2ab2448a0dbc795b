/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "base/table.h"
#include "cli/deltarender.h"
#include "cli/signing.h"
#include "compose/layoutfiles.h"
#include "publish/publish.h"

#include <stdio.h>
#include <string.h>

#define MAX_LEVEL 22

typedef struct {
	AshCommonOptions common;
	char **arguments; /* DIR REF [FROM...] TO */
	AshSigning signing;
	int last, level;
} DeltaCommand;

static void
delta_command_clear(DeltaCommand *command)
{
	ash_common_options_clear(&command->common);
	ash_signing_clear(&command->signing);
	g_strfreev(command->arguments);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DeltaCommand, delta_command_clear)

enum { ARG_DIR, ARG_REF, ARG_FROM };

static gboolean
check_options(const DeltaCommand *command, GError **error)
{
	const guint count = g_strv_length(command->arguments);

	if (command->last < 0)
		return ash_throw(error, ASH_ERROR_USAGE, "--last %d is not a number of releases", command->last);
	if (command->level < 0 || command->level > MAX_LEVEL)
		return ash_throw(error, ASH_ERROR_USAGE, "--level %d is none of 1 to %d", command->level, MAX_LEVEL);
	if (command->last > 0 && count != ARG_FROM + 1)
		return ash_throw(error, ASH_ERROR_USAGE, "--last goes with one version, that to which the deltas lead");
	if (command->last == 0 && count < ARG_FROM + 2)
		return ash_throw(error, ASH_ERROR_USAGE, "name the versions FROM... and TO, or --last N and TO");
	return TRUE;
}

/* NULL-terminated, owned; NULL on failure. */
static char **
choose_sources(const DeltaCommand *command, AshReleaseDir *dir, const char *to, GError **error)
{
	const char *ref = command->arguments[ARG_REF];

	if (command->last == 0) {
		char **sources = g_strdupv(command->arguments + ARG_FROM);
		g_clear_pointer(&sources[g_strv_length(sources) - 1], g_free);
		return sources;
	}
	g_autoptr(GPtrArray) sources = ash_publish_list_sources(dir, ref, to, NULL, (guint) command->last, error);
	if (sources == NULL)
		return NULL;
	if (sources->len == 0)
		return ash_throw_null(error, ASH_ERROR_USAGE, "no release of \"%s\" is older than \"%s\"", ref, to);
	g_ptr_array_add(sources, NULL);
	return g_strdupv((char **) sources->pdata);
}

static bool
is_changed(const GPtrArray *deltas)
{
	for (guint i = 0; i < deltas->len; i++)
		if (!((const AshPublishedDelta *) g_ptr_array_index(deltas, i))->unchanged)
			return true;
	return false;
}

static void
print_result(const DeltaCommand *command, const AshRelease *release, const GPtrArray *deltas)
{
	if (!command->common.json) {
		printf("%s %s\n", release->ref, release->version);
		ash_delta_render(deltas);
		return;
	}
	g_autoptr(JsonObject) object = json_object_new();
	json_object_set_string_member(object, "ref", release->ref);
	json_object_set_string_member(object, "version", release->version);
	json_object_set_boolean_member(object, "changed", is_changed(deltas));
	json_object_set_array_member(object, "deltas", ash_delta_render_json(deltas));
	g_autofree char *text = ash_json_object_to_string(object, TRUE);
	fputs(text, stdout);
}

static gboolean
run(AshCommandEnv *env, DeltaCommand *command, AshReleaseDir *dir, GError **error)
{
	const AshPublishDeltaOptions options = { .read_layout = ash_layout_files_read, .level = command->level };
	const char *ref = command->arguments[ARG_REF], *to = command->arguments[g_strv_length(command->arguments) - 1];
	g_autoptr(AshRelease) release = NULL;

	if (!ash_release_dir_load_release(dir, ref, to, &release, error))
		return FALSE;
	if (release == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" of \"%s\" is not published: \"ashlar channel show DIR\" lists what is", to, ref);
	g_auto(GStrv) sources = choose_sources(command, dir, to, error);
	g_autoptr(GPtrArray) deltas =
		sources != NULL ? ash_publish_add_deltas(env->ctx, dir, release, (const char *const *) sources, &options, error) : NULL;
	if (deltas == NULL)
		return FALSE;
	if (is_changed(deltas) && !ash_release_dir_commit(dir, command->signing.loaded, &command->signing.validity, ash_signing_now(), false,
							  NULL, error))
		return FALSE;
	print_result(command, release, deltas);
	return TRUE;
}

gboolean
ash_command_delta(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(DeltaCommand) command = { 0 };
	const GOptionEntry entries[] = {
		{ "last", 0, 0, G_OPTION_ARG_INT, &command.last, "From the last N releases before it", "N" },
		{ "level", 0, 0, G_OPTION_ARG_INT, &command.level, "Zstandard level, 1 to 22 (default: 19)", "LEVEL" },
		ASH_SIGNING_ENTRIES(&command.signing),
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 3, -1, &command.common, &command.arguments, error) || !check_options(&command, error) ||
	    !ash_signing_load(&command.signing, env->ctx, error))
		return FALSE;
	g_autoptr(AshReleaseDir) dir = ash_release_dir_open(command.arguments[ARG_DIR], true, error);
	return dir != NULL && run(env, &command, dir, error);
}
