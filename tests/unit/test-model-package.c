/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/package.h"

static void
test_nevra(void)
{
	const struct {
		const char *text;
		guint32 epoch;
		const char *name, *version, *release, *arch;
	} good[] = {
		{ "bash-5.2.15-2.x86_64", 0, "bash", "5.2.15", "2", "x86_64" },
		{ "vim-common-2:9.0~rc1-2.fc40.noarch", 2, "vim-common", "9.0~rc1", "2.fc40", "noarch" },
		{ "a-1-1.i686", 0, "a", "1", "1", "i686" },
		{ "x-4294967295:1-1.x86_64", G_MAXUINT32, "x", "1", "1", "x86_64" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autoptr(AshPackage) package = ash_package_new();
		g_assert_true(ash_package_parse_nevra(good[i].text, package));
		g_assert_cmpstr(package->name, ==, good[i].name);
		g_assert_cmpuint(package->epoch, ==, good[i].epoch);
		g_assert_cmpstr(package->version, ==, good[i].version);
		g_assert_cmpstr(package->release, ==, good[i].release);
		g_assert_cmpstr(package->arch, ==, good[i].arch);
		g_autofree char *back = ash_package_dup_nevra(package);
		g_assert_cmpstr(back, ==, good[i].text);
	}
}

static void
test_bad_nevra(void)
{
	const char *const bad[] = { "",	       "bash",	       "bash.x86_64",	    "bash-5.x86_64",   "-5-1.x86_64",
				    "a-1-1",   "a-1-1.",       "a-1-.x86_64",	    "a--1.x86_64",     "a-x:1-1.noarch",
				    "a-:1-1.x", "a-1:-1.noarch", "a-4294967296:1-1.x", "a-1:2:3-1.noarch" };

	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(AshPackage) package = ash_package_new();
		g_test_message("%s", bad[i]);
		g_assert_false(ash_package_parse_nevra(bad[i], package));
		g_assert_null(package->name);
	}
}

static AshPackage *
make(const char *nevra, guint64 size, guint64 build_time)
{
	AshPackage *package = ash_package_new();

	g_assert_true(ash_package_parse_nevra(nevra, package));
	package->size = size;
	package->install_size = 3 * size;
	package->build_time = build_time;
	return package;
}

static void
test_set(void)
{
	const char *const sorted[] = { "a-1-1.i686", "a-1-1.x86_64", "a-2-1.x86_64", "a-1:0-1.x86_64", "b-1-1.noarch" };
	const guint order[] = { 3, 1, 4, 0, 2 };
	g_autoptr(AshPackageSet) set = ash_package_set_new();

	g_assert_cmpuint(ash_package_set_newest_build_time(set), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(order); i++)
		g_ptr_array_add(set->packages, make(sorted[order[i]], 100 + order[i], 1000 * order[i]));
	ash_package_set_sort(set);
	for (guint i = 0; i < set->packages->len; i++) {
		g_autofree char *nevra = ash_package_dup_nevra(g_ptr_array_index(set->packages, i));
		g_assert_cmpstr(nevra, ==, sorted[i]);
	}
	g_assert_cmpuint(ash_package_set_total_size(set), ==, 510);
	g_assert_cmpuint(ash_package_set_total_install_size(set), ==, 1530);
	g_assert_cmpuint(ash_package_set_newest_build_time(set), ==, 4000);
	g_assert_cmpstr(ash_package_set_find(set, "b")->arch, ==, "noarch");
	g_assert_null(ash_package_set_find(set, "c"));
}

static void
test_reason(void)
{
	AshReason reason;

	for (int i = ASH_REASON_USER; i <= ASH_REASON_WEAK; i++) {
		g_assert_true(ash_reason_parse(ash_reason_to_string((AshReason)i), &reason));
		g_assert_cmpint(reason, ==, i);
	}
	g_assert_false(ash_reason_parse("because", &reason));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/package/nevra", test_nevra);
	g_test_add_func("/package/bad-nevra", test_bad_nevra);
	g_test_add_func("/package/set", test_set);
	g_test_add_func("/package/reason", test_reason);
	return g_test_run();
}
