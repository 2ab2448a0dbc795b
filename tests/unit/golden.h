/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

/*
 * Golden files: what a function makes of NAME.in is in NAME.out beside it. With ASHLAR_UPDATE_GOLDEN=1 in the environment
 * the test writes them instead: read the difference before committing it.
 */

/* What is made of the file, owned. */
typedef char *(*GoldenFunc)(const char *name);

static inline void
golden_check(const char *name, const char *suffix, const char *text)
{
	g_autofree char *stem = g_strndup(name, strrchr(name, '.') - name);
	g_autofree char *path = g_strconcat(stem, suffix, NULL);
	g_autofree char *expected = NULL;

	if (g_getenv("ASHLAR_UPDATE_GOLDEN") != NULL) {
		g_assert_true(g_file_set_contents(path, text, -1, NULL));
		return;
	}
	if (!g_file_get_contents(path, &expected, NULL, NULL))
		g_error("%s is missing: ASHLAR_UPDATE_GOLDEN=1 makes it", path);
	g_assert_cmpstr(text, ==, expected);
}

typedef struct {
	char *dir, *name;
	const char *suffix;
	GoldenFunc func;
} GoldenCase;

static inline void
golden_case_run(gconstpointer data)
{
	const GoldenCase *one = data;
	g_autofree char *text = NULL;

	/* Names in errors are relative to the folder. */
	g_assert_cmpint(g_chdir(one->dir), ==, 0);
	text = one->func(one->name);
	golden_check(one->name, one->suffix, text);
}

static inline void
golden_case_free(gpointer data)
{
	GoldenCase *one = data;

	g_free(one->dir);
	g_free(one->name);
	g_free(one);
}

/* One test case for each file of tests/golden/@dir whose name ends in @extension. */
static inline void
golden_add(const char *prefix, const char *dir, const char *extension, const char *suffix, GoldenFunc func)
{
	const char *top = g_getenv("top_srcdir") != NULL ? g_getenv("top_srcdir") : ".";
	g_autofree char *relative = g_build_filename(top, "tests", "golden", dir, NULL);
	g_autofree char *path = g_canonicalize_filename(relative, NULL);
	g_autoptr(GDir) handle = g_dir_open(path, 0, NULL);
	const char *name = NULL;
	guint n = 0;

	g_assert_nonnull(handle);
	while ((name = g_dir_read_name(handle)) != NULL) {
		g_autofree char *test = NULL;
		GoldenCase *one = NULL;

		if (!g_str_has_suffix(name, extension))
			continue;
		one = g_new0(GoldenCase, 1);
		one->dir = g_strdup(path);
		one->name = g_strdup(name);
		one->suffix = suffix;
		one->func = func;
		test = g_strdup_printf("%s/%s", prefix, name);
		g_test_add_data_func_full(test, one, golden_case_run, golden_case_free);
		n++;
	}
	g_assert_cmpuint(n, >, 0);
}
