/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/runner.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every external program that we call on the host. */
static const struct {
	const char *name, *debian, *fedora;
} tools[_ASH_TOOL_COUNT] = {
	[ASH_TOOL_QEMU_IMG] = { "qemu-img", "qemu-utils", "qemu-img" },
	[ASH_TOOL_QEMU_SYSTEM] = { "qemu-system-x86_64", "qemu-system-x86", "qemu-system-x86-core" },
	[ASH_TOOL_NEWUIDMAP] = { "newuidmap", "uidmap", "shadow-utils" },
	[ASH_TOOL_NEWGIDMAP] = { "newgidmap", "uidmap", "shadow-utils" },
	[ASH_TOOL_GPGV] = { "gpgv", "gpgv", "gnupg2" },
	[ASH_TOOL_SYSTEMCTL] = { "systemctl", "systemd", "systemd" },
	[ASH_TOOL_SYSTEMD_ANALYZE] = { "systemd-analyze", "systemd", "systemd" },
	[ASH_TOOL_GPG] = { "gpg", "gpg", "gnupg2" },
	[ASH_TOOL_MKFS_EROFS] = { "mkfs.erofs", "erofs-utils", "erofs-utils" },
	[ASH_TOOL_MKFS_XFS] = { "mkfs.xfs", "xfsprogs", "xfsprogs" },
	[ASH_TOOL_SWTPM] = { "swtpm", "swtpm", "swtpm" },
};

static const char *const tool_dirs[] = { "/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin" };

/* A program's standard error: only its tail is ever shown. */
#define STDERR_TAIL 2000

/* What fits into the pipe to a program's standard input: fewer changes between the two. */
#define FEED_PIPE_BYTES (256 * 1024)

struct AshRun {
	const char *name; /* borrowed from the table, or from argv */
	GPtrArray *argv;
	char **env;
	GArray *fds; /* of int */
	AshRunFeed feed; /* may be NULL */
	gpointer feed_data;
	int feed_fd; /* write end of a pipe, once the program runs; else -1 */
	GError *feed_error;
};

char *
ash_tool_find(AshTool tool, GError **error)
{
	char *found = g_find_program_in_path(tools[tool].name);

	for (gsize i = 0; found == NULL && i < G_N_ELEMENTS(tool_dirs); i++) {
		g_autofree char *path = g_build_filename(tool_dirs[i], tools[tool].name, NULL);
		if (g_file_test(path, G_FILE_TEST_IS_EXECUTABLE))
			found = g_steal_pointer(&path);
	}
	if (found == NULL)
		ash_throw(error, ASH_ERROR_CONFIG,
			  "the program \"%s\" is missing: install the package %s (Debian) or %s (Fedora)",
			  tools[tool].name, tools[tool].debian, tools[tool].fedora);
	return found;
}

char *
ash_tool_dup_digest(AshTool tool)
{
	g_autofree char *path = ash_tool_find(tool, NULL);
	ash_autofd int fd = path != NULL ? ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, NULL) : -1;

	return fd >= 0 ? ash_sha256_fd_hex(fd, NULL) : NULL;
}

AshRun *
ash_run_new(AshTool tool, GError **error)
{
	g_autofree char *path = ash_tool_find(tool, error);

	if (path == NULL)
		return NULL;
	AshRun *run = ash_run_new_for_path(path);
	run->name = tools[tool].name;
	return run;
}

AshRun *
ash_run_new_for_path(const char *path)
{
	AshRun *run = g_new0(AshRun, 1);

	run->argv = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(run->argv, g_strdup(path));
	run->name = run->argv->pdata[0];
	run->env = g_environ_setenv(NULL, "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", TRUE);
	run->env = g_environ_setenv(run->env, "LC_ALL", "C.UTF-8", TRUE);
	run->env = g_environ_setenv(run->env, "TZ", "UTC", TRUE);
	run->fds = g_array_new(FALSE, FALSE, sizeof(int));
	run->feed_fd = -1;
	return run;
}

