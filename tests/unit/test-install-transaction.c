/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install-fixture.h"
#include "sanitizers.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "install/transaction.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define EPOCH 1700000000

typedef struct {
	AshRpmFixture rpms;
	AshContext *ctx;
	AshTransactionPlan *plan;
	char *root;
	bool usable;
} Fixture;

static JsonObject *
run_remove(AshContext *ctx, JsonObject *request, GError **error)
{
	return ash_file_remove_tree(AT_FDCWD, ash_json_get_string(request, "path", NULL), error) ? json_object_new() : NULL;
}

/* A worker in a worker: the one here has a small file system for the other to fill. */
static JsonObject *
run_small(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *root = ash_json_get_string(request, "path", NULL);
	g_autoptr(AshTransactionPlan) plan = ash_transaction_plan_new(root);

	ash_transaction_plan_add(plan, ash_json_get_string(request, "package", NULL), "big-1-1.noarch");
	if (mkdir(root, 0755) < 0 || mount("small", root, "tmpfs", 0, "size=1m") < 0)
		return ash_throw_errno_null(error, "mount");
	g_autoptr(AshTransactionResult) result = ash_transaction_install(ctx, plan, error);
	return result != NULL ? json_object_new() : NULL;
}

static const AshWorkerEntry workers[] = {
	{ ASH_TRANSACTION_WORKER, ash_transaction_worker },
	{ "remove", run_remove },
	{ "small", run_small },
	{ NULL, NULL },
};

static void
setup(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!ash_worker_check(&error)) {
		g_test_skip(error->message);
		return;
	}
	if (ASH_TEST_UNDER_ASAN) {
		g_test_skip("the leak sanitizer cannot work in a confined process");
		return;
	}
	fixture->usable = ash_rpm_fixture_setup(&fixture->rpms);
	if (!fixture->usable)
		return;
	fixture->ctx = ash_context_new();
	fixture->root = g_build_filename(fixture->rpms.dir, "root", NULL);
	fixture->plan = ash_transaction_plan_new(fixture->root);
	fixture->plan->epoch = EPOCH;
}

static void
remove_root(Fixture *fixture)
{
	g_autoptr(JsonObject) request = json_object_new();

	json_object_set_string_member(request, "path", fixture->root);
	g_autoptr(JsonObject) reply = ash_worker_call(fixture->ctx, "remove", request, NULL);
	g_assert_nonnull(reply);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	if (!fixture->usable)
		return;
	remove_root(fixture);
	ash_context_free(fixture->ctx);
	ash_transaction_plan_free(fixture->plan);
	ash_rpm_fixture_clear(&fixture->rpms);
	g_free(fixture->root);
}

static void
add(Fixture *fixture, const char *name, const char *preamble, const char *body)
{
	g_autofree char *path = ash_rpm_fixture_build(&fixture->rpms, name, preamble, body);
	g_autofree char *nevra = g_strconcat(name, "-1-1.noarch", NULL);

	ash_transaction_plan_add(fixture->plan, path, nevra);
}

static void
add_shell(Fixture *fixture)
{
	g_autofree char *path = ash_rpm_fixture_build_shell(&fixture->rpms);

	ash_transaction_plan_add(fixture->plan, path, "shell-1-1.noarch");
}

static void
make_file(Fixture *fixture, const char *path, const char *text)
{
	g_autofree char *whole = g_build_filename(fixture->rpms.dir, "FILES", path, NULL), *dir = g_path_get_dirname(whole);

	g_assert_true(ash_file_mkdirs(AT_FDCWD, dir, 0755, NULL));
	g_assert_true(ash_file_save(AT_FDCWD, whole, text, -1, 0644, NULL));
}

static void
assert_error(Fixture *fixture, AshErrorCode code, const char *const *texts)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshTransactionResult) result = ash_transaction_install(fixture->ctx, fixture->plan, &error);

	g_assert_null(result);
	g_assert_nonnull(error);
	g_test_message("%s", error->message);
	g_assert_error(error, ASH_ERROR, (int) code);
	for (gsize i = 0; texts[i] != NULL; i++)
		if (strstr(error->message, texts[i]) == NULL)
			g_error("\"%s\" is not in \"%s\"", texts[i], error->message);
}

