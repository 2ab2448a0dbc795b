/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "config/check.h"
#include "config/lexer.h"
#include "config/nearest.h"
#include "config/option.h"
#include "model/strv.h"

#include <string.h>

/* Results of Python's shlex.split(line, comments=True), words joined by "|". */
static const struct {
	const char *line, *words;
	bool glued_comment;
} splits[] = {
	{ "", "", false },
	{ "  \t ", "", false },
	{ "# comment", "", false },
	{ "a b\tc", "a|b|c", false },
	{ "a # b", "a", false },
	{ "a#b c", "a", true },
	{ "'a b' \"c d\"", "a b|c d", false },
	{ "a'b'\"c\"d", "abcd", false },
	{ "'' \"\"", "|", false },
	{ "'a\\b' \"a\\b\" a\\b", "a\\b|a\\b|ab", false },
	{ "\"a\\\"b\\\\c\"", "a\"b\\c", false },
	{ "'a#b' \"#\" \\#", "a#b|#|#", false },
	{ "a\\ b", "a b", false },
	{ "--x='y z'", "--x=y z", false },
	{ "\xc3\xa4 \xe2\x82\xac", "\xc3\xa4|\xe2\x82\xac", false },
};

static void
test_split(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(splits); i++) {
		g_autoptr(GError) error = NULL;
		bool glued_comment = false;
		g_auto(GStrv) words = ash_lexer_split(splits[i].line, &glued_comment, &error);
		g_autofree char *joined = NULL;

		g_assert_no_error(error);
		joined = g_strjoinv("|", words);
		g_assert_cmpstr(joined, ==, splits[i].words);
		g_assert_true(glued_comment == splits[i].glued_comment);
	}
}

/* The same lines through Python itself, where there is one. */
static void
test_split_like_python(void)
{
	static const char program[] =
		"import shlex,sys\nprint('|'.join(shlex.split(sys.argv[1],comments=True)),end='')";
	g_autofree char *python = g_find_program_in_path("python3");

	if (python == NULL) {
		g_test_skip("there is no python3");
		return;
	}
	for (guint i = 0; i < G_N_ELEMENTS(splits); i++) {
		const char *argv[] = { python, "-c", program, splits[i].line, NULL };
		g_autoptr(GError) error = NULL;
		g_autofree char *output = NULL;
		int status = -1;

		g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, 0, NULL, NULL, &output, NULL,
					   &status, &error));
		g_assert_cmpint(status, ==, 0);
		g_assert_cmpstr(output, ==, splits[i].words);
	}
}

static void
test_split_fails(void)
{
	static const char *const bad[] = { "'", "a \"b", "\"a\\\"", "a\\", "\"a\\" };

	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		bool glued_comment = false;

		g_assert_null(ash_lexer_split(bad[i], &glued_comment, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	}
}

static void
test_lines(void)
{
	static const char text[] = "one\n\ntwo \\\n three\\\r\n four\r\n# no \\\nfive\nlast\\";
	static const struct {
		const char *text;
		guint first_line;
	} lines[] = { { "one", 1 },     { "", 2 },     { "two  three four", 3 },
		      { "# no \\", 6 }, { "five", 7 }, { "last\\", 8 } };
	AshLexer lexer;

	ash_lexer_init(&lexer, text, strlen(text));
	for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autofree char *line = ash_lexer_next_line(&lexer);

		g_assert_cmpuint(lexer.line, ==, lines[i].first_line);
		line = ash_lexer_continue_line(&lexer, g_steal_pointer(&line));
		g_assert_cmpstr(line, ==, lines[i].text);
	}
	g_assert_null(ash_lexer_next_line(&lexer));
}

static void
test_distance(void)
{
	g_assert_cmpuint(ash_nearest_distance("", ""), ==, 0);
	g_assert_cmpuint(ash_nearest_distance("", "abc"), ==, 3);
	g_assert_cmpuint(ash_nearest_distance("repo", "reop"), ==, 1);
	g_assert_cmpuint(ash_nearest_distance("kitten", "sitting"), ==, 3);
	g_assert_cmpuint(ash_nearest_distance("ca", "abc"), ==, 3);
	g_assert_cmpuint(ash_nearest_distance("same", "same"), ==, 0);
}

static void
test_nearest(void)
{
	static const char *const words[] = { "repo", "reboot", "user", NULL };
	g_autofree char *long_word = g_strnfill(500, 'x');

	g_assert_cmpstr(ash_nearest_find("reop", words), ==, "repo");
	g_assert_cmpstr(ash_nearest_find("rebot", words), ==, "reboot");
	g_assert_null(ash_nearest_find("frobnicate", words));
	g_assert_null(ash_nearest_find("", words));
	g_assert_null(ash_nearest_find(long_word, words));
}

static void
test_checks(void)
{
	g_assert_true(ash_check_account_name("demo_1.x-y$"));
	g_assert_false(ash_check_account_name(""));
	g_assert_false(ash_check_account_name("$"));
	g_assert_false(ash_check_account_name("-x"));
	g_assert_false(ash_check_account_name("0"));
	g_assert_false(ash_check_account_name(".."));
	g_assert_false(ash_check_account_name("abcdefghijklmnopqrstuvwxyzabcdefg"));
	g_assert_true(ash_check_hostname("a.b-c.example"));
	g_assert_false(ash_check_hostname("a..b"));
	g_assert_false(ash_check_hostname("-a"));
	g_assert_false(ash_check_hostname("a-"));
	g_assert_false(ash_check_hostname("a."));
	g_assert_true(ash_check_path("/a/b..c"));
	g_assert_false(ash_check_path("/a/../b"));
	g_assert_false(ash_check_path("/a//b"));
	g_assert_false(ash_check_path("a"));
	g_assert_false(ash_check_path("/a:b"));
	g_assert_true(ash_check_ipv6("2001:db8::1/64", true));
	g_assert_false(ash_check_ipv6("2001:db8::1/129", true));
	g_assert_false(ash_check_ipv6("2001:db8::1/64", false));
	g_assert_true(ash_check_unit("getty@tty1.service"));
	g_assert_false(ash_check_unit("a/b.service"));
	g_assert_false(ash_check_interface("abcdefghijklmnop"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/lexer/split", test_split);
	g_test_add_func("/lexer/split-like-python", test_split_like_python);
	g_test_add_func("/lexer/split-fails", test_split_fails);
	g_test_add_func("/lexer/lines", test_lines);
	g_test_add_func("/nearest/distance", test_distance);
	g_test_add_func("/nearest/find", test_nearest);
	g_test_add_func("/check/all", test_checks);
	return g_test_run();
}