void
ash_run_free(AshRun *run)
{
	if (run == NULL)
		return;
	g_ptr_array_unref(run->argv);
	g_strfreev(run->env);
	g_array_unref(run->fds);
	g_clear_error(&run->feed_error);
	ash_fd_clear(&run->feed_fd);
	g_free(run);
}

void
ash_run_arg(AshRun *run, const char *arg)
{
	g_ptr_array_add(run->argv, g_strdup(arg));
}

void
ash_run_args(AshRun *run, ...)
{
	va_list args;

	va_start(args, run);
	for (const char *arg = va_arg(args, const char *); arg != NULL; arg = va_arg(args, const char *))
		ash_run_arg(run, arg);
	va_end(args);
}

void
ash_run_argf(AshRun *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_ptr_array_add(run->argv, g_strdup_vprintf(format, args));
	va_end(args);
}

void
ash_run_setenv(AshRun *run, const char *name, const char *value)
{
	run->env = g_environ_setenv(run->env, name, value, TRUE);
}

void
ash_run_inherit_fd(AshRun *run, int fd)
{
	g_array_append_val(run->fds, fd);
}

void
ash_run_stdin(AshRun *run, AshRunFeed feed, gpointer user_data)
{
	run->feed = feed;
	run->feed_data = user_data;
}

/* Between fork and exec: a child must not outlive us, and signals that we block or ignore must reach it. */
static void
set_up_child(gpointer user_data)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static gboolean
give_pipe(AshRun *run, GSubprocessLauncher *launcher, GError **error)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return ash_throw_errno(error, "cannot make a pipe");
	(void) fcntl(ends[1], F_SETPIPE_SZ, FEED_PIPE_BYTES);
	g_subprocess_launcher_take_stdin_fd(launcher, ends[0]);
	run->feed_fd = ends[1];
	return TRUE;
}

static bool
has_no_reader(int fd)
{
	struct pollfd poll_fd = { .fd = fd };

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLERR) != 0;
}

static gpointer
feed_thread(gpointer data)
{
	AshRun *run = data;
	sigset_t set;

	/* A program may end early: that is no reason for us to. */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (!run->feed(run->feed_fd, run->feed_data, &run->feed_error) && has_no_reader(run->feed_fd))
		g_clear_error(&run->feed_error);
	ash_fd_clear(&run->feed_fd);
	return NULL;
}

static GSubprocess *
spawn(AshRun *run, GSubprocessFlags flags, GError **error)
{
	g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
	if (run->feed != NULL && !give_pipe(run, launcher, error))
		return NULL;
	g_subprocess_launcher_set_environ(launcher, run->env);
	g_subprocess_launcher_set_child_setup(launcher, set_up_child, NULL, NULL);
	for (guint i = 0; i < run->fds->len; i++) {
		int fd = g_array_index(run->fds, int, i);
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (copy < 0)
			return ash_throw_errno_null(error, "cannot start \"%s\"", run->name);
		g_subprocess_launcher_take_fd(launcher, copy, fd);
	}
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	for (guint i = 0; i < run->argv->len; i++)
		g_ptr_array_add(argv, g_ptr_array_index(run->argv, i));
	g_ptr_array_add(argv, NULL);
	return g_subprocess_launcher_spawnv(launcher, (const char *const *) argv->pdata, error);
}

/* The last lines that a person needs of what a program complained about. */
static char *
stderr_tail(GBytes *bytes)
{
	gsize length = 0;
	const char *data = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;
	gsize skip = length > STDERR_TAIL ? length - STDERR_TAIL : 0;
	g_autofree char *tail = g_utf8_make_valid(data != NULL ? data + skip : "", (gssize) (length - skip));

	return g_strdup(g_strstrip(tail));
}

static gboolean
check_status(const AshRun *run, GSubprocess *process, GBytes *err, GError **error)
{
	if (g_subprocess_get_successful(process))
		return TRUE;
	g_autofree char *tail = stderr_tail(err);
	AshErrorCode code = strstr(tail, "No space left") != NULL ? ASH_ERROR_NO_SPACE : ASH_ERROR_INTERNAL;
	if (g_subprocess_get_if_exited(process))
		return ash_throw(error, code, "\"%s\" failed (exit status %d): %s", run->name,
				 g_subprocess_get_exit_status(process), tail);
	return ash_throw(error, code, "\"%s\" was killed by signal %d: %s", run->name,
			 g_subprocess_get_term_sig(process), tail);
}

