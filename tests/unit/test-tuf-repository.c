/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tuf/client.h"
#include "tuf/repository.h"
#include "tuf/rootdraft.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOW ((gint64) 1790000000)
#define DAY ((gint64) 86400)

/* A repository directory and a client that reads it. */
typedef struct {
	char *dir;
	int dir_fd, state_fd;
	AshKey *keys[8]; /* one a role, by AshTufRole, and others */
	AshTufFetcher fetcher;
} Fixture;

static gboolean
fetch(gpointer data, AshTufPlace place, const char *path, guint64 max, GBytes **ret_bytes, GError **error)
{
	const Fixture *fixture = data;
	g_autofree char *full = g_strconcat("metadata/", path, NULL);
	char *text = NULL;
	gsize length;

	*ret_bytes = NULL;
	if (place != ASH_TUF_AT_METADATA || !ash_file_load_optional(fixture->dir_fd, full, &text, &length, error))
		return FALSE;
	*ret_bytes = text != NULL ? g_bytes_new_take(text, length) : NULL;
	return TRUE;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("test-tuf-XXXXXX", NULL);
	fixture->dir_fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL);
	fixture->state_fd = ash_file_open_dir(fixture->dir_fd, "state", true, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(fixture->keys); i++)
		fixture->keys[i] = ash_key_generate(ASH_KEY_ED25519, NULL);
	fixture->fetcher = (AshTufFetcher) { fetch, fixture };
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	ash_fd_clear(&fixture->dir_fd);
	ash_fd_clear(&fixture->state_fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(fixture->keys); i++)
		ash_key_unref(fixture->keys[i]);
	g_free(fixture->dir);
}

/* Indices of keys, ended by -1. Owned. */
static GPtrArray *
list_keys(Fixture *fixture, ...)
{
	GPtrArray *keys = g_ptr_array_new();
	va_list args;

	va_start(args, fixture);
	for (int i = va_arg(args, int); i >= 0; i = va_arg(args, int))
		g_ptr_array_add(keys, fixture->keys[i]);
	va_end(args);
	return keys;
}

