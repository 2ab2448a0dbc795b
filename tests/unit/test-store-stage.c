/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/commit.h"
#include "store/root.h"
#include "store/stage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EPOCH 1700000000
#define PROCESSES 4
#define ROUNDS 5

typedef struct {
	char *dir, *store_dir;
	AshContext *ctx;
	AshStore *store;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	GError *error = NULL;

	fixture->dir = g_dir_make_tmp("ashlar-stage-XXXXXX", &error);
	fixture->store_dir = g_build_filename(fixture->dir, "store", NULL);
	fixture->ctx = ash_context_new();
	fixture->ctx->jobs = 2;
	fixture->store = ash_store_open(fixture->store_dir, true, &error);
	g_assert_no_error(error);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_store_free(fixture->store);
	ash_context_free(fixture->ctx);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_free(fixture->store_dir);
}

/* @func in a child that shares nothing with us; 0 if all went well. */
static pid_t
start(int (*func)(Fixture *fixture, guint number), Fixture *fixture, guint number)
{
	pid_t pid = fork();

	g_assert_cmpint(pid, >=, 0);
	if (pid == 0)
		_exit(func(fixture, number));
	return pid;
}

static void
wait_for(pid_t pid)
{
	int status;

	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_cmpint(status, ==, 0);
}

/* In a child: -1 on failure, with the reason on standard error. */
static int
report(const GError *error)
{
	g_printerr("# %s\n", error != NULL ? error->message : "failed");
	return 1;
}

/* Adds 1 to a number in a file under the lock; what two do at a time is lost. */
static int
count_under_lock(Fixture *fixture, guint number)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshStore) store = ash_store_open(fixture->store_dir, false, &error);
	g_autofree char *path = g_build_filename(fixture->dir, "count", NULL);

	for (guint i = 0; i < ROUNDS; i++) {
		ash_autofd int lock_fd = ash_store_lock_stage(fixture->ctx, store, "key", &error);
		g_autofree char *text = NULL, *next = NULL;

		if (lock_fd < 0 || !ash_file_load_optional(AT_FDCWD, path, &text, NULL, &error))
			return report(error);
		next = g_strdup_printf("%d", atoi(text != NULL ? text : "0") + 1);
		g_usleep(2000);
		if (!ash_file_save(AT_FDCWD, path, next, -1, 0644, &error))
			return report(error);
		/* Whoever cleans up meanwhile must not take the file of a lock that is held or waited for. */
		if (!ash_store_clean_stale(store, &error))
			return report(error);
	}
	return 0;
}

static void
test_stage(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = g_build_filename(fixture->dir, "count", NULL), *text = NULL;
	g_autofree char *lock = g_build_filename(fixture->store_dir, "locks", "key", NULL);
	g_autoptr(GError) error = NULL;
	pid_t pids[PROCESSES];

	for (guint i = 0; i < PROCESSES; i++)
		pids[i] = start(count_under_lock, fixture, i);
	for (guint i = 0; i < PROCESSES; i++)
		wait_for(pids[i]);
	text = ash_file_load(AT_FDCWD, path, 0, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpint(atoi(text), ==, PROCESSES * ROUNDS);
	g_assert_true(ash_store_clean_stale(fixture->store, &error));
	g_assert_false(ash_file_exists(AT_FDCWD, lock));
}

static void
test_cancelled(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	ash_autofd int held = ash_store_lock_stage(fixture->ctx, fixture->store, "key", &error);
	AshContext ctx = { .cancellable = cancellable, .jobs = 1 };

	g_assert_no_error(error);
	g_assert_cmpint(held, >=, 0);
	g_cancellable_cancel(cancellable);
	g_assert_cmpint(ash_store_lock_stage(&ctx, fixture->store, "key", &error), ==, -1);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CANCELLED);
}

