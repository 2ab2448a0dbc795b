/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/build.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/worker.h"
#include "compose/artifact.h"
#include "compose/artifactlog.h"
#include "compose/buildvariant.h"
#include "compose/outdir.h"
#include "compose/prepare.h"
#include "compose/stages.h"
#include "compose/tasks.h"
#include "compose/workers.h"
#include "config/imgtype.h"
#include "store/history.h"
#include "store/stage.h"
#include "store/tree.h"

#include <fcntl.h>

/* Weights in the progress: about the seconds that they take for a system of some 200 packages. */
enum {
	WEIGHT_PREPARE = 3,
	WEIGHT_VARIANT = 10,
	WEIGHT_REUSED = 1,
	WEIGHT_ARTIFACT = 4,
};

typedef struct Build Build;

/* One image type of a variant. */
typedef struct {
	Build *build;
	const AshImageType *type; /* borrowed */
	const char *commit;       /* borrowed; known once the variant is built */
	AshStageKey *key;
	AshStageLog *log;         /* borrowed: of the variant's ref */
	GPtrArray *artifacts;     /* of AshArtifact */
	GPtrArray *times;         /* of AshStageTime */
	bool reused;
	char *why;
} TypeWork;

/* One variant with its types. */
typedef struct {
	Build *build;
	AshVariantBuild variant;
	AshStageLog *log;
	AshCommitInfo *info;
	GPtrArray *types; /* of TypeWork */
} VariantWork;

struct Build {
	AshContext *ctx;        /* borrowed */
	AshStore *store;        /* borrowed */
	AshImageOptions options;
	AshSecrets secrets;     /* that options has */
	AshInitrdAhead *initrd_ahead; /* that options has, too */
	char *notes;            /* so */
	const char *out_dir;    /* borrowed */
	AshOutdir *outdir;
	AshTasks *tasks;
	GPtrArray *variants;    /* of VariantWork */
	GPtrArray *times;       /* of AshStageTime: of what all variants share */
};

static void
stage_time_free(gpointer data)
{
	AshStageTime *time = data;

	g_free(time->name);
	g_free(time);
}

static void
stage_report_free(gpointer data)
{
	AshStageReport *report = data;

	g_free(report->stage);
	g_free(report->subject);
	g_free(report->why);
	g_free(report);
}

static GPtrArray *
new_times(void)
{
	return g_ptr_array_new_with_free_func(stage_time_free);
}

static AshBuildResult *
build_result_new(void)
{
	AshBuildResult *result = g_new0(AshBuildResult, 1);

	result->artifacts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	result->commits = g_ptr_array_new_with_free_func((GDestroyNotify) ash_commit_info_free);
	result->times = new_times();
	result->reports = g_ptr_array_new_with_free_func(stage_report_free);
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
	g_ptr_array_unref(result->reports);
	g_free(result);
}

static void
type_work_free(gpointer data)
{
	TypeWork *work = data;

	ash_stage_key_free(work->key);
	g_ptr_array_unref(work->artifacts);
	g_ptr_array_unref(work->times);
	g_free(work->why);
	g_free(work);
}

static void
variant_work_free(gpointer data)
{
	VariantWork *work = data;

	/* If another variant failed before it could be removed beside the work. */
	ash_variant_clean(work->build->ctx, &work->variant);
	g_clear_pointer(&work->variant.installer, ash_worker_free);
	g_clear_pointer(&work->variant.committer, ash_worker_free);
	g_clear_pointer(&work->variant.times, g_ptr_array_unref);
	g_free(work->variant.initramfs_why);
	g_clear_pointer(&work->log, ash_stage_log_free);
	g_clear_pointer(&work->info, ash_commit_info_free);
	g_ptr_array_unref(work->types);
	g_free(work);
}

