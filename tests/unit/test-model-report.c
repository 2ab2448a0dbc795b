/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "model/report.h"

#include <string.h>

#define ID "0123456789abcdef0123456789abcdef"
#define BEGIN "{\"format\":1,\"ref\":\"lab/x86_64/vm\",\"channel\":\"stable\",\"node\":\"" ID "\",\"version\":\"1.0\""
#define GOOD BEGIN ",\"state\":\"ok\""

static AshReport *
parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	AshReport *report = ash_report_parse(text, strlen(text), &error);

	g_assert_true((report == NULL) == (error != NULL));
	if (error != NULL)
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	return report;
}

static void
test_round_trip(void)
{
	g_autoptr(AshReport) report = ash_report_new();

	report->ref = g_strdup("lab/x86_64/vm");
	report->channel = g_strdup("stable");
	report->node = ash_report_make_id("seed", "https://example.com/report");
	report->version = g_strdup("1.0");
	report->wanted = g_strdup("1.1~rc1");
	report->state = ASH_REPORT_FAILED;
	report->place = 99;
	ash_report_set_reason(report, "it said \"no\"");
	g_autofree char *text = ash_report_format(report);
	g_autoptr(AshReport) again = parse(text);
	g_assert_nonnull(again);
	g_autofree char *text_again = ash_report_format(again);
	g_assert_cmpstr(text_again, ==, text);
	g_assert_cmpint(again->place, ==, 99);
	g_assert_cmpstr(again->reason, ==, "it said \"no\"");
}

static void
test_defaults(void)
{
	g_autoptr(AshReport) report = parse(GOOD ",\"wanted\":null,\"later\":[1]}");

	g_assert_nonnull(report);
	g_assert_null(report->wanted);
	g_assert_null(report->reason);
	g_assert_cmpint(report->place, ==, -1);
}

static void
test_hostile(void)
{
	static const char *const texts[] = {
		"", "{}", "[]", "null", GOOD, GOOD "} ,", GOOD "}}",
		BEGIN "}",
		BEGIN ",\"state\":\"fine\"}", BEGIN ",\"state\":0}",
		GOOD ",\"state\":\"ok\"}",            /* twice */
		GOOD ",\"place\":100}", GOOD ",\"place\":-1}", GOOD ",\"place\":1.5}", GOOD ",\"place\":\"1\"}",
		GOOD ",\"wanted\":\"../1\"}", GOOD ",\"wanted\":\"\"}", GOOD ",\"wanted\":{}}", GOOD ",\"wanted\":\"<b>\"}",
		GOOD ",\"reason\":\"a\\u0000b\"}", GOOD ",\"reason\":\"two\\nlines\"}", GOOD ",\"reason\":\"\\u202egpj\"}",
		GOOD ",\"reason\":\"\\u0085\"}", GOOD ",\"reason\":\"\xff\"}", GOOD ",\"reason\":7}",
		GOOD ",\"x\":[[[[[[1]]]]]]}",
		"{\"format\":2,\"ref\":\"a\",\"channel\":\"b\",\"node\":\"" ID "\",\"version\":\"1\",\"state\":\"ok\"}",
		"{\"format\":1,\"ref\":\"a/../b\",\"channel\":\"b\",\"node\":\"" ID "\",\"version\":\"1\",\"state\":\"ok\"}",
		"{\"format\":1,\"ref\":\"a\",\"channel\":\"b/c\",\"node\":\"" ID "\",\"version\":\"1\",\"state\":\"ok\"}",
		"{\"format\":1,\"ref\":\"a\",\"channel\":\"b\",\"node\":\"" ID "0\",\"version\":\"1\",\"state\":\"ok\"}",
		"{\"format\":1,\"ref\":\"a\",\"channel\":\"b\",\"node\":\"0123456789ABCDEF0123456789abcdef\",\"version\":\"1\",\"state\":\"ok\"}",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(AshReport) report = parse(texts[i]);
		if (report != NULL)
			g_error("taken: %s", texts[i]);
	}
}

static void
test_sizes(void)
{
	g_autofree char *fits = g_strnfill(ASH_REPORT_MAX_REASON, 'x'), *long_one = g_strnfill(ASH_REPORT_MAX_REASON + 1, 'x');
	g_autofree char *blanks = g_strnfill(ASH_REPORT_MAX_BYTES, ' ');
	g_autofree char *one = g_strconcat(GOOD ",\"reason\":\"", fits, "\"}", NULL), *two = g_strconcat(GOOD ",\"reason\":\"", long_one, "\"}", NULL);
	g_autofree char *three = g_strconcat(GOOD "}", blanks, NULL);
	g_autoptr(AshReport) taken = parse(one);
	g_autoptr(AshReport) refused = parse(two);
	g_autoptr(AshReport) padded = parse(three);

	g_assert_nonnull(taken);
	g_assert_null(refused);
	g_assert_null(padded);
}

/* Whatever a message has in it, what is sent is taken. */
static void
test_reasons(void)
{
	static const char *const texts[] = { "\x01\x02", "a\nb\tc\r", "\xff\xfe", "\xe2\x80\xae", "\xf0\x9f\x98\x80" };
	g_autoptr(GString) much = g_string_new(NULL);

	for (guint i = 0; i < 200; i++)
		g_string_append(much, "\xf0\x9f\x98\x80");
	for (gsize i = 0; i <= G_N_ELEMENTS(texts); i++) {
		g_autoptr(AshReport) report = parse(GOOD "}");
		ash_report_set_reason(report, i < G_N_ELEMENTS(texts) ? texts[i] : much->str);
		g_autofree char *text = ash_report_format(report);
		g_autoptr(AshReport) again = parse(text);
		g_assert_nonnull(again);
	}
	g_autoptr(AshReport) report = parse(GOOD "}");
	ash_report_set_reason(report, "a\nb");
	g_assert_cmpstr(report->reason, ==, "a b");
	ash_report_set_reason(report, NULL);
	g_assert_null(report->reason);
}

static void
test_ids(void)
{
	g_autofree char *one = ash_report_make_id("seed", "https://a/report"), *same = ash_report_make_id("seed", "https://a/report");
	g_autofree char *elsewhere = ash_report_make_id("seed", "https://b/report"), *other = ash_report_make_id("seed2", "https://a/report");

	g_assert_cmpuint(strlen(one), ==, ASH_REPORT_NODE_DIGITS);
	g_assert_cmpstr(one, ==, same);
	g_assert_cmpstr(one, !=, elsewhere);
	g_assert_cmpstr(one, !=, other);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/report/round-trip", test_round_trip);
	g_test_add_func("/model/report/defaults", test_defaults);
	g_test_add_func("/model/report/hostile", test_hostile);
	g_test_add_func("/model/report/sizes", test_sizes);
	g_test_add_func("/model/report/reasons", test_reasons);
	g_test_add_func("/model/report/ids", test_ids);
	return g_test_run();
}
