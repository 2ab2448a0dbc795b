/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/commit.h"
#include "store/diff.h"
#include "store/history.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REF "test/x86_64/base"

typedef struct {
	char *dir, *root;
	int root_fd;
	AshContext *ctx;
	AshStore *store;
	char *first, *second, *third; /* commits */
} Fixture;

static char *
commit(Fixture *fixture, const char *version, const char *input, const char *const *packages)
{
	g_autoptr(GHashTable) metadata = g_hash_table_new(g_str_hash, g_str_equal);
	const AshCommitRequest request = {
		.ref = REF,
		.subject = "a test",
		.version = version,
		.timestamp = 1700000000,
		.lock_digest = "aa",
		.input_digest = input,
		.packages = packages,
		.metadata = metadata,
	};
	GError *error = NULL;
	char *checksum;

	g_hash_table_insert(metadata, (char *) "test.note", (char *) version);
	checksum = ash_store_commit(fixture->ctx, fixture->store, fixture->root, &request, &error);
	g_assert_no_error(error);
	return checksum;
}

static void
write_file(Fixture *fixture, const char *path, const char *content)
{
	GError *error = NULL;

	ash_file_save(fixture->root_fd, path, content, -1, 0644, &error);
	g_assert_no_error(error);
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	const char *const old_set[] = { "b-1-1.x86_64", "a-2:1-1.noarch", "k-1-1.x86_64", "k-2-1.x86_64", NULL };
	const char *const new_set[] = { "c-1-1.x86_64", "a-2:1-2.noarch", "k-2-1.x86_64", "k-3-1.x86_64", NULL };
	g_autofree char *store = NULL;
	GError *error = NULL;

	fixture->dir = g_dir_make_tmp("ashlar-store-XXXXXX", &error);
	fixture->root = g_build_filename(fixture->dir, "root", NULL);
	fixture->root_fd = ash_file_open_dir(AT_FDCWD, fixture->root, true, &error);
	store = g_build_filename(fixture->dir, "store", NULL);
	fixture->ctx = ash_context_new();
	fixture->store = ash_store_open(store, true, &error);
	g_assert_no_error(error);
	write_file(fixture, "same", "same");
	write_file(fixture, "changes", "one");
	write_file(fixture, "goes", "");
	fixture->first = commit(fixture, "1", "in-1", old_set);
	fixture->second = commit(fixture, "2", "in-2", old_set);
	write_file(fixture, "changes", "two");
	g_assert_cmpint(unlinkat(fixture->root_fd, "goes", 0), ==, 0);
	g_assert_cmpint(mkdirat(fixture->root_fd, "new", 0755), ==, 0);
	write_file(fixture, "new/file", "new");
	fixture->third = commit(fixture, "3", "in-1", new_set);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_store_free(fixture->store);
	ash_context_free(fixture->ctx);
	ash_fd_clear(&fixture->root_fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_free(fixture->root);
	g_free(fixture->first);
	g_free(fixture->second);
	g_free(fixture->third);
}

static void
test_info(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshCommitInfo) info = ash_store_info(fixture->store, REF "^", &error);
	g_autofree char *note = ash_store_get_metadata(fixture->store, REF, "test.note", &error);

	g_assert_no_error(error);
	g_assert_cmpstr(info->checksum, ==, fixture->second);
	g_assert_cmpstr(info->ref, ==, REF);
	g_assert_cmpstr(info->version, ==, "2");
	g_assert_cmpstr(info->subject, ==, "a test");
	g_assert_cmpstr(info->lock_digest, ==, "aa");
	g_assert_cmpuint(info->timestamp, ==, 1700000000);
	g_assert_cmpuint(info->packages->len, ==, 4);
	g_assert_cmpstr(g_ptr_array_index(info->packages, 0), ==, "a-2:1-1.noarch");
	g_assert_cmpstr(note, ==, "3");
	g_assert_null(ash_store_get_metadata(fixture->store, REF, "test.none", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

static void
test_log(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) all = ash_store_log(fixture->store, REF, 0, &error);
	g_autoptr(GPtrArray) two = ash_store_log(fixture->store, REF, 2, &error);
	g_auto(GStrv) refs = ash_store_list_refs(fixture->store, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(all->len, ==, 3);
	g_assert_cmpuint(two->len, ==, 2);
	g_assert_cmpstr(((AshCommitInfo *) all->pdata[0])->checksum, ==, fixture->third);
	g_assert_cmpstr(((AshCommitInfo *) all->pdata[2])->checksum, ==, fixture->first);
	g_assert_cmpuint(g_strv_length(refs), ==, 1);
	g_assert_cmpstr(refs[0], ==, REF);
}

static void
test_find_key(Fixture *fixture, gconstpointer data)
{
	g_autofree char *found = NULL, *note = NULL;
	GError *error = NULL;

	note = ash_store_get_metadata(fixture->store, fixture->second, "test.note", &error);
	g_assert_no_error(error);
	g_assert_true(ash_store_find_by_key(fixture->store, "test.note", note, &found, &error));
	g_assert_cmpstr(found, ==, fixture->second);
	g_clear_pointer(&found, g_free);
	/* Of another ref, which nobody names. */
	g_assert_true(ash_store_set_ref(fixture->store, "other/x86_64/ref", fixture->first, &error));
	g_assert_true(ash_store_find_by_key(fixture->store, "ashlar.input-digest", "in-1", &found, &error));
	g_assert_true(g_strcmp0(found, fixture->first) == 0 || g_strcmp0(found, fixture->third) == 0);
	g_clear_pointer(&found, g_free);
	g_assert_true(ash_store_find_by_key(fixture->store, "test.note", "no such", &found, &error));
	g_assert_null(found);
	g_assert_true(ash_store_find_by_key(fixture->store, "no.such", note, &found, &error));
	g_assert_null(found);
	/* A list is no string. */
	g_assert_true(ash_store_find_by_key(fixture->store, "ashlar.packages", "", &found, &error));
	g_assert_null(found);
	g_assert_no_error(error);
}

static void
test_find(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *ref, *input;
		gsize offset; /* of the commit in Fixture; 0: none */
	} cases[] = {
		{ REF, "in-1", G_STRUCT_OFFSET(Fixture, third) }, /* the newest of two */
		{ REF, "in-2", G_STRUCT_OFFSET(Fixture, second) },
		{ REF, "in-3", 0 },
		{ "test/x86_64/none", "in-1", 0 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *found = NULL;
		GError *error = NULL;

		ash_store_find_by_input(fixture->store, cases[i].ref, cases[i].input, &found, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(found, ==,
				cases[i].offset > 0 ? G_STRUCT_MEMBER(char *, fixture, cases[i].offset) : NULL);
	}
}

static void
test_diff(Fixture *fixture, gconstpointer data)
{
	static const char *const packages[] = {
		"modified a.noarch 2:1-1 2:1-2",   "removed b.x86_64 1-1 -", "added c.x86_64 - 1-1",
		"modified k.x86_64 1-1 3-1",
	};
	static const char *const files[] = { "modified /changes", "removed /goes", "added /new/", "added /new/file" };
	g_autoptr(GError) error = NULL;
	g_autoptr(AshStoreDiff) diff = ash_store_diff(fixture->store, fixture->second, REF, &error);
	g_autoptr(AshStoreDiff) none = ash_store_diff(fixture->store, fixture->first, fixture->second, &error);

	g_assert_no_error(error);
	g_assert_cmpuint(none->files->len + none->packages->len, ==, 0);
	g_assert_cmpuint(diff->packages->len, ==, G_N_ELEMENTS(packages));
	for (guint i = 0; i < diff->packages->len; i++) {
		const AshPackageChange *change = g_ptr_array_index(diff->packages, i);
		g_autofree char *text = g_strdup_printf("%s %s.%s %s %s", ash_change_kind_to_string(change->kind),
							change->name, change->arch, change->from != NULL ? change->from : "-",
							change->to != NULL ? change->to : "-");
		g_assert_cmpstr(text, ==, packages[i]);
	}
	g_assert_cmpuint(diff->files->len, ==, G_N_ELEMENTS(files));
	for (guint i = 0; i < diff->files->len; i++) {
		const AshFileChange *change = g_ptr_array_index(diff->files, i);
		g_autofree char *text = g_strdup_printf("%s %s", ash_change_kind_to_string(change->kind), change->path);
		g_assert_cmpstr(text, ==, files[i]);
	}
}

#define ADD(name, func) g_test_add("/store/history/" name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("info", test_info);
	ADD("log", test_log);
	ADD("find", test_find);
	ADD("find-key", test_find_key);
	ADD("diff", test_diff);
	return g_test_run();
}