static void
build_clear(Build *build)
{
	/* First: its threads use all the rest. */
	g_clear_pointer(&build->tasks, ash_tasks_free);
	g_clear_pointer(&build->initrd_ahead, ash_initrd_ahead_free);
	g_clear_pointer(&build->outdir, ash_outdir_free);
	g_clear_pointer(&build->variants, g_ptr_array_unref);
	g_clear_pointer(&build->times, g_ptr_array_unref);
	ash_secrets_clear(&build->secrets);
	g_clear_pointer(&build->notes, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Build, build_clear)

static gboolean
build_begin(Build *build, AshContext *ctx, AshStore *store, const char *out_dir, const AshImageOptions *options,
	    GError **error)
{
	build->ctx = ctx;
	build->store = store;
	build->options = *options;
	build->options.keys = &build->secrets;
	build->out_dir = out_dir;
	build->variants = g_ptr_array_new_with_free_func(variant_work_free);
	build->times = new_times();
	build->outdir = ash_outdir_new(out_dir, error);
	if (build->outdir == NULL)
		return FALSE;
	build->tasks = ash_tasks_new(ctx);
	return TRUE;
}

static VariantWork *
add_variant(Build *build)
{
	VariantWork *work = g_new0(VariantWork, 1);

	work->build = build;
	work->types = g_ptr_array_new_with_free_func(type_work_free);
	work->variant.staging_fd = -1;
	g_ptr_array_add(build->variants, work);
	return work;
}

static void
add_type(VariantWork *variant, const AshImageType *type)
{
	TypeWork *work = g_new0(TypeWork, 1);

	work->build = variant->build;
	work->type = type;
	work->artifacts = g_ptr_array_new_with_free_func((GDestroyNotify) ash_artifact_free);
	work->times = new_times();
	g_ptr_array_add(variant->types, work);
}

static gboolean
write_files(AshContext *ctx, gpointer data, GError **error)
{
	TypeWork *work = data;
	Build *build = work->build;

	return ash_artifact_write(ctx, build->store, work->commit, work->type, ash_outdir_get_path(build->outdir),
				  &build->options, work->artifacts, error);
}

static gboolean
write_type(AshContext *ctx, gpointer data, GError **error)
{
	TypeWork *work = data;

	return ash_stage_run(ctx, work->times, 100, "Write", work->type->name, write_files, work, error);
}

/* What the commit's images need written; those that are there, untouched, stay. */
static gboolean
begin_types(VariantWork *work, const char *commit, GError **error)
{
	Build *build = work->build;

	work->info = ash_store_info(build->store, commit, error);
	if (work->info == NULL)
		return FALSE;
	const AshPlanVariant *variant = work->variant.variant;
	work->log = ash_stage_log_load(build->store, variant != NULL ? variant->ref : work->info->ref != NULL ? work->info->ref : commit);
	for (guint i = 0; i < work->types->len; i++) {
		TypeWork *type = g_ptr_array_index(work->types, i);
		g_autofree char *stage = g_strconcat("artifact ", type->type->name, NULL);
		type->commit = work->info->checksum;
		type->key = ash_artifact_log_key(type->commit, type->type, &build->options);
		type->reused = ash_artifact_log_find(ash_stage_log_get(work->log, stage), type->key, build->out_dir,
						     type->artifacts, &type->why);
		if (!type->reused)
			ash_tasks_push(build->tasks, write_type, type, WEIGHT_ARTIFACT);
	}
	return TRUE;
}

static gboolean
clean_variant(AshContext *ctx, gpointer data, GError **error)
{
	VariantWork *work = data;

	ash_variant_clean(ctx, &work->variant);
	return TRUE;
}

static gboolean
build_variant(AshContext *ctx, gpointer data, GError **error)
{
	VariantWork *work = data;
	gboolean done = ash_variant_build(ctx, &work->variant, error);

	done = done && begin_types(work, work->variant.variant->commit, error);
	/* The used-up root goes while images are written. */
	if (work->variant.staging != NULL && done)
		ash_tasks_push(work->build->tasks, clean_variant, work, 0);
	else
		ash_variant_clean(ctx, &work->variant);
	return done;
}

static gboolean
prepare(AshContext *ctx, gpointer data, GError **error)
{
	VariantWork *first = data;
	const AshPlanVariant *variant = first->variant.variant;

	if (variant->commit == NULL && !variant->stages[ASH_STAGE_ROOT].reuse)
		ash_workers_expect_install(&first->variant);
	return ash_prepare_packages(ctx, first->build->store, first->variant.plan,
				    ash_prepare_wants_import(first->variant.request), error);
}

static guint
total_weight(const AshPlan *plan)
{
	guint weight = ash_plan_is_unchanged(plan) || plan->source != NULL ? 0 : WEIGHT_PREPARE;

	for (guint i = 0; i < plan->variants->len; i++) {
		const AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		weight += variant->commit == NULL ? WEIGHT_VARIANT : WEIGHT_REUSED;
		weight += WEIGHT_ARTIFACT * variant->types->len;
	}
	return weight;
}

static bool
is_bootable(const VariantWork *work)
{
	return ((const TypeWork *) g_ptr_array_index(work->types, 0))->type->bootable;
}

/* Those with an initramfs take longest: they begin first. */
static void
push_variants(Build *build)
{
	for (int bootable = 1; bootable >= 0; bootable--) {
		for (guint i = 0; i < build->variants->len; i++) {
			VariantWork *work = g_ptr_array_index(build->variants, i);
			if (is_bootable(work) == (bootable == 1))
				ash_tasks_push(build->tasks, build_variant, work,
					       work->variant.variant->commit == NULL ? WEIGHT_VARIANT : WEIGHT_REUSED);
		}
	}
}

/* A store and a ref in it. */
typedef struct {
	AshStore *store; /* borrowed */
	char *ref;
} LastVersion;

static void
last_version_free(gpointer data)
{
	LastVersion *last = data;

	g_free(last->ref);
	g_free(last);
}

static AshFsTree *
load_last_version(gpointer data)
{
	const LastVersion *last = data;

	return ash_store_load_tree(last->store, last->ref, NULL);
}

/* Of the first variant that has one and is made anew. */
static void
begin_initrd(Build *build)
{
	for (guint i = 0; i < build->variants->len; i++) {
		const VariantWork *work = g_ptr_array_index(build->variants, i);
		const AshPlanVariant *variant = work->variant.variant;

		if (variant->commit != NULL || !is_bootable(work))
			continue;
		LastVersion *last = g_new0(LastVersion, 1);
		last->store = build->store;
		last->ref = g_strdup(variant->ref);
		build->initrd_ahead = ash_initrd_ahead_new(load_last_version, last, last_version_free);
		build->options.initrd_ahead = build->initrd_ahead;
		return;
	}
}

static void
add_variants(Build *build, const AshPlan *plan, const AshBuildRequest *request)
{
	for (guint i = 0; i < plan->variants->len; i++) {
		VariantWork *work = add_variant(build);
		AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		work->variant.store = build->store;
		work->variant.plan = plan;
		work->variant.variant = variant;
		work->variant.request = request;
		work->variant.times = new_times();
		for (guint j = 0; j < variant->types->len; j++)
			add_type(work, g_ptr_array_index(variant->types, j));
	}
}

static void
add_report(GPtrArray *reports, const char *stage, const char *subject, bool ran, const char *why)
{
	AshStageReport *report = g_new0(AshStageReport, 1);

	report->stage = g_strdup(stage);
	report->subject = g_strdup(subject);
	report->ran = ran;
	report->why = g_strdup(why);
	g_ptr_array_add(reports, report);
}

/* @build: NULL for a plan that was not carried out. */
static void
report_variant(GPtrArray *reports, const AshPlanVariant *variant, const AshVariantBuild *build)
{
	for (AshStage stage = 0; stage < _ASH_STAGE_COUNT; stage++) {
		const AshPlanStage *at = &variant->stages[stage];
		/* Of a commit from elsewhere. */
		if (at->key == NULL)
			continue;
		/* Between tree and commit. */
		if (stage == ASH_STAGE_COMMIT && build != NULL && build->initramfs_why != NULL)
			add_report(reports, "initramfs", variant->name, build->initramfs_ran, build->initramfs_why);
		add_report(reports, ash_stage_name(stage), variant->name, !at->reuse, at->why);
	}
}

GPtrArray *
ash_build_explain(const AshPlan *plan)
{
	GPtrArray *reports = g_ptr_array_new_with_free_func(stage_report_free);

	for (guint i = 0; i < plan->variants->len; i++)
		report_variant(reports, g_ptr_array_index(plan->variants, i), NULL);
	return reports;
}

static void
collect_types(VariantWork *work, AshBuildResult *result)
{
	for (guint i = 0; i < work->types->len; i++) {
		TypeWork *type = g_ptr_array_index(work->types, i);
		add_report(result->reports, "artifact", type->type->name, !type->reused, type->why);
		g_ptr_array_extend_and_steal(result->times, g_steal_pointer(&type->times));
		type->times = new_times();
		g_ptr_array_extend_and_steal(result->artifacts, g_steal_pointer(&type->artifacts));
		type->artifacts = g_ptr_array_new();
	}
}

/* Everything into @result, in the order of the command line. */
static void
collect(Build *build, AshBuildResult *result)
{
	g_ptr_array_extend_and_steal(result->times, g_steal_pointer(&build->times));
	for (guint i = 0; i < build->variants->len; i++) {
		VariantWork *work = g_ptr_array_index(build->variants, i);
		if (work->variant.times != NULL)
			g_ptr_array_extend_and_steal(result->times, g_steal_pointer(&work->variant.times));
		if (work->variant.variant != NULL)
			report_variant(result->reports, work->variant.variant, &work->variant);
		collect_types(work, result);
		g_ptr_array_add(result->commits, g_steal_pointer(&work->info));
	}
}

/* New files to their places, all at once. */
static gboolean
publish(Build *build, GError **error)
{
	g_autoptr(GPtrArray) fresh = g_ptr_array_new();

	for (guint i = 0; i < build->variants->len; i++) {
		VariantWork *work = g_ptr_array_index(build->variants, i);
		for (guint j = 0; j < work->types->len; j++) {
			TypeWork *type = g_ptr_array_index(work->types, j);
			for (guint k = 0; !type->reused && k < type->artifacts->len; k++)
				g_ptr_array_add(fresh, g_ptr_array_index(type->artifacts, k));
		}
	}
	return fresh->len == 0 || ash_outdir_publish(build->outdir, fresh, error);
}

/* Notes what was made from what. The build is done by then: what cannot be noted is only made again. */
static void
save_logs(AshContext *ctx, Build *build)
{
	for (guint i = 0; i < build->variants->len; i++) {
		VariantWork *work = g_ptr_array_index(build->variants, i);
		g_autoptr(GError) error = NULL;
		if (work->variant.variant != NULL)
			ash_stages_note(work->variant.variant, work->log);
		for (guint j = 0; j < work->types->len; j++) {
			TypeWork *type = g_ptr_array_index(work->types, j);
			g_autofree char *stage = g_strconcat("artifact ", type->type->name, NULL);
			ash_stage_log_set(work->log, stage, ash_artifact_log_entry(type->key, type->artifacts));
		}
		if (!ash_stage_log_save(work->log, &error))
			ash_progress_message(ctx->progress, "warning: %s", error->message);
	}
}

/* Some 60 MB that nobody else has. */
static void
let_go_of_initrd(Build *build)
{
	int fd = build->initrd_ahead != NULL ? ash_initrd_ahead_get_fd(build->initrd_ahead) : -1;

	if (fd >= 0)
		ash_outdir_let_go(build->outdir, fd);
}

static gboolean
finish(AshContext *ctx, Build *build, AshBuildResult *result, GError **error)
{
	if (!ash_tasks_wait(build->tasks, error) || !publish(build, error))
		return FALSE;
	let_go_of_initrd(build);
	save_logs(ctx, build);
	collect(build, result);
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

/* Whoever forgot a key hears of it before anything is made. */
static gboolean
load_secrets_of_plan(Build *build, const AshPlan *plan, const AshBuildRequest *request, const char *store_dir, GError **error)
{
	g_autoptr(GPtrArray) types = g_ptr_array_new();

	for (guint i = 0; i < plan->variants->len; i++) {
		const AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		for (guint j = 0; j < variant->types->len; j++)
			g_ptr_array_add(types, g_ptr_array_index(variant->types, j));
	}
	return ash_secrets_load(request->images.secrets, ash_storage_spec_get_passphrase(&plan->spec->storage), request->images.pcr_key != NULL,
				ash_image_options_can_sign_root(&request->images), types, store_dir, &build->secrets, error);
}

AshBuildResult *
ash_build_run(AshContext *ctx, AshStore *store, AshPlan *plan, const AshBuildRequest *request, GError **error)
{
	g_autoptr(AshBuildResult) result = build_result_new();
	g_auto(Build) build = { 0 };

	result->unchanged = ash_plan_is_unchanged(plan);
	if (!load_secrets_of_plan(&build, plan, request, ash_store_get_dir(store), error))
		return NULL;
	bool composes = !result->unchanged && plan->source == NULL;
	if ((composes && !ash_worker_check(error)) || !ash_store_use(ctx, store, error) ||
	    !build_begin(&build, ctx, store, request->out_dir, &request->images, error))
		return NULL;
	ash_progress_set_total_weight(ctx->progress, total_weight(plan));
	add_variants(&build, plan, request);
	if (plan->source != NULL)
		build.options.notes = build.notes = ash_plan_dup_notes(plan);
	if (composes && !ash_stage_run(ctx, build.times, WEIGHT_PREPARE, "Fetch and unpack packages", NULL, prepare,
						 g_ptr_array_index(build.variants, 0), error))
		return NULL;
	begin_initrd(&build);
	push_variants(&build);
	if (!finish(ctx, &build, result, error) || !save_lock(plan, request, error))
		return NULL;
	return g_steal_pointer(&result);
}

static gboolean
load_types(AshContext *ctx, AshStore *store, const char *commit, const char *const *names, const char *const *formats,
	   GPtrArray *loaded, GError **error)
{
	for (; *names != NULL; names++) {
		AshImageType *type = ash_imgtype_load(*names, ctx->data_dir, error);
		if (type == NULL)
			return FALSE;
		g_ptr_array_add(loaded, type);
		if (!ash_imgtype_set_formats(type, formats, error) || !ash_artifact_apply_disks(store, commit, type, error))
			return FALSE;
	}
	return TRUE;
}

AshBuildResult *
ash_build_images(AshContext *ctx, AshStore *store, const char *commit, const char *const *types, const char *out_dir,
		 const AshImageOptions *options, GError **error)
{
	g_autoptr(AshBuildResult) result = build_result_new();
	g_autoptr(GPtrArray) loaded = g_ptr_array_new_with_free_func((GDestroyNotify) ash_image_type_free);
	g_autofree char *checksum = ash_store_resolve(store, commit, error);
	g_auto(Build) build = { 0 };

	if (checksum == NULL || !load_types(ctx, store, checksum, types, options->formats, loaded, error) ||
	    !ash_secrets_load(options->secrets, NULL, options->pcr_key != NULL, ash_image_options_can_sign_root(options), loaded, ash_store_get_dir(store), &build.secrets, error) ||
	    !ash_store_use(ctx, store, error) || !build_begin(&build, ctx, store, out_dir, options, error))
		return NULL;
	result->unchanged = true;
	VariantWork *work = add_variant(&build);
	for (guint i = 0; i < loaded->len; i++)
		add_type(work, g_ptr_array_index(loaded, i));
	ash_progress_set_total_weight(ctx->progress, WEIGHT_ARTIFACT * loaded->len);
	if (!begin_types(work, checksum, error) || !finish(ctx, &build, result, error))
		return NULL;
	return g_steal_pointer(&result);
}
