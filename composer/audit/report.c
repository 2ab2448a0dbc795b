/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/report.h"

/* Raised when members change their meaning or go; new ones may come at any time. */
#define FORMAT 1

static JsonObject *
rule_to_json(const AshAuditRule *rule)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "id", rule->id);
	json_object_set_string_member(object, "level", ash_audit_level_to_string(rule->level));
	json_object_set_string_member(object, "title", rule->title);
	json_object_set_string_member(object, "why", rule->why);
	json_object_set_string_member(object, "remedy", rule->remedy);
	return object;
}

JsonArray *
ash_audit_rules_to_json(void)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < _ASH_RULE_COUNT; i++)
		json_array_add_object_element(array, rule_to_json(ash_audit_rule_get((AshAuditRuleId) i)));
	return array;
}

static JsonObject *
finding_to_json(const AshAuditFinding *finding)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "rule", ash_audit_rule_get(finding->rule)->id);
	json_object_set_string_member(object, "level", ash_audit_level_to_string(finding->level));
	json_object_set_string_member(object, "path", finding->path);
	json_object_set_string_member(object, "subject", finding->subject);
	json_object_set_string_member(object, "message", finding->message);
	if (finding->accepted != NULL)
		json_object_set_string_member(object, "accepted", finding->accepted);
	if (finding->known)
		json_object_set_boolean_member(object, "known", TRUE);
	return object;
}

static JsonObject *
service_to_json(const AshAuditService *service)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "unit", service->unit);
	json_object_set_string_member(object, "path", service->path);
	json_object_set_boolean_member(object, "enabled", service->enabled);
	json_object_set_string_member(object, "user", service->user);
	if (service->exposure >= 0)
		json_object_set_double_member(object, "exposure", service->exposure / 10.0);
	else
		json_object_set_null_member(object, "exposure");
	json_object_set_string_member(object, "system_call_filter", service->filter);
	return object;
}

static JsonObject *
socket_to_json(const AshAuditSocket *socket)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "unit", socket->unit);
	json_object_set_string_member(object, "path", socket->path);
	json_object_set_boolean_member(object, "enabled", socket->enabled);
	json_object_set_string_member(object, "kind", socket->kind);
	json_object_set_string_member(object, "address", socket->address);
	json_object_set_int_member(object, "port", socket->port);
	json_object_set_boolean_member(object, "local", socket->local);
	return object;
}

static JsonObject *
program_to_json(const AshAuditProgram *program)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "path", program->path);
	json_object_set_string_member(object, "kind", program->kind);
	json_object_set_string_member(object, "relro", program->relro);
	json_object_set_boolean_member(object, "bind_now", program->bind_now);
	json_object_set_boolean_member(object, "stack_protector", program->stack_protector);
	json_object_set_int_member(object, "fortified", program->fortified);
	json_object_set_int_member(object, "fortifiable", program->fortifiable);
	json_object_set_boolean_member(object, "ibt", program->ibt);
	json_object_set_boolean_member(object, "shstk", program->shstk);
	json_object_set_boolean_member(object, "exec_stack", program->exec_stack);
	json_object_set_boolean_member(object, "textrel", program->textrel);
	json_object_set_string_member(object, "runpath", program->runpath);
	return object;
}

typedef JsonObject *(*ElementFunc)(gconstpointer element);

static void
set_array(JsonObject *object, const char *member, const GPtrArray *elements, ElementFunc func)
{
	JsonArray *array = json_array_sized_new(elements->len);

	for (guint i = 0; i < elements->len; i++)
		json_array_add_object_element(array, func(g_ptr_array_index(elements, i)));
	json_object_set_array_member(object, member, array);
}

static JsonObject *
summary_to_json(const AshAuditReport *report)
{
	JsonObject *object = json_object_new();
	guint accepted = 0, known = 0;

	for (guint i = 0; i < report->findings->len; i++) {
		const AshAuditFinding *finding = g_ptr_array_index(report->findings, i);

		accepted += finding->accepted != NULL;
		known += finding->accepted == NULL && finding->known;
	}
	for (AshAuditLevel level = ASH_AUDIT_ERROR; level > ASH_AUDIT_NONE; level--)
		json_object_set_int_member(object, ash_audit_level_to_string(level), ash_audit_report_count(report, level));
	json_object_set_int_member(object, "accepted", accepted);
	json_object_set_int_member(object, "known", known);
	json_object_set_int_member(object, "files", report->files);
	json_object_set_int_member(object, "programs", report->programs->len);
	json_object_set_int_member(object, "services", report->services->len);
	return object;
}

JsonObject *
ash_audit_report_to_json(const AshAuditReport *report, const char *target, bool inventory)
{
	JsonObject *object = json_object_new();
	JsonArray *notices = json_array_new();
	g_autofree char *name = g_utf8_make_valid(target, -1);

	for (guint i = 0; i < report->notices->len; i++)
		json_array_add_string_element(notices, g_ptr_array_index(report->notices, i));
	json_object_set_int_member(object, "format", FORMAT);
	json_object_set_string_member(object, "target", name);
	json_object_set_object_member(object, "summary", summary_to_json(report));
	set_array(object, "findings", report->findings, (ElementFunc) finding_to_json);
	set_array(object, "services", report->services, (ElementFunc) service_to_json);
	set_array(object, "sockets", report->sockets, (ElementFunc) socket_to_json);
	if (inventory)
		set_array(object, "programs", report->programs, (ElementFunc) program_to_json);
	json_object_set_array_member(object, "notices", notices);
	return object;
}
