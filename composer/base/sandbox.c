/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sandbox.h"

#include "base/confine.h"
#include "base/copyup.h"
#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_TIMEOUT_SECONDS 600
#define OUTPUT_MAX (1024 * 1024)
#define STATUS_NOT_FOUND 127

/* What the child tells of a failed setup, through a pipe that exec closes. */
typedef struct {
	int errnum;
	const char *what; /* a constant: the child has our memory */
} SetupFailure;

/* One running command. */
typedef struct {
	const AshConfine *confine; /* borrowed */
	GPtrArray *argv;           /* of borrowed char *, NULL-terminated */
	char **env;
	pid_t pid;
	int pidfd;
	int input;                 /* memfd */
	int output[2], failure[2]; /* pipes */
	int channel[2];            /* to send the listener to us; not there if it is not supervised */
	AshCopyup *copyup;
	GString *text;
} Command;

static void
command_clear(Command *command)
{
	g_clear_pointer(&command->argv, g_ptr_array_unref);
	g_strfreev(command->env);
	ash_fd_clear(&command->pidfd);
	ash_fd_clear(&command->input);
	for (int i = 0; i < 2; i++) {
		ash_fd_clear(&command->output[i]);
		ash_fd_clear(&command->failure[i]);
		ash_fd_clear(&command->channel[i]);
	}
	ash_copyup_free(command->copyup);
	if (command->text != NULL)
		g_string_free(command->text, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Command, command_clear)

gboolean
ash_sandbox_enter(const char *root_path, const char *const *bind_pairs, GError **error)
{
	bool supervised = ash_copyup_available();
	g_autoptr(AshConfine) confine = ash_confine_new(root_path, true, false, supervised, bind_pairs, NULL, error);
	ash_autofd int channel = -1, listener = -1;

	if (confine == NULL)
		return FALSE;
	const char *failed = ash_confine_mounts(confine);
	/* It sees what we see, and may do what we no longer may. */
	if (failed == NULL && supervised && (channel = ash_copyup_start(error)) < 0)
		return FALSE;
	if (failed == NULL)
		failed = ash_confine_rights(confine, &listener);
	if (failed == NULL && supervised && !ash_copyup_send(channel, listener))
		failed = "cannot reach the guard of shared files";
	if (failed != NULL)
		return ash_throw_errno(error, "sandbox for \"%s\": %s", root_path, failed);
	return TRUE;
}

/* From here to command_start() we are in the child, where only system calls are allowed. */

G_NORETURN static void
child_failed(const Command *command, const char *what)
{
	SetupFailure failure = { errno, what };

	if (write(command->failure[1], &failure, sizeof failure) < 0)
		_exit(STATUS_NOT_FOUND);
	_exit(STATUS_NOT_FOUND);
}

/* PID 1 of the command's namespace: reaps, and takes everything with it when the command ends. */
G_NORETURN static void
child_reap(pid_t pid)
{
	close_range(0, ~0U, 0);
	for (;;) {
		int status;
		pid_t ended = waitpid(-1, &status, 0);
		if (ended == pid)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		if (ended < 0 && errno != EINTR)
			_exit(STATUS_NOT_FOUND);
	}
}

G_NORETURN static void
child_run(const Command *command)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	umask(022);
	const char *failed = ash_confine_mounts(command->confine);
	int listener = -1;
	if (failed == NULL)
		failed = ash_confine_rights(command->confine, &listener);
	if (failed == NULL && listener >= 0 && !ash_copyup_send(command->channel[1], listener))
		failed = "cannot send the listener";
	if (failed != NULL)
		child_failed(command, failed);
	/* The supervisor must have the only one: its end is then the end of all that waits. */
	ash_fd_clear(&listener);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(command->input, STDIN_FILENO) < 0 || dup2(command->output[1], STDOUT_FILENO) < 0 ||
	    dup2(command->output[1], STDERR_FILENO) < 0)
		child_failed(command, "cannot set up its input and output");
	pid_t pid = (pid_t) syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		child_failed(command, "cannot fork");
	if (pid > 0)
		child_reap(pid);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	execvpe(g_ptr_array_index(command->argv, 0), (char **) command->argv->pdata, command->env);
	/* As shells say it: 127 for a missing program, 126 for one that cannot be run. */
	_exit(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_FOUND - 1);
}

