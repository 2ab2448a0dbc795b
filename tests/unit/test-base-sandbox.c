/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sandbox.h"
#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sanitizers.h"

/* Each test is one shell script run in a root that borrows the host's /usr, read-only. */

typedef struct {
	const char *name, *script;
	int status;
	const char *output; /* expected in the output; NULL: nothing */
	const char *error;  /* expected in the error; NULL: none */
	guint timeout;
	bool read_only;
} Case;

static const Case cases[] = {
	{ "true", "exit 0", 0, "" },
	{ "status", "exit 7", 7, "" },
	{ "both outputs", "echo a; echo b >&2", 0, "a\nb\n" },
	{ "signal", "kill -9 $$", 137, "" },
	{ "root is visible", "ls -A /", 0, "bin\ndev\nlib\nlib64\nproc\nrun\nsbin\nsys\ntmp\nusr\n" },
	{ "devices", "echo x > /dev/null && head -c 3 /dev/zero | wc -c", 0, "3\n" },
	{ "device links", "echo hello | cat /dev/stdin", 0, "hello\n" },
	{ "own processes only", "set -- /proc/[0-9]*; echo $#", 0, "2\n" },
	{ "mount is refused", "mount -t tmpfs x /tmp", 32, NULL },
	{ "kernel settings are read-only", "(: >> /proc/sys/kernel/core_pattern) || (: >> /proc/sysrq-trigger) || echo no", 0, "no\n" },
	{ "unshare is refused", "unshare -U true", 1, NULL },
	{ "chroot works", "chroot / true && echo yes", 0, "yes\n" },
	{ "owner changes work", "touch /tmp/a && chown 65534:12 /tmp/a && stat -c %u:%g /tmp/a", 0, "65534:12\n" },
	{ "root is writable", "touch /f && echo yes", 0, "yes\n" },
	{ "root is read-only", "touch /f || touch /tmp/f && echo yes", 0, "yes\n", NULL, 0, true },
	{ "binds are read-only", "cat /run/x/y && ! touch /run/x/y", 0, "bound" },
	{ "outputs are writable where the root is not", "echo x >/run/out/z && ! touch /f && cat /run/x/z && rm /run/out/z", 0, "x\n",
	  NULL, 0, true },
	{ "no network", "cat /proc/net/route | wc -l; grep -c : /proc/net/dev", 0, "1\n" },
	{ "time-out", "sleep 60", 0, NULL, "limit of 1 seconds", 1 },
	{ "orphans are killed", "sleep 60 & setsid sleep 60 & echo done", 0, "done\n" },
	{ "epoch", "echo $SOURCE_DATE_EPOCH $SYSTEMD_OFFLINE $EXTRA", 0, "1700000000 1 more\n" },
	{ "capabilities", "grep -E 'CapBnd|CapEff|NoNewPrivs|Seccomp:' /proc/self/status | tr '\\n\\t' '  '", 0,
	  "CapEff: 00000000800401fb CapBnd: 00000000800401fb NoNewPrivs: 1 Seccomp: 2 " },
	{ "standard input", "cat", 0, "typed" },
};

static gboolean
run_case(AshContext *ctx, const char *root, const char *bound, const Case *test, char **ret_output, int *ret_status,
	 GError **error)
{
	const char *const argv[] = { "sh", "-c", test->script, NULL };
	const char *const env[] = { "EXTRA=more", NULL };
	const char *const binds[] = { "usr", "/usr", "/run/x", bound, NULL }, *const outputs[] = { "/run/out", bound, NULL };
	AshSandboxCommand command = {
		.root_path = root,
		.argv = argv,
		.env = env,
		.bind_pairs = binds,
		.output_pairs = outputs,
		.stdin_text = strcmp(test->script, "cat") == 0 ? "typed" : NULL,
		.timeout_seconds = test->timeout,
		.epoch = 1700000000,
		.read_only = test->read_only,
	};

	return ash_sandbox_run(ctx, &command, ret_output, ret_status, error);
}

