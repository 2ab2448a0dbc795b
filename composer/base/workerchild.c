/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/workerchild.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Three processes: the outer one, child of the caller, enters the namespaces and waits; PID 1 of the PID
 * namespace reaps; the worker proper does the work. The outer one is killed by the kernel when the caller dies, PID 1
 * when the outer one dies, and with PID 1 goes every process of the namespace.
 */

#define WORKER_NAMESPACES                                                                          \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET)

/* Says on standard error, which the caller shows, why the worker could not be set up. */
G_NORETURN static void
setup_failed(const char *what)
{
	g_autofree char *text = g_strdup_printf("%s: %s\n", what, g_strerror(errno));

	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		_exit(ASH_WORKER_EXIT_SETUP + 1);
	_exit(ASH_WORKER_EXIT_SETUP);
}

/* Enters the namespaces, waits for the caller to map our ids, and becomes their root. */
static void
enter_namespaces(void)
{
	char step = ASH_WORKER_SYNC_READY;

	/* Away from the terminal: Ctrl-C is for the caller, which ends us in order. */
	setsid();
	umask(022);
	if (unshare(WORKER_NAMESPACES) < 0)
		setup_failed("unshare");
	if (send(ASH_WORKER_FD_SYNC, &step, 1, MSG_NOSIGNAL) != 1)
		setup_failed("sync");
	if (recv(ASH_WORKER_FD_SYNC, &step, 1, 0) != 1 || step != ASH_WORKER_SYNC_MAPPED)
		_exit(ASH_WORKER_EXIT_SETUP);
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		setup_failed("setresuid");
	/* A change of ids clears both. */
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* PID 1: everything is reaped, the worker's end is ours. */
G_NORETURN static void
reap_until(pid_t worker)
{
	close_range(0, ~0U, 0);
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno != EINTR)
			_exit(ASH_WORKER_EXIT_SETUP);
		if (pid == worker)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
}

/*
 * The outer process: SIGTERM kills the namespace, and we end only when all of it is gone. @life is the
 * write end by which PID 1 knows that we live.
 */
G_NORETURN static void
wait_for_init(pid_t init, int life, const sigset_t *signals)
{
	if (dup2(life, 0) == 0)
		close_range(1, ~0U, 0);
	for (;;) {
		int status, number = sigwaitinfo(signals, NULL);
		if (number == SIGTERM)
			kill(init, SIGKILL);
		if (waitpid(init, &status, WNOHANG) == init)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
}

/* Forks PID 1 of the namespace; returns in it only. */
static void
fork_init(void)
{
	sigset_t signals, previous;
	int life[2];

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &previous);
	if (pipe2(life, O_CLOEXEC) < 0)
		setup_failed("pipe");
	pid_t init = fork();
	if (init < 0)
		setup_failed("fork");
	if (init > 0)
		wait_for_init(init, life[1], &signals);
	sigprocmask(SIG_SETMASK, &previous, NULL);
	close(life[1]);
	/* Whoever dies before the next line leaves a closed pipe, whoever dies after it kills us. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct pollfd poll_life = { life[0], POLLIN, 0 };
	if (poll(&poll_life, 1, 0) != 0)
		_exit(ASH_WORKER_EXIT_SETUP);
	close(life[0]);
}

/* Mounts of our own, and a /proc that shows our own processes where the kernel allows a new one. */
static void
own_mounts(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		setup_failed("mount /");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 && errno != EPERM &&
	    errno != EBUSY && errno != EACCES)
		setup_failed("mount /proc");
}

/* One line to the caller, in one write(2). */
static void
send_line(JsonObject *line)
{
	g_autofree char *text = ash_json_object_to_string(line, FALSE);
	g_autofree char *whole = g_strconcat(g_strchomp(text), "\n", NULL);
	gsize length = strlen(whole);

	for (gsize sent = 0; sent < length;) {
		ssize_t wrote = write(ASH_WORKER_FD_REPLY, whole + sent, length - sent);
		if (wrote < 0 && errno != EINTR)
			return;
		sent += (gsize) MAX(wrote, 0);
	}
}

static void
set_optional(JsonObject *object, const char *member, const char *value)
{
	if (value != NULL)
		json_object_set_string_member(object, member, value);
}

