/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include "base/error.h"

JsonObject *
ash_json_parse_object(const char *text, gssize length, const char *what, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(GError) local = NULL;

	if (!json_parser_load_from_data(parser, text, length, &local))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "%s: not JSON: %s", what, local->message);
	JsonNode *root = json_parser_get_root(parser);
	if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root))
		return ash_throw_null(error, ASH_ERROR_CONFIG, "%s: not a JSON object", what);
	return json_node_dup_object(root);
}

char *
ash_json_object_to_string(JsonObject *object, gboolean pretty)
{
	g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
	g_autoptr(JsonGenerator) generator = json_generator_new();

	json_generator_set_root(generator, root);
	json_generator_set_pretty(generator, pretty);
	json_generator_set_indent(generator, 2);
	g_autofree char *text = json_generator_to_data(generator, NULL);
	return pretty ? g_strconcat(text, "\n", NULL) : g_steal_pointer(&text);
}

const char *
ash_json_get_string_optional(JsonObject *object, const char *member)
{
	JsonNode *node = json_object_get_member(object, member);

	if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
		return NULL;
	return json_node_get_string(node);
}

const char *
ash_json_get_string(JsonObject *object, const char *member, GError **error)
{
	const char *value = ash_json_get_string_optional(object, member);

	if (value == NULL)
		ash_throw(error, ASH_ERROR_CONFIG, "member \"%s\" is missing or not a string", member);
	return value;
}

char **
ash_json_get_strv(JsonObject *object, const char *member)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	JsonNode *node = json_object_get_member(object, member);

	if (node != NULL && JSON_NODE_HOLDS_ARRAY(node)) {
		JsonArray *array = json_node_get_array(node);
		for (guint i = 0; i < json_array_get_length(array); i++) {
			JsonNode *element = json_array_get_element(array, i);
			if (json_node_get_value_type(element) == G_TYPE_STRING)
				g_strv_builder_add(builder, json_node_get_string(element));
		}
	}
	return g_strv_builder_end(builder);
}

void
ash_json_set_strv(JsonObject *object, const char *member, const char *const *strv)
{
	JsonArray *array = json_array_new();

	for (; strv != NULL && *strv != NULL; strv++)
		json_array_add_string_element(array, *strv);
	json_object_set_array_member(object, member, array);
}
