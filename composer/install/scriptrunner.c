/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/scriptrunner.h"

#include "base/confine.h"
#include "base/copyup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "install/scriptexec.h"
#include "install/scriptmemo.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_MAX (128 * 1024) /* bytes: what a socket takes at once */
#define SCRIPT_MAX (1024 * 1024) /* bytes */
#define STDIN_MAX (256 * 1024 * 1024)
#define STATUS_NOT_FOUND 127
/* A file's time is that of the last tick of the kernel's clock. */
#define CLOCK_SECONDS 2
/* What a scriptlet left running is waited for so long; then it runs on by itself. */
#define LINGER_MS 3000

struct AshScriptRunner {
	int channel;
	pid_t pid;
};

/* The first bytes of each message to the process, and what follows them. */
typedef enum {
	REQUEST_ROOT,  /* path of the root */
	REQUEST_COUNT, /* nothing */
	REQUEST_EXEC,  /* arguments, "", environment, each with its NUL; with descriptors 0, 1 and 2 */
} RequestKind;

/* Answers: to REQUEST_ROOT and at the start 0, or an errno; to REQUEST_EXEC whether it is done, and the status. */
typedef struct {
	gint32 done, status;
} Answer;

/*
 * Scriptlets with one of these words are worth it. Only a matter of time: watching makes a program slower, so what takes a moment
 * is left alone, and so is "systemctl preset-all", which takes 0.2 s but names files 75,000 times. Nothing depends on what they do.
 */
static const char *const slow_programs[] = {
	"appstreamcli",    "authselect",       "depmod",       "fc-cache",      "gdk-pixbuf-query-loaders",
	"gio-querymodules", "glib-compile-schemas", "gtk-update-icon-cache", "gtk4-update-icon-cache", "ldconfig",
	"locale-gen",      "localedef",        "mktexlsr",     "semodule",
	"systemd-hwdb",    "texhash",          "update-ca-certificates", "update-ca-trust", "update-catalog",
	"update-desktop-database", "update-mime-database", "xmlcatalog",
};

