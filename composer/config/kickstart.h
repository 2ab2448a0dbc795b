/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/repofile.h"
#include "model/spec.h"

/**
 * Kickstart files, syntax of pykickstart's F44 handler (ashlar.kickstart(5)). What is not carried out is an error
 * or, where an image build makes it moot, a line in the spec's notices; nothing is passed over in silence.
 * All errors are ASH_ERROR_CONFIG "file:line: command: what is wrong".
 */

/** What may accompany a kickstart file; all borrowed, all may be NULL. */
typedef struct {
	const char *const *repo_dirs; /* where .repo files are, after the folder of the kickstart itself */
	const char *const *repo_urls; /* "ID=URL": replaces the URL of that repository, or adds one */
	AshRepoVars vars;
} AshKickstartOptions;

/** Reads @path, with what it includes, into a spec. Owned; NULL on failure. @repo_dirs may be NULL. */
AshSpec *ash_kickstart_load(const char *path, const char *const *repo_dirs, GError **error);

/** As ash_kickstart_load() with all options (@options may be NULL). */
AshSpec *ash_kickstart_load_full(const char *path, const AshKickstartOptions *options, GError **error);

/**
 * As ash_kickstart_load_full(), from memory. @file is the name in errors and of the spec; files are included and
 * .repo files looked for relative to @dir, or not at all (%include is an error) if it is NULL.
 */
AshSpec *ash_kickstart_parse(const char *text, gsize length, const char *file, const char *dir,
			     const AshKickstartOptions *options, GError **error);
