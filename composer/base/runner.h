/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <stdbool.h>

/**
 * AshTool: an external program that we may call. They are all in one table (runner.c), with the
 * package that has them, so that a missing one is named before work starts.
 */
typedef enum {
	ASH_TOOL_QEMU_IMG,
	ASH_TOOL_QEMU_SYSTEM,
	ASH_TOOL_NEWUIDMAP,
	ASH_TOOL_NEWGIDMAP,
	ASH_TOOL_GPGV,
	ASH_TOOL_SYSTEMCTL,
	ASH_TOOL_SYSTEMD_ANALYZE,
	ASH_TOOL_GPG,
	ASH_TOOL_MKFS_EROFS,
	ASH_TOOL_MKFS_XFS,
	ASH_TOOL_SWTPM,
	_ASH_TOOL_COUNT,
} AshTool;

/** Absolute path of a tool (searched in PATH, /usr/sbin, /sbin). Owned; NULL and ASH_ERROR_CONFIG naming its Debian and Fedora package. */
char *ash_tool_find(AshTool tool, GError **error);

/** What the program is, for keys of what it makes: SHA-256 of its file. Owned hex; NULL if there is none. */
char *ash_tool_dup_digest(AshTool tool);

/**
 * AshRun: one call of one program. argv array, clean environment (PATH, LC_ALL=C.UTF-8, and what is added),
 * standard input closed or given, standard error kept (its tail goes into the error), killed when we die.
 */
typedef struct AshRun AshRun;
AshRun *ash_run_new(AshTool tool, GError **error);
/** The same for a program that the administrator put there, by its path. */
AshRun *ash_run_new_for_path(const char *path);
void ash_run_free(AshRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshRun, ash_run_free)

/** Adds arguments (copied): one, several up to NULL, one by a format. */
void ash_run_arg(AshRun *run, const char *arg);
void ash_run_args(AshRun *run, ...) G_GNUC_NULL_TERMINATED;
void ash_run_argf(AshRun *run, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** Adds to the environment. */
void ash_run_setenv(AshRun *run, const char *name, const char *value);
/** Lets the program inherit @fd under the same number (borrowed). Use "/proc/self/fd/N" in an argument. */
void ash_run_inherit_fd(AshRun *run, int fd);
/** Writes all of a program's standard input to @fd, a pipe; called in a thread of its own. */
typedef gboolean (*AshRunFeed)(int fd, gpointer user_data, GError **error);
/**
 * Gives ash_run_sync() what writes the standard input, which thus need not be in memory. A program that ends before it has
 * read all is judged by its exit status; any other failure of @feed is one of the run.
 */
void ash_run_stdin(AshRun *run, AshRunFeed feed, gpointer user_data);

/**
 * Runs it to its end. Exit status other than 0 is an error: "PROGRAM failed (exit status N): last lines of
 * standard error". *@ret_stdout (may be NULL: discarded) is owned and NUL-terminated.
 */
gboolean ash_run_sync(AshRun *run, AshContext *ctx, GBytes **ret_stdout, GError **error);

/** Is given what the program prints, as it comes; returns false once it has seen enough: the program is ended then. */
typedef bool (*AshRunWatch)(const char *data, gsize length, gpointer user_data);

/**
 * Runs it on our own terminal: standard input and output are ours. With @watch (may be NULL) input is empty and
 * output goes to @watch instead; it is also called with no data once a second, for time limits. *@ret_stopped says
 * whether @watch ended it. An exit status other than 0 is an error unless it was stopped.
 */
gboolean ash_run_foreground(AshRun *run, AshContext *ctx, AshRunWatch watch, gpointer user_data, bool *ret_stopped,
			    GError **error);
