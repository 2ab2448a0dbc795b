/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/command.h"

#include "base/error.h"
#include "base/json.h"

#include <stdio.h>

/* GOption wants an int-sized boolean. */
typedef struct {
	gboolean json;
	gint64 now;
	char *progress;
} Parsed;

static GOptionContext *
make_context(const AshNodeCommand *command, const GOptionEntry *entries, AshNodePlaces *places, Parsed *parsed)
{
	const GOptionEntry common[] = {
		{ "json", 0, 0, G_OPTION_ARG_NONE, &parsed->json, "Print the result as JSON", NULL },
		{ "progress", 0, 0, G_OPTION_ARG_STRING, &parsed->progress,
		  "bar, plain, json or none (default: bar on a terminal, else plain)", "MODE" },
		{ "config", 0, 0, G_OPTION_ARG_FILENAME, &places->config, "This configuration, and no drop-ins", "FILE" },
		{ NULL },
	};
	const GOptionEntry elsewhere[] = {
		{ "root", 0, 0, G_OPTION_ARG_FILENAME, &places->root, "Directory that counts as /", "DIR" },
		{ "disk", 0, 0, G_OPTION_ARG_FILENAME, &places->disk, "Disk or disk image with the slots", "FILE" },
		{ "esp", 0, 0, G_OPTION_ARG_FILENAME, &places->esp, "Directory that counts as the EFI system partition", "DIR" },
		{ "state", 0, 0, G_OPTION_ARG_FILENAME, &places->state, "Directory for what is remembered", "DIR" },
		{ "now", 0, 0, G_OPTION_ARG_INT64, &parsed->now, "The time, in place of the clock's", "SECONDS" },
		{ NULL },
	};
	g_autofree char *usage = g_strdup_printf("- %s", command->summary);
	GOptionContext *context = g_option_context_new(usage);
	GOptionGroup *group = g_option_group_new("elsewhere", "To try it on files:", "Show options to try it on files", NULL, NULL);

	g_option_context_set_description(context, command->details);
	if (entries != NULL)
		g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_add_main_entries(context, common, NULL);
	g_option_group_add_entries(group, elsewhere);
	g_option_context_add_group(context, group);
	return context;
}

gboolean
ash_node_command_parse(AshNodeEnv *env, const GOptionEntry *entries, int argc, char **argv, GError **error)
{
	const AshNodeCommand *command = ash_node_command_find(argv[0]);
	AshProgressMode mode = ASH_PROGRESS_MODE_AUTO;
	Parsed parsed = { 0 };
	g_autoptr(GError) local = NULL;
	g_autoptr(GOptionContext) context = make_context(command, entries, &env->places, &parsed);
	g_autofree char *program = g_strdup_printf("ashlar-node %s", argv[0]);

	g_set_prgname(program);
	const gboolean ok = g_option_context_parse(context, &argc, &argv, &local);
	g_autofree char *progress = parsed.progress;
	env->json = parsed.json;
	env->places.now = parsed.now > 0 ? (guint64) parsed.now : 0;
	if (!ok)
		return ash_throw(error, ASH_ERROR_USAGE, "%s; see \"ashlar-node %s --help\"", local->message, command->name);
	if (argc > 1)
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" is one argument too many; see \"ashlar-node %s --help\"", argv[1], command->name);
	if (progress != NULL && !ash_progress_mode_parse(progress, &mode))
		return ash_throw(error, ASH_ERROR_USAGE, "--progress=%s is none of bar, plain, json, none", progress);
	env->terminal = ash_terminal_new(mode);
	env->ctx->progress = ash_terminal_progress(env->terminal);
	return TRUE;
}

void
ash_node_print_json(JsonObject *object)
{
	g_autofree char *text = ash_json_object_to_string(object, TRUE);

	fputs(text, stdout);
}

char *
ash_node_format_time(guint64 time)
{
	g_autoptr(GDateTime) local = time != 0 && time <= G_MAXINT64 ? g_date_time_new_from_unix_local((gint64) time) : NULL;

	return local != NULL ? g_date_time_format(local, "%Y-%m-%d %H:%M") : g_strdup("-");
}