/* End of the child's part. */

static gboolean
command_start(Command *command, GError **error)
{
	/* glibc's fork() would take its locks along; the child needs none of them. */
	command->pid = (pid_t) syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | SIGCHLD, 0, 0, 0, 0);
	if (command->pid == 0)
		child_run(command);
	if (command->pid < 0)
		return ash_throw_errno(error, "cannot start \"%s\"", (char *) g_ptr_array_index(command->argv, 0));
	command->pidfd = (int) syscall(SYS_pidfd_open, command->pid, 0);
	ash_fd_clear(&command->output[1]);
	ash_fd_clear(&command->failure[1]);
	ash_fd_clear(&command->channel[1]);
	/* None comes from a child that failed, which command_finish() tells. */
	if (command->channel[0] >= 0)
		command->copyup = ash_copyup_receive(ash_fd_steal(&command->channel[0]));
	return TRUE;
}

static void
append_output(GString *text, const char *data, gsize length)
{
	g_string_append_len(text, data, (gssize) length);
	if (text->len > 2 * OUTPUT_MAX)
		g_string_erase(text, 0, (gssize) (text->len - OUTPUT_MAX));
}

/* FALSE at the end of the output. */
static bool
command_read(Command *command)
{
	char chunk[16384];
	ssize_t got = read(command->output[0], chunk, sizeof chunk);

	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	append_output(command->text, chunk, (gsize) got);
	return got > 0;
}

/* Follows the command until its namespace is gone; FALSE if it was killed at @deadline or by a cancellation. */
static bool
command_follow(Command *command, AshContext *ctx, gint64 deadline)
{
	bool ended = false, reading = true, in_time = true;

	while (!ended) {
		gint64 left = deadline - g_get_monotonic_time();
		bool cancelled = ctx->cancellable != NULL && g_cancellable_is_cancelled(ctx->cancellable);
		if (in_time && (left <= 0 || cancelled)) {
			kill(command->pid, SIGKILL);
			in_time = false;
		}
		struct pollfd polls[3] = {
			{ command->pidfd, POLLIN, 0 },
			{ reading ? command->output[0] : -1, POLLIN, 0 },
			{ command->copyup != NULL ? ash_copyup_get_fd(command->copyup) : -1, POLLIN, 0 },
		};
		int wait_ms = in_time ? (int) MIN(left / 1000 + 1, 200) : -1;
		if (poll(polls, 3, wait_ms) <= 0)
			continue;
		if ((polls[2].revents & POLLIN) != 0)
			ash_copyup_serve(command->copyup);
		else if (polls[2].revents != 0)
			g_clear_pointer(&command->copyup, ash_copyup_free);
		if (polls[1].revents != 0)
			reading = command_read(command);
		ended = polls[0].revents != 0;
	}
	while (reading)
		reading = command_read(command);
	return in_time;
}