static void
test_install(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	struct stat info;

	if (!fixture->usable)
		return;
	make_file(fixture, "etc/one.conf", "one\n");
	make_file(fixture, "usr/share/doc/one/README", "read\n");
	add(fixture, "one", "", "%post -p <lua>\nprint(\"hello from Lua\")\nposix.symlink(\"one.conf\", \"/etc/made\")\n"
	    "%files\n%config %attr(0640, root, 12) /etc/one.conf\n%doc /usr/share/doc/one/README\n");
	add_shell(fixture);
	add(fixture, "two", "Requires: one\nRequires(post): shell",
	    "%post\necho \"two: $1 $SOURCE_DATE_EPOCH $SYSTEMD_OFFLINE $(id -u)\"; echo err >&2; test -e /etc/made\n%files\n");
	fixture->plan->docs = false;
	g_autoptr(AshTransactionResult) result = ash_transaction_install(fixture->ctx, fixture->plan, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(result->scripts->len, ==, 2);
	const AshScriptRecord *first = g_ptr_array_index(result->scripts, 0), *second = g_ptr_array_index(result->scripts, 1);
	g_assert_cmpstr(first->package, ==, "one-1-1.noarch");
	g_assert_cmpstr(first->kind, ==, "%post");
	g_assert_cmpstr(first->output, ==, "hello from Lua\n");
	g_assert_cmpstr(second->output, ==, "two: 1 1600000000 1 0\nerr\n");
	g_autofree char *conf = g_build_filename(fixture->root, "etc/one.conf", NULL);
	g_assert_cmpint(stat(conf, &info), ==, 0);
	g_assert_cmpuint(info.st_mode & 07777, ==, 0640);
	g_autofree char *readme = g_build_filename(fixture->root, "usr/share/doc/one/README", NULL);
	g_assert_false(g_file_test(readme, G_FILE_TEST_EXISTS));
}

/* The database is read by rpm itself, and the files must be as it says. */
static void
test_database(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *first = NULL, *second = NULL;
	gsize first_length = 0, second_length = 0;

	if (!fixture->usable)
		return;
	make_file(fixture, "etc/one.conf", "one\n");
	add(fixture, "one", "", "%files\n/etc/one.conf\n");
	add(fixture, "two", "", "%files\n");
	g_autofree char *path = g_build_filename(fixture->root, ASH_RPMDB_DIR, "rpmdb.sqlite", NULL);
	g_autoptr(AshTransactionResult) result = ash_transaction_install(fixture->ctx, fixture->plan, &error);
	g_assert_no_error(error);
	g_assert_nonnull(result);
	g_assert_true(g_file_get_contents(path, &first, &first_length, NULL));
	g_autofree char *listed = ash_fixture_run("ls -A %s/" ASH_RPMDB_DIR, fixture->root);
	g_assert_cmpstr(listed, ==, "rpmdb.sqlite\n");
	g_autofree char *names = ash_fixture_run("rpm --dbpath %s/" ASH_RPMDB_DIR " -qa --qf '%%{NEVRA} %%{INSTALLTID}\\n' | sort",
						 fixture->root);
	g_assert_cmpstr(names, ==, "one-1-1.noarch 1700000000\ntwo-1-1.noarch 1700000000\n");
	remove_root(fixture);
	/* The same set in another order, at another time: the same bytes. */
	g_ptr_array_insert(fixture->plan->packages, 0, g_ptr_array_steal_index(fixture->plan->packages, 1));
	g_usleep(1100000);
	g_autoptr(AshTransactionResult) again = ash_transaction_install(fixture->ctx, fixture->plan, &error);
	g_assert_no_error(error);
	g_assert_nonnull(again);
	g_assert_true(g_file_get_contents(path, &second, &second_length, NULL));
	g_assert_cmpmem(first, first_length, second, second_length);
}

static void
test_pre_fails(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "package \"bad-1-1.noarch\": %pre failed (exit status 3)", "last words", NULL };

	if (!fixture->usable)
		return;
	add_shell(fixture);
	add(fixture, "bad", "Requires(pre): shell", "%pre\necho last words\nexit 3\n%files\n");
	assert_error(fixture, ASH_ERROR_SCRIPT, texts);
}

static void
test_post_fails(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "package \"bad-1-1.noarch\": %post failed (exit status 4)", "no luck", NULL };

	if (!fixture->usable)
		return;
	add_shell(fixture);
	add(fixture, "bad", "Requires(post): shell", "%post\necho no luck >&2\nexit 4\n%files\n");
	assert_error(fixture, ASH_ERROR_SCRIPT, texts);
}

