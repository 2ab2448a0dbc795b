/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/scriptlog.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* After its processes are killed, a scriptlet has this long to come to an end. */
#define GRACE_SECONDS 3
/* What is kept of one scriptlet's output. */
#define OUTPUT_MAX (64 * 1024)

struct AshScriptLog {
	int fd; /* memfd */
	guint timeout_seconds;
	GThread *watchdog;
	GMutex lock;
	GCond changed;
	bool stopping, timed_out;
	gint64 deadline; /* monotonic; 0: no scriptlet is running */
	gint64 begun;
	char *package, *kind;
};

/* Kills every process of our PID namespace but its PID 1 and us (kill(2)): the scriptlet and what it started. */
static void
kill_all_others(void)
{
	kill(-1, SIGKILL);
}

/* Called with the lock held: the scriptlet runs in this very process and does not end. */
G_NORETURN static void
give_up(const AshScriptLog *log)
{
	g_autoptr(GError) error = NULL;

	ash_throw(&error, ASH_ERROR_SCRIPT, "package \"%s\": %s ran longer than its limit of %u seconds", log->package,
		  log->kind, log->timeout_seconds);
	ash_worker_abort(error);
}

static gpointer
watch(gpointer data)
{
	AshScriptLog *log = data;

	g_mutex_lock(&log->lock);
	while (!log->stopping) {
		gint64 deadline = log->deadline;
		if (deadline == 0) {
			g_cond_wait(&log->changed, &log->lock);
			continue;
		}
		if (g_cond_wait_until(&log->changed, &log->lock, deadline) || log->deadline != deadline)
			continue;
		if (log->timed_out)
			give_up(log);
		log->timed_out = true;
		log->deadline = deadline + GRACE_SECONDS * G_TIME_SPAN_SECOND;
		kill_all_others();
	}
	g_mutex_unlock(&log->lock);
	return NULL;
}

AshScriptLog *
ash_script_log_new(guint timeout_seconds, GError **error)
{
	ash_autofd int fd = memfd_create("ashlar-scriptlets", MFD_CLOEXEC);

	/* Lua prints into this process's own output. */
	if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		return ash_throw_errno_null(error, "cannot keep the output of scriptlets");
	AshScriptLog *log = g_new0(AshScriptLog, 1);
	log->fd = ash_fd_steal(&fd);
	log->timeout_seconds = timeout_seconds;
	g_mutex_init(&log->lock);
	g_cond_init(&log->changed);
	log->watchdog = g_thread_new("watchdog", watch, log);
	return log;
}

void
ash_script_log_free(AshScriptLog *log)
{
	if (log == NULL)
		return;
	g_mutex_lock(&log->lock);
	log->stopping = true;
	g_cond_signal(&log->changed);
	g_mutex_unlock(&log->lock);
	g_thread_join(log->watchdog);
	g_mutex_clear(&log->lock);
	g_cond_clear(&log->changed);
	ash_fd_clear(&log->fd);
	g_free(log->package);
	g_free(log->kind);
	g_free(log);
}

int
ash_script_log_get_fd(const AshScriptLog *log)
{
	return log->fd;
}

void
ash_script_log_begin(AshScriptLog *log, const char *package, const char *kind)
{
	fflush(NULL);
	g_mutex_lock(&log->lock);
	g_free(log->package);
	g_free(log->kind);
	log->package = g_strdup(package);
	log->kind = g_strdup(kind);
	log->timed_out = false;
	log->begun = g_get_monotonic_time();
	log->deadline = log->begun + (gint64) log->timeout_seconds * G_TIME_SPAN_SECOND;
	if (ftruncate(log->fd, 0) < 0)
		g_debug("cannot empty the output of scriptlets");
	g_cond_signal(&log->changed);
	g_mutex_unlock(&log->lock);
}

static char *
read_output(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	off_t start = MAX(size - OUTPUT_MAX, 0);
	g_autofree char *text = g_malloc0(OUTPUT_MAX + 1);
	ssize_t got = pread(fd, text, OUTPUT_MAX, start);

	return g_utf8_make_valid(text, MAX(got, 0));
}

AshScriptRecord *
ash_script_log_end(AshScriptLog *log, bool *ret_timed_out)
{
	AshScriptRecord *record = g_new0(AshScriptRecord, 1);

	fflush(NULL);
	g_mutex_lock(&log->lock);
	record->package = g_strdup(log->package);
	record->kind = g_strdup(log->kind);
	record->seconds = (double) (g_get_monotonic_time() - log->begun) / G_TIME_SPAN_SECOND;
	record->output = read_output(log->fd);
	*ret_timed_out = log->timed_out;
	log->deadline = 0;
	g_cond_signal(&log->changed);
	g_mutex_unlock(&log->lock);
	return record;
}