static char **
command_environ(const AshSandboxCommand *request)
{
	g_autofree char *epoch = g_strdup_printf("%" G_GUINT64_FORMAT, request->epoch);
	char **env = NULL;

	env = g_environ_setenv(env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", TRUE);
	env = g_environ_setenv(env, "HOME", "/root", TRUE);
	env = g_environ_setenv(env, "LC_ALL", "C.UTF-8", TRUE);
	env = g_environ_setenv(env, "TZ", "UTC", TRUE);
	env = g_environ_setenv(env, "SYSTEMD_OFFLINE", "1", TRUE);
	env = g_environ_setenv(env, "SOURCE_DATE_EPOCH", epoch, TRUE);
	for (gsize i = 0; request->env != NULL && request->env[i] != NULL; i++) {
		g_auto(GStrv) pair = g_strsplit(request->env[i], "=", 2);
		if (pair[0] != NULL && pair[1] != NULL)
			env = g_environ_setenv(env, pair[0], pair[1], TRUE);
	}
	return env;
}

static gboolean
command_prepare(Command *command, const AshSandboxCommand *request, bool supervised, GError **error)
{
	const char *text = request->stdin_text != NULL ? request->stdin_text : "";

	command->argv = g_ptr_array_new();
	for (gsize i = 0; request->argv[i] != NULL; i++)
		g_ptr_array_add(command->argv, (gpointer) request->argv[i]);
	g_ptr_array_add(command->argv, NULL);
	command->env = command_environ(request);
	command->text = g_string_new(NULL);
	command->input = memfd_create("ashlar-input", MFD_CLOEXEC);
	if (command->input < 0 || pipe2(command->output, O_CLOEXEC) < 0 || pipe2(command->failure, O_CLOEXEC) < 0)
		return ash_throw_errno(error, "cannot start \"%s\"", request->argv[0]);
	if (supervised && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, command->channel) < 0)
		return ash_throw_errno(error, "cannot start \"%s\"", request->argv[0]);
	return ash_fd_write_all(command->input, text, strlen(text), 0, error);
}

/* The exit status, or the error of a child that never came to run the command. */
static gboolean
command_finish(Command *command, const char *name, int *ret_status, GError **error)
{
	SetupFailure failure;
	int status = 0;

	while (waitpid(command->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (read(command->failure[0], &failure, sizeof failure) == (ssize_t) sizeof failure) {
		errno = failure.errnum;
		return ash_throw_errno(error, "sandbox for \"%s\": %s", name, failure.what);
	}
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return TRUE;
}

gboolean
ash_sandbox_run(AshContext *ctx, const AshSandboxCommand *request, char **ret_output, int *ret_status, GError **error)
{
	/* Nothing is written to a root that is read-only, and all else is new. */
	bool supervised = !request->read_only && ash_copyup_available();
	g_autoptr(AshConfine) confine = ash_confine_new(request->root_path, false, request->read_only, supervised,
							request->bind_pairs, request->output_pairs, error);
	g_auto(Command) command = {
		.confine = confine, .pidfd = -1, .input = -1,
		.output = { -1, -1 }, .failure = { -1, -1 }, .channel = { -1, -1 },
	};
	guint seconds = request->timeout_seconds != 0 ? request->timeout_seconds : DEFAULT_TIMEOUT_SECONDS;
	int status = 0;

	if (confine == NULL || !ash_context_check(ctx, error) || !command_prepare(&command, request, supervised, error) ||
	    !command_start(&command, error))
		return FALSE;
	bool in_time = command_follow(&command, ctx, g_get_monotonic_time() + (gint64) seconds * G_TIME_SPAN_SECOND);
	gboolean finished = command_finish(&command, request->argv[0], &status, in_time ? error : NULL);
	if (ret_output != NULL)
		*ret_output = g_utf8_make_valid(command.text->str, (gssize) command.text->len);
	if (!in_time && !ash_context_check(ctx, error))
		return FALSE;
	if (!in_time)
		return ash_throw(error, ASH_ERROR_SCRIPT, "\"%s\" ran longer than its limit of %u seconds",
				 request->argv[0], seconds);
	if (finished)
		*ret_status = status;
	return finished;
}

char *
ash_sandbox_last_lines(const char *output, guint count)
{
	g_autofree char *text = g_strdup(output != NULL ? output : "");
	const char *start = g_strchomp(text) + strlen(text);

	while (start > text && count > 0) {
		start--;
		if (*start == '\n' && --count == 0)
			start++;
	}
	return g_strdup(start);
}

char *
ash_sandbox_quote_lines(const char *output, guint count)
{
	g_autofree char *lines = ash_sandbox_last_lines(output, count);
	g_auto(GStrv) split = g_strsplit(lines, "\n", -1);
	g_autofree char *joined = g_strjoinv("\n  ", split);

	return *joined != '\0' ? g_strconcat(":\n  ", joined, NULL) : g_strdup("");
}
