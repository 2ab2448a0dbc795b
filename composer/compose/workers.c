/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/workers.h"

#include "base/copyup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "compose/artifact.h"
#include "compose/distroless.h"
#include "compose/mkfsroot.h"
#include "compose/prescript.h"
#include "compose/upkeep.h"
#include "install/transaction.h"
#include "model/records.h"
#include "model/sbom.h"
#include "store/ahead.h"
#include "store/clone.h"
#include "store/commit.h"
#include "store/root.h"
#include "store/spare.h"
#include "tree/labels.h"
#include "tree/tree.h"

#include <fcntl.h>

#define COMMIT_WORKER "commit"

/* New objects that are made beside the tree: a commit hashes and syncs less than that sooner than it would wait for it. */
#define WORTH_BEGINNING (32 * 1024 * 1024) /* bytes */

/* What the commit worker is told; borrowed on the caller's side, owned on the worker's. */
typedef struct {
	char *installed, *root_key, *root, *store, *name, *ref, *version, *lock_text, *lock_digest, *input_digest, *tree_key, *notes, *sbom, *data_dir;
	char **packages;
	guint64 epoch;
	AshSpec *spec;
	AshImageType *type;
} CommitJob;

static const AshField commit_fields[] = {
	ASH_FIELD(CommitJob, installed, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, root_key, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, root, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, store, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, name, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, ref, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, version, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, lock_text, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, lock_digest, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, input_digest, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, tree_key, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, notes, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, sbom, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, data_dir, ASH_FIELD_STRING),
	ASH_FIELD(CommitJob, packages, ASH_FIELD_STRV),
	ASH_FIELD(CommitJob, epoch, ASH_FIELD_UINT64),
	{ NULL },
};

