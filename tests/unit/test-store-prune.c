/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/prune.h"
#include "store/stage.h"
#include "test-store-common.h"

static AshPruneReport *
prune(Fixture *fixture, const AshPruneOptions *options)
{
	GError *error = NULL;
	AshPruneReport *report = ash_store_prune(fixture->ctx, fixture->store, options, &error);

	g_assert_no_error(error);
	ostree_fsck(fixture);
	return report;
}

static guint
count(const AshPruneReport *report, const char *kind)
{
	guint found = 0;

	for (guint i = 0; i < report->items->len; i++)
		found += strcmp(((AshPruneItem *) g_ptr_array_index(report->items, i))->kind, kind) == 0;
	return found;
}

static const AshPruneOptions keep_two = { .keep = 2, .keep_roots = 1 };

static void
test_keep(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshPruneReport) report = prune(fixture, &keep_two);
	g_autoptr(GPtrArray) log = ash_store_log(fixture->store, REF, 0, NULL);

	g_assert_cmpuint(count(report, "commit"), ==, 2);
	g_assert_cmpuint(count(report, "objects"), ==, 1);
	g_assert_cmpuint(report->freed_bytes, >, 0);
	g_assert_false(has_commit(fixture, fixture->commits[0]));
	g_assert_false(has_commit(fixture, fixture->commits[1]));
	g_assert_true(has_commit(fixture, fixture->commits[2]));
	g_assert_true(has_commit(fixture, fixture->commits[3]));
	g_assert_true(has_commit(fixture, fixture->other));
	g_assert_cmpuint(log->len, ==, 2);
}

static void
test_dry_run(Fixture *fixture, gconstpointer data)
{
	AshPruneOptions options = keep_two;
	options.dry_run = true;
	g_autoptr(AshPruneReport) would = prune(fixture, &options);

	g_assert_true(has_commit(fixture, fixture->commits[0]));
	g_autoptr(AshPruneReport) did = prune(fixture, &keep_two);
	g_assert_cmpuint(would->freed_bytes, ==, did->freed_bytes);
	g_assert_cmpuint(would->items->len, ==, did->items->len);
}

/* A commit stays that another ref's history names, and one that came back is the newest. */
static void
test_other_history(Fixture *fixture, gconstpointer data)
{
	const AshPruneOptions options = { .keep = 1 };
	GError *error = NULL;

	g_assert_true(ash_store_set_ref(fixture->store, OTHER_REF, fixture->commits[0], &error));
	g_assert_true(ash_store_set_ref(fixture->store, REF, fixture->commits[1], &error));
	g_autoptr(AshPruneReport) report = prune(fixture, &options);
	g_assert_true(has_commit(fixture, fixture->commits[0]));
	g_assert_true(has_commit(fixture, fixture->commits[1]));
	g_assert_false(has_commit(fixture, fixture->commits[2]));
	g_assert_false(has_commit(fixture, fixture->commits[3]));
	g_assert_false(has_commit(fixture, fixture->other));
}

static void
test_one_ref(Fixture *fixture, gconstpointer data)
{
	const AshPruneOptions options = { .keep = 1, .ref = (char *) OTHER_REF };
	const AshPruneOptions none = { .keep = 1, .ref = (char *) "no/such/ref" };
	g_autoptr(GError) error = NULL;
	g_autoptr(AshPruneReport) report = prune(fixture, &options);

	g_assert_cmpuint(report->items->len, ==, 0);
	g_assert_null(ash_store_prune(fixture->ctx, fixture->store, &none, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

static void
make_entry(Fixture *fixture, const char *dir, char digit, int days)
{
	g_autofree char *key = g_strnfill(64, digit);
	g_autofree char *path = g_strdup_printf("%s/%.2s/%s/manifest", dir, key, key);
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_sec = g_get_real_time() / G_USEC_PER_SEC - days * 86400 } };

	save(fixture->store_fd, path, "manifest");
	g_assert_cmpint(utimensat(fixture->store_fd, path, times, 0), ==, 0);
}

static bool
has_entry(Fixture *fixture, char digit)
{
	g_autofree char *key = g_strnfill(64, digit);
	g_autofree char *path = g_strdup_printf("import/1/%.2s/%s", key, key);

	return ash_file_exists(fixture->store_fd, path);
}

static void
test_import(Fixture *fixture, gconstpointer data)
{
	const AshPruneOptions aged = { .keep = 2, .keep_days = 5 };

	make_entry(fixture, "import/1", '1', 0); /* of a commit that goes */
	make_entry(fixture, "import/1", '3', 0);
	make_entry(fixture, "import/1", '4', 10);
	make_entry(fixture, "import/0", '4', 0);
	g_autoptr(AshPruneReport) report = prune(fixture, &keep_two);
	g_assert_cmpuint(count(report, "import"), ==, 2);
	g_assert_false(has_entry(fixture, '1'));
	g_assert_true(has_entry(fixture, '3'));
	g_assert_true(has_entry(fixture, '4'));
	g_assert_false(ash_file_exists(fixture->store_fd, "import/0"));
	g_autoptr(AshPruneReport) second = prune(fixture, &aged);
	g_assert_true(has_entry(fixture, '3'));
	g_assert_false(has_entry(fixture, '4'));
}

/* What a root shares with an object is not freed. */
static void
test_shared(Fixture *fixture, gconstpointer data)
{
	const AshPruneOptions options = { .keep = COMMITS };
	g_autofree char *object = object_of(fixture, OTHER_REF, "/big");
	g_autofree char *content = g_strnfill(1 << 20, 'x');

	save(fixture->store_fd, "roots/key/own", content);
	g_assert_cmpint(linkat(fixture->store_fd, object, fixture->store_fd, "roots/key/shared", 0), ==, 0);
	g_autoptr(AshPruneReport) report = prune(fixture, &options);
	g_assert_cmpuint(count(report, "root"), ==, 1);
	g_assert_cmpuint(report->freed_bytes, >=, 1 << 20);
	g_assert_cmpuint(report->freed_bytes, <, (1 << 20) + 16384);
	g_assert_true(ash_file_exists(fixture->store_fd, object));
}

static void
test_max_size(Fixture *fixture, gconstpointer data)
{
	const AshPruneOptions options = { .keep = COMMITS, .keep_roots = 4, .max_bytes = 1 };
	g_autoptr(AshPruneReport) report = NULL;

	save(fixture->store_fd, "roots/key/file", "content");
	save(fixture->store_fd, "initramfs/key.manifest", "content");
	report = prune(fixture, &options);
	g_assert_cmpuint(count(report, "root"), ==, 1);
	g_assert_cmpuint(count(report, "initramfs"), ==, 1);
	g_assert_cmpuint(count(report, "commit"), ==, COMMITS - 1);
	g_assert_true(has_commit(fixture, fixture->commits[COMMITS - 1]));
	g_assert_true(has_commit(fixture, fixture->other));
}

static void
test_busy(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshStore) build = ash_store_open(ash_store_get_dir(fixture->store), false, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_store_use(fixture->ctx, build, NULL));
	g_assert_null(ash_store_prune(fixture->ctx, fixture->store, &keep_two, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_true(has_commit(fixture, fixture->commits[0]));
}

#define ADD(name, func) g_test_add("/store/prune/" name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("keep", test_keep);
	ADD("dry-run", test_dry_run);
	ADD("other-history", test_other_history);
	ADD("one-ref", test_one_ref);
	ADD("import", test_import);
	ADD("shared", test_shared);
	ADD("max-size", test_max_size);
	ADD("busy", test_busy);
	return g_test_run();
}