/* Waits for the program and for who writes its input. */
static gboolean
communicate(AshRun *run, GSubprocess *process, AshContext *ctx, GBytes **ret_out, GBytes **ret_err, GError **error)
{
	GThread *feeder = run->feed != NULL ? g_thread_new("feed", feed_thread, run) : NULL;
	gboolean ok = g_subprocess_communicate(process, NULL, ctx != NULL ? ctx->cancellable : NULL, ret_out, ret_err,
					       error);

	if (!ok) {
		g_subprocess_force_exit(process);
		g_subprocess_wait(process, NULL, NULL);
	}
	if (feeder != NULL)
		g_thread_join(feeder);
	if (!ok || run->feed_error == NULL)
		return ok;
	g_propagate_error(error, g_steal_pointer(&run->feed_error));
	return FALSE;
}

gboolean
ash_run_sync(AshRun *run, AshContext *ctx, GBytes **ret_stdout, GError **error)
{
	GSubprocessFlags out_flag = ret_stdout != NULL ? G_SUBPROCESS_FLAGS_STDOUT_PIPE : G_SUBPROCESS_FLAGS_STDOUT_SILENCE;
	g_autoptr(GSubprocess) process = spawn(run, G_SUBPROCESS_FLAGS_STDERR_PIPE | out_flag, error);
	g_autoptr(GBytes) out = NULL;
	g_autoptr(GBytes) err = NULL;

	if (process == NULL)
		return ash_prefix(error, "cannot start \"%s\"", run->name);
	if (!communicate(run, process, ctx, &out, &err, error))
		return ash_prefix(error, "\"%s\"", run->name);
	if (!check_status(run, process, err, error))
		return FALSE;
	if (ret_stdout != NULL)
		*ret_stdout = g_steal_pointer(&out);
	return TRUE;
}

/* Hands over what comes until the program ends or the watcher has seen enough. */
static bool
pump(GSubprocess *process, AshContext *ctx, AshRunWatch watch, gpointer user_data)
{
	GInputStream *stream = g_subprocess_get_stdout_pipe(process);
	int fd = g_unix_input_stream_get_fd(G_UNIX_INPUT_STREAM(stream));
	char buffer[4096];

	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		int ready = poll(&poll_fd, 1, 1000);
		if (ctx != NULL && g_cancellable_is_cancelled(ctx->cancellable))
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
		gssize got = ready > 0 ? read(fd, buffer, sizeof(buffer)) : 0;
		if (ready > 0 && got <= 0)
			return false;
		if (!watch(buffer, (gsize) got, user_data))
			return true;
	}
}

gboolean
ash_run_foreground(AshRun *run, AshContext *ctx, AshRunWatch watch, gpointer user_data, bool *ret_stopped,
		   GError **error)
{
	GSubprocessFlags flags =
		watch != NULL ? G_SUBPROCESS_FLAGS_STDOUT_PIPE : G_SUBPROCESS_FLAGS_STDIN_INHERIT;
	g_autoptr(GSubprocess) process = spawn(run, flags, error);
	bool stopped = false;

	if (process == NULL)
		return ash_prefix(error, "cannot start \"%s\"", run->name);
	if (watch != NULL)
		stopped = pump(process, ctx, watch, user_data);
	if (stopped || !g_subprocess_wait(process, ctx != NULL ? ctx->cancellable : NULL, NULL)) {
		g_subprocess_force_exit(process);
		g_subprocess_wait(process, NULL, NULL);
	}
	if (ctx != NULL && !ash_context_check(ctx, error))
		return FALSE;
	if (!stopped && !check_status(run, process, NULL, error))
		return FALSE;
	if (ret_stopped != NULL)
		*ret_stopped = stopped;
	return TRUE;
}