static void
commit_job_clear(CommitJob *job)
{
	g_free(job->installed);
	g_free(job->root_key);
	g_free(job->root);
	g_free(job->store);
	g_free(job->name);
	g_free(job->ref);
	g_free(job->version);
	g_free(job->lock_text);
	g_free(job->lock_digest);
	g_free(job->input_digest);
	g_free(job->tree_key);
	g_free(job->notes);
	g_free(job->sbom);
	g_free(job->data_dir);
	g_strfreev(job->packages);
	g_clear_pointer(&job->spec, ash_spec_free);
	g_clear_pointer(&job->type, ash_image_type_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CommitJob, commit_job_clear)

static gboolean
commit_job_parse(CommitJob *job, JsonObject *request, GError **error)
{
	job->spec = ash_spec_new("");
	job->type = ash_image_type_new("");
	if (!ash_record_from_json(job, commit_fields, request, error) ||
	    !ash_record_from_json(job->spec, ash_spec_fields, json_object_get_object_member(request, "spec"), error) ||
	    !ash_record_from_json(job->type, ash_image_type_tree_fields, json_object_get_object_member(request, "type"), error))
		return FALSE;
	job->type->kind = job->type->tree_kind;
	return TRUE;
}

static gboolean
apply_tree(AshContext *ctx, const AshStore *store, const CommitJob *job, AshTreeReport *report, GError **error)
{
	g_autofree char *initramfs_dir = g_build_filename(ash_store_get_dir(store), "initramfs", NULL);
	const AshTreeRequest request = {
		.root_path = job->root,
		.spec = job->spec,
		.type = job->type,
		.version = job->version,
		.epoch = job->epoch,
		.lock_text = job->lock_text,
		.data_dir = job->data_dir,
		.initramfs_dir = initramfs_dir,
		.report = report,
	};

	return ash_tree_apply(ctx, &request, error) &&
	       (job->type->packages_strip[0] == NULL || ash_distroless_apply(job->root, job->type, job->lock_text, error));
}

/* What the commit says of itself. Strings are borrowed from @job; free the table. */
static AshCommitRequest
make_commit_request(const CommitJob *job, char **ret_subject)
{
	GHashTable *metadata = g_hash_table_new(g_str_hash, g_str_equal);

	*ret_subject = g_strdup_printf("%s %s", job->name, job->version);
	g_hash_table_insert(metadata, (gpointer) ASH_IMAGE_NOTES_KEY, job->notes);
	g_hash_table_insert(metadata, (gpointer) "ashlar.sbom", job->sbom);
	g_hash_table_insert(metadata, (gpointer) ASH_TREE_KEY, job->tree_key);
	return (AshCommitRequest) {
		.ref = job->ref,
		.subject = *ret_subject,
		.version = job->version,
		.timestamp = job->epoch,
		.lock_digest = job->lock_digest,
		.input_digest = job->input_digest,
		.packages = (const char *const *) job->packages,
		.metadata = metadata,
		.bootable = job->type != NULL && job->type->system == ASH_SYSTEM_OSTREE,
	};
}

static AshScanOptions
make_scan_options(AshLabels *labels)
{
	return (AshScanOptions) {
		.skip_special = true,
		.label = labels != NULL ? ash_labels_lookup : NULL,
		.label_data = labels,
	};
}

static char *
commit_tree(AshContext *ctx, AshStore *store, const CommitJob *job, AshAhead *ahead, GError **error)
{
	g_autofree char *subject = NULL;
	g_autoptr(AshLabels) labels = NULL;

	if (!ash_labels_open(job->root, &labels, error))
		return NULL;
	AshCommitRequest request = make_commit_request(job, &subject);
	request.adopt = true;
	request.scan = make_scan_options(labels);
	request.objects = ahead != NULL ? ash_ahead_get_objects(ahead) : NULL;
	char *commit = ash_store_commit(ctx, store, job->root, &request, error);
	g_hash_table_unref(request.metadata);
	return commit;
}

static bool
is_fresh(const CommitJob *job)
{
	return *job->installed == '/';
}

/* Whether the labels that the clone of the root has now are those that the tree will have. */
static bool
knows_labels(const CommitJob *job, const AshLabels *labels)
{
	return labels != NULL ? job->spec->selinux != ASH_SELINUX_DISABLED
			      : job->spec->selinux == ASH_SELINUX_UNSET || job->spec->selinux == ASH_SELINUX_DISABLED;
}

/*
 * The steps leave a core idle, most of all while dracut(8) runs: new files of the installed root become objects meanwhile. A kept
 * root has been through that, if its commit was made.
 */
static gboolean
apply_tree_and_look_ahead(AshContext *ctx, AshStore *store, const CommitJob *job, AshTreeReport *report, AshAhead **ret_ahead,
			  GError **error)
{
	g_autoptr(AshLabels) labels = NULL;
	g_autoptr(AshAhead) ahead = NULL;

	if (!ash_labels_open(job->root, &labels, error))
		return FALSE;
	if (is_fresh(job) && knows_labels(job, labels)) {
		const AshScanOptions scan = make_scan_options(labels);
		ahead = ash_ahead_begin(ctx, store, job->installed, &scan, WORTH_BEGINNING);
	}
	if (!apply_tree(ctx, store, job, report, error))
		return FALSE;
	if (ahead != NULL)
		ash_ahead_end(ahead);
	*ret_ahead = g_steal_pointer(&ahead);
	return TRUE;
}

/* A copy of the installed root, or what an earlier build made of one, mended. */
static gboolean
clone_root(AshContext *ctx, AshStore *store, const CommitJob *job, GError **error)
{
	bool may_link = ash_copyup_available();

	/* What scriptlets made in a fresh root can be shared, too. */
	if (is_fresh(job) && !ash_store_mark_root(ctx, job->installed, error))
		return FALSE;
	return ((may_link && ash_spare_take(store, job->root_key, job->ref, job->root)) ||
		ash_file_mkdirs(AT_FDCWD, job->root, 0755, error)) &&
	       ash_store_clone_root(ctx, store, job->installed, job->root, may_link, error);
}

/* Both are for the next build, and were synced by the commit. What cannot be kept is for the caller to try again, or to remove. */
static void
keep_roots(AshStore *store, const CommitJob *job)
{
	g_autoptr(GError) error = NULL;

	if (is_fresh(job) && !ash_store_keep_root(store, job->root_key, job->installed, &error))
		g_debug("%s", error->message);
	if (ash_copyup_available())
		ash_spare_put(store, job->root_key, job->ref, job->root);
}

static gboolean
make_tree(AshContext *ctx, AshStore *store, const CommitJob *job, AshTreeReport *report, AshAhead **ret_ahead, GError **error)
{
	ash_progress_begin(ctx->progress, "Copy of the root", 5);
	gboolean done = clone_root(ctx, store, job, error);
	ash_progress_end(ctx->progress);
	if (!done)
		return FALSE;
	ash_progress_begin(ctx->progress, "Tree", 70);
	done = apply_tree_and_look_ahead(ctx, store, job, report, ret_ahead, error);
	ash_progress_end(ctx->progress);
	return done;
}

/* Makes a tree of a copy of an installed root and commits it. */
static JsonObject *
commit_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	g_auto(CommitJob) job = { 0 };
	g_auto(AshTreeReport) report = { 0 };

	if (!commit_job_parse(&job, request, error))
		return NULL;
	g_autoptr(AshStore) store = ash_store_open(job.store, false, error);
	if (store == NULL)
		return NULL;
	ash_progress_set_total_weight(ctx->progress, 100);
	g_autoptr(AshAhead) ahead = NULL;
	if (!make_tree(ctx, store, &job, &report, &ahead, error))
		return NULL;
	ash_progress_begin(ctx->progress, "Commit", 25);
	g_autofree char *commit = commit_tree(ctx, store, &job, ahead, error);
	ash_progress_end(ctx->progress);
	if (commit == NULL)
		return NULL;
	keep_roots(store, &job);
	JsonObject *reply = json_object_new();
	json_object_set_string_member(reply, "commit", commit);
	if (report.initramfs_note != NULL)
		json_object_set_string_member(reply, "initramfs_why", report.initramfs_note);
	json_object_set_boolean_member(reply, "initramfs_ran", report.initramfs_ran);
	return reply;
}

