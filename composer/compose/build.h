/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/plan.h"
#include "model/manifest.h"

/** How long a stage took, for the closing table. */
typedef struct {
	char *name;
	double seconds;
} AshStageTime;

/** Whether a stage ran, and why. */
typedef struct {
	char *stage;   /* "lock", "root", "tree", "initramfs", "commit", "artifact" */
	char *subject; /* variant, or image type */
	bool ran;      /* false: the store or the output directory had its result */
	char *why;
} AshStageReport;

/** What a build did; everything in the order of the command line, whatever ran first. */
typedef struct {
	GPtrArray *artifacts; /* of AshArtifact */
	GPtrArray *commits;   /* of AshCommitInfo, one per variant */
	GPtrArray *times;     /* of AshStageTime */
	GPtrArray *reports;   /* of AshStageReport */
	bool unchanged;       /* every commit was in the store already */
} AshBuildResult;

void ash_build_result_free(AshBuildResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshBuildResult, ash_build_result_free)

/** What would run if @plan were carried out, and why: without initramfs and artifacts, which show themselves only then. Owned. */
GPtrArray *ash_build_explain(const AshPlan *plan);

/**
 * Carries out @plan: fetch, verify and unpack, then per variant root, tree and commit, and every artifact: what does not depend on
 * one another side by side, at most ctx->jobs at once. Results that the store or the output directory have are taken from there. On
 * failure nothing new is in the output directory; what was finished stays in the store, and the next build goes on from it. Owned.
 */
AshBuildResult *ash_build_run(AshContext *ctx, AshStore *store, AshPlan *plan, const AshBuildRequest *request,
			      GError **error);

/** Writes images of @types from an existing commit (ref or checksum) into @out_dir. Owned result. */
AshBuildResult *ash_build_images(AshContext *ctx, AshStore *store, const char *commit, const char *const *types,
				 const char *out_dir, const AshImageOptions *options, GError **error);
