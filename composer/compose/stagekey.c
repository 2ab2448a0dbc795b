/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/stagekey.h"

#include "base/digest.h"
#include "base/json.h"

#include <stdbool.h>
#include <string.h>

/* So many differences are named, the others only counted. */
#define NAMED_MAX 4

typedef struct {
	char *name, *value;
} Input;

struct AshStageKey {
	char *version;
	GArray *inputs; /* of Input */
};

static void
input_clear(gpointer data)
{
	Input *input = data;

	g_free(input->name);
	g_free(input->value);
}

AshStageKey *
ash_stage_key_new(const char *version)
{
	AshStageKey *key = g_new0(AshStageKey, 1);

	key->version = g_strdup(version);
	key->inputs = g_array_new(FALSE, FALSE, sizeof(Input));
	g_array_set_clear_func(key->inputs, input_clear);
	return key;
}

void
ash_stage_key_free(AshStageKey *key)
{
	if (key == NULL)
		return;
	g_free(key->version);
	g_array_unref(key->inputs);
	g_free(key);
}

void
ash_stage_key_add(AshStageKey *key, const char *name, const char *value)
{
	const Input input = { g_strdup(name), g_strdup(value != NULL ? value : "-") };

	g_array_append_val(key->inputs, input);
}

void
ash_stage_key_add_digest_of(AshStageKey *key, const char *name, const char *text)
{
	g_autofree char *digest = text != NULL ? ash_sha256_hex(text, -1) : NULL;

	ash_stage_key_add(key, name, digest);
}

void
ash_stage_key_add_record(AshStageKey *key, gconstpointer record, const AshField *fields)
{
	for (; fields->name != NULL; fields++) {
		const AshField one[] = { *fields, { NULL } };
		g_autofree char *digest = ash_record_dup_digest(record, one);
		ash_stage_key_add(key, fields->name, digest);
	}
}

char *
ash_stage_key_dup_digest(const AshStageKey *key)
{
	g_autoptr(AshDigest) digest = ash_digest_new();

	ash_digest_update_string(digest, key->version);
	for (guint i = 0; i < key->inputs->len; i++) {
		const Input *input = &g_array_index(key->inputs, Input, i);
		ash_digest_update_string(digest, input->name);
		ash_digest_update_string(digest, input->value);
	}
	return ash_digest_finish_hex(digest);
}

JsonObject *
ash_stage_key_to_json(const AshStageKey *key)
{
	JsonObject *object = json_object_new(), *inputs = json_object_new();
	g_autofree char *digest = ash_stage_key_dup_digest(key);

	for (guint i = 0; i < key->inputs->len; i++) {
		const Input *input = &g_array_index(key->inputs, Input, i);
		json_object_set_string_member(inputs, input->name, input->value);
	}
	json_object_set_string_member(object, "key", digest);
	json_object_set_string_member(object, "version", key->version);
	json_object_set_object_member(object, "inputs", inputs);
	return object;
}

/* The list of differences, of which the first few are spelled out. */
typedef struct {
	GString *text;
	guint count;
} Differences;

static void
add_difference(Differences *differences, const char *text)
{
	if (differences->count++ < NAMED_MAX)
		g_string_append_printf(differences->text, "%s%s", differences->text->len > 0 ? ", " : "", text);
}

/* A value that people can read comes before the first blank: "1.2-3" of "1.2-3 DIGEST". */
static void
add_change(Differences *differences, const Input *input, const char *before)
{
	gsize length = strcspn(input->value, " ");
	bool readable = input->value[length] != '\0';
	g_autofree char *now = g_strndup(input->value, length);
	g_autofree char *then = before != NULL ? g_strndup(before, strcspn(before, " ")) : NULL;
	g_autofree char *text = NULL;

	if (before == NULL)
		text = g_strdup_printf(readable ? "%s %s is new" : "%s is new", input->name, now);
	else if (readable && strcmp(now, then) != 0)
		text = g_strdup_printf("%s %s -> %s", input->name, then, now);
	else
		text = g_strdup_printf("%s changed", input->name);
	add_difference(differences, text);
}

static void
add_removals(Differences *differences, const AshStageKey *key, JsonObject *inputs)
{
	g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GList) members = json_object_get_members(inputs);

	for (guint i = 0; i < key->inputs->len; i++)
		g_hash_table_add(names, g_array_index(key->inputs, Input, i).name);
	for (GList *link = members; link != NULL; link = link->next) {
		g_autofree char *text = g_strdup_printf("%s is gone", (const char *) link->data);
		if (!g_hash_table_contains(names, link->data))
			add_difference(differences, text);
	}
}

char *
ash_stage_key_explain(const AshStageKey *key, JsonObject *earlier)
{
	g_autoptr(GString) text = g_string_new(NULL);
	Differences differences = { .text = text };
	JsonNode *node = earlier != NULL ? json_object_get_member(earlier, "inputs") : NULL;

	if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node))
		return g_strdup("first time");
	if (g_strcmp0(ash_json_get_string_optional(earlier, "version"), key->version) != 0)
		return g_strdup("this version of the program does it differently");
	JsonObject *inputs = json_node_get_object(node);
	for (guint i = 0; i < key->inputs->len; i++) {
		const Input *input = &g_array_index(key->inputs, Input, i);
		const char *before = ash_json_get_string_optional(inputs, input->name);
		if (g_strcmp0(before, input->value) != 0)
			add_change(&differences, input, before);
	}
	add_removals(&differences, key, inputs);
	if (differences.count == 0)
		return NULL;
	if (differences.count > NAMED_MAX)
		g_string_append_printf(text, " and %u more", differences.count - NAMED_MAX);
	return g_string_free(g_steal_pointer(&text), FALSE);
}
