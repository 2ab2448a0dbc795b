/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/plan.h"
#include "model/manifest.h"

/** How long a stage took, for the closing table. */
typedef struct {
	char *name;
	double seconds;
} AshStageTime;

/** What a build did. */
typedef struct {
	GPtrArray *artifacts; /* of AshArtifact */
	GPtrArray *commits;   /* of AshCommitInfo, one per variant */
	GPtrArray *times;     /* of AshStageTime */
	bool unchanged;       /* every commit was in the store already */
} AshBuildResult;

void ash_build_result_free(AshBuildResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshBuildResult, ash_build_result_free)

/**
 * Carries out @plan: fetch, verify, then per variant install, tree, commit, and then every artifact. On failure nothing
 * new is in the output directory; commits that were finished stay in the store, and the next build goes on from them. Owned.
 */
AshBuildResult *ash_build_run(AshContext *ctx, AshStore *store, AshPlan *plan, const AshBuildRequest *request,
			      GError **error);

/** Writes images of @types from an existing commit (ref or checksum) into @out_dir. Owned result. */
AshBuildResult *ash_build_images(AshContext *ctx, AshStore *store, const char *commit, const char *const *types,
				 const char *out_dir, const AshUuid *seed, GError **error);
