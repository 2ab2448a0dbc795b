/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/worker.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/userns.h"
#include "base/workerchild.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a worker wrote before it died without a reply: only the end is shown. */
#define OUTPUT_TAIL 2000

struct AshWorker {
	AshContext *ctx;     /* borrowed; while it runs */
	char *name;
	pid_t pid;           /* 0 once it is gone */
	int request, output; /* memfds */
	int reply, sync;
	GString *buffer;     /* the unfinished line of the reply pipe */
	JsonObject *result;
	GError *failure;
};

/* Everything the forked child needs, made before the fork: it may only make system calls. */
typedef struct {
	char *argv[4];
	char **env;
	int fds[_ASH_WORKER_FD_COUNT];
	pid_t parent;
} Launch;

/* Descriptors that were borrowed numbers above those that we assign. */
#define SPARE_FD 20

static void
launch_child(const Launch *launch)
{
	int spare[_ASH_WORKER_FD_COUNT];
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != launch->parent)
		_exit(ASH_WORKER_EXIT_SETUP);
	for (int i = 0; i < _ASH_WORKER_FD_COUNT; i++) {
		spare[i] = fcntl(launch->fds[i], F_DUPFD, SPARE_FD);
		if (spare[i] < 0)
			_exit(ASH_WORKER_EXIT_SETUP);
	}
	for (int i = 0; i < _ASH_WORKER_FD_COUNT; i++)
		if (dup2(spare[i], i) < 0)
			_exit(ASH_WORKER_EXIT_SETUP);
	close_range(_ASH_WORKER_FD_COUNT, ~0U, 0);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve("/proc/self/exe", launch->argv, launch->env);
	_exit(ASH_WORKER_EXIT_SETUP);
}

