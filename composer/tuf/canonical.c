/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/canonical.h"

#include "base/error.h"

#include <string.h>

static gboolean encode(JsonNode *node, GString *out, GError **error);

static void
encode_string(const char *text, GString *out)
{
	g_string_append_c(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			g_string_append_c(out, '\\');
		g_string_append_c(out, *text);
	}
	g_string_append_c(out, '"');
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(a, b);
}

/* By code point: the order of UTF-8 bytes is that, too. */
static GList *
list_sorted_members(JsonObject *object)
{
	return g_list_sort(json_object_get_members(object), compare_names);
}

static gboolean
encode_object(JsonObject *object, GString *out, GError **error)
{
	g_autoptr(GList) members = list_sorted_members(object);

	g_string_append_c(out, '{');
	for (GList *link = members; link != NULL; link = link->next) {
		if (link != members)
			g_string_append_c(out, ',');
		encode_string(link->data, out);
		g_string_append_c(out, ':');
		if (!encode(json_object_get_member(object, link->data), out, error))
			return FALSE;
	}
	g_string_append_c(out, '}');
	return TRUE;
}

static gboolean
encode_array(JsonArray *array, GString *out, GError **error)
{
	g_string_append_c(out, '[');
	for (guint i = 0; i < json_array_get_length(array); i++) {
		if (i > 0)
			g_string_append_c(out, ',');
		if (!encode(json_array_get_element(array, i), out, error))
			return FALSE;
	}
	g_string_append_c(out, ']');
	return TRUE;
}

static gboolean
encode(JsonNode *node, GString *out, GError **error)
{
	if (JSON_NODE_HOLDS_OBJECT(node))
		return encode_object(json_node_get_object(node), out, error);
	if (JSON_NODE_HOLDS_ARRAY(node))
		return encode_array(json_node_get_array(node), out, error);
	if (JSON_NODE_HOLDS_NULL(node))
		g_string_append(out, "null");
	else if (json_node_get_value_type(node) == G_TYPE_STRING)
		encode_string(json_node_get_string(node), out);
	else if (json_node_get_value_type(node) == G_TYPE_INT64)
		g_string_append_printf(out, "%" G_GINT64_FORMAT, json_node_get_int(node));
	else if (json_node_get_value_type(node) == G_TYPE_BOOLEAN)
		g_string_append(out, json_node_get_boolean(node) ? "true" : "false");
	else
		return ash_throw(error, ASH_ERROR_TRUST, "canonical JSON has no fractions");
	return TRUE;
}

GBytes *
ash_canonical_encode(JsonNode *node, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);

	if (!encode(node, out, error))
		return NULL;
	return g_string_free_to_bytes(g_steal_pointer(&out));
}

JsonNode *
ash_canonical_copy(JsonNode *node)
{
	if (JSON_NODE_HOLDS_ARRAY(node)) {
		g_autoptr(JsonArray) sorted = json_array_new();
		JsonArray *array = json_node_get_array(node);
		for (guint i = 0; i < json_array_get_length(array); i++)
			json_array_add_element(sorted, ash_canonical_copy(json_array_get_element(array, i)));
		return json_node_init_array(json_node_alloc(), sorted);
	}
	if (JSON_NODE_HOLDS_OBJECT(node)) {
		g_autoptr(JsonObject) sorted = json_object_new();
		JsonObject *object = json_node_get_object(node);
		g_autoptr(GList) members = list_sorted_members(object);
		for (GList *link = members; link != NULL; link = link->next)
			json_object_set_member(sorted, link->data, ash_canonical_copy(json_object_get_member(object, link->data)));
		return json_node_init_object(json_node_alloc(), sorted);
	}
	return json_node_copy(node);
}

char *
ash_canonical_format(JsonNode *node)
{
	g_autoptr(JsonNode) sorted = ash_canonical_copy(node);
	g_autoptr(JsonGenerator) generator = json_generator_new();

	json_generator_set_root(generator, sorted);
	json_generator_set_pretty(generator, TRUE);
	json_generator_set_indent(generator, 2);
	g_autofree char *text = json_generator_to_data(generator, NULL);
	return g_strconcat(text, "\n", NULL);
}
