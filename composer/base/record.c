/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/record.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>

#define MEMBER(type, record, field) (*(type *) ((guint8 *) (record) + (field)->offset))
#define CONST_MEMBER(type, record, field) (*(type const *) ((const guint8 *) (record) + (field)->offset))

static JsonArray *
strings_to_json(const GPtrArray *strings)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; strings != NULL && i < strings->len; i++)
		json_array_add_string_element(array, g_ptr_array_index(strings, i));
	return array;
}

static JsonArray *
records_to_json(const GPtrArray *records, const AshField *fields, gboolean with_notes)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; records != NULL && i < records->len; i++)
		json_array_add_object_element(
			array, ash_record_to_json(g_ptr_array_index(records, i), fields, with_notes));
	return array;
}

static void
field_to_json(gconstpointer record, const AshField *field, gboolean with_notes, JsonObject *object)
{
	switch (field->kind) {
	case ASH_FIELD_NOTE:
		if (!with_notes)
			break;
		/* fall through */
	case ASH_FIELD_STRING:
		json_object_set_string_member(object, field->name, CONST_MEMBER(char *, record, field));
		break;
	case ASH_FIELD_STRV:
		ash_json_set_strv(object, field->name,
				  (const char *const *) CONST_MEMBER(char **, record, field));
		break;
	case ASH_FIELD_STRINGS:
		json_object_set_array_member(object, field->name,
					     strings_to_json(CONST_MEMBER(GPtrArray *, record, field)));
		break;
	case ASH_FIELD_BOOL:
		json_object_set_boolean_member(object, field->name, CONST_MEMBER(bool, record, field));
		break;
	case ASH_FIELD_INT:
		json_object_set_int_member(object, field->name, CONST_MEMBER(int, record, field));
		break;
	case ASH_FIELD_UINT64:
		json_object_set_int_member(object, field->name,
					   (gint64) CONST_MEMBER(guint64, record, field));
		break;
	case ASH_FIELD_RECORD:
		json_object_set_object_member(
			object, field->name,
			ash_record_to_json((const guint8 *) record + field->offset, field->fields, with_notes));
		break;
	case ASH_FIELD_RECORDS:
		json_object_set_array_member(
			object, field->name,
			records_to_json(CONST_MEMBER(GPtrArray *, record, field), field->fields, with_notes));
		break;
	}
}

JsonObject *
ash_record_to_json(gconstpointer record, const AshField *fields, gboolean with_notes)
{
	JsonObject *object = json_object_new();

	for (; fields->name != NULL; fields++)
		field_to_json(record, fields, with_notes, object);
	return object;
}

char *
ash_record_dup_digest(gconstpointer record, const AshField *fields)
{
	JsonObject *object = ash_record_to_json(record, fields, FALSE);
	g_autofree char *text = ash_json_object_to_string(object, FALSE);

	json_object_unref(object);
	return ash_sha256_hex(text, -1);
}

static void
strings_from_json(GPtrArray *strings, JsonObject *object, const char *name)
{
	g_auto(GStrv) strv = ash_json_get_strv(object, name);

	g_ptr_array_set_size(strings, 0);
	for (char **text = strv; *text != NULL; text++)
		g_ptr_array_add(strings, g_strdup(*text));
}

static gboolean
records_from_json(GPtrArray **place, const AshField *field, JsonNode *node, GError **error)
{
	if (!JSON_NODE_HOLDS_ARRAY(node))
		return ash_throw(error, ASH_ERROR_INTERNAL, "member \"%s\" is not an array", field->name);
	JsonArray *array = json_node_get_array(node);
	if (*place == NULL)
		*place = g_ptr_array_new_with_free_func(g_free);
	GPtrArray *records = *place;
	g_ptr_array_set_size(records, 0);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		JsonNode *element = json_array_get_element(array, i);
		if (!JSON_NODE_HOLDS_OBJECT(element))
			return ash_throw(error, ASH_ERROR_INTERNAL, "an element of \"%s\" is not an object",
					 field->name);
		gpointer record = g_malloc0(field->size);
		g_ptr_array_add(records, record);
		if (!ash_record_from_json(record, field->fields, json_node_get_object(element), error))
			return FALSE;
	}
	return TRUE;
}

/* json-glib would read one type as another. */
static gboolean
check_value(const AshField *field, JsonNode *node, GError **error)
{
	const bool is_bool = field->kind == ASH_FIELD_BOOL, is_number = field->kind == ASH_FIELD_INT || field->kind == ASH_FIELD_UINT64;

	if (!is_bool && !is_number)
		return TRUE;
	if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != (is_bool ? G_TYPE_BOOLEAN : G_TYPE_INT64))
		return ash_throw(error, ASH_ERROR_INTERNAL, "member \"%s\" is not %s", field->name, is_bool ? "true or false" : "a whole number");
	return TRUE;
}

static gboolean
field_from_json(gpointer record, const AshField *field, JsonObject *object, JsonNode *node, GError **error)
{
	switch (field->kind) {
	case ASH_FIELD_NOTE:
	case ASH_FIELD_STRING:
		g_free(MEMBER(char *, record, field));
		MEMBER(char *, record, field) = g_strdup(ash_json_get_string_optional(object, field->name));
		return TRUE;
	case ASH_FIELD_STRV:
		g_strfreev(MEMBER(char **, record, field));
		MEMBER(char **, record, field) = ash_json_get_strv(object, field->name);
		return TRUE;
	case ASH_FIELD_STRINGS:
		strings_from_json(MEMBER(GPtrArray *, record, field), object, field->name);
		return TRUE;
	case ASH_FIELD_BOOL:
		MEMBER(bool, record, field) = json_node_get_boolean(node);
		return TRUE;
	case ASH_FIELD_INT:
		MEMBER(int, record, field) = (int) json_node_get_int(node);
		return TRUE;
	case ASH_FIELD_UINT64:
		MEMBER(guint64, record, field) = (guint64) json_node_get_int(node);
		return TRUE;
	case ASH_FIELD_RECORD:
		if (!JSON_NODE_HOLDS_OBJECT(node))
			return ash_throw(error, ASH_ERROR_INTERNAL, "member \"%s\" is not an object", field->name);
		return ash_record_from_json((guint8 *) record + field->offset, field->fields,
					    json_node_get_object(node), error);
	case ASH_FIELD_RECORDS:
		return records_from_json(&MEMBER(GPtrArray *, record, field), field, node, error);
	}
	return TRUE;
}

gboolean
ash_record_from_json(gpointer record, const AshField *fields, JsonObject *object, GError **error)
{
	for (; fields->name != NULL; fields++) {
		JsonNode *node = json_object_get_member(object, fields->name);
		if (node != NULL && (!check_value(fields, node, error) || !field_from_json(record, fields, object, node, error)))
			return FALSE;
	}
	return TRUE;
}
