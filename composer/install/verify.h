/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/package.h"

/**
 * Checks every fetched package of @set (AshPackage.path) before anything is unpacked: it is signed by a key of its own
 * repository (one of @confs, an array of AshRepoConf, found by AshPackage.repo_id) and by no other unless that has gpgcheck
 * off; the digests of header and payload are right; the header says the expected NEVRA; no path climbs out
 * (install/filepaths.h). On ctx->jobs threads.
 *
 * ASH_ERROR_TRUST names package, file and reason; ASH_ERROR_CONFIG for a key file that cannot be read or a repository
 * without keys.
 */
gboolean ash_verify_packages(AshContext *ctx, const AshPackageSet *set, GPtrArray *confs, GError **error);