static JsonObject *
keep_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *path = ash_json_get_string(request, "path", error);
	const char *key = path != NULL ? ash_json_get_string(request, "key", error) : NULL;
	const char *dir = key != NULL ? ash_json_get_string(request, "store", error) : NULL;
	g_autoptr(AshStore) store = dir != NULL ? ash_store_open(dir, false, error) : NULL;

	if (store == NULL)
		return NULL;
	if (!json_object_get_boolean_member(request, "synced") && !ash_store_sync(store, error))
		return NULL;
	if (!ash_store_mark_root(ctx, path, error))
		return NULL;
	return ash_store_keep_root(store, key, path, error) ? json_object_new() : NULL;
}

static JsonObject *
remove_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *path = ash_json_get_string(request, "path", error);

	if (path == NULL || !ash_file_remove_tree(AT_FDCWD, path, error))
		return NULL;
	/* What a worker that was ended in the middle left, too. */
	g_autoptr(AshStore) store = ash_store_open(ash_json_get_string(request, "store", NULL), false, error);
	if (store == NULL || !ash_store_clean_stale(store, error))
		return NULL;
	return json_object_new();
}

const AshWorkerEntry ash_compose_workers[] = {
	{ ASH_TRANSACTION_WORKER, ash_transaction_worker },
	{ COMMIT_WORKER, commit_worker },
	{ "keep", keep_worker },
	{ "remove", remove_worker },
	{ ASH_PRESCRIPT_WORKER, ash_prescript_worker },
	{ ASH_PRUNE_WORKER, ash_upkeep_prune_worker },
	{ ASH_CHECK_WORKER, ash_upkeep_check_worker },
	{ ASH_MKFS_ROOT_WORKER, ash_mkfs_root_worker },
	{ NULL, NULL },
};

static char **
dup_nevras(const AshPackageSet *set)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

	for (guint i = 0; i < set->packages->len; i++) {
		g_autofree char *nevra = ash_package_dup_nevra(g_ptr_array_index(set->packages, i));
		g_strv_builder_add(builder, nevra);
	}
	return g_strv_builder_end(builder);
}

static char *
format_variant_lock(const AshPlanVariant *variant)
{
	g_autoptr(GPtrArray) locks = g_ptr_array_new();

	g_ptr_array_add(locks, variant->lock);
	return ash_lock_format(locks);
}

/* Everything that a commit is made from; free with commit_job_clear(). */
static CommitJob
make_job(AshContext *ctx, const AshVariantBuild *build)
{
	const AshPlanVariant *variant = build->variant;
	const char *key = variant->stages[ASH_STAGE_COMMIT].digest;
	g_autofree char *title = g_strdup_printf("%s %s", variant->ref, variant->version);

	return (CommitJob) {
		.store = g_strdup(ash_store_get_dir(build->store)),
		.name = g_strdup(build->plan->spec->name),
		.ref = g_strdup(variant->ref),
		.version = g_strdup(variant->version),
		.lock_text = format_variant_lock(variant),
		.lock_digest = ash_lock_dup_digest(variant->lock),
		.input_digest = g_strdup(key),
		.tree_key = g_strdup(variant->stages[ASH_STAGE_TREE].digest),
		.notes = ash_plan_dup_notes(build->plan),
		.sbom = ash_sbom_format(variant->set, title, key, variant->epoch),
		.data_dir = g_strdup(ctx->data_dir),
		.packages = dup_nevras(variant->set),
		.epoch = variant->epoch,
	};
}

static gboolean
read_reply(AshVariantBuild *build, JsonObject *reply, GError **error)
{
	build->initramfs_why = g_strdup(ash_json_get_string_optional(reply, "initramfs_why"));
	build->initramfs_ran = json_object_get_boolean_member(reply, "initramfs_ran");
	build->variant->commit = g_strdup(ash_json_get_string(reply, "commit", error));
	return build->variant->commit != NULL;
}

void
ash_workers_expect_install(AshVariantBuild *build)
{
	if (build->installer == NULL)
		build->installer = ash_worker_start(ASH_TRANSACTION_WORKER, NULL);
}

void
ash_workers_expect_commit(AshVariantBuild *build)
{
	if (build->committer == NULL)
		build->committer = ash_worker_start(COMMIT_WORKER, NULL);
}

