/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"

#include "cli/auditrender.h"
#include "compose/audit.h"

/* Lines a rule, unless all are asked for. */
#define LINES_OF_RULE 10

gboolean
ash_command_audit(AshCommandEnv *env, int argc, char **argv, GError **error)
{
	gboolean all = FALSE;
	const GOptionEntry entries[] = {
		{ "all", 'a', 0, G_OPTION_ARG_NONE, &all, "Show every finding, not only the first of each rule", NULL },
		{ NULL },
	};
	g_auto(AshCommonOptions) common = { 0 };
	g_auto(GStrv) arguments = NULL;
	g_autoptr(AshAuditReport) report = NULL;

	if (!ash_command_parse(env, entries, argc, argv, 1, 1, &common, &arguments, error))
		return FALSE;
	report = ash_compose_audit(env->ctx, common.store, arguments[0], error);
	if (report == NULL)
		return FALSE;
	ash_terminal_clear(env->terminal);
	ash_audit_render_text(report, all ? 0 : LINES_OF_RULE);
	return TRUE;
}
