/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/rollout.h"

#include "base/json.h"
#include "publish/offer.h"

/* Versions and reasons come from strangers: they must not fill the page. */
#define MAX_VERSIONS 30
#define MAX_FAILURES 30
#define MAX_STEPS    60
#define ALL          100

/* One answer while it is made. */
typedef struct {
	AshDatabase *database;
	AshDatabaseScope scope;
	gint64 now;
} Question;

static gboolean
add_versions(const Question *question, JsonObject *system, GError **error)
{
	g_autoptr(GPtrArray) versions = ash_database_list_versions(question->database, &question->scope, MAX_VERSIONS, error);
	JsonArray *array = json_array_new();
	guint sum = 0;

	json_object_set_array_member(system, "versions", array);
	for (guint i = 0; versions != NULL && i < versions->len; i++) {
		const AshDatabaseVersion *version = versions->pdata[i];
		JsonObject *object = json_object_new();
		json_object_set_string_member(object, "version", version->version);
		for (guint k = 0; k < ASH_REPORT_N_STATES; k++) {
			json_object_set_int_member(object, ash_report_state_to_string((AshReportState) k), version->nodes[k]);
			sum += version->nodes[k];
		}
		json_array_add_object_element(array, object);
	}
	json_object_set_int_member(system, "nodes", sum);
	return versions != NULL;
}

static gboolean
add_failures(const Question *question, JsonObject *system, GError **error)
{
	g_autoptr(GPtrArray) failures = ash_database_list_failures(question->database, &question->scope, MAX_FAILURES, error);
	JsonArray *array = json_array_new();

	json_object_set_array_member(system, "failures", array);
	for (guint i = 0; failures != NULL && i < failures->len; i++) {
		const AshDatabaseFailure *failure = failures->pdata[i];
		JsonObject *object = json_object_new();
		json_object_set_string_member(object, "version", failure->version);
		if (failure->reason != NULL)
			json_object_set_string_member(object, "reason", failure->reason);
		json_object_set_int_member(object, "nodes", failure->nodes);
		json_object_set_int_member(object, "last", failure->last);
		json_array_add_object_element(array, object);
	}
	return failures != NULL;
}

/* The nodes of places @first up to @end, without. */
static JsonObject *
sum_places(const AshDatabasePlaces *places, guint first, guint end)
{
	JsonObject *object = json_object_new();
	gint64 nodes = 0, done = 0, failed = 0;

	for (guint i = first; i < end; i++) {
		nodes += places->nodes[i];
		done += places->done[i];
		failed += places->failed[i];
	}
	json_object_set_int_member(object, "nodes", nodes);
	json_object_set_int_member(object, "done", done);
	json_object_set_int_member(object, "failed", failed);
	return object;
}

/* A version without waves is one wave for all. Nodes that did not say their place count in none. */
static JsonArray *
waves_to_json(const AshChannelEntry *entry, const AshDatabasePlaces *places)
{
	const AshWave whole = { .start = entry->published, .percent = ALL };
	const guint count = entry->waves != NULL ? entry->waves->len : 0;
	JsonArray *array = json_array_new();
	guint from = 0;

	for (guint i = 0; i < MAX(count, 1); i++) {
		const AshWave *wave = count > 0 ? entry->waves->pdata[i] : &whole;
		const guint to = (guint) MIN(wave->percent, ALL);
		JsonObject *object = sum_places(places, MIN(from, to), to);
		json_object_set_int_member(object, "start", (gint64) wave->start);
		json_object_set_int_member(object, "percent", (gint64) wave->percent);
		json_array_add_object_element(array, object);
		from = to;
	}
	return array;
}

static JsonArray *
points_to_json(const GArray *points)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < points->len; i++) {
		const AshDatabasePoint *point = &g_array_index(points, AshDatabasePoint, i);
		JsonArray *pair = json_array_new();
		json_array_add_int_element(pair, point->time);
		json_array_add_int_element(pair, point->nodes);
		json_array_add_array_element(array, pair);
	}
	return array;
}

static gboolean
add_rollout(const Question *question, const AshChannelEntry *entry, JsonObject *system, GError **error)
{
	AshDatabasePlaces places;

	if (!ash_database_count_places(question->database, &question->scope, entry->version, &places, error))
		return FALSE;
	g_autoptr(GArray) points = ash_database_list_progress(question->database, &question->scope, entry->version, (gint64) entry->published,
							      question->now, MAX_STEPS, error);
	if (points == NULL)
		return FALSE;
	JsonObject *rollout = sum_places(&places, 0, ASH_DATABASE_PLACES);
	json_object_set_string_member(rollout, "version", entry->version);
	json_object_set_int_member(rollout, "published", (gint64) entry->published);
	json_object_set_array_member(rollout, "waves", waves_to_json(entry, &places));
	json_object_set_array_member(rollout, "progress", points_to_json(points));
	json_object_set_object_member(system, "rollout", rollout);
	return TRUE;
}

static gboolean
add_system(const Question *question, const AshChannel *channel, JsonArray *systems, GError **error)
{
	const AshChannelEntry *newest = ash_offer_newest(channel);
	JsonObject *system = json_object_new();

	json_array_add_object_element(systems, system);
	json_object_set_string_member(system, "ref", channel->ref);
	json_object_set_string_member(system, "channel", channel->name);
	return add_versions(question, system, error) && (newest == NULL || add_rollout(question, newest, system, error)) &&
	       add_failures(question, system, error);
}

char *
ash_rollout_format(AshDatabase *database, const AshOverview *overview, gint64 now, GError **error)
{
	g_autoptr(JsonObject) object = json_object_new();
	const GPtrArray *channels = ash_overview_get_channels(overview);
	JsonArray *systems = json_array_new();

	json_object_set_int_member(object, "now", now);
	json_object_set_array_member(object, "systems", systems);
	for (guint i = 0; i < channels->len; i++) {
		const AshChannel *channel = channels->pdata[i];
		const Question question = { .database = database, .scope = { .ref = channel->ref, .channel = channel->name }, .now = now };
		if (!add_system(&question, channel, systems, error))
			return NULL;
	}
	return ash_json_object_to_string(object, FALSE);
}
