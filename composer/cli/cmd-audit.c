/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "audit/report.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "cli/auditrender.h"
#include "compose/audit.h"
#include "compose/auditpolicy.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

/* Lines a rule, unless all are asked for. */
#define LINES_OF_RULE    10
#define BASELINE_MAX     (64 * ASH_MIB)
#define REASON_OF_IGNORE "--ignore"

typedef struct {
	gboolean all, sarif, inventory, list_rules;
	char *fail_on, *baseline;
	char **ignore, **allow, **rules;
} Options;

static void
options_clear(Options *options)
{
	g_free(options->fail_on);
	g_free(options->baseline);
	g_strfreev(options->ignore);
	g_strfreev(options->allow);
	g_strfreev(options->rules);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static void
print_object(JsonObject *object)
{
	g_autofree char *text = ash_json_object_to_string(object, TRUE);

	fputs(text, stdout);
}

static void
list_rules(bool json)
{
	g_autoptr(JsonObject) object = json_object_new();

	if (!json) {
		ash_audit_render_rules();
		return;
	}
	json_object_set_array_member(object, "rules", ash_audit_rules_to_json());
	print_object(object);
}

static gboolean
ignore(AshAuditPolicy *policy, const char *text, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, ":", 2);

	return (parts[0] != NULL && ash_audit_policy_accept(policy, parts[0], parts[1], NULL, REASON_OF_IGNORE, error)) ||
	       ash_prefix(error, "--ignore \"%s\"", text);
}

static gboolean
load_baseline(AshAuditPolicy *policy, const char *path, GError **error)
{
	gsize length = 0;
	g_autofree char *text = ash_file_load(AT_FDCWD, path, BASELINE_MAX, &length, error);

	return text != NULL && ash_audit_policy_add_baseline(policy, text, length, path, error);
}

static AshAuditPolicy *
make_policy(const Options *options, GError **error)
{
	g_autoptr(AshAuditPolicy) policy = ash_audit_policy_new();

	for (char **rule = options->rules; rule != NULL && *rule != NULL; rule++)
		if (!ash_audit_policy_add_rule(policy, *rule, error))
			return NULL;
	for (char **file = options->allow; file != NULL && *file != NULL; file++)
		if (!ash_auditpolicy_load(policy, *file, error))
			return NULL;
	for (char **text = options->ignore; text != NULL && *text != NULL; text++)
		if (!ignore(policy, *text, error))
			return NULL;
	if (options->baseline != NULL && !load_baseline(policy, options->baseline, error))
		return NULL;
	return g_steal_pointer(&policy);
}

static void
print_report(const AshAuditReport *report, const AshAuditPolicy *policy, const Options *options, const AshCommonOptions *common,
	     const char *target)
{
	g_autoptr(JsonObject) object = NULL;

	if (options->sarif)
		object = ash_audit_report_to_sarif(report, target, PACKAGE_VERSION, ash_audit_policy_has_baseline(policy));
	else if (common->json)
		object = ash_audit_report_to_json(report, target, options->inventory);
	if (object != NULL)
		print_object(object);
	else
		ash_audit_render_text(report, options->all ? 0 : LINES_OF_RULE);
}

/* What was found is shown first; that it is too much is the exit status. */
static gboolean
judge(const AshAuditReport *report, AshAuditLevel fail_on, GError **error)
{
	guint n = 0;

	if (fail_on == ASH_AUDIT_NONE)
		return TRUE;
	for (AshAuditLevel level = fail_on; level <= ASH_AUDIT_ERROR; level++)
		n += ash_audit_report_count(report, level);
	return n == 0 || ash_throw(error, ASH_ERROR_FINDINGS, "%u finding%s of level %s%s", n, n == 1 ? "" : "s", ash_audit_level_to_string(fail_on),
				   fail_on < ASH_AUDIT_ERROR ? " or more" : "");
}

static gboolean
check_options(const Options *options, const AshCommonOptions *common, char **arguments, AshAuditLevel *ret_fail_on, GError **error)
{
	*ret_fail_on = ASH_AUDIT_NONE;
	if (options->fail_on != NULL && !ash_audit_level_parse(options->fail_on, ret_fail_on))
		return ash_throw(error, ASH_ERROR_USAGE, "--fail-on=%s is none of none, note, warning, error", options->fail_on);
	if (options->sarif && common->json)
		return ash_throw(error, ASH_ERROR_USAGE, "--json and --sarif exclude one another");
	if (options->inventory && !common->json)
		return ash_throw(error, ASH_ERROR_USAGE, "--inventory needs --json");
	if ((arguments[0] == NULL) != (options->list_rules != FALSE))
		return ash_throw(error, ASH_ERROR_USAGE, options->list_rules ? "--list-rules takes no argument"
									     : "an argument is missing; usage: ashlar audit REF|IMAGE");
	return TRUE;
}

static gboolean
run(AshCommandEnv *env, const Options *options, const AshCommonOptions *common, const char *target, AshAuditLevel fail_on, GError **error)
{
	g_autoptr(AshAuditPolicy) policy = make_policy(options, error);
	g_autoptr(AshAuditReport) report = policy != NULL ? ash_compose_audit(env->ctx, common->store, target, error) : NULL;

	if (report == NULL)
		return FALSE;
	ash_audit_policy_apply(policy, report);
	ash_terminal_clear(env->terminal);
	print_report(report, policy, options, common, target);
	return judge(report, fail_on, error);
}

gboolean
ash_command_audit(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	g_auto(Options) options = { 0 };
	const GOptionEntry entries[] = {
		{ "all", 'a', 0, G_OPTION_ARG_NONE, &options.all, "Show every finding, not only the first ten of each rule", NULL },
		{ "fail-on", 0, 0, G_OPTION_ARG_STRING, &options.fail_on,
		  "Exit with status 11 if there is a finding of this level or more: none (default), note, warning, error", "LEVEL" },
		{ "rule", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.rules, "Only this rule, or those of a pattern (\"elf-*\")", "RULE" },
		{ "ignore", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.ignore, "Accept findings of a rule, everywhere or at a path (a pattern)",
		  "RULE[:PATH]" },
		{ "allow", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.allow, "Accept the findings that a TOML file names, with reasons", "FILE" },
		{ "baseline", 0, 0, G_OPTION_ARG_FILENAME, &options.baseline, "Count only what is not in this report of --json", "FILE" },
		{ "sarif", 0, 0, G_OPTION_ARG_NONE, &options.sarif, "Print the report as SARIF 2.1.0", NULL },
		{ "inventory", 0, 0, G_OPTION_ARG_NONE, &options.inventory, "With --json: the protections of every ELF file, too", NULL },
		{ "list-rules", 0, 0, G_OPTION_ARG_NONE, &options.list_rules, "List the rules", NULL },
		{ NULL },
	};
	g_auto(AshCommonOptions) common = { 0 };
	g_auto(GStrv) arguments = NULL;
	AshAuditLevel fail_on;

	if (!ash_command_parse(env, entries, argc, argv, 0, 1, &common, &arguments, error) ||
	    !check_options(&options, &common, arguments, &fail_on, error))
		return FALSE;
	if (!options.list_rules)
		return run(env, &options, &common, arguments[0], fail_on, error);
	ash_terminal_clear(env->terminal);
	list_rules(common.json);
	return TRUE;
}
