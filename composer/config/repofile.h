/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/repoconf.h"

/**
 * .repo files as dnf reads them (dnf.conf(5), "Repo options"), with these differences: gpgcheck and
 * repo_gpgcheck are on unless the file says otherwise; a URL, gpgkey or certificate that is a relative path is
 * taken from the folder of the .repo file; keys must be local files; unknown options are errors.
 */

/** What stands for variables in .repo files and in kickstart URLs. */
typedef struct {
	const char *basearch;   /* $basearch and $arch; NULL: x86_64 */
	const char *releasever; /* $releasever; NULL: using it is an error */
} AshRepoVars;

/** Replaces $basearch, $arch and $releasever, also as ${name}, in @text. Owned; NULL and ASH_ERROR_CONFIG ("place: ..."). */
char *ash_repofile_expand(const char *text, const AshRepoVars *vars, const char *place, GError **error);

/**
 * All sections of a .repo file, disabled ones too: an array of AshRepoConf, owned. @vars may be NULL; options that
 * dnf knows and we have no use for are named in @notices (may be NULL). Errors are "file:line: key: ...".
 */
GPtrArray *ash_repofile_load(const char *path, const AshRepoVars *vars, GPtrArray *notices, GError **error);

/** As ash_repofile_load(), from memory; @file is the name in errors and the base of relative paths. */
GPtrArray *ash_repofile_parse(const char *text, gsize length, const char *file, const AshRepoVars *vars,
			      GPtrArray *notices, GError **error);

/**
 * The section [@id] of the first .repo file that has one: @dirs (NULL-terminated) in order, in each the files by
 * name. FALSE if a file cannot be read or is wrong; TRUE and *@ret_conf NULL if there is none. Owned.
 */
gboolean ash_repofile_find(const char *id, const char *const *dirs, const AshRepoVars *vars, GPtrArray *notices,
			   AshRepoConf **ret_conf, GError **error);

/** A URL that repo/ can fetch from: file:, http: or https:, or an absolute path. */
bool ash_repofile_is_url(const char *text);

/** A repository id as dnf accepts it: letters, digits and "_.:-". */
bool ash_repofile_is_id(const char *id);
