/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/plan.h"

#include "base/copyup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/size.h"
#include "compose/artifact.h"
#include "compose/prescript.h"
#include "compose/stages.h"
#include "compose/variant.h"
#include "config/kickstart.h"
#include "repo/metadata.h"
#include "solve/solve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* What RPMs say of their size leaves out scriptlets' work: caches, rpmdb, initramfs. */
#define INSTALL_EXTRA_PERCENT 25
/* The part of a tree that is left after compression, to estimate archives. */
#define ARCHIVE_PERCENT 50

void
ash_plan_free(AshPlan *plan)
{
	if (plan == NULL)
		return;
	g_clear_pointer(&plan->spec, ash_spec_free);
	g_clear_pointer(&plan->source, ash_source_free);
	g_clear_pointer(&plan->metadata, g_ptr_array_unref);
	g_clear_pointer(&plan->variants, g_ptr_array_unref);
	g_free(plan->lock_path);
	g_free(plan->lock_text);
	g_free(plan);
}

/* Whom to trust is known before anything is fetched. */
static gboolean
check_keys(const AshSpec *spec, GError **error)
{
	for (guint i = 0; i < spec->repos->len; i++) {
		const AshRepoConf *conf = g_ptr_array_index(spec->repos, i);
		if (conf->enabled && (conf->gpgcheck || conf->repo_gpgcheck) && conf->gpgkeys[0] == NULL)
			return ash_throw(error, ASH_ERROR_CONFIG,
					 "%s: repository \"%s\" has no gpgkey: name its keys in a .repo file (or do without, "
					 "by gpgcheck=0 and repo_gpgcheck=0 there)",
					 conf->origin, conf->id);
	}
	return TRUE;
}

/* With a folder for what %pre writes, which is of no use once the file is read. */
static gboolean
read_kickstart(AshContext *ctx, AshPlan *plan, const AshBuildRequest *request, GError **error)
{
	g_autofree char *dir = g_dir_make_tmp("ashlar-pre-XXXXXX", error);

	if (dir == NULL)
		return FALSE;
	AshPrescript prescript = { .ctx = ctx, .dir = dir };
	const AshKickstartOptions options = {
		.repo_dirs = request->repo_dirs,
		.repo_urls = request->repo_urls,
		.vars = { .releasever = request->releasever },
		.run_pre = ash_prescript_run,
		.run_pre_data = &prescript,
		.pre_dir = dir,
	};
	plan->spec = ash_kickstart_load_full(request->kickstart, &options, error);
	ash_file_remove_tree(AT_FDCWD, dir, NULL);
	return plan->spec != NULL;
}

static gboolean
load_spec(AshContext *ctx, AshPlan *plan, const AshBuildRequest *request, GError **error)
{
	if (!read_kickstart(ctx, plan, request, error))
		return FALSE;
	if (!plan->spec->ostree.set && plan->spec->repos->len == 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "%s: no package repository: add a \"repo\" or \"url\" command", request->kickstart);
	return TRUE;
}

/* What the kickstart asks for and a type does not take is never left out in silence. */
static void
add_group_notices(AshPlan *plan)
{
	const AshPackageRequest *asked = &plan->spec->packages;

	if (asked->groups[0] == NULL && asked->environments[0] == NULL)
		return;
	for (guint i = 0; i < plan->variants->len; i++) {
		const AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		const AshImageType *type = g_ptr_array_index(variant->types, 0);
		if (type->from_kickstart != ASH_FROM_KICKSTART_ALL)
			g_ptr_array_add(plan->spec->notices,
					g_strdup_printf("%s: image type \"%s\" has groups of its own and leaves out those of "
							"%%packages",
							asked->origin, type->name));
	}
}

static gboolean
load_metadata(AshContext *ctx, AshPlan *plan, GError **error)
{
	GPtrArray *repos = plan->spec->repos;

	plan->metadata = g_ptr_array_new_with_free_func((GDestroyNotify) ash_repo_metadata_free);
	for (guint i = 0; i < repos->len; i++) {
		const AshRepoConf *conf = g_ptr_array_index(repos, i);
		if (!conf->enabled)
			continue;
		ash_progress_item(ctx->progress, conf->id);
		AshRepoMetadata *metadata = ash_repo_load_metadata(ctx, conf, error);
		if (metadata == NULL)
			return FALSE;
		g_ptr_array_add(plan->metadata, metadata);
	}
	return TRUE;
}

static gboolean
load_locks(const AshPlan *plan, const AshBuildRequest *request, GPtrArray **ret_locks, GError **error)
{
	g_autofree char *text = NULL;

	*ret_locks = NULL;
	if (request->update_lock || (request->lock_path == NULL && !request->locked))
		return TRUE;
	if (!ash_file_load_optional(AT_FDCWD, plan->lock_path, &text, NULL, error))
		return FALSE;
	if (text == NULL && request->locked)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "there is no lock \"%s\": make one with \"ashlar resolve --update-lock\"", plan->lock_path);
	if (text == NULL)
		return TRUE;
	*ret_locks = ash_lock_parse(text, plan->lock_path, error);
	return *ret_locks != NULL;
}

