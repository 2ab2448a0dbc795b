/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/finding.h"

#include <string.h>

static void
finding_free(AshAuditFinding *finding)
{
	g_free(finding->path);
	g_free(finding->subject);
	g_free(finding->message);
	g_free(finding->accepted);
	g_free(finding);
}

static void
service_free(AshAuditService *service)
{
	g_free(service->unit);
	g_free(service->path);
	g_free(service->user);
	g_free(service->filter);
	g_free(service);
}

static void
socket_free(AshAuditSocket *socket)
{
	g_free(socket->unit);
	g_free(socket->path);
	g_free(socket->kind);
	g_free(socket->address);
	g_free(socket);
}

static void
program_free(AshAuditProgram *program)
{
	g_free(program->path);
	g_free(program->runpath);
	g_free(program);
}

AshAuditReport *
ash_audit_report_new(void)
{
	AshAuditReport *report = g_new0(AshAuditReport, 1);

	report->findings = g_ptr_array_new_with_free_func((GDestroyNotify) finding_free);
	report->services = g_ptr_array_new_with_free_func((GDestroyNotify) service_free);
	report->sockets = g_ptr_array_new_with_free_func((GDestroyNotify) socket_free);
	report->programs = g_ptr_array_new_with_free_func((GDestroyNotify) program_free);
	report->notices = g_ptr_array_new_with_free_func(g_free);
	g_mutex_init(&report->lock);
	return report;
}

void
ash_audit_report_free(AshAuditReport *report)
{
	if (report == NULL)
		return;
	g_ptr_array_unref(report->findings);
	g_ptr_array_unref(report->services);
	g_ptr_array_unref(report->sockets);
	g_ptr_array_unref(report->programs);
	g_ptr_array_unref(report->notices);
	g_mutex_clear(&report->lock);
	g_free(report);
}

/* Takes @message over. Names in an image need not be UTF-8; reports must be. */
static void
add(AshAuditReport *report, AshAuditRuleId rule, AshAuditLevel level, const char *path, const char *subject, char *message)
{
	AshAuditFinding *finding = g_new0(AshAuditFinding, 1);

	finding->rule = rule;
	finding->level = level;
	finding->path = g_utf8_make_valid(path, -1);
	finding->subject = g_utf8_make_valid(subject != NULL ? subject : "", -1);
	finding->message = g_utf8_make_valid(message, -1);
	g_free(message);
	g_mutex_lock(&report->lock);
	g_ptr_array_add(report->findings, finding);
	g_mutex_unlock(&report->lock);
}

void
ash_audit_report_add(AshAuditReport *report, AshAuditRuleId rule, const char *path, const char *subject,
		     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(report, rule, ash_audit_rule_get(rule)->level, path, subject, g_strdup_vprintf(format, args));
	va_end(args);
}

void
ash_audit_report_add_at(AshAuditReport *report, AshAuditRuleId rule, AshAuditLevel level, const char *path,
			const char *subject, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(report, rule, level, path, subject, g_strdup_vprintf(format, args));
	va_end(args);
}

void
ash_audit_report_notice(AshAuditReport *report, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_mutex_lock(&report->lock);
	g_ptr_array_add(report->notices, g_utf8_make_valid(text, -1));
	g_mutex_unlock(&report->lock);
}

static int
compare_findings(gconstpointer a, gconstpointer b)
{
	const AshAuditFinding *left = *(AshAuditFinding *const *) a, *right = *(AshAuditFinding *const *) b;
	int order;

	if (left->level != right->level)
		return left->level > right->level ? -1 : 1;
	if (left->rule != right->rule)
		return left->rule < right->rule ? -1 : 1;
	order = strcmp(left->path, right->path);
	return order != 0 ? order : strcmp(left->subject, right->subject);
}

static int
compare_programs(gconstpointer a, gconstpointer b)
{
	return strcmp((*(AshAuditProgram *const *) a)->path, (*(AshAuditProgram *const *) b)->path);
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void
ash_audit_report_finish(AshAuditReport *report)
{
	g_ptr_array_sort(report->findings, compare_findings);
	g_ptr_array_sort(report->programs, compare_programs);
	g_ptr_array_sort(report->notices, compare_texts);
}

bool
ash_audit_finding_counts(const AshAuditFinding *finding)
{
	return finding->accepted == NULL && !finding->known;
}

guint
ash_audit_report_count(const AshAuditReport *report, AshAuditLevel level)
{
	guint n = 0;

	for (guint i = 0; i < report->findings->len; i++) {
		const AshAuditFinding *finding = g_ptr_array_index(report->findings, i);
		n += finding->level == level && ash_audit_finding_counts(finding);
	}
	return n;
}

char *
ash_audit_finding_dup_key(const AshAuditFinding *finding)
{
	return g_strdup_printf("%s %s %s", ash_audit_rule_get(finding->rule)->id, finding->path, finding->subject);
}
