/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/accesslog.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct AshAccessLog {
	int fd;
};

AshAccessLog *
ash_access_log_open(const char *path, GError **error)
{
	const int fd = strcmp(path, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
					      : ash_fd_open(AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT, 0640, error);

	if (fd < 0 && strcmp(path, "-") == 0)
		return ash_throw_errno_null(error, "cannot write to standard output");
	if (fd < 0)
		return NULL;
	AshAccessLog *log = g_new0(AshAccessLog, 1);
	log->fd = fd;
	return log;
}

void
ash_access_log_free(AshAccessLog *log)
{
	if (log == NULL)
		return;
	ash_fd_clear(&log->fd);
	g_free(log);
}

static void
append_escaped(GString *line, const char *text)
{
	for (const char *c = text != NULL && *text != '\0' ? text : "-"; *c != '\0'; c++) {
		if (*c > 0x20 && *c < 0x7f && *c != '"' && *c != '\\')
			g_string_append_c(line, *c);
		else
			g_string_append_printf(line, "\\x%02x", (guint) (guchar) *c);
	}
}

char *
ash_access_format(const AshAccess *access)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(access->time);
	GString *line = g_string_new(NULL);

	append_escaped(line, access->host);
	g_string_append_printf(line, " - - [%02d/%s/%04d:%02d:%02d:%02d +0000] \"", g_date_time_get_day_of_month(time),
			       months[g_date_time_get_month(time) - 1], g_date_time_get_year(time), g_date_time_get_hour(time),
			       g_date_time_get_minute(time), g_date_time_get_second(time));
	append_escaped(line, access->method);
	g_string_append_c(line, ' ');
	append_escaped(line, access->target);
	g_string_append_c(line, ' ');
	append_escaped(line, access->protocol);
	g_string_append_printf(line, "\" %u %" G_GUINT64_FORMAT "\n", access->status, access->bytes);
	return g_string_free(line, FALSE);
}

void
ash_access_log_write(AshAccessLog *log, const AshAccess *access)
{
	g_autofree char *line = ash_access_format(access);
	gssize written;

	/* In one piece, so that lines of several servers do not mix. */
	do {
		written = write(log->fd, line, strlen(line));
	} while (written < 0 && errno == EINTR);
}
