/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/report.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strictjson.h"
#include "model/release.h"

#include <string.h>

#define MAX_DEPTH 4
#define PLACES    100

/* In the order of AshReportState. */
static const char *const state_names[ASH_REPORT_N_STATES] = { "ok", "updating", "failed" };

const char *
ash_report_state_to_string(AshReportState state)
{
	return state_names[state];
}

AshReport *
ash_report_new(void)
{
	AshReport *report = g_new0(AshReport, 1);

	report->place = -1;
	return report;
}

void
ash_report_free(AshReport *report)
{
	if (report == NULL)
		return;
	g_free(report->ref);
	g_free(report->channel);
	g_free(report->node);
	g_free(report->version);
	g_free(report->wanted);
	g_free(report->reason);
	g_free(report);
}

char *
ash_report_make_id(const char *seed, const char *url)
{
	g_autofree char *text = g_strdup_printf("ashlar report\n%s\n%s", seed, url);
	char *hex = ash_sha256_hex(text, -1);

	hex[ASH_REPORT_NODE_DIGITS] = '\0';
	return hex;
}

/* C0, DEL and C1 controls, line and paragraph separators, and what turns the direction of text: nothing of it is to be seen in one line. */
static bool
is_plain(gunichar c)
{
	const bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
	const bool layout = (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;

	return !control && !layout;
}

void
ash_report_set_reason(AshReport *report, const char *text)
{
	g_autofree char *valid = text != NULL ? g_utf8_make_valid(text, -1) : NULL;
	GString *out = g_string_new(NULL);

	for (const char *c = valid; c != NULL && *c != '\0'; c = g_utf8_next_char(c)) {
		const gunichar one = g_utf8_get_char(c);
		if (out->len + 6 > ASH_REPORT_MAX_REASON)
			break;
		g_string_append_unichar(out, is_plain(one) ? one : ' ');
	}
	g_free(report->reason);
	report->reason = g_string_free(out, out->len == 0);
}

char *
ash_report_format(const AshReport *report)
{
	g_autoptr(JsonObject) object = json_object_new();

	json_object_set_int_member(object, "format", ASH_REPORT_FORMAT);
	json_object_set_string_member(object, "ref", report->ref);
	json_object_set_string_member(object, "channel", report->channel);
	json_object_set_string_member(object, "node", report->node);
	json_object_set_string_member(object, "version", report->version);
	if (report->wanted != NULL)
		json_object_set_string_member(object, "wanted", report->wanted);
	json_object_set_string_member(object, "state", state_names[report->state]);
	if (report->place >= 0)
		json_object_set_int_member(object, "place", report->place);
	if (report->reason != NULL)
		json_object_set_string_member(object, "reason", report->reason);
	return ash_json_object_to_string(object, FALSE);
}

static bool
is_node(const char *text)
{
	return strlen(text) == ASH_REPORT_NODE_DIGITS && strspn(text, "0123456789abcdef") == ASH_REPORT_NODE_DIGITS;
}

static bool
is_reason(const char *text)
{
	if (strlen(text) > ASH_REPORT_MAX_REASON)
		return false;
	for (const char *c = text; *c != '\0'; c = g_utf8_next_char(c))
		if (!is_plain(g_utf8_get_char(c)))
			return false;
	return true;
}

typedef struct {
	const char *name;
	bool optional;
	bool (*is_valid)(const char *text);
	gsize offset; /* of a char * in AshReport */
} Member;

static const Member members[] = {
	{ "ref", false, ash_release_is_ref, G_STRUCT_OFFSET(AshReport, ref) },
	{ "channel", false, ash_release_is_version, G_STRUCT_OFFSET(AshReport, channel) },
	{ "node", false, is_node, G_STRUCT_OFFSET(AshReport, node) },
	{ "version", false, ash_release_is_version, G_STRUCT_OFFSET(AshReport, version) },
	{ "wanted", true, ash_release_is_version, G_STRUCT_OFFSET(AshReport, wanted) },
	{ "reason", true, is_reason, G_STRUCT_OFFSET(AshReport, reason) },
};

static gboolean
read_member(AshReport *report, JsonObject *object, const Member *member, GError **error)
{
	JsonNode *node = json_object_get_member(object, member->name);

	if (member->optional && (node == NULL || JSON_NODE_HOLDS_NULL(node)))
		return TRUE;
	const char *text = ash_strict_json_string(object, member->name, error);
	if (text == NULL)
		return FALSE;
	if (!member->is_valid(text))
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is not what it should be", member->name);
	*(char **) G_STRUCT_MEMBER_P(report, member->offset) = g_strdup(text);
	return TRUE;
}

static gboolean
read_state(AshReport *report, JsonObject *object, GError **error)
{
	const char *text = ash_strict_json_string(object, "state", error);

	if (text == NULL)
		return FALSE;
	for (guint i = 0; i < ASH_REPORT_N_STATES; i++)
		if (strcmp(text, state_names[i]) == 0) {
			report->state = (AshReportState) i;
			return TRUE;
		}
	return ash_throw(error, ASH_ERROR_TRUST, "\"state\" is none of ok, updating, failed");
}

static gboolean
read_numbers(AshReport *report, JsonObject *object, GError **error)
{
	gint64 format, place = -1;

	if (!ash_strict_json_int(object, "format", 1, ASH_REPORT_FORMAT, &format, error))
		return FALSE;
	if (json_object_has_member(object, "place") && !ash_strict_json_int(object, "place", 0, PLACES - 1, &place, error))
		return FALSE;
	report->place = (int) place;
	return TRUE;
}

AshReport *
ash_report_parse(const char *text, gsize length, GError **error)
{
	const AshJsonLimits limits = { .bytes = ASH_REPORT_MAX_BYTES, .depth = MAX_DEPTH };
	g_autoptr(JsonNode) node = ash_strict_json_parse_object(text, length, &limits, "report", error);
	g_autoptr(AshReport) report = ash_report_new();

	if (node == NULL)
		return NULL;
	JsonObject *object = json_node_get_object(node);
	if (!read_numbers(report, object, error) || !read_state(report, object, error))
		return NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(members); i++)
		if (!read_member(report, object, &members[i], error))
			return NULL;
	return g_steal_pointer(&report);
}
