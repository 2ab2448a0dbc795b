/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/** AshScriptResult: what became of one name when a scriptlet had run. */
typedef struct {
	char type;         /* 'f' a file, 'd' a directory, 't' one of which only the time has changed, 'l' a link, '-' nothing any more */
	char *path;        /* from the root, without links */
	mode_t mode;       /* permissions */
	uid_t uid;
	gid_t gid;
	gint64 seconds, nanoseconds; /* the time that the scriptlet gave it; -1: it was the time of the change */
	char *text;        /* target of a link; digest (hex) of a file */
	GPtrArray *attributes; /* of char *: name and value (hex) by turns */
} AshScriptResult;

AshScriptResult *ash_script_result_new(char type, const char *path);
void ash_script_result_free(AshScriptResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshScriptResult, ash_script_result_free)

/**
 * What is at @path now. Times from @fresh on are those of the run itself. A file's digest is not taken: *@ret_fd is
 * the file, opened for reading, else -1. NULL and an error if it is something that could not be made again (a socket, one of
 * several names of a file).
 */
AshScriptResult *ash_script_result_take(int root_fd, const char *path, gint64 fresh, int *ret_fd, GError **error);

/** Makes it so again: @fd is open on the content of a file, else not looked at. Files are made beside their name and renamed. */
gboolean ash_script_result_place(const AshScriptResult *result, int root_fd, int fd, GError **error);

/** Once all are placed: sets the time of a directory, which what came into it has changed. */
gboolean ash_script_result_finish(const AshScriptResult *result, int root_fd, GError **error);
