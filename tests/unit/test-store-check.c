/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/check.h"
#include "test-store-common.h"

static AshCheckReport *
check(Fixture *fixture, bool repair)
{
	const AshCheckOptions options = { .repair = repair };
	GError *error = NULL;
	AshCheckReport *report = ash_store_check(fixture->ctx, fixture->store, &options, &error);

	g_assert_no_error(error);
	return report;
}

static const AshDamage *
find(const AshCheckReport *report, const char *kind, const char *name)
{
	for (guint i = 0; i < report->damages->len; i++) {
		const AshDamage *damage = g_ptr_array_index(report->damages, i);
		if (strcmp(damage->kind, kind) == 0 && strstr(damage->name, name) != NULL)
			return damage;
	}
	return NULL;
}

/* Found, repaired, and then all is well. */
static AshCheckReport *
repair(Fixture *fixture, const char *kind, const char *name)
{
	g_autoptr(AshCheckReport) found = check(fixture, false);
	const AshDamage *damage = find(found, kind, name);

	g_assert_nonnull(damage);
	g_assert_null(damage->remedy);
	AshCheckReport *repaired = check(fixture, true);
	for (guint i = 0; i < repaired->damages->len; i++)
		g_assert_nonnull(((AshDamage *) g_ptr_array_index(repaired->damages, i))->remedy);
	g_autoptr(AshCheckReport) after = check(fixture, false);
	g_assert_cmpuint(after->damages->len, ==, 0);
	ostree_fsck(fixture);
	return repaired;
}

/* Other content in the same inode, its attributes kept. */
static void
overwrite(Fixture *fixture, const char *path)
{
	ash_autofd int fd = openat(fixture->store_fd, path, O_WRONLY | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(pwrite(fd, "X", 1, 0), ==, 1);
}

static void
test_clean(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshCheckReport) report = check(fixture, false), repaired = check(fixture, true);

	g_assert_cmpuint(report->damages->len + repaired->damages->len, ==, 0);
	g_assert_cmpuint(report->commits, ==, COMMITS + 1);
	g_assert_cmpuint(report->objects, >, 10);
}

static void
test_lost(Fixture *fixture, gconstpointer data)
{
	g_autofree char *object = object_of(fixture, REF, "/version");
	g_autofree char *found = NULL;
	g_autoptr(GError) error = NULL;

	/* The newest is lost, the ref goes back. OTHER_REF has the same file, and nothing before. */
	overwrite(fixture, object);
	g_autoptr(AshCheckReport) report = repair(fixture, "object", object + strlen("repo/objects/"));
	g_assert_nonnull(find(report, "commit", fixture->commits[COMMITS - 1]));
	g_assert_nonnull(find(report, "commit", fixture->other));
	g_assert_nonnull(find(report, "ref", REF));
	g_autofree char *target = ash_store_resolve(fixture->store, REF, &error);
	g_assert_cmpstr(target, ==, fixture->commits[COMMITS - 2]);
	g_assert_null(ash_store_resolve(fixture->store, OTHER_REF, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	/* A build does not take it for done, and makes the same. */
	g_assert_true(ash_store_find_by_input(fixture->store, OTHER_REF, "other", &found, NULL));
	g_assert_null(found);
	g_autofree char *again = commit(fixture, OTHER_REF, "other");
	g_assert_cmpstr(again, ==, fixture->other);
	g_autoptr(AshCheckReport) whole = check(fixture, false);
	g_assert_cmpuint(whole->damages->len, ==, 0);
}

/* The same content elsewhere in the store: nothing is lost. */
static void
test_restore(Fixture *fixture, gconstpointer data)
{
	g_autofree char *object = object_of(fixture, OTHER_REF, "/big");
	bool missing = GPOINTER_TO_INT(data);

	/* Plain, that is root's: what an object of our own says of its owner. */
	save(fixture->store_fd, "roots/key/file", "in one commit only");
	if (missing)
		g_assert_cmpint(unlinkat(fixture->store_fd, object, 0), ==, 0);
	else
		overwrite(fixture, object);
	g_autoptr(AshCheckReport) report = repair(fixture, "object", object + strlen("repo/objects/"));
	const AshDamage *damage = find(report, "object", "");
	g_assert_nonnull(strstr(damage->remedy, "restored"));
	g_assert_true(has_commit(fixture, fixture->other));
	g_assert_cmpuint(report->damages->len, ==, 2);
}

static void
test_refs(Fixture *fixture, gconstpointer data)
{
	save(fixture->store_fd, "repo/refs/heads/" REF, "");
	g_autoptr(AshCheckReport) report = repair(fixture, "ref", REF);
	g_autofree char *target = ash_store_resolve(fixture->store, REF, NULL);

	g_assert_cmpstr(target, ==, fixture->commits[COMMITS - 1]);
	save(fixture->store_fd, "history/" OTHER_REF, "nonsense\n");
	g_autoptr(AshCheckReport) second = repair(fixture, "history", OTHER_REF);
	g_assert_cmpuint(second->damages->len, ==, 1);
}

/* A root that shares the inode of a damaged object is damaged; another is not. */
static void
test_roots(Fixture *fixture, gconstpointer data)
{
	g_autofree char *object = object_of(fixture, OTHER_REF, "/big");

	save(fixture->store_fd, "roots/good/file", "content");
	save(fixture->store_fd, "roots/bad/file", "content");
	g_assert_cmpint(linkat(fixture->store_fd, object, fixture->store_fd, "roots/bad/big", 0), ==, 0);
	overwrite(fixture, object);
	g_autoptr(AshCheckReport) report = repair(fixture, "root", "roots/bad");
	g_assert_null(find(report, "root", "roots/good"));
	g_assert_true(ash_file_exists(fixture->store_fd, "roots/good"));
	g_assert_false(ash_file_exists(fixture->store_fd, "roots/bad"));
}

static void
test_unknown(Fixture *fixture, gconstpointer data)
{
	static const char *const paths[] = { "import/0/file", "import/1/nonsense", "import/1/ab/nonsense", "stages/a/b.json" };

	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
		save(fixture->store_fd, paths[i], "{");
	g_autoptr(AshCheckReport) report = repair(fixture, "import", "import/1/nonsense");
	g_assert_cmpuint(report->damages->len, ==, G_N_ELEMENTS(paths));
	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
		g_assert_false(ash_file_exists(fixture->store_fd, paths[i]));
}

static gboolean
refuse(int dir_fd, const AshStoreEntry *entry, GError **error)
{
	return ash_throw(error, ASH_ERROR_TRUST, "wrong: %s", entry->key);
}

static void
test_formats(Fixture *fixture, gconstpointer data)
{
	const AshCheckOptions options = { .check = { [ASH_ENTRY_INITRAMFS] = refuse } };
	GError *error = NULL;

	save(fixture->store_fd, "initramfs/one", "content");
	g_autoptr(AshCheckReport) report = ash_store_check(fixture->ctx, fixture->store, &options, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(report->damages->len, ==, 1);
	g_assert_cmpstr(find(report, "initramfs", "initramfs/one")->problem, ==, "wrong: one");
}

#define ADD(name, data, func) g_test_add("/store/check/" name, Fixture, data, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("clean", NULL, test_clean);
	ADD("lost", NULL, test_lost);
	ADD("restore-damaged", GINT_TO_POINTER(0), test_restore);
	ADD("restore-missing", GINT_TO_POINTER(1), test_restore);
	ADD("refs", NULL, test_refs);
	ADD("roots", NULL, test_roots);
	ADD("unknown", NULL, test_unknown);
	ADD("formats", NULL, test_formats);
	return g_test_run();
}