static JsonObject *
run_command(AshContext *ctx, JsonObject *request, GError **error)
{
	g_autofree char *output = NULL;
	int status = -1;
	const Case *test = &cases[json_object_get_int_member(request, "case")];

	if (!run_case(ctx, ash_json_get_string(request, "root", NULL), ash_json_get_string(request, "bound", NULL), test,
		      &output, &status, error))
		return NULL;
	JsonObject *reply = json_object_new();
	json_object_set_string_member(reply, "output", output);
	json_object_set_int_member(reply, "status", status);
	return reply;
}

static bool
is_refused(long result)
{
	return result < 0 && errno == EPERM;
}

static JsonObject *
run_enter(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *pairs[] = { "packages", ash_json_get_string(request, "bound", NULL), NULL };
	JsonObject *reply = json_object_new();

	if (!ash_sandbox_enter(ash_json_get_string(request, "root", NULL), pairs, error))
		return NULL;
	json_object_set_boolean_member(reply, "bound", access("/packages/y", R_OK) == 0);
	json_object_set_boolean_member(reply, "readonly", access("/packages/y", W_OK) < 0 && errno == EROFS);
	json_object_set_boolean_member(reply, "outside", access("/etc/passwd", F_OK) == 0 || access("/usr", F_OK) == 0);
	json_object_set_boolean_member(reply, "mount", is_refused(mount("x", "/dev", "tmpfs", 0, NULL)));
	json_object_set_boolean_member(reply, "made", mkdir("/sysroot/made", 0755) == 0);
	json_object_set_boolean_member(reply, "null", access("/sysroot/dev/null", R_OK) == 0);
	json_object_set_boolean_member(reply, "chroot", chroot("/sysroot") == 0);
	return reply;
}

/* The whole of the test again, in a mount namespace with as little in /dev as a build machine may have. */
static JsonObject *
run_bare_dev(AshContext *ctx, JsonObject *request, GError **error)
{
	static const char *const kept[] = { "null", "zero", "full", "random", "urandom" };
	g_autofree char *dev = g_dir_make_tmp("ashlar-dev-XXXXXX", NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(kept); i++) {
		g_autofree char *from = g_build_filename("/dev", kept[i], NULL), *to = g_build_filename(dev, kept[i], NULL);
		if (!g_file_set_contents(to, "", 0, error))
			return NULL;
		if (mount(from, to, NULL, MS_BIND, NULL) < 0)
			return ash_throw_errno_null(error, "bind \"%s\"", to);
	}
	if (mount(dev, "/dev", NULL, MS_BIND | MS_REC, NULL) < 0)
		return ash_throw_errno_null(error, "bind /dev");
	JsonObject *reply = run_command(ctx, request, error);
	umount2("/dev", MNT_DETACH);
	for (gsize i = 0; i < G_N_ELEMENTS(kept); i++) {
		g_autofree char *to = g_build_filename(dev, kept[i], NULL);
		umount2(to, MNT_DETACH);
	}
	ash_file_remove_tree(AT_FDCWD, dev, NULL);
	return reply;
}

static const AshWorkerEntry workers[] = {
	{ "command", run_command }, { "enter", run_enter }, { "bare-dev", run_bare_dev }, { NULL, NULL },
};

