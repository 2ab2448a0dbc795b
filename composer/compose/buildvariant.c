/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/buildvariant.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "compose/prepare.h"
#include "compose/stages.h"
#include "compose/workers.h"
#include "store/commit.h"
#include "store/root.h"
#include "store/stage.h"

#include <fcntl.h>
#include <unistd.h>

/* Weights within a variant: about the seconds that they take for a system of some 200 packages. */
enum { WEIGHT_INSTALL = 3, WEIGHT_TREE = 7 };

/* For what must be done after Ctrl-C, too: the cancellable would stop it. */
static AshContext
without_cancellable(const AshContext *ctx)
{
	return (AshContext) { .cache_dir = ctx->cache_dir, .data_dir = ctx->data_dir, .jobs = ctx->jobs };
}

gboolean
ash_stage_run(AshContext *ctx, GPtrArray *times, guint weight, const char *what, const char *subject, AshStageFunc func,
	      gpointer data, GError **error)
{
	AshStageTime *time = g_new0(AshStageTime, 1);
	gint64 begun_at = g_get_monotonic_time();

	time->name = subject != NULL ? g_strdup_printf("%s %s", what, subject) : g_strdup(what);
	ash_progress_begin(ctx->progress, time->name, weight);
	gboolean done = func(ctx, data, error);
	ash_progress_end(ctx->progress);
	time->seconds = (double) (g_get_monotonic_time() - begun_at) / G_TIME_SPAN_SECOND;
	g_ptr_array_add(times, time);
	return done;
}

/* What runs in one stage is told where to work. */
typedef struct {
	AshVariantBuild *build;
	const char *installed; /* key in the store, or path, of the installed root */
	const char *staging;   /* where the tree is made */
} TreeWork;

static gboolean
install(AshContext *ctx, gpointer data, GError **error)
{
	const TreeWork *work = data;
	AshVariantBuild *build = work->build;

	return ash_workers_install(ctx, build, work->staging, ash_prepare_wants_import(build->request), error);
}

static gboolean
make_tree(AshContext *ctx, gpointer data, GError **error)
{
	const TreeWork *work = data;
	AshVariantBuild *build = work->build;

	return ash_workers_commit(ctx, build, work->installed, work->staging, error);
}

/* The root that the stage's key names, in the store or freshly installed, becomes tree and commit. */
static gboolean
build_tree(AshContext *ctx, AshVariantBuild *build, const char *installed, GError **error)
{
	build->staging = ash_store_make_staging(build->store, "tree", &build->staging_fd, error);
	TreeWork work = { build, installed, build->staging };

	return build->staging != NULL && ash_stage_run(ctx, build->times, WEIGHT_TREE, "Make and commit tree",
						       build->variant->name, make_tree, &work, error);
}

/* Also after a failure or Ctrl-C; that a root could not be kept is no failure of the build. */
static void
keep_root(AshContext *ctx, AshVariantBuild *build, const char *staging, bool synced)
{
	g_autoptr(GError) error = NULL;
	AshContext quiet = without_cancellable(ctx);

	/* Where a commit was made, it was kept with it. */
	if (!ash_file_exists(AT_FDCWD, staging))
		return;
	if (!ash_workers_keep(&quiet, build, staging, synced, &error) ||
	    (ash_file_exists(AT_FDCWD, staging) && !ash_workers_remove(&quiet, build->store, staging, &error)))
		ash_progress_message(ctx->progress, "warning: %s", error->message);
}

/*
 * Installs, builds the tree on a copy, and keeps the root for the next time. What is kept must be on the disk: the commit has
 * synced it, and where there is none (a %post script failed, say) the root still is worth it.
 */