static void
test_lua_fails(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "package \"a-package-with-a-rather-long-name-1-1.noarch\": %post failed", "broken", NULL };

	if (!fixture->usable)
		return;
	add(fixture, "a-package-with-a-rather-long-name", "", "%post -p <lua>\nerror(\"broken\")\n%files\n");
	assert_error(fixture, ASH_ERROR_SCRIPT, texts);
}

static void
test_trigger_fails(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "package \"watcher-1-1.noarch\": %triggerin failed (exit status 5)", NULL };

	if (!fixture->usable)
		return;
	add_shell(fixture);
	add(fixture, "watcher", "Requires(post): shell", "%triggerin -- watched\nexit 5\n%files\n");
	add(fixture, "watched", "Requires: watcher", "%files\n");
	assert_error(fixture, ASH_ERROR_SCRIPT, texts);
}

static void
test_time_limit(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "package \"slow-1-1.noarch\": %post failed", "limit of 1 seconds", NULL };

	if (!fixture->usable)
		return;
	add_shell(fixture);
	add(fixture, "slow", "Requires(post): shell", "%post\nsleep 100 &\nsleep 100\n%files\n");
	fixture->plan->script_timeout_seconds = 1;
	assert_error(fixture, ASH_ERROR_SCRIPT, texts);
}

/* Lua runs in the process that installs. */
static void
test_lua_time_limit(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "package \"slow-1-1.noarch\": %pre", "limit of 1 seconds", NULL };

	if (!fixture->usable)
		return;
	add(fixture, "slow", "", "%pre -p <lua>\nwhile true do end\n%files\n");
	fixture->plan->script_timeout_seconds = 1;
	assert_error(fixture, ASH_ERROR_SCRIPT, texts);
}

static void
test_conflict(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "/etc/x", "one-1-1.noarch", "two-1-1.noarch", NULL };

	if (!fixture->usable)
		return;
	make_file(fixture, "etc/x", "one");
	add(fixture, "one", "", "%files\n/etc/x\n");
	make_file(fixture, "etc/x", "two");
	add(fixture, "two", "", "%files\n/etc/x\n");
	assert_error(fixture, ASH_ERROR_UNSOLVABLE, texts);
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "nothing-provides-this", "one-1-1.noarch", NULL };

	if (!fixture->usable)
		return;
	add(fixture, "one", "Requires: nothing-provides-this", "%files\n");
	assert_error(fixture, ASH_ERROR_UNSOLVABLE, texts);
}

static void
test_wrong_name(Fixture *fixture, gconstpointer data)
{
	static const char *const texts[] = { "other-2-1.noarch", "one-1-1.noarch", NULL };

	if (!fixture->usable)
		return;
	g_autofree char *path = ash_rpm_fixture_build(&fixture->rpms, "one", "", "%files\n");
	ash_transaction_plan_add(fixture->plan, path, "other-2-1.noarch");
	assert_error(fixture, ASH_ERROR_TRUST, texts);
}

static void
test_full(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonObject) request = json_object_new();

	if (!fixture->usable)
		return;
	g_free(ash_fixture_run("mkdir -p %s/FILES/usr && head -c 4000000 /dev/urandom > %s/FILES/usr/big", fixture->rpms.dir,
			       fixture->rpms.dir));
	g_autofree char *path = ash_rpm_fixture_build(&fixture->rpms, "big", "", "%files\n/usr/big\n");
	json_object_set_string_member(request, "path", fixture->root);
	json_object_set_string_member(request, "package", path);
	g_assert_null(ash_worker_call(fixture->ctx, "small", request, &error));
	g_test_message("%s", error->message);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_NO_SPACE);
}

#define TEST(name, function) g_test_add("/install/transaction/" name, Fixture, NULL, setup, function, teardown)

int
main(int argc, char **argv)
{
	int status;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	g_test_init(&argc, &argv, NULL);
	TEST("install", test_install);
	TEST("database", test_database);
	TEST("pre-fails", test_pre_fails);
	TEST("post-fails", test_post_fails);
	TEST("lua-fails", test_lua_fails);
	TEST("trigger-fails", test_trigger_fails);
	TEST("time-limit", test_time_limit);
	TEST("lua-time-limit", test_lua_time_limit);
	TEST("conflict", test_conflict);
	TEST("missing", test_missing);
	TEST("wrong-name", test_wrong_name);
	TEST("full", test_full);
	return g_test_run();
}
