/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/lock.h"

#include "base/error.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const char text[] = "# ashlar lock 1\n"
			   "variant container\n"
			   "repo demo sha256:" A "\n"
			   "package bash-5.2.15-2.x86_64 sha256:" A " demo user\n"
			   "package tzdata-1:2024a-0.noarch sha256:" B " demo weak\n"
			   "variant vm\n"
			   "repo demo sha256:" A "\n"
			   "repo extra sha256:" B "\n"
			   "package systemd-252-1.x86_64 sha256:" B " extra group\n";

static GPtrArray *
parse(const char *lock)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *locks = ash_lock_parse(lock, "demo.lock", &error);

	g_assert_no_error(error);
	return locks;
}

static void
test_round_trip(void)
{
	g_autoptr(GPtrArray) locks = parse(text);
	g_autofree char *back = ash_lock_format(locks);

	g_assert_cmpstr(back, ==, text);
	g_assert_cmpuint(locks->len, ==, 2);
	g_assert_null(ash_lock_find(locks, "wsl"));
	const AshPackage *tzdata = ash_package_set_find(ash_lock_find(locks, "container")->set, "tzdata");
	g_assert_cmpuint(tzdata->epoch, ==, 1);
	g_assert_cmpstr(tzdata->sha256, ==, B);
	g_assert_cmpint(tzdata->reason, ==, ASH_REASON_WEAK);
}

/* The order in which things were added does not show. */
static void
test_sorted(void)
{
	g_autoptr(GPtrArray) locks = parse(text);
	g_autoptr(GPtrArray) reversed = g_ptr_array_new();

	for (guint i = locks->len; i-- > 0;) {
		AshLock *lock = g_ptr_array_index(locks, i);
		for (guint j = 0; 2 * j + 1 < lock->set->packages->len; j++) {
			gpointer *pdata = lock->set->packages->pdata;
			gpointer last = pdata[lock->set->packages->len - 1 - j];
			pdata[lock->set->packages->len - 1 - j] = pdata[j];
			pdata[j] = last;
		}
		g_ptr_array_add(reversed, lock);
	}
	g_autofree char *back = ash_lock_format(reversed);
	g_assert_cmpstr(back, ==, text);
}

static void
test_comments(void)
{
	g_autoptr(GPtrArray) locks = parse("# ashlar lock 1\n\n# why not\nvariant vm\n");

	g_assert_cmpuint(locks->len, ==, 1);
}

static void
test_bad(void)
{
	const struct {
		const char *lock, *message;
	} bad[] = {
		{ "", "demo.lock:1: the first line" },
		{ "variant vm\n", "demo.lock:1: the first line" },
		{ "# ashlar lock 2\n", "demo.lock:1: the first line" },
		{ "# ashlar lock 1\nrepo demo sha256:" A "\n", "demo.lock:2: no \"variant\" line" },
		{ "# ashlar lock 1\nvariant\n", "demo.lock:2: wrong number of words" },
		{ "# ashlar lock 1\nvariant a\nvariant a\n", "demo.lock:3: variant: there is one" },
		{ "# ashlar lock 1\nvariant a\nrepo demo " A "\n", "demo.lock:3: repo: its digest" },
		{ "# ashlar lock 1\nvariant a\nrepo demo sha256:" A "0\n", "demo.lock:3: repo: its digest" },
		{ "# ashlar lock 1\nvariant a\npackage bash sha256:" A " demo user\n", "demo.lock:3: package: not name-" },
		{ "# ashlar lock 1\nvariant a\npackage a-1-1.x sha256:AA demo user\n", "demo.lock:3: package: its digest" },
		{ "# ashlar lock 1\nvariant a\npackage a-1-1.x sha256:" A " demo whim\n", "demo.lock:3: package: its reason" },
		{ "# ashlar lock 1\nvariant a\npackage  a-1-1.x sha256:" A " demo user\n", "demo.lock:3: wrong number" },
		{ "# ashlar lock 1\n<<<<<<< HEAD\n", "demo.lock:2: neither" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(ash_lock_parse(bad[i].lock, "demo.lock", &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		if (!g_str_has_prefix(error->message, bad[i].message))
			g_error("\"%s\" is not how \"%s\" begins", bad[i].message, error->message);
	}
}

static void
test_diff(void)
{
	g_autoptr(GPtrArray) before = parse("# ashlar lock 1\nvariant vm\n"
					    "package a-1-1.noarch sha256:" A " demo user\n"
					    "package b-1-1.noarch sha256:" A " demo user\n"
					    "package c-1-1.noarch sha256:" A " demo user\n"
					    "package d-1-1.noarch sha256:" A " demo user\n"
					    "package e-1-1.noarch sha256:" A " demo user\n");
	g_autoptr(GPtrArray) after = parse("# ashlar lock 1\nvariant vm\n"
					   "package a-2-1.noarch sha256:" A " demo user\n"
					   "package b-1-1.noarch sha256:" B " demo user\n"
					   "package c-1-1.noarch sha256:" A " other user\n"
					   "package d-1-1.noarch sha256:" A " demo weak\n"
					   "package e-1-1.noarch sha256:" A " demo user\n"
					   "package f-1-1.noarch sha256:" A " demo user\n");
	g_autofree char *diff = ash_lock_diff(before->pdata[0], after->pdata[0]);
	g_autofree char *none = ash_lock_diff(after->pdata[0], after->pdata[0]);

	g_assert_cmpstr(diff, ==,
			"- a-1-1.noarch\n+ a-2-1.noarch\n~ b-1-1.noarch: digest\n~ c-1-1.noarch: repository\n"
			"~ d-1-1.noarch: reason\n+ f-1-1.noarch\n");
	g_assert_cmpstr(none, ==, "");
}

/* The digest is over package lines alone: another state of a repository with the same packages is the same set. */
static void
test_digest(void)
{
	g_autoptr(GPtrArray) one = parse("# ashlar lock 1\nvariant vm\nrepo demo sha256:" A "\n"
					 "package a-1-1.noarch sha256:" A " demo user\n");
	g_autoptr(GPtrArray) two = parse("# ashlar lock 1\nvariant x\nrepo demo sha256:" B "\n"
					 "package a-1-1.noarch sha256:" A " demo user\n");
	g_autoptr(GPtrArray) three = parse("# ashlar lock 1\nvariant vm\n"
					   "package a-1-1.noarch sha256:" B " demo user\n");
	g_autofree char *first = ash_lock_dup_digest(one->pdata[0]), *second = ash_lock_dup_digest(two->pdata[0]);
	g_autofree char *third = ash_lock_dup_digest(three->pdata[0]);

	g_assert_cmpstr(first, ==, second);
	g_assert_cmpstr(first, !=, third);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/lock/round-trip", test_round_trip);
	g_test_add_func("/lock/sorted", test_sorted);
	g_test_add_func("/lock/comments", test_comments);
	g_test_add_func("/lock/bad", test_bad);
	g_test_add_func("/lock/diff", test_diff);
	g_test_add_func("/lock/digest", test_digest);
	return g_test_run();
}