static AshLock *
make_lock(const AshPlan *plan, const AshPlanVariant *variant)
{
	AshLock *lock = ash_lock_new(variant->name);

	for (guint i = 0; i < plan->metadata->len; i++) {
		const AshRepoMetadata *metadata = g_ptr_array_index(plan->metadata, i);
		ash_lock_add_repo(lock, metadata->conf->id, metadata->repomd_sha256);
	}
	for (guint i = 0; i < variant->set->packages->len; i++)
		ash_lock_add_package(lock, g_ptr_array_index(variant->set->packages, i));
	return lock;
}

static gboolean
resolve_variant(AshContext *ctx, AshPlan *plan, AshPlanVariant *variant, GPtrArray *locks,
		const AshBuildRequest *request, GError **error)
{
	const AshLock *old = locks != NULL ? ash_lock_find(locks, variant->name) : NULL;
	const AshSolveRequest solve = {
		.packages = variant->packages,
		.lock = old,
		.lock_mode = request->locked ? ASH_LOCK_EXACT : ASH_LOCK_FAVOUR,
	};

	if (request->locked && old == NULL)
		return ash_throw(error, ASH_ERROR_UNSOLVABLE,
				 "the lock \"%s\" has no variant \"%s\": renew it with --update-lock", plan->lock_path,
				 variant->name);

	ash_progress_item(ctx->progress, variant->name);
	variant->set = ash_solve(ctx, plan->metadata, &solve, error);
	if (variant->set == NULL)
		return ash_prefix(error, "variant \"%s\"", variant->name);
	variant->lock = make_lock(plan, variant);
	return ash_plan_variant_finish(variant, plan->spec, request->version, error) &&
	       ash_stages_make_keys(ctx, plan, variant, error);
}

/* Variants that the lock has and this build does not ask for stay as they are. */
static gboolean
format_lock(AshPlan *plan, GError **error)
{
	g_autoptr(GPtrArray) locks = g_ptr_array_new();
	g_autoptr(GPtrArray) old = NULL;
	g_autofree char *text = NULL;

	if (!ash_file_load_optional(AT_FDCWD, plan->lock_path, &text, NULL, error))
		return FALSE;
	for (guint i = 0; i < plan->variants->len; i++)
		g_ptr_array_add(locks, ((AshPlanVariant *) g_ptr_array_index(plan->variants, i))->lock);
	if (text != NULL)
		old = ash_lock_parse(text, plan->lock_path, NULL);
	for (guint i = 0; old != NULL && i < old->len; i++) {
		AshLock *lock = g_ptr_array_index(old, i);
		if (ash_lock_find(locks, lock->variant) == NULL)
			g_ptr_array_add(locks, lock);
	}
	plan->lock_text = ash_lock_format(locks);
	plan->lock_changed = g_strcmp0(text, plan->lock_text) != 0;
	return TRUE;
}

static guint64
artifact_bytes(const AshImageType *type, guint64 tree_bytes)
{
	if (type->kind != ASH_IMAGE_DISK)
		return tree_bytes * ARCHIVE_PERCENT / 100;
	return tree_bytes * MAX(type->formats->len, 1);
}

/*
 * Trees that the store has cost nothing, installed roots that it has only what is made in a copy of them. Files are shared by import
 * cache, roots and objects; where programs in the sandbox cannot be kept from writing to them, each has its own.
 */
static void
estimate_space(AshPlan *plan)
{
	guint copies = ash_copyup_available() ? 1 : 3;

	for (guint i = 0; i < plan->variants->len; i++) {
		const AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		guint64 packages = ash_package_set_total_install_size(variant->set);
		guint64 extra = packages * INSTALL_EXTRA_PERCENT / 100;
		if (!variant->stages[ASH_STAGE_ROOT].reuse) {
			plan->store_bytes += packages * copies + extra;
			plan->download_bytes += ash_package_set_total_size(variant->set);
		} else if (!variant->stages[ASH_STAGE_TREE].reuse) {
			plan->store_bytes += packages * (copies - 1) + extra;
		}
		for (guint j = 0; j < variant->types->len; j++)
			plan->out_bytes += artifact_bytes(g_ptr_array_index(variant->types, j), packages + extra);
	}
}

static gboolean
find_stages(AshPlan *plan, AshStore *store, const AshBuildRequest *request, GError **error)
{
	for (guint i = 0; i < plan->variants->len; i++)
		if (!ash_stages_find(g_ptr_array_index(plan->variants, i), store, !request->no_import_cache, error))
			return FALSE;
	return TRUE;
}

static gboolean
resolve_all(AshContext *ctx, AshPlan *plan, const AshBuildRequest *request, GError **error)
{
	g_autoptr(GPtrArray) locks = NULL;

	if (!load_locks(plan, request, &locks, error))
		return FALSE;
	for (guint i = 0; i < plan->variants->len; i++) {
		if (!ash_context_check(ctx, error) ||
		    !resolve_variant(ctx, plan, g_ptr_array_index(plan->variants, i), locks, request, error))
			return FALSE;
	}
	return format_lock(plan, error);
}

