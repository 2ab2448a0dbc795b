/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "config/repofile.h"

#include <glib/gstdio.h>
#include <string.h>

#include "golden.h"

static char *
format_error(const char *name)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *confs = ash_repofile_load(name, NULL, NULL, &error);

	g_assert_null(confs);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	return g_strconcat(error->message, "\n", NULL);
}

static GPtrArray *
parse(const char *text, const AshRepoVars *vars, GPtrArray *notices)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *confs =
		ash_repofile_parse(text, strlen(text), "/etc/x.repo", vars, notices, &error);

	g_assert_no_error(error);
	return confs;
}

static void
test_defaults(void)
{
	g_autoptr(GPtrArray) confs = parse("[a]\n", NULL, NULL);
	const AshRepoConf *conf = g_ptr_array_index(confs, 0);

	g_assert_cmpuint(confs->len, ==, 1);
	g_assert_cmpstr(conf->id, ==, "a");
	g_assert_cmpstr(conf->origin, ==, "/etc/x.repo:1");
	/* Unlike dnf: nothing unsigned gets in unless the file says so. */
	g_assert_true(conf->gpgcheck);
	g_assert_true(conf->repo_gpgcheck);
	g_assert_true(conf->enabled);
	g_assert_true(conf->sslverify);
	g_assert_cmpint(conf->cost, ==, 1000);
	g_assert_cmpint(conf->priority, ==, 99);
	g_assert_null(conf->baseurls[0]);
	g_assert_null(conf->gpgkeys[0]);
}

static void
test_variables(void)
{
	const AshRepoVars vars = { .releasever = "44" };
	g_autoptr(GPtrArray) confs =
		parse("[a]\nname=R "
		      "$releasever\nmetalink=https://x.example/?r=${releasever}&a=$basearch\n",
		      &vars, NULL);
	const AshRepoConf *conf = g_ptr_array_index(confs, 0);

	g_assert_cmpstr(conf->name, ==, "R 44");
	g_assert_cmpstr(conf->metalink, ==, "https://x.example/?r=44&a=x86_64");
}

/* The last value counts, an empty one takes back. */
static void
test_last_value(void)
{
	g_autoptr(GPtrArray) confs =
		parse("[a]\nproxy=http://p.example\nproxy=\nbaseurl=file:///a\nbaseurl=file:///b\n",
		      NULL, NULL);
	const AshRepoConf *conf = g_ptr_array_index(confs, 0);

	g_assert_null(conf->proxy);
	g_assert_cmpstr(conf->baseurls[0], ==, "file:///b");
	g_assert_null(conf->baseurls[1]);
}

static void
test_notices(void)
{
	g_autoptr(GPtrArray) notices = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) confs =
		parse("[a]\nskip_if_unavailable=1\npassword=pa$$word\n", NULL, notices);

	g_assert_nonnull(confs);
	g_assert_cmpuint(notices->len, ==, 2);
	g_assert_cmpstr(g_ptr_array_index(notices, 0), ==,
			"/etc/x.repo:2: skip_if_unavailable: has no effect here");
}

static void
test_find(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_dir_make_tmp("ashlar-XXXXXX", &error);
	g_autofree char *first = g_build_filename(dir, "a.repo", NULL);
	g_autofree char *second = g_build_filename(dir, "b.repo", NULL);
	const char *const dirs[] = { "/nonexistent", dir, NULL };
	AshRepoConf *conf = NULL;

	g_assert_no_error(error);
	g_assert_true(g_file_set_contents(first, "[x]\nname=first\n", -1, NULL));
	g_assert_true(g_file_set_contents(second, "[x]\nname=second\n[y]\nname=y\n", -1, NULL));
	g_assert_true(ash_repofile_find("x", dirs, NULL, NULL, &conf, &error));
	g_assert_cmpstr(conf->name, ==, "first");
	g_clear_pointer(&conf, ash_repo_conf_free);
	g_assert_true(ash_repofile_find("y", dirs, NULL, NULL, &conf, &error));
	g_assert_cmpstr(conf->name, ==, "y");
	g_clear_pointer(&conf, ash_repo_conf_free);
	g_assert_true(ash_repofile_find("z", dirs, NULL, NULL, &conf, &error));
	g_assert_null(conf);
	/* A file that has the section must be right. */
	g_assert_true(g_file_set_contents(first, "[x]\nnmae=first\n", -1, NULL));
	g_assert_false(ash_repofile_find("x", dirs, NULL, NULL, &conf, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_remove(first);
	g_remove(second);
	g_rmdir(dir);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	golden_add("/repofile/must-fail", "repofile/must-fail", ".repo", ".error", format_error);
	g_test_add_func("/repofile/defaults", test_defaults);
	g_test_add_func("/repofile/variables", test_variables);
	g_test_add_func("/repofile/last-value", test_last_value);
	g_test_add_func("/repofile/notices", test_notices);
	g_test_add_func("/repofile/find", test_find);
	return g_test_run();
}
