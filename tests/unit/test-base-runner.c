/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tools are shell scripts of ours here: PATH, where the runner looks first, leads to them. */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	char *dir;
	AshContext *ctx;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ash-runner-XXXXXX", NULL);
	fixture->ctx = ash_context_new();
	g_setenv("PATH", fixture->dir, TRUE);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL));
	ash_context_free(fixture->ctx);
	g_free(fixture->dir);
}

/* A run of "qemu-img", which does what @script says. */
static AshRun *
run_script(Fixture *fixture, const char *script)
{
	g_autofree char *path = g_build_filename(fixture->dir, "qemu-img", NULL);
	g_autofree char *text = g_strconcat("#!/bin/sh\n", script, "\n", NULL);
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_file_save(AT_FDCWD, path, text, -1, 0755, NULL));
	AshRun *run = ash_run_new(ASH_TOOL_QEMU_IMG, &error);
	g_assert_no_error(error);
	return run;
}

static char *
output_of(AshRun *run, Fixture *fixture)
{
	g_autoptr(GBytes) out = NULL;
	g_autoptr(GError) error = NULL;
	gsize length;

	ash_run_sync(run, fixture->ctx, &out, &error);
	g_assert_no_error(error);
	const char *data = g_bytes_get_data(out, &length);
	return g_strndup(length > 0 ? data : "", length);
}

static void
test_missing_tool(Fixture *fixture, gconstpointer data)
{
	for (int tool = 0; tool < _ASH_TOOL_COUNT; tool++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *path = ash_tool_find(tool, &error);
		if (path != NULL) {
			g_assert_true(g_path_is_absolute(path));
			continue;
		}
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, "is missing: install the package "));
		g_assert_nonnull(strstr(error->message, " (Debian) or "));
		g_assert_null(ash_run_new(tool, NULL));
	}
}

static void
test_arguments_and_environment(Fixture *fixture, gconstpointer data)
{
	g_setenv("ASH_TEST_LEAK", "leaked", TRUE);
	g_autoptr(AshRun) run = run_script(fixture, "for a; do echo \"<$a>\"; done; echo $ASH_TEST_LEAK.$LC_ALL.$TZ.$MINE; "
						    "case $PATH in */usr/bin*) echo path;; esac; cat; echo hidden >&2");

	ash_run_arg(run, "a b");
	ash_run_args(run, "", "$HOME", NULL);
	ash_run_argf(run, "%d*", 5);
	ash_run_setenv(run, "MINE", "x");
	g_autofree char *output = output_of(run, fixture);
	g_assert_cmpstr(output, ==, "<a b>\n<>\n<$HOME>\n<5*>\n.C.UTF-8.UTC.x\npath\n");
	g_unsetenv("ASH_TEST_LEAK");
}

static void
test_failure(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshRun) run = run_script(fixture, "i=0; while [ $i -lt 500 ]; do echo \"line $i\" >&2; i=$((i + 1)); done; exit 3");
	g_autoptr(GBytes) out = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_run_sync(run, fixture->ctx, &out, &error));
	g_assert_null(out);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_INTERNAL);
	g_assert_true(g_str_has_prefix(error->message, "\"qemu-img\" failed (exit status 3): "));
	g_assert_true(g_str_has_suffix(error->message, "line 499"));
	g_assert_null(strstr(error->message, "line 0\n"));
	g_assert_cmpuint(strlen(error->message), <, 2200);
}

static void
test_failure_kinds(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *script, *text;
		AshErrorCode code;
	} cases[] = {
		{ "echo 'write: No space left on device' >&2; exit 1", "(exit status 1)", ASH_ERROR_NO_SPACE },
		{ "kill -9 $$", "\"qemu-img\" was killed by signal 9", ASH_ERROR_INTERNAL },
		/* As we ignore it, and a pipeline of the program relies on it. */
		{ "kill -PIPE $$", "\"qemu-img\" was killed by signal 13", ASH_ERROR_INTERNAL },
		{ "printf 'bad \\377\\376 bytes' >&2; exit 1", "bad", ASH_ERROR_INTERNAL },
		{ "exit 1", "(exit status 1)", ASH_ERROR_INTERNAL },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(AshRun) run = run_script(fixture, cases[i].script);
		g_autoptr(GError) error = NULL;
		g_assert_false(ash_run_sync(run, fixture->ctx, NULL, &error));
		g_assert_error(error, ASH_ERROR, (int) cases[i].code);
		g_assert_nonnull(strstr(error->message, cases[i].text));
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
	}
}

