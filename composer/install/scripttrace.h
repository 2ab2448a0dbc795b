/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/copyup.h"
#include "install/scriptinput.h"

/**
 * AshScriptTrace: what one run of a scriptlet depends on, and what it changed, from every call that names a file, each seen
 * before it is made (ash_copyup_set_watch()). An input is the state of a name when the scriptlet first asks for it, unless it
 * has made that itself. A later run that finds all inputs as they were asks the same and does the same. What no file
 * tells (time of day, random numbers) cannot be seen: a scriptlet whose result depends on these is different each time anyway.
 */
typedef struct AshScriptTrace AshScriptTrace;

/** One input. */
typedef struct {
	AshScriptInputKind kind;
	char *path;
	char *state; /* ash_script_reader_look() */
} AshScriptInput;

void ash_script_input_free(AshScriptInput *input);

/** @reader is borrowed. @script is the path (from the root) of the scriptlet's own text, which is no input. */
AshScriptTrace *ash_script_trace_new(AshScriptReader *reader, const char *script);
void ash_script_trace_free(AshScriptTrace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshScriptTrace, ash_script_trace_free)

/** The AshCopyupWatch; @data is the trace. Calls before the first one that runs a program do not count. */
void ash_script_trace_call(const AshWatchedCall *call, gpointer data);

/** Why this run tells nothing about others; NULL if all is well. Borrowed. */
const char *ash_script_trace_get_odd(const AshScriptTrace *trace);

/** Whether the scriptlet has opened its standard input again, as a file. */
bool ash_script_trace_has_opened_stdin(const AshScriptTrace *trace);

/** AshScriptInput, sorted; borrowed. */
GPtrArray *ash_script_trace_list_inputs(AshScriptTrace *trace);

/** Paths without links of everything that was made, changed or removed, or may have been; sorted. Owned container. */
GPtrArray *ash_script_trace_list_written(AshScriptTrace *trace);

/** Directories, not among these, in which names came or went; sorted. Owned container. */
GPtrArray *ash_script_trace_list_touched(AshScriptTrace *trace);
