/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/spec.h"

/** Where a script of a kickstart runs: as in AshSandboxCommand; all borrowed, vectors may be NULL. */
typedef struct {
	const char *root_path;
	const char *const *bind_pairs, *const *output_pairs;
	const char *const *env;
	const char *script_path; /* where the script itself is seen, below /tmp or /run */
	guint64 epoch;
} AshScriptPlace;

/**
 * Runs @script in the sandbox; in a worker only. *@ret_output (owned, NULL if there is none) is what it printed, set on failure,
 * too. A script that fails is ASH_ERROR_SCRIPT "ORIGIN: @section failed ..." if it says so, else a warning.
 */
gboolean ash_script_run(AshContext *ctx, const AshScriptSpec *script, const char *section, const AshScriptPlace *place, char **ret_output,
			GError **error);
