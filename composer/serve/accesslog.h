/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** Requests in the common log format: HOST - - [TIME] "METHOD TARGET PROTOCOL" STATUS BYTES. */
typedef struct AshAccessLog AshAccessLog;

/** Appends to the file @path, made if it is missing; "-": standard output. Owned; NULL on failure. */
AshAccessLog *ash_access_log_open(const char *path, GError **error);
void ash_access_log_free(AshAccessLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshAccessLog, ash_access_log_free)

/** One line; strings may be NULL. A full disk loses lines, not requests. */
typedef struct {
	const char *host, *method, *target, *protocol;
	guint status;
	guint64 bytes; /* of the body */
	gint64 time;   /* seconds since 1970 */
} AshAccess;
void ash_access_log_write(AshAccessLog *log, const AshAccess *access);

/** The line, line end included; what is not printable ASCII, quotes and backslashes are written as \xHH. Owned. */
char *ash_access_format(const AshAccess *access);
