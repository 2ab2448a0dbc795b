/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/stagelog.h"

#include "base/file.h"
#include "base/json.h"

#include <fcntl.h>
#include <string.h>

#define LOG_VERSION "1"

struct AshStageLog {
	char *path;
	JsonObject *stages;
};

static JsonObject *
load_stages(const char *path)
{
	g_autofree char *text = ash_file_load(AT_FDCWD, path, 0, NULL, NULL);
	g_autoptr(JsonObject) whole = text != NULL ? ash_json_parse_object(text, -1, path, NULL) : NULL;
	JsonNode *stages = whole != NULL ? json_object_get_member(whole, "stages") : NULL;

	if (stages == NULL || !JSON_NODE_HOLDS_OBJECT(stages) ||
	    g_strcmp0(ash_json_get_string_optional(whole, "version"), LOG_VERSION) != 0)
		return json_object_new();
	return json_object_ref(json_node_get_object(stages));
}

AshStageLog *
ash_stage_log_load(AshStore *store, const char *ref)
{
	AshStageLog *log = g_new0(AshStageLog, 1);

	log->path = g_strdup_printf("%s/stages/%s.json", ash_store_get_dir(store), ref);
	log->stages = load_stages(log->path);
	return log;
}

void
ash_stage_log_free(AshStageLog *log)
{
	if (log == NULL)
		return;
	g_free(log->path);
	json_object_unref(log->stages);
	g_free(log);
}

JsonObject *
ash_stage_log_get(const AshStageLog *log, const char *stage)
{
	JsonNode *node = json_object_get_member(log->stages, stage);

	return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

void
ash_stage_log_set(AshStageLog *log, const char *stage, JsonObject *entry)
{
	json_object_set_object_member(log->stages, stage, entry);
}

gboolean
ash_stage_log_save(const AshStageLog *log, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(log->path);
	g_autoptr(JsonObject) whole = json_object_new();

	json_object_set_string_member(whole, "version", LOG_VERSION);
	json_object_set_object_member(whole, "stages", json_object_ref(log->stages));
	g_autofree char *text = ash_json_object_to_string(whole, TRUE);
	return ash_file_mkdirs(AT_FDCWD, dir, 0755, error) &&
	       ash_file_save(AT_FDCWD, log->path, text, -1, 0600, error);
}