/* A clean environment, but for what debugging tools read. */
static char **
worker_environ(void)
{
	static const char *const kept[] = { "G_MESSAGES_DEBUG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" };
	char **env = NULL;

	env = g_environ_setenv(env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", TRUE);
	env = g_environ_setenv(env, "HOME", "/root", TRUE);
	env = g_environ_setenv(env, "LC_ALL", "C.UTF-8", TRUE);
	env = g_environ_setenv(env, "TZ", "UTC", TRUE);
	for (gsize i = 0; i < G_N_ELEMENTS(kept); i++)
		if (g_getenv(kept[i]) != NULL)
			env = g_environ_setenv(env, kept[i], g_getenv(kept[i]), TRUE);
	return env;
}

/* The request and what of our context a worker shares, in its memfd at offset 0. */
static gboolean
write_request(AshWorker *worker, JsonObject *request, GError **error)
{
	const AshContext *ctx = worker->ctx;
	g_autoptr(JsonObject) whole = json_object_new();

	if (ctx->cache_dir != NULL)
		json_object_set_string_member(whole, "cache_dir", ctx->cache_dir);
	if (ctx->data_dir != NULL)
		json_object_set_string_member(whole, "data_dir", ctx->data_dir);
	json_object_set_int_member(whole, "jobs", ctx->jobs);
	json_object_set_object_member(whole, "request", json_object_ref(request));
	g_autofree char *text = ash_json_object_to_string(whole, FALSE);
	return ash_fd_write_all(worker->request, text, strlen(text), 0, error);
}

static gboolean
worker_launch(AshWorker *worker, GError **error)
{
	ash_autofd int input = memfd_create("ashlar-input", MFD_CLOEXEC);
	int reply[2] = { -1, -1 }, sync[2] = { -1, -1 };
	g_auto(GStrv) env = worker_environ();

	worker->request = memfd_create("ashlar-request", MFD_CLOEXEC);
	worker->output = memfd_create("ashlar-output", MFD_CLOEXEC);
	if (input < 0 || worker->request < 0 || worker->output < 0 || pipe2(reply, O_CLOEXEC) < 0)
		return ash_throw_errno(error, "cannot start a worker");
	worker->reply = reply[0];
	ash_autofd int reply_end = reply[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		return ash_throw_errno(error, "cannot start a worker");
	worker->sync = sync[0];
	ash_autofd int sync_end = sync[1];
	/* Several writers share one position only if they append. */
	if (fcntl(worker->output, F_SETFL, O_APPEND) < 0)
		return ash_throw_errno(error, "cannot start a worker");
	Launch launch = {
		.argv = { (char *) "ashlar", (char *) ASH_WORKER_MARK, worker->name, NULL },
		.env = env,
		.fds = { input, worker->output, worker->output, worker->request, reply_end, sync_end },
		.parent = getpid(),
	};
	worker->pid = fork();
	if (worker->pid == 0)
		launch_child(&launch);
	if (worker->pid < 0)
		return ash_throw_errno(error, "cannot start a worker");
	return TRUE;
}

/* Kills the worker (its outer process takes the rest along) and waits until all of it is gone. */
static int
worker_reap(AshWorker *worker, bool kill_it)
{
	int status = 0;

	if (kill_it)
		kill(worker->pid, SIGTERM);
	while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
		;
	worker->pid = 0;
	return status;
}

static char *
output_tail(int fd)
{
	char buffer[OUTPUT_TAIL];
	off_t size = lseek(fd, 0, SEEK_END);
	ssize_t got = pread(fd, buffer, sizeof buffer, MAX(size - OUTPUT_TAIL, 0));
	char *text = g_utf8_make_valid(buffer, MAX(got, 0));

	return g_strstrip(text);
}

/* The maps of the worker's user namespace can only be written from outside. */
static gboolean
worker_map_ids(AshWorker *worker, GError **error)
{
	char step = 0;

	if (recv(worker->sync, &step, 1, 0) != 1 || step != ASH_WORKER_SYNC_READY) {
		int status = worker_reap(worker, true);
		g_autofree char *tail = output_tail(worker->output);
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "cannot make a user namespace: %s (status %d); \"sysctl user.max_user_namespaces\" "
				 "must not be 0, and AppArmor and the container must allow it",
				 *tail != '\0' ? tail : "no reason given", status);
	}
	if (!ash_userns_map(worker->ctx, worker->pid, error))
		return FALSE;
	step = ASH_WORKER_SYNC_MAPPED;
	if (send(worker->sync, &step, 1, MSG_NOSIGNAL) != 1)
		return ash_throw_errno(error, "cannot start a worker");
	return TRUE;
}

static void
handle_progress(AshWorker *worker, JsonObject *line)
{
	AshProgressEvent event = {
		.kind = (AshProgressKind) json_object_get_int_member(line, "kind"),
		.step = ash_json_get_string_optional(line, "step"),
		.depth = (guint) json_object_get_int_member(line, "depth"),
		.fraction = json_object_get_double_member(line, "fraction"),
		.item = ash_json_get_string_optional(line, "item"),
		.done = (guint64) json_object_get_int_member(line, "done"),
		.total = (guint64) json_object_get_int_member(line, "total"),
		.unit = ash_json_get_string_optional(line, "unit"),
		.seconds = json_object_get_double_member(line, "seconds"),
		.text = ash_json_get_string_optional(line, "text"),
	};

	if (worker->ctx->progress != NULL)
		ash_progress_forward(worker->ctx->progress, &event);
}

static void
handle_line(AshWorker *worker, const char *text)
{
	g_autoptr(JsonObject) line = ash_json_parse_object(text, -1, "worker", NULL);
	const char *event = line != NULL ? ash_json_get_string_optional(line, "event") : NULL;

	if (g_strcmp0(event, "progress") == 0) {
		handle_progress(worker, line);
	} else if (g_strcmp0(event, "reply") == 0) {
		g_clear_pointer(&worker->result, json_object_unref);
		worker->result = json_object_ref(json_object_get_object_member(line, "reply"));
	} else if (g_strcmp0(event, "error") == 0 && worker->failure == NULL) {
		worker->failure = g_error_new_literal(ASH_ERROR, (int) json_object_get_int_member(line, "code"),
						      json_object_get_string_member(line, "message"));
	}
}

/* Reads what there is; FALSE at the end of the pipe. */
static bool
worker_read(AshWorker *worker)
{
	char chunk[65536];
	ssize_t got = read(worker->reply, chunk, sizeof chunk);

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	if (got == 0)
		return false;
	gsize searched = worker->buffer->len;
	g_string_append_len(worker->buffer, chunk, got);
	char *end;
	while ((end = memchr(worker->buffer->str + searched, '\n', worker->buffer->len - searched)) != NULL) {
		*end = '\0';
		handle_line(worker, worker->buffer->str);
		g_string_erase(worker->buffer, 0, end - worker->buffer->str + 1);
		searched = 0;
	}
	return true;
}

/* Until the worker closes its end; FALSE if we were cancelled. */
static bool
worker_follow(AshWorker *worker)
{
	GCancellable *cancellable = worker->ctx->cancellable;
	GPollFD cancel = { .fd = -1 };
	bool cancelled = false, open = true;

	if (cancellable != NULL && !g_cancellable_make_pollfd(cancellable, &cancel))
		cancel.fd = -1;
	while (open && !cancelled) {
		struct pollfd polls[2] = { { worker->reply, POLLIN, 0 }, { cancel.fd, POLLIN, 0 } };
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			break;
		cancelled = cancellable != NULL && g_cancellable_is_cancelled(cancellable);
		if (!cancelled && polls[0].revents != 0)
			open = worker_read(worker);
	}
	if (cancel.fd >= 0)
		g_cancellable_release_fd(cancellable);
	return !cancelled;
}

static JsonObject *
worker_finish(AshWorker *worker, GError **error)
{
	int status = worker_reap(worker, false);

	if (worker->failure != NULL) {
		g_propagate_error(error, g_steal_pointer(&worker->failure));
		return NULL;
	}
	if (worker->result != NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return g_steal_pointer(&worker->result);
	g_autofree char *tail = output_tail(worker->output);
	return ash_throw_null(error, ASH_ERROR_INTERNAL, "worker \"%s\" ended without a reply (%s %d)%s%s", worker->name,
			      WIFEXITED(status) ? "exit status" : "signal",
			      WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
			      *tail != '\0' ? ": " : "", tail);
}

void
ash_worker_free(AshWorker *worker)
{
	if (worker == NULL)
		return;
	if (worker->pid > 0)
		worker_reap(worker, true);
	ash_fd_clear(&worker->request);
	ash_fd_clear(&worker->output);
	ash_fd_clear(&worker->reply);
	ash_fd_clear(&worker->sync);
	g_string_free(worker->buffer, TRUE);
	g_clear_pointer(&worker->result, json_object_unref);
	g_clear_error(&worker->failure);
	g_free(worker->name);
	g_free(worker);
}

AshWorker *
ash_worker_start(const char *name, GError **error)
{
	g_autoptr(AshWorker) worker = NULL;

	if (!ash_worker_check(error))
		return NULL;
	worker = g_new0(AshWorker, 1);
	worker->name = g_strdup(name);
	worker->request = worker->output = worker->reply = worker->sync = -1;
	worker->buffer = g_string_new(NULL);
	return worker_launch(worker, error) ? g_steal_pointer(&worker) : NULL;
}

JsonObject *
ash_worker_run(AshWorker *worker, AshContext *ctx, JsonObject *request, GError **error)
{
	worker->ctx = ctx;
	if (!ash_context_check(ctx, error) || !write_request(worker, request, error) || !worker_map_ids(worker, error))
		return NULL;
	if (!worker_follow(worker)) {
		worker_reap(worker, true);
		return ash_throw_null(error, ASH_ERROR_CANCELLED, "interrupted");
	}
	return worker_finish(worker, error);
}

JsonObject *
ash_worker_call(AshContext *ctx, const char *name, JsonObject *request, GError **error)
{
	if (!ash_context_check(ctx, error))
		return NULL;
	g_autoptr(AshWorker) worker = ash_worker_start(name, error);
	return worker != NULL ? ash_worker_run(worker, ctx, request, error) : NULL;
}

gboolean
ash_worker_check(GError **error)
{
	return ash_userns_check(error);
}