/* A text again and again, or a failure of our own after it. */
typedef struct {
	const char *text;
	guint times;
	bool fails;
} Feed;

static gboolean
feed(int fd, gpointer user_data, GError **error)
{
	const Feed *feed = user_data;

	for (guint i = 0; i < feed->times; i++) {
		if (write(fd, feed->text, strlen(feed->text)) < 0)
			return ash_throw_errno(error, "cannot write");
	}
	return !feed->fails || ash_throw(error, ASH_ERROR_TRUST, "our own words");
}

static gboolean
run_fed(Fixture *fixture, const char *script, Feed *data, GBytes **ret_stdout, GError **error)
{
	g_autoptr(AshRun) run = run_script(fixture, script);

	ash_run_stdin(run, feed, data);
	return ash_run_sync(run, fixture->ctx, ret_stdout, error);
}

static void
test_stdin(Fixture *fixture, gconstpointer data)
{
	Feed small = { "first ", 2, false }, large = { "0123456789abcdef", 100000, false }, bad = { "x", 1, true };
	g_autoptr(GBytes) echoed = NULL;
	g_autoptr(GBytes) counted = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_true(run_fed(fixture, "cat", &small, &echoed, &error));
	g_assert_cmpmem(g_bytes_get_data(echoed, NULL), g_bytes_get_size(echoed), "first first ", 12);
	g_assert_true(run_fed(fixture, "wc -c", &large, &counted, &error));
	g_assert_cmpmem(g_bytes_get_data(counted, NULL), g_bytes_get_size(counted), "1600000\n", 8);
	/* One that does not read all it is given is not our end. */
	g_assert_true(run_fed(fixture, "exit 0", &large, NULL, &error));
	g_assert_false(run_fed(fixture, "echo own words >&2; exit 9", &large, NULL, &error));
	g_assert_cmpstr(error->message, ==, "\"qemu-img\" failed (exit status 9): own words");
	g_clear_error(&error);
	/* A program that liked half of its input must not count. */
	g_assert_false(run_fed(fixture, "cat", &bad, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_assert_cmpstr(error->message, ==, "\"qemu-img\": our own words");
}

static void
test_inherited_fds(Fixture *fixture, gconstpointer data)
{
	ash_autofd int first = ash_fd_open(AT_FDCWD, fixture->dir, O_TMPFILE | O_RDWR, 0600, NULL);
	ash_autofd int second = ash_fd_open(AT_FDCWD, fixture->dir, O_TMPFILE | O_RDWR, 0600, NULL);
	ash_autofd int hidden = ash_fd_open(AT_FDCWD, "/dev/null", O_RDONLY, 0, NULL);
	g_autoptr(AshRun) run = run_script(fixture, "printf one >\"$1\"; printf two >\"$2\"; [ ! -e \"$3\" ]");
	char text[4] = "";

	ash_run_inherit_fd(run, first);
	ash_run_inherit_fd(run, second);
	ash_run_argf(run, "/proc/self/fd/%d", first);
	ash_run_argf(run, "/proc/self/fd/%d", second);
	ash_run_argf(run, "/proc/self/fd/%d", hidden);
	g_autofree char *output = output_of(run, fixture);
	g_assert_cmpstr(output, ==, "");
	g_assert_true(ash_fd_read_exact(first, text, 3, 0, NULL));
	g_assert_cmpstr(text, ==, "one");
	g_assert_true(ash_fd_read_exact(second, text, 3, 0, NULL));
	g_assert_cmpstr(text, ==, "two");
	/* Ours are still open, and still not for everybody. */
	g_assert_cmpint(fcntl(first, F_GETFD) & FD_CLOEXEC, !=, 0);
}

static void
test_inherit_closed_fd(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshRun) run = run_script(fixture, "exit 0");
	g_autoptr(GError) error = NULL;

	ash_run_inherit_fd(run, 9999);
	g_assert_false(ash_run_sync(run, fixture->ctx, NULL, &error));
	g_assert_nonnull(strstr(error->message, "cannot start \"qemu-img\""));
}

/* Cancels once the script has written its process id into the file. */
static gpointer
cancel_when_started(gpointer data)
{
	Fixture *fixture = data;
	g_autofree char *path = g_build_filename(fixture->dir, "pid", NULL);

	for (guint i = 0; i < 2000 && !g_file_test(path, G_FILE_TEST_EXISTS); i++)
		g_usleep(5000);
	g_cancellable_cancel(fixture->ctx->cancellable);
	return NULL;
}

static void
test_cancel(Fixture *fixture, gconstpointer data)
{
	g_autofree char *pid_path = g_build_filename(fixture->dir, "pid", NULL);
	g_autofree char *pid_text = NULL;
	g_autoptr(AshRun) run = run_script(fixture, "echo $$ >\"$1.new\"; mv \"$1.new\" \"$1\"; exec sleep 600");
	g_autoptr(GError) error = NULL;

	ash_run_arg(run, pid_path);
	GThread *thread = g_thread_new("cancel", cancel_when_started, fixture);
	g_assert_false(ash_run_sync(run, fixture->ctx, NULL, &error));
	g_thread_join(thread);
	g_assert_cmpint(ash_error_code(error), ==, ASH_ERROR_CANCELLED);
	pid_text = ash_file_load(AT_FDCWD, pid_path, 0, NULL, NULL);
	g_assert_nonnull(pid_text);
	g_assert_cmpint(kill((pid_t) g_ascii_strtoll(pid_text, NULL, 10), 0), ==, -1);
	g_assert_cmpint(errno, ==, ESRCH);
}

static bool
watch_for_two(const char *bytes, gsize length, gpointer user_data)
{
	g_string_append_len(user_data, bytes, (gssize) length);
	return strstr(((GString *) user_data)->str, "two") == NULL;
}

static void
test_foreground(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GString) seen = g_string_new(NULL);
	g_autoptr(GString) all = g_string_new(NULL);
	g_autoptr(GError) error = NULL, failed = NULL;
	bool stopped = false;

	g_autoptr(AshRun) endless = run_script(fixture, "echo one; echo two; exec sleep 600");
	ash_run_foreground(endless, fixture->ctx, watch_for_two, seen, &stopped, &error);
	g_assert_no_error(error);
	g_assert_true(stopped);
	g_assert_true(g_str_has_prefix(seen->str, "one\n"));
	g_autoptr(AshRun) brief = run_script(fixture, "echo one; exit 4");
	g_assert_false(ash_run_foreground(brief, fixture->ctx, watch_for_two, all, &stopped, &failed));
	g_assert_cmpstr(all->str, ==, "one\n");
	g_assert_nonnull(strstr(failed->message, "(exit status 4)"));
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* as the program's main() does */
	g_test_init(&argc, &argv, NULL);
	ADD("/base/runner/missing-tool", test_missing_tool);
	ADD("/base/runner/arguments-and-environment", test_arguments_and_environment);
	ADD("/base/runner/failure", test_failure);
	ADD("/base/runner/failure-kinds", test_failure_kinds);
	ADD("/base/runner/stdin", test_stdin);
	ADD("/base/runner/inherited-fds", test_inherited_fds);
	ADD("/base/runner/inherit-closed-fd", test_inherit_closed_fd);
	ADD("/base/runner/cancel", test_cancel);
	ADD("/base/runner/foreground", test_foreground);
	return g_test_run();
}