static void
send_progress(const AshProgressEvent *event, gpointer user_data)
{
	g_autoptr(JsonObject) line = json_object_new();

	json_object_set_string_member(line, "event", "progress");
	json_object_set_int_member(line, "kind", event->kind);
	json_object_set_int_member(line, "depth", event->depth);
	json_object_set_double_member(line, "fraction", event->fraction);
	json_object_set_int_member(line, "done", (gint64) event->done);
	json_object_set_int_member(line, "total", (gint64) event->total);
	json_object_set_double_member(line, "seconds", event->seconds);
	set_optional(line, "step", event->step);
	set_optional(line, "item", event->item);
	set_optional(line, "unit", event->unit);
	set_optional(line, "text", event->text);
	send_line(line);
}

static void
send_error(const GError *error)
{
	g_autoptr(JsonObject) line = json_object_new();
	g_autofree char *message = g_utf8_make_valid(error->message, -1);

	json_object_set_string_member(line, "event", "error");
	json_object_set_int_member(line, "code", ash_error_code(error));
	json_object_set_string_member(line, "message", message);
	send_line(line);
}

void
ash_worker_abort(const GError *error)
{
	send_error(error);
	_exit(1);
}

static JsonObject *
load_request(AshContext *ctx, GError **error)
{
	struct stat info;

	if (!ash_fd_stat(ASH_WORKER_FD_REQUEST, "request", &info, error))
		return NULL;
	g_autofree char *text = g_malloc0((gsize) info.st_size + 1);
	if (!ash_fd_read_exact(ASH_WORKER_FD_REQUEST, text, (gsize) info.st_size, 0, error))
		return NULL;
	close(ASH_WORKER_FD_REQUEST);
	g_autoptr(JsonObject) whole = ash_json_parse_object(text, info.st_size, "request", error);
	if (whole == NULL)
		return NULL;
	ctx->cache_dir = g_strdup(ash_json_get_string_optional(whole, "cache_dir"));
	ctx->data_dir = g_strdup(ash_json_get_string_optional(whole, "data_dir"));
	ctx->jobs = (guint) MAX(1, json_object_get_int_member(whole, "jobs"));
	return json_object_ref(json_object_get_object_member(whole, "request"));
}

static const AshWorkerEntry *
find_entry(const AshWorkerEntry *table, const char *name, GError **error)
{
	for (const AshWorkerEntry *entry = table; entry->name != NULL; entry++)
		if (strcmp(entry->name, name) == 0)
			return entry;
	return ash_throw_null(error, ASH_ERROR_INTERNAL, "there is no worker \"%s\"", name);
}

static gboolean
run_entry(const AshWorkerEntry *table, const char *name, GError **error)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(JsonObject) request = load_request(ctx, error);
	const AshWorkerEntry *entry = request != NULL ? find_entry(table, name, error) : NULL;

	if (entry == NULL)
		return FALSE;
	ctx->progress = ash_progress_new(send_progress, NULL);
	g_autoptr(JsonObject) reply = entry->run(ctx, request, error);
	if (reply == NULL)
		return FALSE;
	g_autoptr(JsonObject) line = json_object_new();
	json_object_set_string_member(line, "event", "reply");
	json_object_set_object_member(line, "reply", json_object_ref(reply));
	send_line(line);
	return TRUE;
}

bool
ash_worker_main(int argc, char **argv, const AshWorkerEntry *table, int *ret_status)
{
	g_autoptr(GError) error = NULL;

	if (argc != 3 || strcmp(argv[1], ASH_WORKER_MARK) != 0)
		return false;
	enter_namespaces();
	close(ASH_WORKER_FD_SYNC);
	fork_init();
	own_mounts();
	pid_t worker = fork();
	if (worker < 0)
		setup_failed("fork");
	if (worker > 0)
		reap_until(worker);
	/* Programs that we start must not hold these open. */
	fcntl(ASH_WORKER_FD_REQUEST, F_SETFD, FD_CLOEXEC);
	fcntl(ASH_WORKER_FD_REPLY, F_SETFD, FD_CLOEXEC);
	signal(SIGPIPE, SIG_IGN);
	*ret_status = 0;
	if (!run_entry(table, argv[2], &error)) {
		send_error(error);
		*ret_status = 1;
	}
	return true;
}
