/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"
#include "base/record.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
	char *key;
	int value;
	char *origin;
} Part;

typedef struct {
	char *name, *absent;
	char **words;
	GPtrArray *lines; /* of char * */
	bool flag;
	int number;
	guint64 large;
	Part one;
	GPtrArray *parts; /* of Part * */
	char *origin;
} Sample;

static const AshField part_fields[] = {
	ASH_FIELD(Part, key, ASH_FIELD_STRING),
	ASH_FIELD(Part, value, ASH_FIELD_INT),
	ASH_FIELD(Part, origin, ASH_FIELD_NOTE),
	{ NULL },
};

static const AshField sample_fields[] = {
	ASH_FIELD(Sample, name, ASH_FIELD_STRING),
	ASH_FIELD(Sample, absent, ASH_FIELD_STRING),
	ASH_FIELD(Sample, words, ASH_FIELD_STRV),
	ASH_FIELD(Sample, lines, ASH_FIELD_STRINGS),
	ASH_FIELD(Sample, flag, ASH_FIELD_BOOL),
	ASH_FIELD(Sample, number, ASH_FIELD_INT),
	ASH_FIELD(Sample, large, ASH_FIELD_UINT64),
	ASH_FIELD_IN(Sample, one, part_fields),
	ASH_FIELD_EACH(Sample, parts, part_fields, Part),
	ASH_FIELD(Sample, origin, ASH_FIELD_NOTE),
	{ NULL },
};

static void
part_clear(Part *part)
{
	g_free(part->key);
	g_free(part->origin);
}

static void
part_free(gpointer data)
{
	part_clear(data);
	g_free(data);
}

static Sample *
sample_new(void)
{
	Sample *sample = g_new0(Sample, 1);

	sample->words = g_new0(char *, 1);
	sample->lines = g_ptr_array_new_with_free_func(g_free);
	sample->parts = g_ptr_array_new_with_free_func(part_free);
	return sample;
}

static void
sample_free(Sample *sample)
{
	g_free(sample->name);
	g_free(sample->absent);
	g_strfreev(sample->words);
	g_ptr_array_unref(sample->lines);
	part_clear(&sample->one);
	g_ptr_array_unref(sample->parts);
	g_free(sample->origin);
	g_free(sample);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sample, sample_free)

static Sample *
sample_filled(void)
{
	Sample *sample = sample_new();
	const Part second = { g_strdup("k\n\"2\""), -7, g_strdup("here:2") };

	sample->name = g_strdup("näme \\ \t");
	g_strfreev(sample->words);
	sample->words = g_strsplit("a,,c", ",", 0);
	g_ptr_array_add(sample->lines, g_strdup("line"));
	sample->flag = true;
	sample->number = G_MININT;
	sample->large = G_MAXUINT64 - 1;
	sample->one.key = g_strdup("k1");
	sample->one.origin = g_strdup("here:1");
	g_ptr_array_add(sample->parts, g_memdup2(&second, sizeof second));
	sample->origin = g_strdup("here:0");
	return sample;
}

static char *
to_text(const Sample *sample, gboolean with_notes)
{
	g_autoptr(JsonObject) object = ash_record_to_json(sample, sample_fields, with_notes);

	return ash_json_object_to_string(object, FALSE);
}

