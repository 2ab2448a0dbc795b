/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/auditrender.h"

#include "base/table.h"

#include <stdio.h>

/* The findings from *@index on that are of one rule and level and count; how many. *@index is moved behind them. */
static guint
count_group(const AshAuditReport *report, guint *index)
{
	const AshAuditFinding *first = g_ptr_array_index(report->findings, *index);
	guint n = 0;

	for (; *index < report->findings->len; (*index)++) {
		const AshAuditFinding *finding = g_ptr_array_index(report->findings, *index);

		if (finding->rule != first->rule || finding->level != first->level)
			break;
		n += ash_audit_finding_counts(finding);
	}
	return n;
}

static void
print_overview(const AshAuditReport *report)
{
	static const char *const headings[] = { "level", "rule", ">findings", "what", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < report->findings->len;) {
		const AshAuditFinding *first = g_ptr_array_index(report->findings, i);
		const AshAuditRule *rule = ash_audit_rule_get(first->rule);
		guint n = count_group(report, &i);
		g_autofree char *count = g_strdup_printf("%u", n);

		if (n > 0)
			ash_table_add(table, ash_audit_level_to_string(first->level), rule->id, count, rule->title);
	}
	ash_table_print(table);
}

static void
print_finding(const AshAuditFinding *finding)
{
	if (finding->path[0] == '\0')
		printf("    %s\n", finding->message);
	else
		printf("    /%s: %s\n", finding->path, finding->message);
}

static void
print_group(const AshAuditReport *report, guint first, guint end, guint n, guint most)
{
	const AshAuditFinding *head = g_ptr_array_index(report->findings, first);
	const AshAuditRule *rule = ash_audit_rule_get(head->rule);
	guint shown = 0;

	printf("\n%s (%s): %s\n  %s\n  Remedy: %s\n", rule->id, ash_audit_level_to_string(head->level), rule->title, rule->why, rule->remedy);
	for (guint i = first; i < end && (most == 0 || shown < most); i++) {
		const AshAuditFinding *finding = g_ptr_array_index(report->findings, i);

		if (!ash_audit_finding_counts(finding))
			continue;
		print_finding(finding);
		shown++;
	}
	if (shown < n)
		printf("    and %u more (--all shows them)\n", n - shown);
}

static void
print_groups(const AshAuditReport *report, guint most)
{
	for (guint i = 0; i < report->findings->len;) {
		guint first = i, n = count_group(report, &i);

		if (n > 0)
			print_group(report, first, i, n, most);
	}
}

static const char *
plural(guint n)
{
	return n == 1 ? "" : "s";
}

static void
print_summary(const AshAuditReport *report)
{
	guint errors = ash_audit_report_count(report, ASH_AUDIT_ERROR), warnings = ash_audit_report_count(report, ASH_AUDIT_WARNING);
	guint notes = ash_audit_report_count(report, ASH_AUDIT_NOTE), accepted = 0, known = 0;

	for (guint i = 0; i < report->findings->len; i++) {
		const AshAuditFinding *finding = g_ptr_array_index(report->findings, i);

		accepted += finding->accepted != NULL;
		known += finding->accepted == NULL && finding->known;
	}
	printf("%s%u error%s, %u warning%s, %u note%s", report->findings->len > 0 ? "\n" : "", errors, plural(errors), warnings,
	       plural(warnings), notes, plural(notes));
	if (accepted > 0)
		printf("; %u accepted", accepted);
	if (known > 0)
		printf("; %u known before", known);
	printf("\n%u files looked at, %u ELF programs and libraries, %u services\n", report->files, report->programs->len,
	       report->services->len);
	for (guint i = 0; i < report->notices->len; i++)
		printf("not checked: %s\n", (const char *) g_ptr_array_index(report->notices, i));
}

void
ash_audit_render_text(const AshAuditReport *report, guint most)
{
	print_overview(report);
	print_groups(report, most);
	print_summary(report);
}

void
ash_audit_render_rules(void)
{
	for (guint i = 0; i < _ASH_RULE_COUNT; i++) {
		const AshAuditRule *rule = ash_audit_rule_get((AshAuditRuleId) i);

		printf("%s%s (%s): %s\n  %s\n  Remedy: %s\n", i > 0 ? "\n" : "", rule->id, ash_audit_level_to_string(rule->level), rule->title,
		       rule->why, rule->remedy);
	}
}
