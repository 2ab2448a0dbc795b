/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/stages.h"

#include "base/file.h"
#include "compose/artifact.h"
#include "compose/stage.h"
#include "install/transaction.h"
#include "model/records.h"
#include "model/strv.h"
#include "store/history.h"
#include "store/root.h"

#include <fcntl.h>

const char *
ash_stage_name(AshStage stage)
{
	static const char *const names[] = {
		[ASH_STAGE_LOCK] = "lock", [ASH_STAGE_ROOT] = "root", [ASH_STAGE_TREE] = "tree", [ASH_STAGE_COMMIT] = "commit"
	};

	return names[stage];
}

static void
set_key(AshPlanVariant *variant, AshStage stage, AshStageKey *key)
{
	AshPlanStage *at = &variant->stages[stage];

	at->key = key;
	at->digest = ash_stage_key_dup_digest(key);
}

static void
make_lock_key(const AshPlan *plan, AshPlanVariant *variant)
{
	AshStageKey *key = ash_stage_key_new(ASH_LOCK_STAGE_VERSION);

	for (guint i = 0; i < plan->metadata->len; i++) {
		const AshRepoMetadata *metadata = g_ptr_array_index(plan->metadata, i);
		g_autofree char *name = g_strdup_printf("repository %s", metadata->conf->id);
		ash_stage_key_add(key, name, metadata->repomd_sha256);
	}
	ash_stage_key_add_record(key, variant->packages, ash_package_request_fields);
	set_key(variant, ASH_STAGE_LOCK, key);
}

/* What a transaction makes of packages depends on nothing but them, its options and librpm. */
static void
make_root_key(AshPlanVariant *variant)
{
	AshStageKey *key = ash_stage_key_new(ASH_ROOT_STAGE_VERSION);
	g_autofree char *epoch = g_strdup_printf("%" G_GUINT64_FORMAT, variant->epoch);

	ash_stage_key_add(key, "librpm", ash_transaction_version());
	ash_stage_key_add(key, "SOURCE_DATE_EPOCH", epoch);
	ash_stage_key_add_record(key, variant->packages, ash_install_option_fields);
	for (guint i = 0; i < variant->set->packages->len; i++) {
		const AshPackage *package = g_ptr_array_index(variant->set->packages, i);
		g_autofree char *name = g_strdup_printf("%s.%s", package->name, package->arch);
		g_autofree char *evr = ash_package_dup_evr(package);
		g_autofree char *value = g_strdup_printf("%s %s", evr, package->sha256);
		ash_stage_key_add(key, name, value);
	}
	set_key(variant, ASH_STAGE_ROOT, key);
}

/* Our dracut module goes into initramfs and tree. */
static gboolean
add_data_files(AshContext *ctx, AshStageKey *key, GError **error)
{
	g_autofree char *dir = g_build_filename(ctx->data_dir, "dracut", "90ashlar", NULL);
	g_autoptr(GDir) entries = g_dir_open(dir, 0, error);
	g_auto(GStrv) names = ash_strv_new();
	g_autoptr(GString) all = g_string_new(NULL);
	const char *name;

	if (entries == NULL)
		return FALSE;
	while ((name = g_dir_read_name(entries)) != NULL)
		ash_strv_add(&names, name);
	ash_strv_sort(names);
	for (char **file = names; *file != NULL; file++) {
		g_autofree char *path = g_build_filename(dir, *file, NULL);
		g_autofree char *text = ash_file_load(AT_FDCWD, path, 0, NULL, error);
		if (text == NULL)
			return FALSE;
		g_string_append_printf(all, "%s\n%s\n", *file, text);
	}
	ash_stage_key_add_digest_of(key, "dracut module", all->str);
	return TRUE;
}

static gboolean
make_tree_key(AshContext *ctx, const AshPlan *plan, AshPlanVariant *variant, GError **error)
{
	AshStageKey *key = ash_stage_key_new(ASH_TREE_STAGE_VERSION);
	g_autoptr(GPtrArray) locks = g_ptr_array_new();
	const AshImageType *type = g_ptr_array_index(variant->types, 0);

	g_ptr_array_add(locks, variant->lock);
	g_autofree char *lock = ash_lock_format(locks);
	ash_stage_key_add(key, "root", variant->stages[ASH_STAGE_ROOT].digest);
	/* It is kept in the tree, with the state of the repositories. */
	ash_stage_key_add_digest_of(key, "lock", lock);
	ash_stage_key_add(key, "version", variant->version);
	ash_stage_key_add_record(key, plan->spec, ash_spec_fields);
	ash_stage_key_add_record(key, type, ash_image_type_tree_fields);
	set_key(variant, ASH_STAGE_TREE, key);
	return add_data_files(ctx, key, error);
}

