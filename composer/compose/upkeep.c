/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/upkeep.h"

#include "base/error.h"
#include "base/json.h"

static JsonObject *
new_request(const char *store_dir, gconstpointer options, const AshField *fields)
{
	g_autofree char *dir = g_canonicalize_filename(store_dir, NULL);
	JsonObject *request = ash_record_to_json(options, fields, TRUE);

	json_object_set_string_member(request, "store", dir);
	return request;
}

static AshStore *
open_store(JsonObject *request, GError **error)
{
	const char *dir = ash_json_get_string(request, "store", error);

	return dir != NULL ? ash_store_open(dir, false, error) : NULL;
}

JsonObject *
ash_upkeep_prune_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	AshPruneOptions options = { 0 };
	g_autoptr(AshStore) store = open_store(request, error);
	g_autoptr(AshPruneReport) report = NULL;

	if (store != NULL && ash_record_from_json(&options, ash_prune_options_fields, request, error))
		report = ash_store_prune(ctx, store, &options, error);
	g_free(options.ref);
	return report != NULL ? ash_record_to_json(report, ash_prune_report_fields, TRUE) : NULL;
}

AshPruneReport *
ash_upkeep_prune(AshContext *ctx, const char *store_dir, const AshPruneOptions *options, GError **error)
{
	g_autoptr(JsonObject) request = new_request(store_dir, options, ash_prune_options_fields);
	g_autoptr(JsonObject) reply = NULL;
	g_autoptr(AshPruneReport) report = ash_prune_report_new();

	if (!ash_worker_check(error))
		return NULL;
	reply = ash_worker_call(ctx, ASH_PRUNE_WORKER, request, error);
	if (reply == NULL || !ash_record_from_json(report, ash_prune_report_fields, reply, error))
		return NULL;
	return g_steal_pointer(&report);
}
