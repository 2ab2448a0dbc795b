/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/size.h"
#include "base/table.h"
#include "compose/upkeep.h"

#include <stdio.h>

typedef struct {
	AshCommonOptions common;
	char **arguments;
	int keep, keep_days;
	char *max_size, *ref;
	gboolean dry_run;
} PruneCommand;

static void
prune_command_clear(PruneCommand *command)
{
	ash_common_options_clear(&command->common);
	g_strfreev(command->arguments);
	g_free(command->max_size);
	g_free(command->ref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PruneCommand, prune_command_clear)

static void
print_json(gconstpointer report, const AshField *fields)
{
	g_autoptr(JsonObject) object = ash_record_to_json(report, fields, TRUE);
	g_autofree char *text = ash_json_object_to_string(object, TRUE);

	fputs(text, stdout);
}

static gboolean
parse_prune(AshCommandEnv *env, int argc, char **argv, PruneCommand *command, AshPruneOptions *options, GError **error)
{
	const GOptionEntry entries[] = {
		{ "keep", 0, 0, G_OPTION_ARG_INT, &command->keep, "Commits of each ref that stay (default: 3)", "NUMBER" },
		{ "keep-age", 0, 0, G_OPTION_ARG_INT, &command->keep_days,
		  "Of these, and of caches, keep what was made or used in the last DAYS days", "DAYS" },
		{ "max-size", 0, 0, G_OPTION_ARG_STRING, &command->max_size,
		  "Remove the oldest until the store is not larger", "SIZE" },
		{ "ref", 0, 0, G_OPTION_ARG_STRING, &command->ref, "Remove commits of this ref only", "REF" },
		{ "dry-run", 'n', 0, G_OPTION_ARG_NONE, &command->dry_run, "Show what would go, and remove nothing", NULL },
		{ NULL },
	};

	command->keep = ASH_PRUNE_KEEP;
	if (!ash_command_parse(env, entries, argc, argv, 0, 0, &command->common, &command->arguments, error))
		return FALSE;
	if (command->keep < 1 || command->keep_days < 0)
		return ash_throw(error, ASH_ERROR_USAGE, "--keep needs a number from 1 on, --keep-age one from 0 on");
	if (command->max_size != NULL && (!ash_size_parse(command->max_size, &options->max_bytes) || options->max_bytes == 0))
		return ash_throw(error, ASH_ERROR_USAGE, "--max-size \"%s\" is not a size, such as 20G", command->max_size);
	options->keep = (guint64) command->keep;
	options->keep_days = (guint64) command->keep_days;
	options->keep_roots = ASH_PRUNE_KEEP_ROOTS;
	options->ref = command->ref;
	options->dry_run = command->dry_run;
	return TRUE;
}

static void
print_prune(const AshPruneReport *report)
{
	static const char *const headings[] = { "KIND", "NAME", ">FREED", "WHY", NULL };
	g_autofree char *freed = ash_size_format(report->freed_bytes), *left = ash_size_format(report->store_bytes);
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < report->items->len; i++) {
		const AshPruneItem *item = g_ptr_array_index(report->items, i);
		g_autofree char *size = ash_size_format(item->bytes);
		ash_table_add(table, item->kind, item->name, size, item->why);
	}
	ash_table_print(table);
	printf(report->dry_run ? "%s would be freed, %s would be left\n" : "%s freed, %s left\n", freed, left);
}

gboolean
ash_command_prune(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(PruneCommand) command = { 0 };
	AshPruneOptions options = { 0 };

	if (!parse_prune(env, argc, argv, &command, &options, error))
		return FALSE;
	/* Says that there is no store, if so. */
	g_autoptr(AshStore) store = ash_store_open(command.common.store, false, error);
	if (store == NULL)
		return FALSE;
	g_autoptr(AshPruneReport) report = ash_upkeep_prune(env->ctx, ash_store_get_dir(store), &options, error);
	if (report == NULL)
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (command.common.json)
		print_json(report, ash_prune_report_fields);
	else
		print_prune(report);
	return TRUE;
}

static void
print_check(const AshCheckReport *report)
{
	for (guint i = 0; i < report->damages->len; i++) {
		const AshDamage *damage = g_ptr_array_index(report->damages, i);
		printf("%s %s: %s%s%s\n", damage->kind, damage->name, damage->problem, damage->remedy != NULL ? ": " : "",
		       damage->remedy != NULL ? damage->remedy : "");
	}
	printf("%" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT " commits and %" G_GUINT64_FORMAT " cache entries checked\n",
	       report->objects, report->commits, report->entries);
}

gboolean
ash_command_fsck(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(AshCommonOptions) common = { 0 };
	g_auto(GStrv) arguments = NULL;
	gboolean repair = FALSE;
	const GOptionEntry entries[] = {
		{ "repair", 0, 0, G_OPTION_ARG_NONE, &repair, "Restore or remove what is damaged", NULL },
		{ NULL },
	};

	if (!ash_command_parse(env, entries, argc, argv, 0, 0, &common, &arguments, error))
		return FALSE;
	g_autoptr(AshStore) store = ash_store_open(common.store, false, error);
	if (store == NULL)
		return FALSE;
	g_autoptr(AshCheckReport) report = ash_upkeep_check(env->ctx, ash_store_get_dir(store), repair, error);
	if (report == NULL)
		return FALSE;
	ash_terminal_clear(env->terminal);
	if (common.json)
		print_json(report, ash_check_report_fields);
	else
		print_check(report);
	if (report->damages->len == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_INTERNAL, repair ? "the store \"%s\" was damaged, and is repaired (%u)"
							  : "the store \"%s\" is damaged (%u); add --repair",
			 ash_store_get_dir(store), report->damages->len);
}