static void
test_round_trip(void)
{
	g_autoptr(Sample) sample = sample_filled();
	g_autoptr(Sample) copy = sample_new();
	g_autoptr(GError) error = NULL;
	g_autofree char *text = to_text(sample, TRUE);
	g_autoptr(JsonObject) object = ash_json_parse_object(text, -1, "text", &error);

	g_assert_no_error(error);
	g_assert_true(ash_record_from_json(copy, sample_fields, object, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(copy->name, ==, sample->name);
	g_assert_null(copy->absent);
	g_assert_cmpuint(g_strv_length(copy->words), ==, 3);
	g_assert_true(copy->flag);
	g_assert_cmpint(copy->number, ==, G_MININT);
	g_assert_cmpuint(copy->large, ==, G_MAXUINT64 - 1);
	g_assert_cmpstr(copy->one.origin, ==, "here:1");
	const Part *part = g_ptr_array_index(copy->parts, 0);
	g_assert_cmpint(part->value, ==, -7);
	g_autofree char *again = to_text(copy, TRUE);
	g_assert_cmpstr(text, ==, again);
	/* A second reading replaces, it does not add. */
	g_assert_true(ash_record_from_json(copy, sample_fields, object, NULL));
	g_autofree char *third = to_text(copy, TRUE);
	g_assert_cmpstr(text, ==, third);
}

static void
test_notes_are_no_part_of_digests(void)
{
	g_autoptr(Sample) sample = sample_filled();
	g_autofree char *before = ash_record_dup_digest(sample, sample_fields);

	g_free(sample->origin);
	sample->origin = NULL;
	g_free(sample->one.origin);
	sample->one.origin = g_strdup("elsewhere");
	g_clear_pointer(&((Part *) g_ptr_array_index(sample->parts, 0))->origin, g_free);
	g_autofree char *after = ash_record_dup_digest(sample, sample_fields);
	g_assert_cmpstr(before, ==, after);
	sample->one.value++;
	g_autofree char *changed = ash_record_dup_digest(sample, sample_fields);
	g_assert_cmpstr(before, !=, changed);
	g_autofree char *text = to_text(sample, FALSE);
	g_assert_null(strstr(text, "origin"));
	g_assert_null(strstr(text, "elsewhere"));
}

/* NULL, "" and nothing at all are three things. */
static void
test_digest_of_nothing(void)
{
	g_autoptr(Sample) sample = sample_new();
	g_autofree char *null = ash_record_dup_digest(sample, sample_fields);

	sample->name = g_strdup("");
	g_autofree char *empty = ash_record_dup_digest(sample, sample_fields);
	g_assert_cmpstr(null, !=, empty);
}

static void
test_absent_members_keep_values(void)
{
	g_autoptr(Sample) sample = sample_filled();
	g_autoptr(JsonObject) object = ash_json_parse_object("{\"number\": 5, \"name\": null, \"new\": 1}", -1, "x", NULL);

	g_assert_true(ash_record_from_json(sample, sample_fields, object, NULL));
	g_assert_cmpint(sample->number, ==, 5);
	g_assert_null(sample->name);
	g_assert_true(sample->flag);
	g_assert_cmpuint(sample->parts->len, ==, 1);
}

static void
test_wrong_types(void)
{
	static const char *const wrong[] = { "{\"one\": 5}", "{\"one\": []}", "{\"parts\": {}}", "{\"parts\": [5]}",
					     "{\"parts\": [{\"value\": 1}, null]}", "{\"flag\": {}}", "{\"flag\": 1}",
					     "{\"number\": \"x\"}", "{\"large\": 1.5}", "{\"large\": null}" };
	static const char *const harmless[] = { "{\"words\": 5}", "{\"lines\": [1, {}, null]}", "{\"name\": [1]}" };

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(Sample) sample = sample_filled();
		g_autoptr(GError) error = NULL;
		g_autoptr(JsonObject) object = ash_json_parse_object(wrong[i], -1, "x", NULL);
		g_assert_false(ash_record_from_json(sample, sample_fields, object, &error));
		g_assert_nonnull(error);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(harmless); i++) {
		g_autoptr(Sample) sample = sample_filled();
		g_autoptr(JsonObject) object = ash_json_parse_object(harmless[i], -1, "x", NULL);
		g_assert_true(ash_record_from_json(sample, sample_fields, object, NULL));
		g_assert_nonnull(sample->words);
	}
}

static void
test_json_parse(void)
{
	static const char *const wrong[] = { "", " ", "[1]", "5", "null", "{", "{\"a\": }", "{\"a\": \"\xff\"}" };

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(JsonObject) object = ash_json_parse_object(wrong[i], -1, "the \"lock\"", &error);
		if (object != NULL)
			g_error("case %" G_GSIZE_FORMAT " was taken for JSON", i);
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		g_assert_true(g_str_has_prefix(error->message, "the \"lock\": not "));
	}
}

static void
test_json_members(void)
{
	static const char *const words[] = { "x", "", NULL };
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonObject) object = ash_json_parse_object("{\"b\": \"1\", \"a\": 2, \"n\": null, \"m\": [\"x\", 1]}", -1, "x", NULL);

	g_assert_cmpstr(ash_json_get_string(object, "b", NULL), ==, "1");
	g_assert_null(ash_json_get_string_optional(object, "a"));
	g_assert_null(ash_json_get_string_optional(object, "n"));
	g_assert_null(ash_json_get_string(object, "z", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "\"z\""));
	g_auto(GStrv) some = ash_json_get_strv(object, "m"), none = ash_json_get_strv(object, "z");
	g_assert_cmpuint(g_strv_length(some), ==, 1);
	g_assert_cmpuint(g_strv_length(none), ==, 0);
	g_autoptr(JsonObject) built = json_object_new();
	json_object_set_int_member(built, "z", 1);
	ash_json_set_strv(built, "a", words);
	ash_json_set_strv(built, "e", NULL);
	g_autofree char *line = ash_json_object_to_string(built, FALSE);
	g_autofree char *pretty = ash_json_object_to_string(built, TRUE);
	g_assert_cmpstr(line, ==, "{\"z\":1,\"a\":[\"x\",\"\"],\"e\":[]}"); /* in the order set */
	g_assert_true(g_str_has_prefix(pretty, "{\n  \"z\" : 1,\n"));
	g_assert_true(g_str_has_suffix(pretty, "}\n"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/record/round-trip", test_round_trip);
	g_test_add_func("/base/record/notes", test_notes_are_no_part_of_digests);
	g_test_add_func("/base/record/digest-of-nothing", test_digest_of_nothing);
	g_test_add_func("/base/record/absent-members", test_absent_members_keep_values);
	g_test_add_func("/base/record/wrong-types", test_wrong_types);
	g_test_add_func("/base/json/parse", test_json_parse);
	g_test_add_func("/base/json/members", test_json_members);
	return g_test_run();
}
