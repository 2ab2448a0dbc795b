/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/package.h"
#include "model/repoconf.h"

typedef void (*AshRepoReadyFunc)(AshPackage *package, gpointer user_data);

/**
 * Makes every package of @set a local file and sets its path: a file: repository's own file where it can be
 * read, else CACHE/packages/SHA256.rpm, downloaded in parallel. @metadata is an array of AshRepoMetadata, one for each
 * repository that the packages name.
 *
 * Size and SHA-256 of each file, cached ones included, are compared with the metadata by ctx->jobs threads. Signatures are
 * not looked at here. A download that was interrupted is resumed; unfinished files are called SHA256.rpm.part.
 * Counts bytes in the innermost step of ctx->progress.
 *
 * @on_ready (may be NULL) is told of every package once its path is set and its file is checked, from any thread, while others are
 * still on their way.
 *
 * Errors: FETCH, TRUST ("package ...: expected ..., found ..."), NO_SPACE, CANCELLED; paths set by then stay set.
 */
gboolean ash_repo_fetch_packages(AshContext *ctx, GPtrArray *metadata, AshPackageSet *set, AshRepoReadyFunc on_ready,
				 gpointer user_data, GError **error);
