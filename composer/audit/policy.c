/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/policy.h"

#include "base/error.h"
#include "base/json.h"

#include <fnmatch.h>
#include <string.h>

typedef struct {
	char *rule, *path, *subject, *reason;
} Acceptance;

struct AshAuditPolicy {
	GPtrArray *rules;       /* of char * */
	GPtrArray *acceptances; /* of Acceptance */
	GHashTable *baseline;   /* keys of findings; NULL without one */
};

static void
acceptance_free(Acceptance *acceptance)
{
	g_free(acceptance->rule);
	g_free(acceptance->path);
	g_free(acceptance->subject);
	g_free(acceptance->reason);
	g_free(acceptance);
}

AshAuditPolicy *
ash_audit_policy_new(void)
{
	AshAuditPolicy *policy = g_new0(AshAuditPolicy, 1);

	policy->rules = g_ptr_array_new_with_free_func(g_free);
	policy->acceptances = g_ptr_array_new_with_free_func((GDestroyNotify) acceptance_free);
	return policy;
}

void
ash_audit_policy_free(AshAuditPolicy *policy)
{
	if (policy == NULL)
		return;
	g_ptr_array_unref(policy->rules);
	g_ptr_array_unref(policy->acceptances);
	g_clear_pointer(&policy->baseline, g_hash_table_unref);
	g_free(policy);
}

static gboolean
check_rule(const char *rule, GError **error)
{
	return ash_audit_rule_exists(rule) ||
	       ash_throw(error, ASH_ERROR_CONFIG, "there is no rule \"%s\": see \"ashlar audit --list-rules\"", rule);
}

gboolean
ash_audit_policy_add_rule(AshAuditPolicy *policy, const char *rule, GError **error)
{
	if (!check_rule(rule, error))
		return FALSE;
	g_ptr_array_add(policy->rules, g_strdup(rule));
	return TRUE;
}

gboolean
ash_audit_policy_accept(AshAuditPolicy *policy, const char *rule, const char *path, const char *subject, const char *reason, GError **error)
{
	Acceptance *acceptance;

	if (!check_rule(rule, error))
		return FALSE;
	acceptance = g_new0(Acceptance, 1);
	acceptance->rule = g_strdup(rule);
	acceptance->path = path != NULL ? g_strdup(path + strspn(path, "/")) : NULL;
	acceptance->subject = g_strdup(subject);
	acceptance->reason = g_strdup(reason);
	g_ptr_array_add(policy->acceptances, acceptance);
	return TRUE;
}

static gboolean
add_known(AshAuditPolicy *policy, JsonNode *node, GError **error)
{
	JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	const char *rule, *path, *subject;

	if (object == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "a finding that is no object");
	rule = ash_json_get_string(object, "rule", error);
	path = rule != NULL ? ash_json_get_string(object, "path", error) : NULL;
	subject = path != NULL ? ash_json_get_string(object, "subject", error) : NULL;
	if (subject == NULL)
		return FALSE;
	g_hash_table_add(policy->baseline, g_strdup_printf("%s %s %s", rule, path, subject));
	return TRUE;
}

gboolean
ash_audit_policy_add_baseline(AshAuditPolicy *policy, const char *text, gsize length, const char *what, GError **error)
{
	g_autoptr(JsonObject) object = ash_json_parse_object(text, (gssize) length, what, error);
	JsonNode *findings = object != NULL ? json_object_get_member(object, "findings") : NULL;
	JsonArray *array = findings != NULL && JSON_NODE_HOLDS_ARRAY(findings) ? json_node_get_array(findings) : NULL;

	if (object == NULL)
		return FALSE;
	if (array == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "%s: no report of \"ashlar audit --json\"", what);
	if (policy->baseline == NULL)
		policy->baseline = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		if (!add_known(policy, json_array_get_element(array, i), error))
			return ash_prefix(error, "%s: finding %u", what, i + 1);
	}
	return TRUE;
}

bool
ash_audit_policy_has_baseline(const AshAuditPolicy *policy)
{
	return policy->baseline != NULL;
}

static bool
is_wanted(const AshAuditPolicy *policy, AshAuditRuleId rule)
{
	for (guint i = 0; i < policy->rules->len; i++) {
		if (ash_audit_rule_matches(rule, g_ptr_array_index(policy->rules, i)))
			return true;
	}
	return policy->rules->len == 0;
}

static bool
accepts(const Acceptance *acceptance, const AshAuditFinding *finding)
{
	return ash_audit_rule_matches(finding->rule, acceptance->rule) &&
	       (acceptance->path == NULL || fnmatch(acceptance->path, finding->path, 0) == 0) &&
	       (acceptance->subject == NULL || fnmatch(acceptance->subject, finding->subject, 0) == 0);
}

static void
drop_unwanted(const AshAuditPolicy *policy, AshAuditReport *report)
{
	for (guint i = report->findings->len; i > 0; i--) {
		const AshAuditFinding *finding = g_ptr_array_index(report->findings, i - 1);

		if (!is_wanted(policy, finding->rule))
			g_ptr_array_remove_index(report->findings, i - 1);
	}
}

static void
accept_findings(const Acceptance *acceptance, AshAuditReport *report)
{
	guint n = 0;

	for (guint i = 0; i < report->findings->len; i++) {
		AshAuditFinding *finding = g_ptr_array_index(report->findings, i);

		if (!accepts(acceptance, finding))
			continue;
		n++;
		if (finding->accepted == NULL)
			finding->accepted = g_utf8_make_valid(acceptance->reason, -1);
	}
	if (n == 0)
		ash_audit_report_notice(report, "nothing is accepted by rule \"%s\"%s%s", acceptance->rule, acceptance->path != NULL ? " at /" : "",
					acceptance->path != NULL ? acceptance->path : "");
}

void
ash_audit_policy_apply(const AshAuditPolicy *policy, AshAuditReport *report)
{
	drop_unwanted(policy, report);
	for (guint i = 0; i < policy->acceptances->len; i++)
		accept_findings(g_ptr_array_index(policy->acceptances, i), report);
	for (guint i = 0; policy->baseline != NULL && i < report->findings->len; i++) {
		AshAuditFinding *finding = g_ptr_array_index(report->findings, i);
		g_autofree char *key = ash_audit_finding_dup_key(finding);

		finding->known = g_hash_table_contains(policy->baseline, key);
	}
}
