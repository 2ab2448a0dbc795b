/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "publish/tidy.h"

/** Signs and commits what was changed. */
typedef gboolean (*AshTidyCommit)(AshReleaseDir *dir, gpointer user_data, GError **error);

/**
 * Tidies up a release directory (publish/tidy.h) and what other updaters read in it: versions that are not published any more leave SHA256SUMS for
 * systemd-sysupdate (signed by @gpg_key, which may be NULL) and in the end the OSTree repository. *@ret_commits: removed from the latter.
 * Killed anywhere, readers have what they are told of, and the next run does the rest.
 */
gboolean ash_compose_tidy(AshContext *ctx, AshReleaseDir *dir, const AshTidyOptions *options, const char *gpg_key, AshTidyCommit commit,
			  gpointer user_data, AshTidyReport *report, guint *ret_commits, GError **error);