/* A message with up to three descriptors (unix(7), SCM_RIGHTS). */
typedef struct {
	struct iovec data;
	struct msghdr message;
	union {
		char room[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr header; /* for its alignment */
	} control;
} FdMessage;

static void
message_prepare(FdMessage *message, void *data, gsize length)
{
	memset(message, 0, sizeof *message);
	message->data = (struct iovec){ data, length };
	message->message.msg_iov = &message->data;
	message->message.msg_iovlen = 1;
}

static bool
send_request(int channel, RequestKind kind, const char *text, gsize length, const int *fds)
{
	g_autofree char *data = g_malloc(length + 1);
	FdMessage message;

	*data = (char) kind;
	if (length > 0)
		memcpy(data + 1, text, length);
	message_prepare(&message, data, length + 1);
	if (fds != NULL) {
		message.message.msg_control = message.control.room;
		message.message.msg_controllen = sizeof message.control.room;
		struct cmsghdr *header = CMSG_FIRSTHDR(&message.message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(3 * sizeof(int));
		memcpy(CMSG_DATA(header), fds, 3 * sizeof(int));
	}
	return sendmsg(channel, &message.message, MSG_NOSIGNAL) == (ssize_t) length + 1;
}

static bool
receive_answer(int channel, void *answer, gsize length)
{
	ssize_t got;

	do {
		got = recv(channel, answer, length, 0);
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t) length;
}

/* From here to run_runner() we are in the other process. */

typedef struct {
	int channel;
	AshScriptMemo *memo;
	AshConfine *confine;
	gint64 fresh; /* seconds: what is not older was made by this transaction */
	char *root;
	int root_fd;
	AshScriptReader *reader;
	AshScriptRunnerCount count;
} Runner;

/* One scriptlet. */
typedef struct {
	char **argv, **env;
	int fds[3];
	char *script;       /* path of its text, from the root */
	char *key;
	char *stdin_digest;
} Request;

static void
request_clear(Request *request)
{
	g_strfreev(request->argv);
	g_strfreev(request->env);
	for (gsize i = 0; i < G_N_ELEMENTS(request->fds); i++)
		ash_fd_clear(&request->fds[i]);
	g_free(request->script);
	g_free(request->key);
	g_free(request->stdin_digest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Request, request_clear)

static char *
load_script(const Runner *runner, const char *path)
{
	ash_autofd int fd = ash_script_reader_open(runner->reader, path);
	struct stat info;

	if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size > SCRIPT_MAX)
		return NULL;
	g_autofree char *text = g_malloc0((gsize) info.st_size + 1);
	return ash_fd_read_exact(fd, text, (gsize) info.st_size, 0, NULL) ? g_steal_pointer(&text) : NULL;
}

static bool
is_slow(const char *text)
{
	for (gsize i = 0; i < G_N_ELEMENTS(slow_programs); i++)
		if (strstr(text, slow_programs[i]) != NULL)
			return true;
	return false;
}

/* A pipe can be read once: from now on its content is a file. */
static bool
load_stdin(Request *request)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree char *buffer = g_malloc(65536);
	struct stat info;
	guint64 size = 0;
	ssize_t got;

	if (fstat(request->fds[0], &info) < 0 || !S_ISFIFO(info.st_mode)) {
		/* librpm gives nothing else but /dev/null. */
		request->stdin_digest = g_strdup("none");
		return S_ISCHR(info.st_mode);
	}
	ash_autofd int file = memfd_create("ashlar-stdin", MFD_CLOEXEC);
	while ((got = read(request->fds[0], buffer, 65536)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || size > STDIN_MAX || !ash_fd_write_all(file, buffer, (gsize) got, size, NULL))
			return false;
		ash_digest_update(digest, buffer, (gsize) got);
		size += (guint64) got;
	}
	if (lseek(file, 0, SEEK_SET) < 0)
		return false;
	ash_fd_clear(&request->fds[0]);
	request->fds[0] = ash_fd_steal(&file);
	request->stdin_digest = ash_digest_finish_hex(digest);
	return true;
}

/* NULL: nothing of it was read. Who reads moves the position of all that have it open. */
static const char *
stdin_input(const Request *request, const AshScriptTrace *trace)
{
	off_t position = lseek(request->fds[0], 0, SEEK_CUR);

	return ash_script_trace_has_opened_stdin(trace) || position != 0 ? request->stdin_digest : NULL;
}

static void
write_output(const Request *request, const char *text)
{
	for (gsize left = strlen(text); left > 0;) {
		ssize_t done = write(request->fds[1], text, left);
		if (done < 0 && errno != EINTR)
			return;
		text += MAX(done, 0);
		left -= (gsize) MAX(done, 0);
	}
}

static gint64
output_size(const Request *request)
{
	struct stat info;

	return fstat(request->fds[1], &info) == 0 && S_ISREG(info.st_mode) ? (gint64) info.st_size : -1;
}

/* What was written to the output since it had @start bytes; NULL if that cannot be told. */
static char *
load_output(const Request *request, gint64 start)
{
	gint64 end = output_size(request);

	if (start < 0 || end < start || end - start > SCRIPT_MAX)
		return NULL;
	g_autofree char *text = g_malloc0((gsize) (end - start) + 1);
	if (!ash_fd_read_exact(request->fds[1], text, (gsize) (end - start), (guint64) start, NULL))
		return NULL;
	return strlen(text) == (gsize) (end - start) ? g_steal_pointer(&text) : NULL;
}

/* The scriptlet itself, after fork; as librpm would run it, but for its filter. */
G_NORETURN static void
child_run(const Runner *runner, const Request *request, int channel)
{
	ash_autofd int base = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int listener = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 3; i++)
		if (dup2(request->fds[i], i) < 0)
			_exit(STATUS_NOT_FOUND);
	if (ash_confine_rights(runner->confine, &listener) != NULL || !ash_copyup_send_base(channel, listener, base))
		_exit(STATUS_NOT_FOUND);
	/* From here on each call with a name waits for our parent. */
	ash_fd_clear(&listener);
	if (fchdir(runner->root_fd) < 0 || chroot(".") < 0)
		_exit(STATUS_NOT_FOUND);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(request->argv[0], request->argv, request->env);
	_exit(STATUS_NOT_FOUND);
}

/* Answers its calls until it has ended; -1 if it cannot be waited for. */
static int
follow(AshCopyup *copyup, pid_t pid)
{
	ash_autofd int end = (int) syscall(SYS_pidfd_open, pid, 0);
	bool ended = false, quiet = false;
	int status = -1;

	while (!ended || !quiet) {
		struct pollfd polls[2] = { { ash_copyup_get_fd(copyup), POLLIN, 0 }, { ended ? -1 : end, POLLIN, 0 } };
		int count = poll(polls, 2, ended ? LINGER_MS : -1);
		if (count < 0 && errno != EINTR)
			break;
		if ((polls[0].revents & POLLIN) != 0)
			ash_copyup_serve(copyup);
		else if (count == 0 || polls[0].revents != 0)
			quiet = true;
		if (polls[1].revents != 0 || (quiet && !ended))
			ended = waitpid(pid, &status, 0) == pid;
	}
	return status;
}

