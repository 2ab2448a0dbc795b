/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/userns.h"
#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The workers of this program. */

static JsonObject *
run_echo(AshContext *ctx, JsonObject *request, GError **error)
{
	JsonObject *reply = json_object_new();
	g_autofree char *map = ash_file_load(AT_FDCWD, "/proc/self/uid_map", 0, NULL, error);

	json_object_set_string_member(reply, "text", ash_json_get_string(request, "text", NULL));
	json_object_set_int_member(reply, "pid", getpid());
	json_object_set_int_member(reply, "uid", getuid());
	json_object_set_int_member(reply, "session", getsid(0) != getpgrp() ? -1 : 0);
	json_object_set_string_member(reply, "data_dir", ctx->data_dir);
	json_object_set_string_member(reply, "map", map);
	ash_progress_begin(ctx->progress, "Echo", 100);
	ash_progress_message(ctx->progress, "said \"%s\"", "x\ny");
	ash_progress_end(ctx->progress);
	return reply;
}

static JsonObject *
run_fail(AshContext *ctx, JsonObject *request, GError **error)
{
	return ash_throw_null(error, ASH_ERROR_TRUST, "package \"%s\" is bad", ash_json_get_string(request, "text", NULL));
}

static JsonObject *
run_die(AshContext *ctx, JsonObject *request, GError **error)
{
	g_printerr("about to die\n");
	kill(getpid(), SIGKILL);
	return NULL;
}

static JsonObject *
run_abort(AshContext *ctx, JsonObject *request, GError **error)
{
	g_autoptr(GError) mine = g_error_new(ASH_ERROR, ASH_ERROR_SCRIPT, "enough");

	ash_worker_abort(mine);
}

/* Leaves a process behind that has nothing of ours open, then waits for ever. */
static JsonObject *
run_linger(AshContext *ctx, JsonObject *request, GError **error)
{
	if (fork() == 0) {
		close_range(0, ~0U, 0);
		for (;;)
			pause();
	}
	ash_progress_message(ctx->progress, "lingering");
	sleep(600);
	return NULL;
}

static JsonObject *
run_chown(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *path = ash_json_get_string(request, "text", error);
	gid_t groups[4];

	if (chown(path, 65534, 65535) < 0 || getgroups(4, groups) != 0)
		return ash_throw_errno_null(error, "chown");
	if (chown(path, 0, 0) < 0)
		return ash_throw_errno_null(error, "chown");
	return json_object_new();
}

static JsonObject *
run_network(AshContext *ctx, JsonObject *request, GError **error)
{
	struct ifaddrs *list = NULL;
	JsonObject *reply = json_object_new();

	getifaddrs(&list);
	json_object_set_boolean_member(reply, "up", list != NULL && list->ifa_addr != NULL && list->ifa_addr->sa_family != AF_PACKET);
	freeifaddrs(list);
	return reply;
}

static const AshWorkerEntry workers[] = {
	{ "echo", run_echo },     { "fail", run_fail },   { "die", run_die },         { "abort", run_abort },
	{ "linger", run_linger }, { "chown", run_chown }, { "network", run_network }, { NULL, NULL },
};

/* The tests. */

typedef struct {
	AshContext *ctx;
	GString *events;
	int cancel_on_message;
} Fixture;

static void
note_event(const AshProgressEvent *event, gpointer user_data)
{
	Fixture *fixture = user_data;

	if (event->kind == ASH_PROGRESS_STEP_BEGIN)
		g_string_append_printf(fixture->events, "begin %s;", event->step);
	if (event->kind == ASH_PROGRESS_MESSAGE)
		g_string_append_printf(fixture->events, "%s;", event->text);
	if (event->kind == ASH_PROGRESS_MESSAGE && fixture->cancel_on_message)
		g_cancellable_cancel(fixture->ctx->cancellable);
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->ctx = ash_context_new();
	fixture->ctx->data_dir = g_strdup("/data");
	fixture->events = g_string_new(NULL);
	fixture->ctx->progress = ash_progress_new(note_event, fixture);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_context_free(fixture->ctx);
	g_string_free(fixture->events, TRUE);
}

/* FALSE if this machine or user cannot have workers at all; the test is skipped then. */
static bool
can_work(void)
{
	g_autoptr(GError) error = NULL;

	if (ash_worker_check(&error))
		return true;
	g_test_skip(error->message);
	return false;
}

static JsonObject *
call(Fixture *fixture, const char *name, const char *text, GError **error)
{
	g_autoptr(JsonObject) request = json_object_new();

	json_object_set_string_member(request, "text", text);
	return ash_worker_call(fixture->ctx, name, request, error);
}

static void
test_reply(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!can_work())
		return;
	g_autoptr(JsonObject) reply = call(fixture, "echo", "hello \"you\"\n", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(json_object_get_string_member(reply, "text"), ==, "hello \"you\"\n");
	g_assert_cmpstr(json_object_get_string_member(reply, "data_dir"), ==, "/data");
	g_assert_cmpint(json_object_get_int_member(reply, "uid"), ==, 0);
	g_assert_cmpint(json_object_get_int_member(reply, "pid"), ==, 2);
	g_assert_cmpstr(fixture->events->str, ==, "begin Echo;said \"x\ny\";");
}