gboolean
ash_workers_commit(AshContext *ctx, AshVariantBuild *build, const char *installed, const char *staging, GError **error)
{
	g_auto(CommitJob) job = make_job(ctx, build);

	job.installed = g_strdup(installed);
	job.root_key = g_strdup(build->variant->stages[ASH_STAGE_ROOT].digest);
	/* Not the directory that is locked: it may change places with another. */
	job.root = g_build_filename(staging, "root", NULL);
	g_autoptr(JsonObject) request = ash_record_to_json(&job, commit_fields, TRUE);
	json_object_set_object_member(request, "spec", ash_record_to_json(build->plan->spec, ash_spec_fields, TRUE));
	json_object_set_object_member(
		request, "type",
		ash_record_to_json(g_ptr_array_index(build->variant->types, 0), ash_image_type_tree_fields, TRUE));
	g_autoptr(AshWorker) worker = build->committer != NULL ? g_steal_pointer(&build->committer) : ash_worker_start(COMMIT_WORKER, error);
	g_autoptr(JsonObject) reply = worker != NULL ? ash_worker_run(worker, ctx, request, error) : NULL;
	return reply != NULL && read_reply(build, reply, error);
}

gboolean
ash_workers_keep(AshContext *ctx, const AshVariantBuild *build, const char *installed, bool synced, GError **error)
{
	g_autoptr(JsonObject) request = json_object_new();

	json_object_set_string_member(request, "store", ash_store_get_dir(build->store));
	json_object_set_string_member(request, "key", build->variant->stages[ASH_STAGE_ROOT].digest);
	json_object_set_string_member(request, "path", installed);
	json_object_set_boolean_member(request, "synced", synced);
	g_autoptr(JsonObject) reply = ash_worker_call(ctx, "keep", request, error);
	return reply != NULL;
}

gboolean
ash_workers_recommit(AshContext *ctx, AshVariantBuild *build, GError **error)
{
	g_auto(CommitJob) job = make_job(ctx, build);
	g_autofree char *subject = NULL;
	AshCommitRequest request = make_commit_request(&job, &subject);

	build->variant->commit =
		ash_store_recommit(ctx, build->store, build->variant->tree_commit, &request, error);
	g_hash_table_unref(request.metadata);
	return build->variant->commit != NULL;
}

gboolean
ash_workers_remove(AshContext *ctx, const AshStore *store, const char *path, GError **error)
{
	g_autoptr(JsonObject) request = json_object_new();

	json_object_set_string_member(request, "store", ash_store_get_dir(store));
	json_object_set_string_member(request, "path", path);
	g_autoptr(JsonObject) reply = ash_worker_call(ctx, "remove", request, error);
	return reply != NULL;
}

/* What every scriptlet said, for whoever wonders later: STORE/logs/REF.scriptlets, of the last installation. */
static gboolean
save_script_log(AshStore *store, const AshPlanVariant *variant, const AshTransactionResult *result, GError **error)
{
	g_autofree char *path = g_strdup_printf("%s/logs/%s.scriptlets", ash_store_get_dir(store), variant->ref);
	g_autofree char *dir = g_path_get_dirname(path);
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < result->scripts->len; i++) {
		const AshScriptRecord *record = g_ptr_array_index(result->scripts, i);
		g_string_append_printf(text, "== %s %s (%.2f s)\n%s", record->package, record->kind, record->seconds,
				       record->output);
		if (*record->output != '\0' && !g_str_has_suffix(record->output, "\n"))
			g_string_append_c(text, '\n');
	}
	return ash_file_mkdirs(AT_FDCWD, dir, 0755, error) &&
	       ash_file_save(AT_FDCWD, path, text->str, (gssize) text->len, 0644, error);
}

gboolean
ash_workers_install(AshContext *ctx, AshVariantBuild *build, const char *root, bool import, GError **error)
{
	const AshPlanVariant *variant = build->variant;
	AshStore *store = build->store;
	g_autoptr(AshTransactionPlan) plan = ash_transaction_plan_new(root);

	plan->docs = variant->packages->docs;
	plan->inst_langs = g_strdupv(variant->packages->inst_langs);
	plan->epoch = variant->epoch;
	if (import) {
		plan->import_dir = g_build_filename(ash_store_get_dir(store), "import", NULL);
		plan->memo_dir = g_build_filename(ash_store_get_dir(store), "memo", NULL);
	}
	ash_transaction_plan_add_set(plan, variant->set);
	g_autoptr(AshWorker) worker = g_steal_pointer(&build->installer);
	g_autoptr(AshTransactionResult) result = worker != NULL ? ash_transaction_install_by(worker, ctx, plan, error)
								: ash_transaction_install(ctx, plan, error);
	if (result == NULL)
		return FALSE;
	for (char **notice = result->notices; *notice != NULL; notice++)
		ash_progress_message(ctx->progress, "note: %s", *notice);
	return save_script_log(store, variant, result, error);
}
