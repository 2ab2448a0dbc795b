/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/build.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "compose/artifact.h"
#include "compose/outdir.h"
#include "compose/workers.h"
#include "config/imgtype.h"
#include "install/verify.h"
#include "repo/packages.h"
#include "store/commit.h"
#include "store/history.h"

#include <fcntl.h>

/* Weights of the stages in the progress: about the seconds they take for a system of some 200 packages. */
enum {
	WEIGHT_FETCH = 2,
	WEIGHT_VERIFY = 2,
	WEIGHT_INSTALL = 8,
	WEIGHT_TREE = 12,
	WEIGHT_ARTIFACT = 10,
};

static void
stage_time_free(gpointer data)
{
	AshStageTime *time = data;

	g_free(time->name);
	g_free(time);
}

static AshBuildResult *
build_result_new(void)
{
	AshBuildResult *result = g_new0(AshBuildResult, 1);

	result->artifacts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	result->commits = g_ptr_array_new_with_free_func((GDestroyNotify) ash_commit_info_free);
	result->times = g_ptr_array_new_with_free_func(stage_time_free);
	return result;
}

void
ash_build_result_free(AshBuildResult *result)
{
	if (result == NULL)
		return;
	g_ptr_array_unref(result->artifacts);
	g_ptr_array_unref(result->commits);
	g_ptr_array_unref(result->times);
	g_free(result);
}

/* A stage: a step of the progress whose time is kept; used by its scope alone, which clang takes for unused. */
typedef struct {
	AshContext *ctx;
	AshBuildResult *result;
	char *name;
	gint64 begun_at;
} G_GNUC_UNUSED Stage; /* a scope is all the use that some are: clang would warn */

static void
stage_end(Stage *stage)
{
	AshStageTime *time = g_new0(AshStageTime, 1);

	time->name = stage->name;
	time->seconds = (double) (g_get_monotonic_time() - stage->begun_at) / G_TIME_SPAN_SECOND;
	g_ptr_array_add(stage->result->times, time);
	ash_progress_end(stage->ctx->progress);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stage, stage_end)

static Stage
stage_begin(AshContext *ctx, AshBuildResult *result, guint weight, const char *what, const char *subject)
{
	Stage stage = { .ctx = ctx, .result = result, .begun_at = g_get_monotonic_time() };

	stage.name = subject != NULL ? g_strdup_printf("%s %s", what, subject) : g_strdup(what);
	ash_progress_begin(ctx->progress, stage.name, weight);
	return stage;
}

static guint
total_weight(const AshPlan *plan)
{
	guint weight = WEIGHT_FETCH + WEIGHT_VERIFY;

	for (guint i = 0; i < plan->variants->len; i++) {
		const AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		if (variant->commit == NULL)
			weight += WEIGHT_INSTALL + WEIGHT_TREE;
		weight += WEIGHT_ARTIFACT * variant->types->len;
	}
	return weight;
}

/* Packages of all variants that have to be built, each once; borrowed from the variants. */
static AshPackageSet *
packages_to_fetch(const AshPlan *plan)
{
	AshPackageSet *all = g_new0(AshPackageSet, 1);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

	all->packages = g_ptr_array_new();
	for (guint i = 0; i < plan->variants->len; i++) {
		const AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		for (guint j = 0; variant->commit == NULL && j < variant->set->packages->len; j++) {
			AshPackage *package = g_ptr_array_index(variant->set->packages, j);
			if (g_hash_table_add(seen, package->sha256))
				g_ptr_array_add(all->packages, package);
		}
	}
	return all;
}

/* The same package in another variant is the same file. */
static void
share_paths(const AshPlan *plan, const AshPackageSet *fetched)
{
	g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < fetched->packages->len; i++) {
		AshPackage *package = g_ptr_array_index(fetched->packages, i);
		g_hash_table_insert(paths, package->sha256, package->path);
	}
	for (guint i = 0; i < plan->variants->len; i++) {
		const AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		for (guint j = 0; j < variant->set->packages->len; j++) {
			AshPackage *package = g_ptr_array_index(variant->set->packages, j);
			if (package->path == NULL)
				package->path = g_strdup(g_hash_table_lookup(paths, package->sha256));
		}
	}
}

/* Nothing is unpacked before every package of every variant is known to be good. */
static gboolean
fetch_and_verify(AshContext *ctx, const AshPlan *plan, AshBuildResult *result, GError **error)
{
	g_autoptr(AshPackageSet) all = packages_to_fetch(plan);

	if (all->packages->len == 0)
		return TRUE;
	{
		g_auto(Stage) stage = stage_begin(ctx, result, WEIGHT_FETCH, "Fetch packages", NULL);
		if (!ash_repo_fetch_packages(ctx, plan->metadata, all, error))
			return FALSE;
	}
	g_auto(Stage) stage = stage_begin(ctx, result, WEIGHT_VERIFY, "Verify packages", NULL);
	share_paths(plan, all);
	return ash_verify_packages(ctx, all, plan->spec->repos, error);
}

static gboolean
build_tree(AshContext *ctx, AshStore *store, const AshPlan *plan, AshPlanVariant *variant, const char *root,
	   AshBuildResult *result, GError **error)
{
	{
		g_auto(Stage) stage = stage_begin(ctx, result, WEIGHT_INSTALL, "Install", variant->name);
		if (!ash_workers_install(ctx, store, variant, root, error))
			return FALSE;
	}
	g_auto(Stage) stage = stage_begin(ctx, result, WEIGHT_TREE, "Make and commit tree", variant->name);
	return ash_workers_commit(ctx, store, plan, variant, root, error);
}