typedef struct {
	AshContext *ctx;
	char *dir, *root, *bound;
	JsonObject *request;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	static const char *const dirs[] = { "root/dev", "root/proc", "root/sys", "root/run", "root/tmp", "root/usr", "bound" };
	static const char *const links[] = { "bin", "lib", "lib64", "sbin" };

	fixture->ctx = ash_context_new();
	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	int fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++)
		g_assert_true(ash_file_mkdirs(fd, dirs[i], 0755, NULL));
	g_assert_true(ash_file_save(fd, "bound/y", "bound", -1, 0644, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(links); i++) {
		g_autofree char *target = g_strconcat("usr/", links[i], NULL), *path = g_strconcat("root/", links[i], NULL);
		g_assert_cmpint(symlinkat(target, fd, path), ==, 0);
	}
	close(fd);
	fixture->root = g_build_filename(fixture->dir, "root", NULL);
	fixture->bound = g_build_filename(fixture->dir, "bound", NULL);
	fixture->request = json_object_new();
	json_object_set_string_member(fixture->request, "root", fixture->root);
	json_object_set_string_member(fixture->request, "bound", fixture->bound);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_context_free(fixture->ctx);
	json_object_unref(fixture->request);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_free(fixture->root);
	g_free(fixture->bound);
}

static bool
can_work(void)
{
	g_autoptr(GError) error = NULL;

	if (ash_worker_check(&error))
		return true;
	g_test_skip(error->message);
	return false;
}

static void
check_case(Fixture *fixture, const char *worker, gsize index)
{
	const Case *test = &cases[index];
	g_autoptr(GError) error = NULL;

	g_test_message("%s", test->name);
	json_object_set_int_member(fixture->request, "case", (gint64) index);
	g_autoptr(JsonObject) reply = ash_worker_call(fixture->ctx, worker, fixture->request, &error);
	if (test->error != NULL) {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_SCRIPT);
		g_assert_nonnull(strstr(error->message, test->error));
		return;
	}
	g_assert_no_error(error);
	const char *output = json_object_get_string_member(reply, "output");
	if (test->output != NULL && strstr(output, test->output) == NULL)
		g_error("%s: \"%s\" is not in the output \"%s\"", test->name, test->output, output);
	g_assert_cmpint(json_object_get_int_member(reply, "status"), ==, test->status);
}

static void
test_commands(Fixture *fixture, gconstpointer worker)
{
	if (!can_work())
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
		check_case(fixture, worker, i);
}

static void
test_enter(Fixture *fixture, gconstpointer data)
{
	static const char *const yes[] = { "bound", "readonly", "mount", "made", "null", "chroot" };
	g_autoptr(GError) error = NULL;

	if (!can_work())
		return;
	if (ASH_TEST_UNDER_ASAN) {
		g_test_skip("the leak sanitizer cannot work in a confined process");
		return;
	}
	g_autoptr(JsonObject) reply = ash_worker_call(fixture->ctx, "enter", fixture->request, &error);
	g_assert_no_error(error);
	for (gsize i = 0; i < G_N_ELEMENTS(yes); i++) {
		g_test_message("%s", yes[i]);
		g_assert_true(json_object_get_boolean_member(reply, yes[i]));
	}
	g_assert_false(json_object_get_boolean_member(reply, "outside"));
}

static void
test_last_lines(void)
{
	g_autofree char *two = ash_sandbox_last_lines("a\nb\nc\n", 2), *all = ash_sandbox_last_lines("a\nb\n", 9);
	g_autofree char *none = ash_sandbox_last_lines(NULL, 2);
	g_autofree char *quoted = ash_sandbox_quote_lines("a\nb\nc\n", 2), *nothing = ash_sandbox_quote_lines("", 2);

	g_assert_cmpstr(quoted, ==, ":\n  b\n  c");
	g_assert_cmpstr(nothing, ==, "");

	g_assert_cmpstr(two, ==, "b\nc");
	g_assert_cmpstr(all, ==, "a\nb");
	g_assert_cmpstr(none, ==, "");
}

int
main(int argc, char **argv)
{
	int status;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/sandbox/last-lines", test_last_lines);
	g_test_add("/base/sandbox/commands", Fixture, "command", setup, test_commands, teardown);
	g_test_add("/base/sandbox/bare-dev", Fixture, "bare-dev", setup, test_commands, teardown);
	g_test_add("/base/sandbox/enter", Fixture, NULL, setup, test_enter, teardown);
	return g_test_run();
}
