/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/worker.h"
#include "compose/build.h"

/*
 * One variant of a build, from packages to commit; private to compose/.
 */

/** A variant on its way. All but what is said is borrowed. */
typedef struct {
	AshStore *store;
	const AshPlan *plan;
	AshPlanVariant *variant;
	const AshBuildRequest *request;
	GPtrArray *times;      /* of AshStageTime; this variant's own */
	char *initramfs_why;   /* owned; NULL: the tree has none, or was taken from the store */
	bool initramfs_ran;
	char *staging;         /* owned: used-up roots that ash_variant_clean() removes; NULL if there is none */
	int staging_fd;        /* keeps it; -1 */
	AshWorker *installer;  /* owned; started ahead (compose/workers.h), NULL else */
	AshWorker *committer;
} AshVariantBuild;

/** Builds what the store does not have and sets variant->commit; the ref and its history follow. */
gboolean ash_variant_build(AshContext *ctx, AshVariantBuild *build, GError **error);

/** Removes the staging root, if there is one; a failure is a warning. Also after Ctrl-C. */
void ash_variant_clean(AshContext *ctx, AshVariantBuild *build);

/** Runs @func as a step of the progress whose time is kept in @times under "WHAT SUBJECT". */
typedef gboolean (*AshStageFunc)(AshContext *ctx, gpointer data, GError **error);
gboolean ash_stage_run(AshContext *ctx, GPtrArray *times, guint weight, const char *what, const char *subject,
		       AshStageFunc func, gpointer data, GError **error);