static void
test_use(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshStore) other = ash_store_open(fixture->store_dir, false, &error);
	int alone_fd;

	g_assert_true(ash_store_use(fixture->ctx, fixture->store, &error));
	g_assert_true(ash_store_use(fixture->ctx, fixture->store, &error));
	g_assert_cmpint(ash_store_lock_exclusive(other, false, &error), ==, -1);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_clear_pointer(&fixture->store, ash_store_free);
	alone_fd = ash_store_lock_exclusive(other, false, &error);
	g_assert_no_error(error);
	fixture->store = ash_store_open(fixture->store_dir, false, &error);
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	AshContext ctx = { .cancellable = cancellable, .jobs = 1 };
	g_cancellable_cancel(cancellable);
	g_assert_false(ash_store_use(&ctx, fixture->store, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CANCELLED);
	g_clear_error(&error);
	close(alone_fd);
	g_assert_true(ash_store_use(fixture->ctx, fixture->store, &error));
}

static gboolean
make_tree(Fixture *fixture, guint number, char **ret_root, GError **error)
{
	g_autofree char *root = g_strdup_printf("%s/root%d.%u", fixture->dir, getpid(), number);
	g_autofree char *usr = g_build_filename(root, "usr", NULL);

	if (!ash_file_mkdirs(AT_FDCWD, usr, 0755, error))
		return FALSE;
	for (guint i = 0; i < 60; i++) {
		g_autofree char *path = g_strdup_printf("%s/file%u", usr, i);
		/* Two of three files are the same in all trees. */
		g_autofree char *content = g_strdup_printf("%u in %u\n", i, i % 3 == 0 ? number : 0);
		const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
		if (!ash_file_save(AT_FDCWD, path, content, -1, 0644, error))
			return FALSE;
		utimensat(AT_FDCWD, path, times, 0);
	}
	*ret_root = g_steal_pointer(&root);
	return TRUE;
}

static int
commit_trees(Fixture *fixture, guint number)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshStore) store = ash_store_open(fixture->store_dir, true, &error);

	for (guint round = 0; store != NULL && round < ROUNDS; round++) {
		g_autofree char *root = NULL, *checksum = NULL, *ref = NULL;
		/* Their own and everybody's in turn. */
		guint tree = round % 2 == 0 ? 100 : number;

		ref = g_strdup_printf("test/x86_64/%u", tree);
		AshCommitRequest request = { .ref = ref, .subject = "test", .timestamp = EPOCH, .adopt = number % 2 == 0 };
		if (!make_tree(fixture, tree, &root, &error) || !ash_store_mark_root(fixture->ctx, root, &error))
			return report(error);
		checksum = ash_store_commit(fixture->ctx, store, root, &request, &error);
		if (checksum == NULL || !ash_file_remove_tree(AT_FDCWD, root, &error))
			return report(error);
	}
	return store != NULL ? 0 : report(error);
}

static void
test_commits(Fixture *fixture, gconstpointer data)
{
	g_autofree char *repo = g_strconcat("--repo=", ash_store_get_repo_path(fixture->store), NULL);
	g_autofree char *program = g_find_program_in_path("ostree");
	const char *const argv[] = { "ostree", repo, "fsck", "--quiet", NULL };
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) refs = NULL;
	g_autofree char *output = NULL;
	pid_t pids[PROCESSES];
	int status = 0;

	for (guint i = 0; i < PROCESSES; i++)
		pids[i] = start(commit_trees, fixture, i);
	for (guint i = 0; i < PROCESSES; i++)
		wait_for(pids[i]);
	refs = ash_store_list_refs(fixture->store, &error);
	g_assert_cmpuint(g_strv_length(refs), ==, PROCESSES + 1);
	if (program != NULL)
		g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, &status, &error);
	g_assert_no_error(error);
	g_assert_cmpint(status, ==, 0);
}

#define ADD(name, func) g_test_add("/store/stage/" name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("lock", test_stage);
	ADD("cancelled", test_cancelled);
	ADD("use", test_use);
	ADD("commits", test_commits);
	return g_test_run();
}
