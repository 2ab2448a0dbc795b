/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/strictjson.h"

#include "golden.h"

static char *
format_error(const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	gsize length;

	g_assert_true(g_file_get_contents(name, &text, &length, NULL));
	g_assert_null(ash_strict_json_parse(text, length, NULL, name, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	return g_strconcat(error->message, "\n", NULL);
}

static JsonNode *
parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	JsonNode *node = ash_strict_json_parse(text, strlen(text), NULL, "x", &error);

	g_assert_no_error(error);
	return node;
}

static void
test_values(void)
{
	g_autoptr(JsonNode) node = parse(" {\"a\" : [1, -2 ,0,9223372036854775807,-9223372036854775808,true,false,null,{},[]],"
					 "\"\":\"\"}\r\n\t");
	JsonArray *array = json_object_get_array_member(json_node_get_object(node), "a");

	g_assert_cmpuint(json_array_get_length(array), ==, 10);
	g_assert_cmpint(json_array_get_int_element(array, 1), ==, -2);
	g_assert_cmpint(json_array_get_int_element(array, 3), ==, G_MAXINT64);
	g_assert_cmpint(json_array_get_int_element(array, 4), ==, G_MININT64);
	g_assert_true(json_array_get_boolean_element(array, 5));
	g_assert_true(json_array_get_null_element(array, 7));
	g_assert_cmpstr(json_object_get_string_member(json_node_get_object(node), ""), ==, "");
}

static void
test_strings(void)
{
	g_autoptr(JsonNode) node = parse("\"\\u00e9\\ud83d\\uDE00\\\"\\\\\\/\\b\\f\\n\\r\\t \xc3\xa9\x7f\"");

	g_assert_cmpstr(json_node_get_string(node), ==, "\xc3\xa9\xf0\x9f\x98\x80\"\\/\b\f\n\r\t \xc3\xa9\x7f");
}

static void
test_limits(void)
{
	const AshJsonLimits limits = { .bytes = 8, .depth = 2, .code = ASH_ERROR_CONFIG };
	g_autoptr(GError) error = NULL, depth = NULL, kind = NULL;
	g_autoptr(JsonNode) node = ash_strict_json_parse("[[1]]", 5, &limits, "x", &error);

	g_assert_nonnull(node);
	g_assert_null(ash_strict_json_parse("[[[1]]]", 7, &limits, "x", &depth));
	g_assert_error(depth, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_null(ash_strict_json_parse("[1,2,3,4]", 9, &limits, "x", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_null(ash_strict_json_parse_object("[]", 2, &limits, "x", &kind));
	g_assert_error(kind, ASH_ERROR, ASH_ERROR_CONFIG);
}

/* Siblings are no depth. */
static void
test_depth_is_returned(void)
{
	g_autoptr(GString) text = g_string_new("[");

	for (int i = 0; i < 100; i++)
		g_string_append(text, "[],{},");
	g_string_append(text, "1]");
	g_autoptr(JsonNode) node = parse(text->str);
	g_assert_cmpuint(json_array_get_length(json_node_get_array(node)), ==, 201);
}

static void
test_members(void)
{
	g_autoptr(JsonNode) node = parse("{\"s\":\"x\",\"i\":5,\"b\":true,\"o\":{},\"a\":[\"p\",\"q\"],\"n\":null,\"m\":[\"p\",1]}");
	JsonObject *object = json_node_get_object(node);
	gint64 value = 0;
	gboolean flag = FALSE;

	g_assert_cmpstr(ash_strict_json_string(object, "s", NULL), ==, "x");
	g_assert_true(ash_strict_json_int(object, "i", 5, 5, &value, NULL));
	g_assert_cmpint(value, ==, 5);
	g_assert_true(ash_strict_json_bool(object, "b", &flag, NULL));
	g_assert_true(flag);
	g_assert_nonnull(ash_strict_json_object(object, "o", NULL));
	g_auto(GStrv) words = ash_strict_json_strv(object, "a", NULL);
	g_assert_cmpuint(g_strv_length(words), ==, 2);
	static const char *const none[] = { "i", "n", "absent" };
	for (gsize i = 0; i < G_N_ELEMENTS(none); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(ash_strict_json_string(object, none[i], &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
		g_assert_null(ash_strict_json_object(object, none[i], NULL));
		g_assert_null(ash_strict_json_array(object, none[i], NULL));
		g_assert_false(ash_strict_json_bool(object, none[i], &flag, NULL));
	}
	g_assert_false(ash_strict_json_int(object, "s", 0, 9, &value, NULL));
	g_assert_false(ash_strict_json_int(object, "i", 6, 9, &value, NULL));
	g_assert_false(ash_strict_json_int(object, "i", 0, 4, &value, NULL));
	g_assert_null(ash_strict_json_strv(object, "m", NULL));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	golden_add("/strictjson/must-fail", "json/must-fail", ".json", ".error", format_error);
	g_test_add_func("/strictjson/values", test_values);
	g_test_add_func("/strictjson/strings", test_strings);
	g_test_add_func("/strictjson/limits", test_limits);
	g_test_add_func("/strictjson/depth-is-returned", test_depth_is_returned);
	g_test_add_func("/strictjson/members", test_members);
	return g_test_run();
}
