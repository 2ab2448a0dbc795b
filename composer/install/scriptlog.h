/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "install/transaction.h"

/**
 * AshScriptLog: what each scriptlet of a transaction wrote, how long it took, and its time limit. Takes over the
 * standard output and error of this process, which is a worker.
 */
typedef struct AshScriptLog AshScriptLog;

AshScriptLog *ash_script_log_new(guint timeout_seconds, GError **error);
void ash_script_log_free(AshScriptLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshScriptLog, ash_script_log_free)

/** The descriptor that scriptlets write to. Borrowed. */
int ash_script_log_get_fd(const AshScriptLog *log);

/** A scriptlet begins: from now until ash_script_log_end() its time runs. */
void ash_script_log_begin(AshScriptLog *log, const char *package, const char *kind);

/**
 * It ended. Returns its record (owned); *@ret_timed_out says whether it was killed for its time. A scriptlet inside this
 * process (Lua) that cannot be killed ends the worker with ASH_ERROR_SCRIPT instead.
 */
AshScriptRecord *ash_script_log_end(AshScriptLog *log, bool *ret_timed_out);
