/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/report.h"

#include <string.h>

#define SCHEMA     "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#define IMAGE_BASE "IMAGE"

/* {"text": @text} */
static JsonObject *
text_to_json(const char *text)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "text", text);
	return object;
}

/* An array of one object, taken over. */
static JsonArray *
array_of(JsonObject *element)
{
	JsonArray *array = json_array_new();

	json_array_add_object_element(array, element);
	return array;
}

/* 3.49 reportingDescriptor */
static JsonObject *
rule_to_sarif(const AshAuditRule *rule)
{
	JsonObject *object = json_object_new(), *configuration = json_object_new(), *properties = json_object_new();
	JsonArray *tags = json_array_new();
	g_autofree char *family = g_strndup(rule->id, strcspn(rule->id, "-"));

	json_object_set_string_member(configuration, "level", ash_audit_level_to_string(rule->level));
	json_array_add_string_element(tags, "security");
	json_array_add_string_element(tags, family);
	json_object_set_array_member(properties, "tags", tags);
	json_object_set_string_member(object, "id", rule->id);
	json_object_set_object_member(object, "shortDescription", text_to_json(rule->title));
	json_object_set_object_member(object, "fullDescription", text_to_json(rule->why));
	json_object_set_object_member(object, "help", text_to_json(rule->remedy));
	json_object_set_object_member(object, "defaultConfiguration", configuration);
	json_object_set_object_member(object, "properties", properties);
	return object;
}

/* 3.18 tool. All rules, so that a rule's index is its number. */
static JsonObject *
tool_to_sarif(const char *version)
{
	JsonObject *tool = json_object_new(), *driver = json_object_new();
	JsonArray *rules = json_array_new();

	for (guint i = 0; i < _ASH_RULE_COUNT; i++)
		json_array_add_object_element(rules, rule_to_sarif(ash_audit_rule_get((AshAuditRuleId) i)));
	json_object_set_string_member(driver, "name", "ashlar audit");
	json_object_set_string_member(driver, "version", version);
	json_object_set_array_member(driver, "rules", rules);
	json_object_set_object_member(tool, "driver", driver);
	return tool;
}

/* 3.28 location; what is of no one file is of the image's root. */
static JsonObject *
location_to_sarif(const AshAuditFinding *finding)
{
	JsonObject *location = json_object_new(), *physical = json_object_new(), *artifact = json_object_new();
	g_autofree char *uri = g_uri_escape_string(finding->path, "/", FALSE);

	json_object_set_string_member(artifact, "uri", uri[0] != '\0' ? uri : "./");
	json_object_set_string_member(artifact, "uriBaseId", IMAGE_BASE);
	json_object_set_object_member(physical, "artifactLocation", artifact);
	json_object_set_object_member(location, "physicalLocation", physical);
	if (finding->subject[0] != '\0') {
		JsonObject *logical = json_object_new();

		json_object_set_string_member(logical, "name", finding->subject);
		json_object_set_array_member(location, "logicalLocations", array_of(logical));
	}
	return location;
}

static JsonObject *
suppression_to_sarif(const char *reason)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "kind", "external");
	json_object_set_string_member(object, "justification", reason);
	return object;
}

/* 3.27 result */
static JsonObject *
result_to_sarif(const AshAuditFinding *finding, bool baseline)
{
	JsonObject *object = json_object_new(), *fingerprints = json_object_new();
	g_autofree char *key = ash_audit_finding_dup_key(finding);
	g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key, -1);
	g_autofree char *text = finding->path[0] != '\0' ? g_strdup_printf("/%s: %s", finding->path, finding->message) : g_strdup(finding->message);

	json_object_set_string_member(fingerprints, "rulePathSubject/v1", digest);
	json_object_set_string_member(object, "ruleId", ash_audit_rule_get(finding->rule)->id);
	json_object_set_int_member(object, "ruleIndex", finding->rule);
	json_object_set_string_member(object, "level", ash_audit_level_to_string(finding->level));
	json_object_set_object_member(object, "message", text_to_json(text));
	json_object_set_array_member(object, "locations", array_of(location_to_sarif(finding)));
	json_object_set_object_member(object, "partialFingerprints", fingerprints);
	if (finding->accepted != NULL)
		json_object_set_array_member(object, "suppressions", array_of(suppression_to_sarif(finding->accepted)));
	if (baseline)
		json_object_set_string_member(object, "baselineState", finding->known ? "unchanged" : "new");
	return object;
}

/* 3.20 invocation: what could not be checked is a notification (3.58). */
static JsonObject *
invocation_to_sarif(const AshAuditReport *report)
{
	JsonObject *object = json_object_new();
	JsonArray *notifications = json_array_new();

	for (guint i = 0; i < report->notices->len; i++) {
		JsonObject *notification = json_object_new();

		json_object_set_string_member(notification, "level", "warning");
		json_object_set_object_member(notification, "message", text_to_json(g_ptr_array_index(report->notices, i)));
		json_array_add_object_element(notifications, notification);
	}
	json_object_set_boolean_member(object, "executionSuccessful", TRUE);
	json_object_set_array_member(object, "toolExecutionNotifications", notifications);
	return object;
}

static JsonObject *
bases_to_sarif(const char *target)
{
	JsonObject *bases = json_object_new(), *image = json_object_new();
	g_autofree char *text = g_strdup_printf("The root of %s", target);
	g_autofree char *valid = g_utf8_make_valid(text, -1);

	json_object_set_object_member(image, "description", text_to_json(valid));
	json_object_set_object_member(bases, IMAGE_BASE, image);
	return bases;
}

JsonObject *
ash_audit_report_to_sarif(const AshAuditReport *report, const char *target, const char *version, bool baseline)
{
	JsonObject *log = json_object_new(), *run = json_object_new();
	JsonArray *results = json_array_sized_new(report->findings->len);

	for (guint i = 0; i < report->findings->len; i++)
		json_array_add_object_element(results, result_to_sarif(g_ptr_array_index(report->findings, i), baseline));
	json_object_set_object_member(run, "tool", tool_to_sarif(version));
	json_object_set_array_member(run, "invocations", array_of(invocation_to_sarif(report)));
	json_object_set_object_member(run, "originalUriBaseIds", bases_to_sarif(target));
	json_object_set_string_member(run, "columnKind", "unicodeCodePoints");
	json_object_set_array_member(run, "results", results);
	json_object_set_string_member(log, "$schema", SCHEMA);
	json_object_set_string_member(log, "version", "2.1.0");
	json_object_set_array_member(log, "runs", array_of(run));
	return log;
}
