/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshScriptRunner: a process beside the transaction, which sees the root as the transaction does and is not under its call
 * filter. Each external scriptlet asks it first (install/scriptexec.h). One that calls a program known to be slow is
 * taken over: if an earlier run had the same inputs, what that run did is done to the root (install/scriptmemo.h); else
 * it is run here, under a filter that has every call that names a file looked at, and remembered. All others run as ever.
 */
typedef struct AshScriptRunner AshScriptRunner;

/** What it did. */
typedef struct {
	guint32 reused; /* scriptlets that need not run */
	guint32 kept;   /* that ran, and need not the next time */
} AshScriptRunnerCount;

/**
 * Starts the process. Before the sandbox, by a process with one thread, where ash_copyup_available(). The memo is in @dir,
 * which is made when needed.
 */
AshScriptRunner *ash_script_runner_new(const char *dir, GError **error);

/** Ends the process. */
void ash_script_runner_free(AshScriptRunner *runner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshScriptRunner, ash_script_runner_free)

/** In the sandbox, once: where it has the root. From then on scriptlets ask. */
gboolean ash_script_runner_start(AshScriptRunner *runner, const char *root, GError **error);

/** What it has done so far. */
gboolean ash_script_runner_count(AshScriptRunner *runner, AshScriptRunnerCount *ret_count, GError **error);

/**
 * The scriptlet's side, in place of execv(3): true if the runner has done it, with the status of waitpid(2). False: it is to run here.
 * Its standard input is not touched then.
 */
bool ash_script_runner_ask(int channel, char *const argv[], char *const env[], int *ret_status);