static void
make_commit_key(const AshPlan *plan, AshPlanVariant *variant)
{
	AshStageKey *key = ash_stage_key_new(ASH_COMMIT_STAGE_VERSION);
	g_autofree char *notes = ash_plan_dup_notes(plan);

	ash_stage_key_add(key, "tree", variant->stages[ASH_STAGE_TREE].digest);
	ash_stage_key_add(key, "ref", variant->ref);
	ash_stage_key_add_digest_of(key, "boot loader", notes);
	set_key(variant, ASH_STAGE_COMMIT, key);
}

gboolean
ash_stages_make_keys(AshContext *ctx, const AshPlan *plan, AshPlanVariant *variant, GError **error)
{
	make_lock_key(plan, variant);
	make_root_key(variant);
	if (!make_tree_key(ctx, plan, variant, error))
		return FALSE;
	make_commit_key(plan, variant);
	return TRUE;
}

/* Why a stage runs, or that its result is taken from the store. */
static void
explain(AshPlanVariant *variant, AshStage stage, AshStore *store, const AshStageLog *log)
{
	AshPlanStage *at = &variant->stages[stage];
	JsonObject *earlier = log != NULL ? ash_stage_log_get(log, ash_stage_name(stage)) : NULL;
	g_autofree char *difference = ash_stage_key_explain(at->key, earlier);

	g_free(at->why);
	if (at->reuse)
		at->why = g_strdup("nothing changed");
	else if (difference != NULL)
		at->why = g_steal_pointer(&difference);
	else if (stage == ASH_STAGE_ROOT && store != NULL && ash_store_has_root(store, at->digest))
		at->why = g_strdup("no import cache is wanted");
	else
		at->why = g_strdup(stage == ASH_STAGE_LOCK ? "each time; nothing changed" : "its result is not in the store");
}

gboolean
ash_stages_find(AshPlanVariant *variant, AshStore *store, bool roots, GError **error)
{
	AshPlanStage *stages = variant->stages;
	g_autoptr(AshStageLog) log = store != NULL ? ash_stage_log_load(store, variant->ref) : NULL;

	g_clear_pointer(&variant->commit, g_free);
	g_clear_pointer(&variant->tree_commit, g_free);
	if (store != NULL &&
	    (!ash_store_find_by_input(store, variant->ref, stages[ASH_STAGE_COMMIT].digest, &variant->commit, error) ||
	     !ash_store_find_by_key(store, ASH_TREE_KEY, stages[ASH_STAGE_TREE].digest, &variant->tree_commit, error)))
		return FALSE;
	stages[ASH_STAGE_COMMIT].reuse = variant->commit != NULL;
	stages[ASH_STAGE_TREE].reuse = variant->commit != NULL || variant->tree_commit != NULL;
	stages[ASH_STAGE_ROOT].reuse = stages[ASH_STAGE_TREE].reuse ||
				       (store != NULL && roots && ash_store_has_root(store, stages[ASH_STAGE_ROOT].digest));
	for (AshStage stage = 0; stage < _ASH_STAGE_COUNT; stage++)
		explain(variant, stage, store, log);
	return TRUE;
}

gboolean
ash_stages_find_source(AshContext *ctx, const AshSource *source, AshPlanVariant *variant, AshStore *store, GError **error)
{
	AshPlanStage *at = &variant->stages[ASH_STAGE_COMMIT];
	bool has = false;

	if (at->key == NULL) {
		AshStageKey *key = ash_stage_key_new(ASH_COMMIT_STAGE_VERSION);
		ash_stage_key_add(key, "source", variant->source);
		set_key(variant, ASH_STAGE_COMMIT, key);
	}
	if (store != NULL && !ash_source_look_up(ctx, source, store, &has, error))
		return FALSE;
	g_free(variant->commit);
	variant->commit = has ? g_strdup(variant->source) : NULL;
	at->reuse = has;
	g_free(at->why);
	at->why = g_strdup(has ? "the store has it" : "the store does not have it");
	return TRUE;
}

void
ash_stages_note(const AshPlanVariant *variant, AshStageLog *log)
{
	for (AshStage stage = 0; stage < _ASH_STAGE_COUNT; stage++)
		if (variant->stages[stage].key != NULL)
			ash_stage_log_set(log, ash_stage_name(stage), ash_stage_key_to_json(variant->stages[stage].key));
}