/* Runs it and sees what it does. */
static int
run_watched(Runner *runner, const Request *request, AshScriptTrace *trace)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	ash_autofd int ours = ends[0], theirs = ends[1];
	pid_t pid = fork();
	if (pid == 0)
		child_run(runner, request, theirs);
	ash_fd_clear(&theirs);
	g_autoptr(AshCopyup) copyup = pid > 0 ? ash_copyup_receive(ash_fd_steal(&ours)) : NULL;
	int status = -1;
	if (copyup == NULL) {
		if (pid > 0)
			waitpid(pid, &status, 0);
		return status;
	}
	ash_copyup_set_watch(copyup, ash_script_trace_call, trace);
	return follow(copyup, pid);
}

static int
run_and_keep(Runner *runner, const Request *request)
{
	g_autoptr(AshScriptTrace) trace = ash_script_trace_new(runner->reader, request->script);
	g_autoptr(GError) error = NULL;
	gint64 start = output_size(request);
	int status = run_watched(runner, request, trace);
	g_autofree char *output = load_output(request, start);

	/* Its random name, in an error of the shell: it would be another the next time. */
	if (status != 0 || output == NULL || strstr(output, request->script) != NULL)
		return status;
	if (ash_script_memo_keep(runner->memo, request->key, trace, runner->root_fd, runner->fresh,
				 stdin_input(request, trace), output, &error))
		runner->count.kept++;
	else
		g_debug("scriptlet: not kept: %s", error->message);
	return status;
}

/* FALSE: it is to run where it is. */
static bool
do_request(Runner *runner, Request *request, int *ret_status)
{
	g_autoptr(GError) error = NULL;

	if (runner->root == NULL || request->argv[0] == NULL || request->argv[1] == NULL || *request->argv[1] != '/')
		return false;
	request->script = g_strdup(request->argv[1] + strspn(request->argv[1], "/"));
	g_autofree char *text = load_script(runner, request->script);
	if (text == NULL || !is_slow(text))
		return false;
	request->key = ash_script_memo_make_key(text, request->argv, request->env);
	*ret_status = STATUS_NOT_FOUND << 8;
	if (!load_stdin(request))
		return true;
	ash_script_reader_ignore(runner->reader, request->script);
	g_autoptr(AshScriptRun) run =
		ash_script_memo_find(runner->memo, request->key, runner->reader, request->stdin_digest);
	if (run == NULL) {
		*ret_status = run_and_keep(runner, request);
		return true;
	}
	bool applied = ash_script_memo_apply(runner->memo, request->key, run, runner->root_fd, &error);
	write_output(request, applied ? run->output : error->message);
	runner->count.reused += applied ? 1 : 0;
	*ret_status = applied ? 0 : 1 << 8;
	return true;
}

static void
parse_exec(const char *text, gsize length, Request *request)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new(), env = g_ptr_array_new();
	GPtrArray *strings = argv;

	for (const char *at = text; at < text + length; at += strlen(at) + 1) {
		if (*at == '\0' && strings == argv)
			strings = env;
		else
			g_ptr_array_add(strings, g_strdup(at));
	}
	g_ptr_array_add(argv, NULL);
	g_ptr_array_add(env, NULL);
	request->argv = (char **) g_ptr_array_free(g_steal_pointer(&argv), FALSE);
	request->env = (char **) g_ptr_array_free(g_steal_pointer(&env), FALSE);
}

static int
set_root(Runner *runner, const char *root)
{
	runner->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (runner->root_fd < 0)
		return errno;
	runner->root = g_strdup(root);
	runner->reader = ash_script_reader_new(runner->root_fd, runner->fresh);
	ash_script_reader_set_contents(runner->reader, ash_script_memo_get_contents(runner->memo));
	return 0;
}

static bool
answer_request(Runner *runner, const char *data, gsize length, Request *request)
{
	Answer answer = { 0, 0 };
	int status = 0;

	switch ((RequestKind) *data) {
	case REQUEST_ROOT:
		answer.status = set_root(runner, data + 1);
		break;
	case REQUEST_COUNT:
		return send(runner->channel, &runner->count, sizeof runner->count, MSG_NOSIGNAL) > 0;
	case REQUEST_EXEC:
	default:
		parse_exec(data + 1, length - 1, request);
		answer.done = do_request(runner, request, &status);
		answer.status = status;
	}
	return send(runner->channel, &answer, sizeof answer, MSG_NOSIGNAL) > 0;
}

