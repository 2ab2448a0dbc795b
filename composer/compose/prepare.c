/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/prepare.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/parallel.h"
#include "install/import.h"
#include "install/verify.h"
#include "repo/packages.h"

#include <fcntl.h>

/* Weights in the progress. */
enum { WEIGHT_FETCH = 3, WEIGHT_VERIFY = 1 };

/* Packages of all variants that have to be installed, each once; borrowed from the variants. */
static AshPackageSet *
packages_to_install(const AshPlan *plan)
{
	AshPackageSet *all = g_new0(AshPackageSet, 1);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

	all->packages = g_ptr_array_new();
	for (guint i = 0; i < plan->variants->len; i++) {
		const AshPlanVariant *variant = g_ptr_array_index(plan->variants, i);
		for (guint j = 0; !variant->stages[ASH_STAGE_ROOT].reuse && j < variant->set->packages->len; j++) {
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

static gboolean
fetch_and_verify(AshContext *ctx, const AshPlan *plan, AshPackageSet *all, GError **error)
{
	ash_progress_set_total_weight(ctx->progress, WEIGHT_FETCH + WEIGHT_VERIFY);
	ash_progress_begin(ctx->progress, "Fetch packages", WEIGHT_FETCH);
	gboolean done = ash_repo_fetch_packages(ctx, plan->metadata, all, NULL, NULL, error);
	ash_progress_end(ctx->progress);
	if (!done)
		return FALSE;
	ash_progress_begin(ctx->progress, "Verify packages", WEIGHT_VERIFY);
	done = ash_verify_packages(ctx, all, plan->spec->repos, error);
	ash_progress_end(ctx->progress);
	return done;
}

static void
on_ready(AshPackage *package, gpointer importer)
{
	ash_importer_push(importer, package);
}

typedef struct {
	AshImporter *importer;
	const AshPackageSet *all;
	bool *found; /* by index */
} Search;

static gboolean
find_package(guint index, gpointer data, GError **error)
{
	Search *search = data;

	return ash_importer_find(search->importer, g_ptr_array_index(search->all->packages, index), &search->found[index], error);
}

/* Those of @all that the cache does not have; borrowed. NULL on failure. */
static AshPackageSet *
packages_to_fetch(AshContext *ctx, AshImporter *importer, const AshPackageSet *all, GError **error)
{
	g_autofree bool *found = g_new0(bool, all->packages->len);
	Search search = { importer, all, found };
	AshPackageSet *missing;

	if (!ash_parallel_run(ctx, all->packages->len, find_package, &search, error))
		return NULL;
	missing = g_new0(AshPackageSet, 1);
	missing->packages = g_ptr_array_new();
	for (guint i = 0; i < all->packages->len; i++) {
		if (!found[i])
			g_ptr_array_add(missing->packages, g_ptr_array_index(all->packages, i));
	}
	return missing;
}

/* Where packages are unpacked; removed in any case. */
typedef struct {
	char *path;
	int fd; /* keeps it */
} Staging;

static void
staging_clear(Staging *staging)
{
	if (staging->path != NULL)
		ash_file_remove_tree(AT_FDCWD, staging->path, NULL);
	ash_fd_clear(&staging->fd);
	g_free(staging->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Staging, staging_clear)

static gboolean
fetch_and_import(AshContext *ctx, AshStore *store, const AshPlan *plan, AshPackageSet *all, GError **error)
{
	/* First, to be cleared last: the importer's threads write there. */
	g_auto(Staging) staging = { .fd = -1 };
	g_autofree char *dir = g_build_filename(ash_store_get_dir(store), "import", NULL);

	staging.path = ash_store_make_staging(store, "import", &staging.fd, error);
	g_autoptr(AshImporter) importer =
		staging.path != NULL ? ash_importer_new(ctx, dir, staging.path, plan->spec->repos, error) : NULL;
	g_autoptr(AshPackageSet) missing = importer != NULL ? packages_to_fetch(ctx, importer, all, error) : NULL;

	if (missing == NULL)
		return FALSE;
	return (missing->packages->len == 0 ||
		ash_repo_fetch_packages(ctx, plan->metadata, missing, on_ready, importer, error)) &&
	       ash_importer_finish(importer, error);
}

bool
ash_prepare_wants_import(const AshBuildRequest *request)
{
	return !request->no_import_cache && ash_importer_available();
}

gboolean
ash_prepare_packages(AshContext *ctx, AshStore *store, const AshPlan *plan, bool import, GError **error)
{
	g_autoptr(AshPackageSet) all = packages_to_install(plan);

	if (all->packages->len == 0)
		return TRUE;
	if (!(import ? fetch_and_import(ctx, store, plan, all, error) : fetch_and_verify(ctx, plan, all, error)))
		return FALSE;
	share_paths(plan, all);
	return TRUE;
}