static void
create(Fixture *fixture)
{
	GPtrArray *keys[ASH_TUF_N_ROLES];
	const guint64 thresholds[ASH_TUF_N_ROLES] = { 0 };
	g_autoptr(GError) error = NULL;

	for (int i = 0; i < ASH_TUF_N_ROLES; i++)
		keys[i] = list_keys(fixture, i, -1);
	gboolean ok = ash_tuf_repository_create(fixture->dir_fd, keys, thresholds, NULL, NOW, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	for (int i = 0; i < ASH_TUF_N_ROLES; i++)
		g_ptr_array_unref(keys[i]);
}

static AshTufRepository *
open_repository(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	AshTufRepository *repository = ash_tuf_repository_open(fixture->dir_fd, &error);

	g_assert_no_error(error);
	return repository;
}

/* Takes @keys. */
static AshTufCommitted
commit_at(AshTufRepository *repository, GPtrArray *keys, gint64 now, bool renew)
{
	g_autoptr(GPtrArray) owned = keys;
	g_autoptr(GError) error = NULL;
	AshTufCommitted committed;

	gboolean ok = ash_tuf_repository_commit(repository, owned, NULL, now, renew, &committed, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	return committed;
}

static void
commit_fails(AshTufRepository *repository, GPtrArray *keys, gint64 now, AshErrorCode code)
{
	g_autoptr(GPtrArray) owned = keys;
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_tuf_repository_commit(repository, owned, NULL, now, false, NULL, &error));
	g_assert_error(error, ASH_ERROR, (int) code);
}

static void
begin(Fixture *fixture)
{
	create(fixture);
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	commit_at(repository, list_keys(fixture, 0, 1, 2, 3, -1), NOW, false);
}

static void
set_target(AshTufRepository *repository, const char *path, const char *content)
{
	g_autofree char *digest = ash_sha256_hex(content, -1);
	g_autoptr(GError) error = NULL;

	gboolean ok = ash_tuf_repository_set_target(repository, path, strlen(content), digest, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
}

static bool
has(Fixture *fixture, const char *name)
{
	g_autofree char *path = g_strconcat("metadata/", name, NULL);

	return ash_file_exists(fixture->dir_fd, path);
}

/* A client with what it trusted before: refreshed, and with the target @path, or without (NULL). */
static void
check_client(Fixture *fixture, gint64 now, const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshTufClient) client = ash_tuf_client_new(fixture->state_fd, &fixture->fetcher, now, 0, NULL, &error);
	g_autoptr(AshTufTarget) target = NULL;
	gsize length;
	char *root = ash_file_load(fixture->dir_fd, "metadata/1.root.json", 0, &length, NULL);
	g_autoptr(GBytes) bytes = g_bytes_new_take(root, length);

	g_assert_true(ash_tuf_client_bootstrap(client, bytes, &error));
	gboolean ok = ash_tuf_client_refresh(client, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	if (path == NULL)
		return;
	g_assert_true(ash_tuf_client_find_target(client, path, &target, &error));
	g_assert_nonnull(target);
}

static void
test_first(Fixture *fixture, gconstpointer data)
{
	create(fixture);
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	g_assert_null(ash_tuf_repository_get(repository, ASH_TUF_ROOT));
	commit_fails(repository, list_keys(fixture, 1, 2, 3, -1), NOW, ASH_ERROR_USAGE);
	commit_fails(repository, list_keys(fixture, 0, 1, 2, -1), NOW, ASH_ERROR_USAGE);
	g_assert_false(has(fixture, "1.root.json"));
	AshTufCommitted committed = commit_at(repository, list_keys(fixture, 0, 1, 2, 3, -1), NOW, false);
	for (int i = 0; i < ASH_TUF_N_ROLES; i++) {
		g_assert_cmpint(committed.version[i], ==, 1);
		g_assert_true(committed.written[i]);
	}
	g_assert_false(has(fixture, "next.root.json"));
	check_client(fixture, NOW, NULL);
	/* Never again over what is there. */
	GPtrArray *keys[ASH_TUF_N_ROLES] = { NULL };
	const guint64 thresholds[ASH_TUF_N_ROLES] = { 0 };
	g_autoptr(GError) error = NULL;
	g_assert_false(ash_tuf_repository_create(fixture->dir_fd, keys, thresholds, NULL, NOW, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
}

static void
test_targets(Fixture *fixture, gconstpointer data)
{
	g_autoptr(JsonNode) custom = json_from_string("{\"b\":[1,{\"z\":2,\"y\":3}],\"a\":\"x\"}", NULL);
	g_autoptr(GError) error = NULL;

	begin(fixture);
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	set_target(repository, "a/x", "one");
	g_autofree char *digest = ash_sha256_hex("two", -1);
	g_assert_true(ash_tuf_repository_set_target(repository, "b", 3, digest, custom, NULL));
	AshTufCommitted committed = commit_at(repository, list_keys(fixture, 1, 2, 3, -1), NOW + 1, false);
	g_assert_cmpint(committed.version[ASH_TUF_TARGETS], ==, 2);
	g_assert_cmpint(committed.version[ASH_TUF_ROOT], ==, 1);
	check_client(fixture, NOW + 1, "a/x");

	g_autoptr(AshTufRepository) again = open_repository(fixture);
	g_autoptr(AshTufTarget) target = ash_tuf_repository_dup_target(again, "b");
	g_assert_cmpstr(json_object_get_string_member(target->custom, "a"), ==, "x");
	g_assert_true(ash_tuf_repository_remove_target(again, "a/x"));
	g_assert_false(ash_tuf_repository_remove_target(again, "a/x"));
	g_autoptr(GPtrArray) paths = ash_tuf_repository_list_targets(again);
	g_assert_cmpuint(paths->len, ==, 1);
	commit_at(again, list_keys(fixture, 1, 2, 3, -1), NOW + 2, false);
	check_client(fixture, NOW + 2, "b");
	g_assert_false(ash_tuf_repository_set_target(again, "../b", 3, digest, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
	g_assert_false(ash_tuf_repository_set_target(again, "b", 3, "abc", NULL, NULL));
}

/* Equal content, keys and times: equal bytes. */
static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	char *texts[2];

	for (int i = 0; i < 2; i++) {
		begin(fixture);
		g_autoptr(AshTufRepository) repository = open_repository(fixture);
		set_target(repository, i == 0 ? "a" : "b", i == 0 ? "a" : "b");
		set_target(repository, i == 0 ? "b" : "a", i == 0 ? "b" : "a");
		commit_at(repository, list_keys(fixture, 1, 2, 3, -1), NOW + 1, false);
		texts[i] = ash_file_load(fixture->dir_fd, "metadata/timestamp.json", 0, NULL, NULL);
		g_assert_true(ash_file_remove_tree(fixture->dir_fd, "metadata", NULL));
	}
	g_assert_cmpstr(texts[0], ==, texts[1]);
	g_free(texts[0]);
	g_free(texts[1]);
}

/* What a timer does with the timestamp's key alone, and with all. */
static void
test_renew(Fixture *fixture, gconstpointer data)
{
	begin(fixture);
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	AshTufCommitted committed = commit_at(repository, list_keys(fixture, 1, -1), NOW + DAY, true);
	g_assert_true(committed.written[ASH_TUF_TIMESTAMP]);
	g_assert_false(committed.written[ASH_TUF_SNAPSHOT]);
	/* A third of the snapshot's 14 days is over. */
	committed = commit_at(repository, list_keys(fixture, 1, 2, 3, -1), NOW + 5 * DAY, true);
	g_assert_true(committed.written[ASH_TUF_SNAPSHOT]);
	g_assert_false(committed.written[ASH_TUF_TARGETS]);
	/* Without the key it goes on, until it has expired. */
	committed = commit_at(repository, list_keys(fixture, 1, -1), NOW + 15 * DAY, true);
	g_assert_false(committed.written[ASH_TUF_SNAPSHOT]);
	commit_fails(repository, list_keys(fixture, 1, -1), NOW + 20 * DAY, ASH_ERROR_USAGE);
	committed = commit_at(repository, list_keys(fixture, 1, 2, 3, -1), NOW + 31 * DAY, true);
	g_assert_true(committed.written[ASH_TUF_TARGETS]);
	check_client(fixture, NOW + 31 * DAY, NULL);
	commit_fails(repository, list_keys(fixture, 0, 1, 2, 3, -1), NOW + 366 * DAY, ASH_ERROR_EXPIRED);
}

static void
change_root(Fixture *fixture, AshTufRole role, int add, int remove, guint64 threshold)
{
	g_autoptr(GPtrArray) keys = add >= 0 ? list_keys(fixture, add, -1) : NULL;
	g_autoptr(AshTufKey) removed = ash_tuf_key_new(fixture->keys[MAX(remove, 0)]);
	g_autofree char *prefix = g_strndup(removed->id, 8);
	char *ids[] = { remove >= 0 ? prefix : NULL, NULL };
	const AshTufRootChange change = { role, keys, ids, threshold };
	g_autoptr(GError) error = NULL;

	ash_autofd int metadata_fd = ash_file_open_dir(fixture->dir_fd, "metadata", false, &error);
	gboolean ok = ash_tuf_root_draft_change(metadata_fd, &change, 0, NOW + DAY, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
}

static AshTufSignStatus
sign_draft(Fixture *fixture, int key)
{
	g_autoptr(GPtrArray) keys = list_keys(fixture, key, -1);
	g_autoptr(GError) error = NULL;
	AshTufSignStatus status = { 0 };

	ash_autofd int metadata_fd = ash_file_open_dir(fixture->dir_fd, "metadata", false, &error);
	gboolean ok = ash_tuf_sign_file(metadata_fd, "next.root.json", keys, &status, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	return status;
}

/* A draft stays one until both roots' keys have signed it; clients see nothing of it. */
static void
test_rotate_root(Fixture *fixture, gconstpointer data)
{
	begin(fixture);
	check_client(fixture, NOW, NULL);
	change_root(fixture, ASH_TUF_ROOT, 4, 0, 0);
	AshTufSignStatus status = sign_draft(fixture, 4);
	g_assert_cmpint(status.version, ==, 2);
	g_assert_cmpuint(status.signed_new, ==, 1);
	g_assert_cmpuint(status.signed_old, ==, 0);
	g_assert_false(ash_tuf_sign_status_is_complete(&status));
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	g_assert_nonnull(ash_tuf_repository_get_draft(repository));
	AshTufCommitted committed = commit_at(repository, list_keys(fixture, 1, -1), NOW + DAY, false);
	g_assert_cmpint(committed.version[ASH_TUF_ROOT], ==, 1);
	status = sign_draft(fixture, 0);
	g_assert_true(ash_tuf_sign_status_is_complete(&status));
	g_autoptr(AshTufRepository) again = open_repository(fixture);
	committed = commit_at(again, list_keys(fixture, 1, -1), NOW + DAY, false);
	g_assert_cmpint(committed.version[ASH_TUF_ROOT], ==, 2);
	g_assert_true(has(fixture, "2.root.json"));
	g_assert_false(has(fixture, "next.root.json"));
	check_client(fixture, NOW + DAY, NULL);
}

/* Only keys of the role may sign, and each threshold must be within reach. */
static void
test_refused_changes(Fixture *fixture, gconstpointer data)
{
	char *unknown[] = { (char *) "00000000", NULL }, *brief[] = { (char *) "0", NULL };
	const AshTufRootChange changes[] = { { ASH_TUF_ROOT, NULL, unknown, 0 },
					     { ASH_TUF_ROOT, NULL, brief, 0 },
					     { ASH_TUF_TARGETS, NULL, NULL, 2 } };
	g_autoptr(GPtrArray) other = list_keys(fixture, 7, -1);
	AshTufSignStatus status;

	begin(fixture);
	ash_autofd int metadata_fd = ash_file_open_dir(fixture->dir_fd, "metadata", false, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(ash_tuf_root_draft_change(metadata_fd, &changes[i], 0, NOW, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
	}
	g_assert_false(has(fixture, "next.root.json"));
	change_root(fixture, ASH_TUF_TARGETS, 4, -1, 2);
	g_autoptr(GError) error = NULL;
	g_assert_false(ash_tuf_sign_file(metadata_fd, "next.root.json", other, &status, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
}

/* Two must sign; one signature is nothing. */
static void
test_threshold(Fixture *fixture, gconstpointer data)
{
	begin(fixture);
	change_root(fixture, ASH_TUF_TARGETS, 4, -1, 2);
	sign_draft(fixture, 0);
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	set_target(repository, "a", "a");
	commit_fails(repository, list_keys(fixture, 1, 2, 3, -1), NOW + DAY, ASH_ERROR_USAGE);
	commit_fails(repository, list_keys(fixture, 1, 2, 3, 3, -1), NOW + DAY, ASH_ERROR_USAGE);
	g_assert_false(has(fixture, "2.targets.json"));
	commit_at(repository, list_keys(fixture, 1, 2, 3, 4, -1), NOW + DAY, false);
	check_client(fixture, NOW + DAY, "a");
}

/* Whoever reads at any moment of a rotation with both keys at hand finds it whole: the files one after the other, as they are written. */
static void
test_rotate_timestamp(Fixture *fixture, gconstpointer data)
{
	begin(fixture);
	check_client(fixture, NOW, NULL);
	change_root(fixture, ASH_TUF_TIMESTAMP, 5, 1, 0);
	sign_draft(fixture, 0);
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	commit_fails(repository, list_keys(fixture, 1, -1), NOW + DAY, ASH_ERROR_USAGE);
	g_assert_false(has(fixture, "2.root.json"));
	commit_at(repository, list_keys(fixture, 1, 5, -1), NOW + DAY, false);
	check_client(fixture, NOW + DAY, NULL);
	/* Without the new root, as it was a moment before. */
	g_assert_true(ash_file_remove_tree(fixture->dir_fd, "metadata/2.root.json", NULL));
	g_assert_true(ash_file_remove_tree(fixture->dir_fd, "state", NULL));
	ash_fd_clear(&fixture->state_fd);
	fixture->state_fd = ash_file_open_dir(fixture->dir_fd, "state", true, NULL);
	check_client(fixture, NOW + DAY, NULL);
}

/* A commit that cannot write its root has written the rest before, if that fits both roots, and nothing if not. */
static void
test_order(Fixture *fixture, gconstpointer data)
{
	static const struct {
		int old;
		gint64 written;
	} cases[] = { { 5, 1 }, { 1, 2 } };

	begin(fixture);
	change_root(fixture, ASH_TUF_TIMESTAMP, 5, 1, 0);
	sign_draft(fixture, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(AshTufRepository) repository = open_repository(fixture);
		g_autoptr(GPtrArray) keys = list_keys(fixture, cases[i].old, 5, -1);
		g_assert_true(ash_file_mkdirs(fixture->dir_fd, "metadata/2.root.json", 0755, NULL));
		g_assert_false(ash_tuf_repository_commit(repository, keys, NULL, NOW + DAY, false, NULL, NULL));
		g_assert_true(ash_file_remove_tree(fixture->dir_fd, "metadata/2.root.json", NULL));
		g_autoptr(AshTufRepository) after = open_repository(fixture);
		g_assert_cmpint(ash_tuf_repository_get(after, ASH_TUF_TIMESTAMP)->version, ==, cases[i].written);
	}
	check_client(fixture, NOW + DAY, NULL);
}

/* The old key is lost: the root goes first. A commit that was stopped right there is gone on with. */
static void
test_rotate_lost(Fixture *fixture, gconstpointer data)
{
	begin(fixture);
	change_root(fixture, ASH_TUF_TIMESTAMP, 5, 1, 0);
	sign_draft(fixture, 0);
	ash_autofd int metadata_fd = ash_file_open_dir(fixture->dir_fd, "metadata", false, NULL);
	g_assert_cmpint(renameat(metadata_fd, "next.root.json", metadata_fd, "2.root.json"), ==, 0);
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	g_assert_cmpint(ash_tuf_repository_get(repository, ASH_TUF_ROOT)->version, ==, 2);
	AshTufCommitted committed = commit_at(repository, list_keys(fixture, 5, -1), NOW + DAY, false);
	g_assert_cmpint(committed.version[ASH_TUF_TIMESTAMP], ==, 2);
	check_client(fixture, NOW + DAY, NULL);
}

/* Files that a stopped commit left have had their version: what is immutable is not written twice. */
static void
test_stopped(Fixture *fixture, gconstpointer data)
{
	begin(fixture);
	g_assert_true(ash_file_write(fixture->dir_fd, "metadata/2.targets.json", "left", -1, 0644, NULL));
	g_assert_true(ash_file_write(fixture->dir_fd, "metadata/7.snapshot.json", "left", -1, 0644, NULL));
	g_autoptr(AshTufRepository) repository = open_repository(fixture);
	set_target(repository, "a", "a");
	AshTufCommitted committed = commit_at(repository, list_keys(fixture, 1, 2, 3, -1), NOW + 1, false);
	g_assert_cmpint(committed.version[ASH_TUF_TARGETS], ==, 3);
	g_assert_cmpint(committed.version[ASH_TUF_SNAPSHOT], ==, 8);
	check_client(fixture, NOW + 1, "a");
}

/* What was changed behind our back is not signed on. */
static void
test_tampered(Fixture *fixture, gconstpointer data)
{
	static const char *const files[] = { "metadata/1.targets.json", "metadata/1.snapshot.json", "metadata/timestamp.json",
					     "metadata/1.root.json" };

	begin(fixture);
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *text = ash_file_load(fixture->dir_fd, files[i], 0, NULL, NULL);
		g_autofree char *before = g_strdup(text);
		char *expires = strstr(text, "\"expires\" : \"202");
		g_assert_nonnull(expires);
		expires[strlen("\"expires\" : \"20")] = '3';
		g_assert_true(ash_file_write(fixture->dir_fd, files[i], text, -1, 0644, NULL));
		g_assert_null(ash_tuf_repository_open(fixture->dir_fd, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
		g_assert_true(ash_file_write(fixture->dir_fd, files[i], before, -1, 0644, NULL));
	}
	ash_tuf_repository_free(open_repository(fixture));
}

static void
test_none(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(ash_tuf_repository_open(fixture->dir_fd, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
}

#define add(path, test) g_test_add("/tuf/repository/" path, Fixture, NULL, set_up, test, tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("first", test_first);
	add("targets", test_targets);
	add("same-bytes", test_same_bytes);
	add("renew", test_renew);
	add("rotate-root", test_rotate_root);
	add("refused-changes", test_refused_changes);
	add("threshold", test_threshold);
	add("rotate-timestamp", test_rotate_timestamp);
	add("order", test_order);
	add("rotate-lost", test_rotate_lost);
	add("stopped", test_stopped);
	add("tampered", test_tampered);
	add("none", test_none);
	return g_test_run();
}