static void
test_errors(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) failed = NULL, died = NULL, aborted = NULL, unknown = NULL;

	if (!can_work())
		return;
	g_assert_null(call(fixture, "fail", "foo-1", &failed));
	g_assert_error(failed, ASH_ERROR, ASH_ERROR_TRUST);
	g_assert_cmpstr(failed->message, ==, "package \"foo-1\" is bad");
	g_assert_null(call(fixture, "die", "", &died));
	g_assert_error(died, ASH_ERROR, ASH_ERROR_INTERNAL);
	g_assert_nonnull(strstr(died->message, "about to die"));
	g_assert_null(call(fixture, "abort", "", &aborted));
	g_assert_error(aborted, ASH_ERROR, ASH_ERROR_SCRIPT);
	g_assert_cmpstr(aborted->message, ==, "enough");
	g_assert_null(call(fixture, "nothing", "", &unknown));
	g_assert_error(unknown, ASH_ERROR, ASH_ERROR_INTERNAL);
}

/* Started before there is a request; one that gets none leaves nothing. */
static void
test_ahead(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonObject) request = json_object_new();

	if (!can_work())
		return;
	AshWorker *unused = ash_worker_start("echo", &error);
	g_assert_no_error(error);
	g_autoptr(AshWorker) worker = ash_worker_start("echo", &error);
	g_assert_no_error(error);
	g_usleep(50000);
	json_object_set_string_member(request, "text", "later");
	g_autoptr(JsonObject) reply = ash_worker_run(worker, fixture->ctx, request, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(json_object_get_string_member(reply, "text"), ==, "later");
	ash_worker_free(unused);
	g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
	g_assert_cmpint(errno, ==, ECHILD);
}

/* How many processes have our executable's name: the lingering ones would be among them. */
static guint
count_workers(void)
{
	g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
	guint count = 0;
	const char *name;

	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename("/proc", name, "cmdline", NULL), *text = NULL;
		gsize length = 0;
		if (!g_ascii_isdigit(*name) || !g_file_get_contents(path, &text, &length, NULL))
			continue;
		if (memmem(text, length, "linger", 7) != NULL)
			count++;
	}
	return count;
}

static void
test_cancel(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!can_work())
		return;
	guint before = count_workers();
	fixture->cancel_on_message = 1;
	g_assert_null(call(fixture, "linger", "", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CANCELLED);
	/* Not only the worker: all of its namespace is gone when the call returns. */
	g_assert_cmpuint(count_workers(), ==, before);
}

static void
test_ids(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);

	if (!can_work())
		return;
	g_autoptr(JsonObject) reply = call(fixture, "chown", dir, &error);
	g_assert_no_error(error);
	g_assert_nonnull(reply);
	rmdir(dir);
}

static void
test_network(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!can_work())
		return;
	g_autoptr(JsonObject) reply = call(fixture, "network", "", &error);
	g_assert_no_error(error);
	g_assert_false(json_object_get_boolean_member(reply, "up"));
}

static void
test_identity_map(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *whole = ash_userns_identity_map("         0          0 4294967295\n", "map", NULL);
	g_autofree char *split = ash_userns_identity_map("0 1000 1\n1 100000 65536\n", "map", NULL);
	g_autofree char *small = ash_userns_identity_map("0 1000 1\n1 100000 65000\n", "map", &error);

	g_assert_cmpstr(whole, ==, "0 0 65536\n");
	g_assert_cmpstr(split, ==, "0 0 1\n1 1 65535\n");
	g_assert_null(small);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "65001"));
}

static void
test_subids(void)
{
	g_autoptr(GError) error = NULL;
	const char *text = "other:100000:65536\nme:200000:5\n# x\n7:300000:65536\nme:bad:1\n";
	g_autoptr(GArray) ranges = ash_userns_parse_subids(text, "subuid", "me", 7, NULL);
	g_autoptr(GArray) few = ash_userns_parse_subids(text, "subuid", "me", 8, &error);

	g_assert_cmpuint(ranges->len, ==, 2);
	g_assert_cmpuint(g_array_index(ranges, AshIdRange, 0).start, ==, 200000);
	g_assert_cmpuint(g_array_index(ranges, AshIdRange, 1).count, ==, 65530);
	g_assert_null(few);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "usermod --add-subuids"));
}

int
main(int argc, char **argv)
{
	int status;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/userns/identity", test_identity_map);
	g_test_add_func("/base/userns/subids", test_subids);
	g_test_add("/base/worker/reply", Fixture, NULL, setup, test_reply, teardown);
	g_test_add("/base/worker/errors", Fixture, NULL, setup, test_errors, teardown);
	g_test_add("/base/worker/ahead", Fixture, NULL, setup, test_ahead, teardown);
	g_test_add("/base/worker/cancel", Fixture, NULL, setup, test_cancel, teardown);
	g_test_add("/base/worker/ids", Fixture, NULL, setup, test_ids, teardown);
	g_test_add("/base/worker/network", Fixture, NULL, setup, test_network, teardown);
	return g_test_run();
}