/* False at the end of the channel, which is how it is told to stop. */
static bool
serve(Runner *runner, char *data)
{
	g_auto(Request) request = { .fds = { -1, -1, -1 } };
	FdMessage message;
	ssize_t got;

	message_prepare(&message, data, MESSAGE_MAX);
	message.message.msg_control = message.control.room;
	message.message.msg_controllen = sizeof message.control.room;
	do {
		got = recvmsg(runner->channel, &message.message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return false;
	data[got] = '\0';
	struct cmsghdr *header = CMSG_FIRSTHDR(&message.message);
	if (header != NULL && header->cmsg_len == CMSG_LEN(sizeof request.fds))
		memcpy(request.fds, CMSG_DATA(header), sizeof request.fds);
	return answer_request(runner, data, (gsize) got, &request);
}

G_NORETURN static void
run_runner(const char *dir, int channel)
{
	Runner runner = { .root_fd = -1, .channel = STDERR_FILENO + 1, .fresh = g_get_real_time() / G_USEC_PER_SEC - CLOCK_SECONDS };
	g_autofree char *data = g_malloc(MESSAGE_MAX + 1);
	g_autoptr(GError) error = NULL;
	Answer ready = { 0, 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "ashlar-scripts", 0, 0, 0);
	/* Nothing else of the worker's is ours to hold. */
	if (channel != runner.channel && dup2(channel, runner.channel) < 0)
		_exit(1);
	close_range((unsigned int) runner.channel + 1, ~0U, 0);
	fcntl(runner.channel, F_SETFD, FD_CLOEXEC);
	runner.memo = ash_script_memo_new(dir, &error);
	runner.confine = runner.memo != NULL ? ash_confine_new_watched(&error) : NULL;
	ready.status = runner.confine != NULL ? 0 : EIO;
	if (send(runner.channel, &ready, sizeof ready, MSG_NOSIGNAL) > 0 && ready.status == 0)
		while (serve(&runner, data))
			;
	if (runner.memo != NULL)
		ash_content_cache_save(ash_script_memo_get_contents(runner.memo));
	_exit(0);
}

/* End of the other process' part. */

AshScriptRunner *
ash_script_runner_new(const char *dir, GError **error)
{
	g_autoptr(AshScriptRunner) runner = g_new0(AshScriptRunner, 1);
	Answer ready = { 0, EPIPE };
	int ends[2];

	runner->channel = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return ash_throw_errno_null(error, "cannot start a process for scriptlets");
	ash_autofd int theirs = ends[1];
	runner->channel = ends[0];
	runner->pid = fork();
	if (runner->pid < 0)
		return ash_throw_errno_null(error, "cannot start a process for scriptlets");
	if (runner->pid == 0) {
		close(runner->channel);
		run_runner(dir, theirs);
	}
	ash_fd_clear(&theirs);
	if (!receive_answer(runner->channel, &ready, sizeof ready) || ready.status != 0) {
		errno = ready.status;
		return ash_throw_errno_null(error, "cannot keep what scriptlets do in \"%s\"", dir);
	}
	return g_steal_pointer(&runner);
}

void
ash_script_runner_free(AshScriptRunner *runner)
{
	if (runner == NULL)
		return;
	ash_script_exec_use(-1);
	ash_fd_clear(&runner->channel);
	while (runner->pid > 0 && waitpid(runner->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g_free(runner);
}

gboolean
ash_script_runner_start(AshScriptRunner *runner, const char *root, GError **error)
{
	Answer answer = { 0, EPIPE };

	if (!send_request(runner->channel, REQUEST_ROOT, root, strlen(root) + 1, NULL) ||
	    !receive_answer(runner->channel, &answer, sizeof answer) || answer.status != 0) {
		errno = answer.status;
		return ash_throw_errno(error, "the process for scriptlets");
	}
	ash_script_exec_use(runner->channel);
	return TRUE;
}

gboolean
ash_script_runner_count(AshScriptRunner *runner, AshScriptRunnerCount *ret_count, GError **error)
{
	if (!send_request(runner->channel, REQUEST_COUNT, NULL, 0, NULL) ||
	    !receive_answer(runner->channel, ret_count, sizeof *ret_count))
		return ash_throw(error, ASH_ERROR_INTERNAL, "the process for scriptlets has ended");
	return TRUE;
}

static void
add_strings(GString *text, char *const *strings)
{
	for (; *strings != NULL; strings++)
		g_string_append_len(text, *strings, (gssize) strlen(*strings) + 1);
}

bool
ash_script_runner_ask(int channel, char *const argv[], char *const env[], int *ret_status)
{
	static const int fds[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	g_autoptr(GString) text = g_string_new(NULL);
	Answer answer = { 0, 0 };

	add_strings(text, argv);
	g_string_append_c(text, '\0');
	add_strings(text, env);
	if (text->len >= MESSAGE_MAX || !send_request(channel, REQUEST_EXEC, text->str, text->len, fds))
		return false;
	/* Once it has begun, nobody else may: without an answer the scriptlet has failed. */
	if (!receive_answer(channel, &answer, sizeof answer))
		answer = (Answer){ 1, STATUS_NOT_FOUND << 8 };
	*ret_status = answer.status;
	return answer.done != 0;
}