static gboolean
build_variant(AshContext *ctx, AshStore *store, const AshPlan *plan, AshPlanVariant *variant,
	      AshBuildResult *result, GError **error)
{
	ash_autofd int keep = -1;
	g_autofree char *staging = ash_store_make_staging(store, "root", &keep, error);

	if (staging == NULL)
		return FALSE;
	gboolean ok = build_tree(ctx, store, plan, variant, staging, result, error);
	g_autoptr(GError) local = NULL;
	/* Also after Ctrl-C: the cancellable would stop the removal. */
	AshContext quiet = { .cache_dir = ctx->cache_dir, .data_dir = ctx->data_dir, .jobs = ctx->jobs };
	if (!ash_workers_remove(&quiet, store, staging, &local))
		ash_progress_message(ctx->progress, "warning: %s", local->message);
	return ok;
}

static gboolean
write_images(AshContext *ctx, AshStore *store, const AshPlanVariant *variant, const char *dir, const AshUuid *seed,
	     AshBuildResult *result, GError **error)
{
	for (guint i = 0; i < variant->types->len; i++) {
		const AshImageType *type = g_ptr_array_index(variant->types, i);
		g_auto(Stage) stage = stage_begin(ctx, result, WEIGHT_ARTIFACT, "Write", type->name);
		if (!ash_artifact_write(ctx, store, variant->commit, type, dir, seed, result->artifacts, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
add_commit_info(AshStore *store, const char *commit, AshBuildResult *result, GError **error)
{
	AshCommitInfo *info = ash_store_info(store, commit, error);

	if (info == NULL)
		return FALSE;
	g_ptr_array_add(result->commits, info);
	return TRUE;
}

static gboolean
save_lock(const AshPlan *plan, const AshBuildRequest *request, GError **error)
{
	bool is_input = request->lock_path != NULL && !request->update_lock;

	if (!plan->lock_changed || request->locked || (is_input && ash_file_exists(AT_FDCWD, plan->lock_path)))
		return TRUE;
	g_autofree char *dir = g_path_get_dirname(plan->lock_path);
	return ash_file_mkdirs(AT_FDCWD, dir, 0755, error) &&
	       ash_file_save(AT_FDCWD, plan->lock_path, plan->lock_text, -1, 0644, error);
}

static bool
is_unchanged(const AshPlan *plan)
{
	for (guint i = 0; i < plan->variants->len; i++)
		if (((AshPlanVariant *) g_ptr_array_index(plan->variants, i))->commit == NULL)
			return false;
	return true;
}

AshBuildResult *
ash_build_run(AshContext *ctx, AshStore *store, AshPlan *plan, const AshBuildRequest *request, GError **error)
{
	g_autoptr(AshBuildResult) result = build_result_new();

	result->unchanged = is_unchanged(plan);
	ash_progress_set_total_weight(ctx->progress, total_weight(plan));
	if (!result->unchanged && !ash_worker_check(error))
		return NULL;
	if (!fetch_and_verify(ctx, plan, result, error))
		return NULL;
	for (guint i = 0; i < plan->variants->len; i++) {
		AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		if (variant->commit == NULL && !build_variant(ctx, store, plan, variant, result, error))
			return NULL;
		if (!ash_store_set_ref(store, variant->ref, variant->commit, error))
			return NULL;
		if (!add_commit_info(store, variant->commit, result, error))
			return NULL;
	}
	g_autoptr(AshOutdir) outdir = ash_outdir_new(request->out_dir, error);
	if (outdir == NULL)
		return NULL;
	for (guint i = 0; i < plan->variants->len; i++)
		if (!write_images(ctx, store, g_ptr_array_index(plan->variants, i), ash_outdir_get_path(outdir),
				  request->seed, result, error))
			return NULL;
	if (!ash_outdir_publish(outdir, result->artifacts, error) || !save_lock(plan, request, error))
		return NULL;
	return g_steal_pointer(&result);
}

AshBuildResult *
ash_build_images(AshContext *ctx, AshStore *store, const char *commit, const char *const *types, const char *out_dir,
		 const AshUuid *seed, GError **error)
{
	g_autoptr(AshBuildResult) result = build_result_new();
	g_autofree char *checksum = ash_store_resolve(store, commit, error);

	if (checksum == NULL || !add_commit_info(store, checksum, result, error))
		return NULL;
	g_autoptr(AshOutdir) outdir = ash_outdir_new(out_dir, error);
	if (outdir == NULL)
		return NULL;
	result->unchanged = true;
	ash_progress_set_total_weight(ctx->progress, g_strv_length((char **) types));
	for (; *types != NULL; types++) {
		g_autoptr(AshImageType) type = ash_imgtype_load(*types, ctx->data_dir, error);
		if (type == NULL)
			return NULL;
		g_auto(Stage) stage = stage_begin(ctx, result, 1, "Write", type->name);
		if (!ash_artifact_write(ctx, store, checksum, type, ash_outdir_get_path(outdir), seed, result->artifacts,
					error))
			return NULL;
	}
	if (!ash_outdir_publish(outdir, result->artifacts, error))
		return NULL;
	return g_steal_pointer(&result);
}
