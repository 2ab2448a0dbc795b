/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <stdbool.h>

/**
 * The sandbox, used inside a worker (base/worker.h) only.
 *
 * ash_sandbox_enter() confines this very process, ash_sandbox_run() confines one command. In both the
 * only things visible are the root, what is bound into it, a minimal /dev (null zero full random urandom tty,
 * fd links, an empty shm) and a fresh /proc; /sys is empty, /run and /tmp are empty tmpfs and go away
 * with it. The capabilities left are chown dac_override fowner fsetid kill setgid setuid setpcap setfcap
 * sys_chroot; a seccomp filter refuses mount, namespace, module, keyring, bpf, perf, ptrace and similar calls, and
 * turns fsync(2) and its kin into nothing. Where ash_copyup_available() (base/copyup.h), whoever writes to a shared
 * file (base/shared.h) in it gets a copy of his own.
 *
 * The root must have real directories dev and proc; sys, run and tmp are covered where they are real directories.
 */

/**
 * Confines this process: afterwards "/" holds only "sysroot" (@root_path, writable, with /dev, /proc, /sys, /run, /tmp
 * mounted in it), "dev", "proc" and "bind" directories named by @bind_pairs (NULL-terminated pairs name, host path;
 * read-only at "/NAME"; may be NULL). Cannot be undone. For librpm, which runs scriptlets by fork and chroot("/sysroot").
 * Call it before any thread is started.
 */
gboolean ash_sandbox_enter(const char *root_path, const char *const *bind_pairs, GError **error);

typedef struct {
	const char *root_path;          /* becomes "/" */
	const char *const *argv;        /* argv[0] is searched in PATH unless it holds a slash */
	const char *const *env;         /* NAME=VALUE added to PATH, HOME=/root, LC_ALL=C.UTF-8, SYSTEMD_OFFLINE=1, SOURCE_DATE_EPOCH */
	const char *const *bind_pairs;  /* (path inside the root, host path), NULL-terminated, read-only; may be NULL; made if below /run or /tmp, else must exist */
	const char *const *output_pairs; /* the same, writable: directories without shared files (base/shared.h); may be NULL */
	const char *stdin_text;         /* may be NULL: empty */
	guint timeout_seconds;          /* 0: 600 */
	guint64 epoch;                  /* SOURCE_DATE_EPOCH */
	bool read_only;                 /* the root is mounted read-only: nothing is written but /dev, /run, /tmp and output_pairs */
} AshSandboxCommand;

/**
 * Runs one command and waits for it; whatever it started is killed when it ends. *@ret_output (owned, may be NULL) is
 * its standard output and error together (of more than 1 MiB only the end), set on failure too. *@ret_status is the exit
 * status (128+N for a signal, 127 if the program is missing); a time-out is ASH_ERROR_SCRIPT.
 */
gboolean ash_sandbox_run(AshContext *ctx, const AshSandboxCommand *command, char **ret_output, int *ret_status,
			 GError **error);

/** The last @count lines of an output, for errors. Owned. */
char *ash_sandbox_last_lines(const char *output, guint count);

/** The same as the end of an error: a colon, and each line indented on a line of its own; "" if there is no output. Owned. */
char *ash_sandbox_quote_lines(const char *output, guint count);
