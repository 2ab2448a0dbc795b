/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config/repofile.h"
#include "model/spec.h"

/**
 * Kickstart files, syntax of pykickstart's F44 handler (ashlar.kickstart(5)). What is not carried out is an error
 * or, where an image build makes it moot, a line in the spec's notices; nothing is passed over in silence.
 * All errors are ASH_ERROR_CONFIG "file:line: command: what is wrong".
 */

/** What the text of a notice about old syntax has after the name of its command. */
#define ASH_KS_DEPRECATED "deprecated: "

/** What a reading that goes on after errors has found; made by ash_ks_findings_new(). */
typedef struct {
	GPtrArray *problems; /* of GError *: what is wrong */
	GPtrArray *refusals; /* of char *: what is right and cannot be carried out, "file:line: command: ..." */
	GPtrArray *notices;  /* of char *: as those of the spec */
} AshKsFindings;

AshKsFindings *ash_ks_findings_new(void);
void ash_ks_findings_free(AshKsFindings *findings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshKsFindings, ash_ks_findings_free)

/**
 * Runs %pre and %pre-install scripts (of AshScriptSpec), in that order. What they write below /tmp must then be found below the folder
 * pre_dir of the options.
 */
typedef gboolean (*AshKsRunPre)(const GPtrArray *scripts, gpointer data, GError **error);

/** What may accompany a kickstart file; all borrowed, all may be NULL. */
typedef struct {
	const char *const *repo_dirs; /* where .repo files are, after the folder of the kickstart itself */
	const char *const *repo_urls; /* "ID=URL": replaces the URL of that repository, or adds one */
	AshRepoVars vars;
	AshKsRunPre run_pre;     /* NULL: %pre is not run; a file that only it could have written is an error, or a notice with @findings */
	gpointer run_pre_data;
	const char *pre_dir;     /* an absolute folder: what scripts of %pre see as /tmp, if there are any */
	AshKsFindings *findings; /* not NULL: errors of the file are collected there, and the reading goes on */
	GString *flat;           /* not NULL: the text without includes is appended */
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