/* A system that is a commit already: there is nothing to resolve, and no lock. */
static gboolean
plan_source(AshContext *ctx, AshPlan *plan, AshStore *store, GError **error)
{
	ash_progress_begin(ctx->progress, "Find commit", 2);
	plan->source = ash_source_find(ctx, &plan->spec->ostree, error);
	ash_progress_end(ctx->progress);
	if (plan->source == NULL)
		return FALSE;
	plan->lock_text = g_strdup("");
	for (guint i = 0; i < plan->variants->len; i++) {
		AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		ash_plan_variant_set_source(variant, plan->spec, plan->source);
		if (!ash_stages_find_source(ctx, plan->source, variant, store, error))
			return FALSE;
	}
	return TRUE;
}

/* Of packages. */
static gboolean
plan_packages(AshContext *ctx, AshPlan *plan, AshStore *store, const AshBuildRequest *request, GError **error)
{
	if (!check_keys(plan->spec, error))
		return FALSE;
	add_group_notices(plan);
	ash_progress_begin(ctx->progress, "Load repositories", 2);
	gboolean ok = load_metadata(ctx, plan, error);
	ash_progress_end(ctx->progress);
	if (!ok)
		return FALSE;
	ash_progress_begin(ctx->progress, "Resolve", 2);
	ok = resolve_all(ctx, plan, request, error) && find_stages(plan, store, request, error);
	ash_progress_end(ctx->progress);
	if (ok)
		estimate_space(plan);
	return ok;
}

AshPlan *
ash_plan_new(AshContext *ctx, AshStore *store, const AshBuildRequest *request, GError **error)
{
	g_autoptr(AshPlan) plan = g_new0(AshPlan, 1);

	if (!load_spec(ctx, plan, request, error))
		return NULL;
	plan->lock_path = request->lock_path != NULL
				  ? g_strdup(request->lock_path)
				  : g_strdup_printf("%s/%s.lock", request->out_dir, plan->spec->name);
	plan->variants = ash_plan_variants_load(ctx, plan->spec, request->types, request->images.formats, error);
	if (plan->variants == NULL)
		return NULL;
	gboolean ok = plan->spec->ostree.set ? plan_source(ctx, plan, store, error) : plan_packages(ctx, plan, store, request, error);
	return ok ? g_steal_pointer(&plan) : NULL;
}

bool
ash_plan_is_unchanged(const AshPlan *plan)
{
	for (guint i = 0; i < plan->variants->len; i++)
		if (((AshPlanVariant *) g_ptr_array_index(plan->variants, i))->commit == NULL)
			return false;
	return true;
}

char *
ash_plan_dup_notes(const AshPlan *plan)
{
	g_autofree char *append = ash_spec_dup_kernel_append(plan->spec);
	g_autofree char *disks = ash_storage_spec_to_kickstart(&plan->spec->storage);
	const AshImageNotes notes = {
		.name = plan->spec->name,
		.kernel_append = append,
		.boot_timeout = plan->spec->boot_timeout,
		.disks = disks,
	};

	return ash_image_notes_format(&notes);
}

/* The nearest directory that exists: what is to be made will be on its file system. */
static gboolean
free_space_at(const char *dir, dev_t *ret_device, guint64 *ret_bytes, GError **error)
{
	g_autofree char *at = g_canonicalize_filename(dir, NULL);

	while (!g_file_test(at, G_FILE_TEST_IS_DIR)) {
		char *parent = g_path_get_dirname(at);
		g_free(at);
		at = parent;
	}
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, at, false, error);
	struct stat st;
	if (fd < 0 || !ash_fd_stat(fd, at, &st, error))
		return FALSE;
	*ret_device = st.st_dev;
	return ash_file_free_space(fd, ret_bytes, error);
}

static gboolean
require_space(const char *dir, guint64 needed, guint64 available, GError **error)
{
	if (needed <= available)
		return TRUE;
	g_autofree char *need = ash_size_format(needed);
	g_autofree char *have = ash_size_format(available);
	return ash_throw(error, ASH_ERROR_NO_SPACE, "\"%s\" needs about %s but has %s: free some, or choose another place",
			 dir, need, have);
}

gboolean
ash_plan_check_space(const AshPlan *plan, const char *store_dir, const char *out_dir, GError **error)
{
	dev_t store_device, out_device;
	guint64 store_free, out_free;

	if (!free_space_at(store_dir, &store_device, &store_free, error) ||
	    !free_space_at(out_dir, &out_device, &out_free, error))
		return FALSE;
	if (store_device == out_device)
		return require_space(out_dir, plan->store_bytes + plan->out_bytes, out_free, error);
	return require_space(store_dir, plan->store_bytes, store_free, error) &&
	       require_space(out_dir, plan->out_bytes, out_free, error);
}
