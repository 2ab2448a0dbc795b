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
 * sys_chroot; a seccomp filter refuses mount, namespace, module, keyring, bpf, perf, ptrace and similar calls.
 */
/**
 * Confines this process: afterwards "/" holds only "sysroot" (@root_path, writable, with /dev, /proc, /run, /tmp
 * mounted in it) and "bind" directories named by @bind_names (NULL-terminated pairs name, host directory; read-only
 * at "/NAME"). Cannot be undone. For librpm, which runs scriptlets by fork and chroot("/sysroot").
 */
gboolean ash_sandbox_enter(const char *root_path, const char *const *bind_pairs, GError **error);

typedef struct {
	const char *root_path;          /* becomes "/" */
	const char *const *argv;
	const char *const *env;         /* added to PATH, HOME=/root, LC_ALL=C.UTF-8, SYSTEMD_OFFLINE=1, SOURCE_DATE_EPOCH */
	const char *const *bind_pairs;  /* (path inside the root, host path), NULL-terminated, read-only; may be NULL */
	const char *stdin_text;         /* may be NULL: empty */
	guint timeout_seconds;          /* 0: 600 */
	guint64 epoch;                  /* SOURCE_DATE_EPOCH */
	bool read_only;                 /* the root is mounted read-only */
} AshSandboxCommand;

/**
 * Runs one command and waits for it and for everything it started. *@ret_output (owned, may be NULL) is its standard
 * output and error together, set on failure too. *@ret_status is the exit status (128+N for a signal); a time-out
 * is ASH_ERROR_SCRIPT.
 */
gboolean ash_sandbox_run(AshContext *ctx, const AshSandboxCommand *command, char **ret_output, int *ret_status,
			 GError **error);