static gboolean
build_from_packages(AshContext *ctx, AshVariantBuild *build, GError **error)
{
	AshPlanVariant *variant = build->variant;
	ash_autofd int keep = -1;
	g_autofree char *staging = ash_store_make_staging(build->store, "root", &keep, error);
	TreeWork work = { build, NULL, staging };

	if (staging == NULL)
		return FALSE;
	ash_workers_expect_commit(build);
	if (!ash_stage_run(ctx, build->times, WEIGHT_INSTALL, "Install", variant->name, install, &work, error)) {
		g_autoptr(GError) local = NULL;
		AshContext quiet = without_cancellable(ctx);
		if (!ash_workers_remove(&quiet, build->store, staging, &local))
			ash_progress_message(ctx->progress, "warning: %s", local->message);
		return FALSE;
	}
	ash_store_start_sync(build->store);
	gboolean done = build_tree(ctx, build, staging, error);
	keep_root(ctx, build, staging, done);
	return done;
}

static gboolean
build_under_lock(AshContext *ctx, AshVariantBuild *build, GError **error)
{
	AshPlanVariant *variant = build->variant;
	const char *key = variant->stages[ASH_STAGE_ROOT].digest;
	ash_autofd int lock = -1;

	if (variant->tree_commit != NULL)
		return ash_workers_recommit(ctx, build, error);
	if (build->request->no_import_cache)
		return build_from_packages(ctx, build, error);
	lock = ash_store_lock_stage(ctx, build->store, key, error);
	if (lock < 0)
		return FALSE;
	variant->stages[ASH_STAGE_ROOT].reuse = ash_store_has_root(build->store, key);
	if (!variant->stages[ASH_STAGE_ROOT].reuse)
		return build_from_packages(ctx, build, error);
	ash_fd_clear(&lock);
	return build_tree(ctx, build, key, error);
}

static gboolean
fetch_commit(AshContext *ctx, gpointer data, GError **error)
{
	const AshVariantBuild *build = data;

	return ash_source_bring(ctx, build->plan->source, build->store, error);
}

/* A commit from elsewhere. */
static gboolean
bring(AshContext *ctx, AshVariantBuild *build, GError **error)
{
	AshPlanVariant *variant = build->variant;

	if (!ash_stages_find_source(ctx, build->plan->source, variant, build->store, error))
		return FALSE;
	if (variant->commit == NULL &&
	    !ash_stage_run(ctx, build->times, WEIGHT_INSTALL + WEIGHT_TREE, "Fetch commit", variant->name, fetch_commit, build, error))
		return FALSE;
	if (variant->commit == NULL)
		variant->commit = g_strdup(variant->source);
	return ash_store_set_ref(build->store, variant->ref, variant->commit, error);
}

gboolean
ash_variant_build(AshContext *ctx, AshVariantBuild *build, GError **error)
{
	AshPlanVariant *variant = build->variant;
	ash_autofd int lock = -1;

	if (variant->commit != NULL)
		return ash_store_set_ref(build->store, variant->ref, variant->commit, error);
	lock = ash_store_lock_stage(ctx, build->store, variant->stages[ASH_STAGE_COMMIT].digest, error);
	if (lock >= 0 && variant->source != NULL)
		return bring(ctx, build, error);
	if (lock < 0 || !ash_stages_find(variant, build->store, !build->request->no_import_cache, error))
		return FALSE;
	if (variant->commit == NULL && !build_under_lock(ctx, build, error))
		return FALSE;
	return ash_store_set_ref(build->store, variant->ref, variant->commit, error);
}

void
ash_variant_clean(AshContext *ctx, AshVariantBuild *build)
{
	g_autoptr(GError) error = NULL;
	AshContext quiet = without_cancellable(ctx);

	/* Empty, if what was in it was kept for the next build. */
	if (build->staging != NULL && rmdir(build->staging) < 0 &&
	    !ash_workers_remove(&quiet, build->store, build->staging, &error))
		ash_progress_message(ctx->progress, "warning: %s", error->message);
	g_clear_pointer(&build->staging, g_free);
	ash_fd_clear(&build->staging_fd);
}
