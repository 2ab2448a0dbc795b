/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/stagekey.h"

#include "base/json.h"

#include <string.h>

typedef struct {
	char *hostname;
	int timeout;
	char *origin;
} Thing;

static const AshField thing_fields[] = {
	ASH_FIELD(Thing, hostname, ASH_FIELD_STRING),
	ASH_FIELD(Thing, timeout, ASH_FIELD_INT),
	ASH_FIELD(Thing, origin, ASH_FIELD_NOTE),
	{ NULL },
};

static AshStageKey *
make_key(const char *version, const char *less, const Thing *thing)
{
	AshStageKey *key = ash_stage_key_new(version);

	ash_stage_key_add(key, "bash.x86_64", "5.2-1 aaaa");
	ash_stage_key_add(key, "less.x86_64", less);
	ash_stage_key_add_digest_of(key, "lock", "text");
	ash_stage_key_add_record(key, thing, thing_fields);
	return key;
}

/* What a key says of an earlier one, through the text in which it is saved. */
static char *
explain(const AshStageKey *key, const AshStageKey *earlier)
{
	g_autoptr(JsonObject) object = ash_stage_key_to_json(earlier);
	g_autofree char *text = ash_json_object_to_string(object, FALSE);
	g_autoptr(JsonObject) read = ash_json_parse_object(text, -1, "key", NULL);

	g_assert_nonnull(read);
	return ash_stage_key_explain(key, read);
}

static void
test_equal(void)
{
	const Thing thing = { (char *) "host", 5, (char *) "a.ks:3" }, moved = { (char *) "host", 5, (char *) "b.ks:7" };
	g_autoptr(AshStageKey) one = make_key("1", "590-1 bbbb", &thing);
	g_autoptr(AshStageKey) two = make_key("1", "590-1 bbbb", &moved);
	g_autofree char *first = ash_stage_key_dup_digest(one);
	g_autofree char *second = ash_stage_key_dup_digest(two);

	g_assert_cmpuint(strlen(first), ==, 64);
	g_assert_cmpstr(first, ==, second);
	g_assert_null(explain(one, two));
}

static void
assert_differs(const AshStageKey *one, const AshStageKey *two, const char *wanted)
{
	g_autofree char *first = ash_stage_key_dup_digest(one);
	g_autofree char *second = ash_stage_key_dup_digest(two);
	g_autofree char *why = explain(two, one);

	g_assert_cmpstr(first, !=, second);
	g_assert_cmpstr(why, ==, wanted);
}

static void
test_different(void)
{
	const Thing thing = { (char *) "host", 5, NULL }, other = { (char *) "guest", 6, NULL };
	g_autoptr(AshStageKey) base = make_key("1", "590-1 bbbb", &thing);
	g_autoptr(AshStageKey) update = make_key("1", "590-2 cccc", &thing);
	g_autoptr(AshStageKey) rebuilt = make_key("1", "590-1 cccc", &thing);
	g_autoptr(AshStageKey) changed = make_key("1", "590-1 bbbb", &other);
	g_autoptr(AshStageKey) newer = make_key("2", "590-1 bbbb", &thing);
	g_autoptr(AshStageKey) more = make_key("1", "590-1 bbbb", &thing);

	ash_stage_key_add(more, "nano.x86_64", "7-1 dddd");
	assert_differs(base, update, "less.x86_64 590-1 -> 590-2");
	assert_differs(base, rebuilt, "less.x86_64 changed");
	assert_differs(base, changed, "hostname changed, timeout changed");
	assert_differs(base, newer, "this version of the program does it differently");
	assert_differs(base, more, "nano.x86_64 7-1 is new");
	assert_differs(more, base, "nano.x86_64 is gone");
}

static void
test_many(void)
{
	g_autoptr(AshStageKey) before = ash_stage_key_new("1");
	g_autoptr(AshStageKey) after = ash_stage_key_new("1");

	for (guint i = 0; i < 9; i++) {
		g_autofree char *name = g_strdup_printf("p%u", i);
		ash_stage_key_add(before, name, "1-1 aa");
		ash_stage_key_add(after, name, "1-2 bb");
	}
	g_autofree char *why = explain(after, before);
	g_assert_cmpstr(why, ==, "p0 1-1 -> 1-2, p1 1-1 -> 1-2, p2 1-1 -> 1-2, p3 1-1 -> 1-2 and 5 more");
}

/* Neither the place of a boundary nor an absent value can make two keys equal. */
static void
test_boundaries(void)
{
	g_autoptr(AshStageKey) one = ash_stage_key_new("1"), two = ash_stage_key_new("1"), three = ash_stage_key_new("1");

	ash_stage_key_add(one, "ab", "c");
	ash_stage_key_add(two, "a", "bc");
	ash_stage_key_add(three, "ab", NULL);
	g_autofree char *first = ash_stage_key_dup_digest(one);
	g_autofree char *second = ash_stage_key_dup_digest(two);
	g_autofree char *third = ash_stage_key_dup_digest(three);
	g_assert_cmpstr(first, !=, second);
	g_assert_cmpstr(first, !=, third);
}

static void
test_nothing_earlier(void)
{
	g_autoptr(AshStageKey) key = ash_stage_key_new("1");
	g_autoptr(JsonObject) odd = json_object_new();
	g_autofree char *why = ash_stage_key_explain(key, NULL);
	g_autofree char *also = ash_stage_key_explain(key, odd);

	g_assert_cmpstr(why, ==, "first time");
	g_assert_cmpstr(also, ==, "first time");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/compose/stagekey/equal", test_equal);
	g_test_add_func("/compose/stagekey/different", test_different);
	g_test_add_func("/compose/stagekey/many", test_many);
	g_test_add_func("/compose/stagekey/boundaries", test_boundaries);
	g_test_add_func("/compose/stagekey/nothing-earlier", test_nothing_earlier);
	return g_test_run();
}
