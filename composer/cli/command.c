/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/file.h"
#include "disk/erofs/layout.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_MAX 256

void
ash_common_options_clear(AshCommonOptions *options)
{
	g_clear_pointer(&options->store, g_free);
	g_clear_pointer(&options->progress, g_free);
}

/* GOption wants an int-sized boolean; these live only while one command line is parsed. */
typedef struct {
	gboolean json;
	int jobs;
	char *store, *progress;
	char **arguments;
} Parsed;

static GOptionContext *
make_context(const AshCommand *command, const GOptionEntry *entries, Parsed *parsed)
{
	const GOptionEntry common[] = {
		{ "store", 0, 0, G_OPTION_ARG_FILENAME, &parsed->store,
		  "The store (default: $ASHLAR_STORE, else ashlar/store below the user's data directory)", "DIR" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &parsed->json, "Print the result as JSON", NULL },
		{ "progress", 0, 0, G_OPTION_ARG_STRING, &parsed->progress,
		  "bar, plain, json or none (default: bar on a terminal, else plain)", "MODE" },
		{ "jobs", 'j', 0, G_OPTION_ARG_INT, &parsed->jobs,
		  "Threads to use, and stages side by side (default: one a processor)", "N" },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &parsed->arguments, NULL, NULL },
		{ NULL },
	};
	g_autofree char *usage = g_strdup_printf("%s - %s", command->arguments, command->summary);
	GOptionContext *context = g_option_context_new(usage);

	g_option_context_set_description(context, command->details);
	if (entries != NULL)
		g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_add_main_entries(context, common, NULL);
	return context;
}

static gboolean
check_arguments(const AshCommand *command, char **arguments, int least, int most, GError **error)
{
	int count = (int) g_strv_length(arguments);

	if (count >= least && (most < 0 || count <= most))
		return TRUE;
	return ash_throw(error, ASH_ERROR_USAGE, "%s; usage: ashlar %s %s",
			 count < least ? "an argument is missing" : "too many arguments", command->name,
			 command->arguments);
}

static gboolean
set_jobs(AshCommandEnv *env, int jobs, GError **error)
{
	if (jobs < 0 || jobs > JOBS_MAX)
		return ash_throw(error, ASH_ERROR_USAGE, "--jobs=%d is not a number from 1 to %d", jobs, JOBS_MAX);
	if (jobs > 0)
		env->ctx->jobs = (guint) jobs;
	return TRUE;
}

static gboolean
set_up_terminal(AshCommandEnv *env, const char *progress, GError **error)
{
	AshProgressMode mode = ASH_PROGRESS_MODE_AUTO;

	if (progress != NULL && !ash_progress_mode_parse(progress, &mode))
		return ash_throw(error, ASH_ERROR_USAGE,
				 "--progress=%s is none of bar, plain, json, none", progress);
	env->terminal = ash_terminal_new(mode);
	env->ctx->progress = ash_terminal_progress(env->terminal);
	return TRUE;
}

static char *
default_store(void)
{
	const char *named = g_getenv("ASHLAR_STORE");

	return named != NULL ? g_strdup(named) : g_build_filename(g_get_user_data_dir(), "ashlar", "store", NULL);
}

gboolean
ash_command_parse(AshCommandEnv *env, const GOptionEntry *entries, int argc, char **argv, int least, int most,
		  AshCommonOptions *ret_options, char ***ret_arguments, GError **error)
{
	const AshCommand *command = ash_command_find(argv[0]);
	Parsed parsed = { 0 };
	g_autoptr(GError) local = NULL;
	g_autoptr(GOptionContext) context = make_context(command, entries, &parsed);
	g_autofree char *program = g_strdup_printf("ashlar %s", argv[0]);

	g_set_prgname(program);
	gboolean ok = g_option_context_parse(context, &argc, &argv, &local);
	ret_options->store = parsed.store != NULL ? parsed.store : default_store();
	ret_options->progress = parsed.progress;
	ret_options->json = parsed.json;
	g_auto(GStrv) arguments = parsed.arguments != NULL ? parsed.arguments : g_new0(char *, 1);
	if (!ok)
		return ash_throw(error, ASH_ERROR_USAGE, "%s; see \"ashlar %s --help\"", local->message, command->name);
	if (!check_arguments(command, arguments, least, most, error) ||
	    !set_jobs(env, parsed.jobs, error) || !set_up_terminal(env, parsed.progress, error))
		return FALSE;
	*ret_arguments = g_steal_pointer(&arguments);
	return TRUE;
}

gboolean
ash_command_load_anchor(const char *path, GBytes **ret_bytes, GError **error)
{
	g_autoptr(AshErofsLayout) layout = NULL;
	g_autoptr(GBytes) bytes = NULL;
	gsize length = 0;
	char *data;

	*ret_bytes = NULL;
	if (path == NULL || strcmp(path, "none") == 0)
		return TRUE;
	data = ash_file_load(AT_FDCWD, path, 0, &length, error);
	if (data == NULL)
		return ash_prefix(error, "--anchor");
	bytes = g_bytes_new_take(data, length);
	layout = ash_erofs_layout_parse(bytes, error);
	if (layout == NULL)
		return ash_prefix(error, "--anchor \"%s\"", path);
	*ret_bytes = g_steal_pointer(&bytes);
	return TRUE;
}
