/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solve/solve.h"

#include "base/error.h"
#include "solve/comps.h"
#include "solve/explain.h"
#include "solve/job.h"
#include "solve/pool.h"

#include <errno.h>
#include <solv/solv_xfopen.h>
#include <solv/solver.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_ARCH "x86_64"
#define COMPS_MAX (64 * 1024 * 1024)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Solver, solver_free)

/* dnf's: packages may replace others by name and across architectures, and the best are to be had. */
static const int solver_flags[] = {
	SOLVER_FLAG_ALLOW_VENDORCHANGE,
	SOLVER_FLAG_KEEP_ORPHANS,
	SOLVER_FLAG_BEST_OBEY_POLICY,
	SOLVER_FLAG_YUM_OBSOLETES,
};

/* comps.xml may be compressed; libsolv opens all kinds. */
static GByteArray *
read_comps(const AshRepoMetadata *metadata, GError **error)
{
	g_autoptr(GByteArray) text = g_byte_array_new();
	FILE *file = solv_xfopen(metadata->comps_path, "r");
	guint8 buffer[65536];
	size_t got;

	if (file == NULL)
		return ash_throw_errno_null(error, "repository \"%s\": cannot open \"%s\"", metadata->conf->id,
					    metadata->comps_path);
	while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0 && text->len <= COMPS_MAX)
		g_byte_array_append(text, buffer, (guint)got);
	bool bad = ferror(file) != 0 || text->len > COMPS_MAX;
	fclose(file);
	if (bad)
		return ash_throw_null(error, ASH_ERROR_FETCH, "repository \"%s\": \"%s\" is damaged or too large",
				      metadata->conf->id, metadata->comps_path);
	return g_steal_pointer(&text);
}

static gboolean
add_comps(AshComps *comps, const AshRepoMetadata *metadata, const char *arch, GError **error)
{
	if (metadata->comps_path == NULL)
		return TRUE;
	g_autofree char *what = g_strdup_printf("repository \"%s\"", metadata->conf->id);
	g_autoptr(GByteArray) text = read_comps(metadata, error);
	return text != NULL && ash_comps_add_xml(comps, (const char *)text->data, text->len, arch, what, error);
}

static AshComps *
load_comps(GPtrArray *metadata, const char *arch, GError **error)
{
	g_autoptr(AshComps) comps = ash_comps_new();

	for (guint i = 0; i < metadata->len; i++)
		if (!add_comps(comps, g_ptr_array_index(metadata, i), arch, error))
			return NULL;
	return g_steal_pointer(&comps);
}

static gboolean
set_evr(AshPackage *package, const char *evr, GError **error)
{
	const char *colon = strchr(evr, ':'), *version = colon != NULL ? colon + 1 : evr;
	const char *dash = strrchr(version, '-');
	guint64 epoch = 0;

	if (colon != NULL) {
		g_autofree char *digits = g_strndup(evr, (gsize)(colon - evr));
		if (!g_ascii_string_to_unsigned(digits, 10, 0, G_MAXUINT32, &epoch, NULL))
			return ash_throw(error, ASH_ERROR_FETCH, "package \"%s\": bad epoch in \"%s\"", package->name, evr);
	}
	if (dash == NULL)
		return ash_throw(error, ASH_ERROR_FETCH, "package \"%s\": no release in \"%s\"", package->name, evr);
	package->epoch = (guint32)epoch;
	package->version = g_strndup(version, (gsize)(dash - version));
	package->release = g_strdup(dash + 1);
	return TRUE;
}

static gboolean
set_digest(AshPackage *package, Solvable *solvable, GError **error)
{
	Id type = 0;
	const char *checksum = solvable_lookup_checksum(solvable, SOLVABLE_CHECKSUM, &type);

	if (checksum == NULL || type != REPOKEY_TYPE_SHA256)
		return ash_throw(error, ASH_ERROR_TRUST,
				 "package \"%s\": repository \"%s\" gives no SHA-256 for it (createrepo_c --checksum=sha256)",
				 package->name, solvable->repo->name);
	package->sha256 = g_strdup(checksum);
	return TRUE;
}

/* Relative to the repository, unless the package has a base of its own. */
static char *
dup_location(Solvable *solvable)
{
	const char *base = solvable_lookup_str(solvable, SOLVABLE_MEDIABASE);
	const char *location = solvable_lookup_location(solvable, NULL);

	return base != NULL && location != NULL ? g_strdup_printf("%s/%s", base, location) : g_strdup(location);
}

static AshReason
reason_of(AshJob *job, Solver *solver, Id id)
{
	Id info;

	if (MAPTST(&job->user, id))
		return ASH_REASON_USER;
	if (MAPTST(&job->group, id))
		return ASH_REASON_GROUP;
	return solver_describe_decision(solver, id, &info) == SOLVER_REASON_WEAKDEP ? ASH_REASON_WEAK
										    : ASH_REASON_DEPENDENCY;
}

static AshPackage *
make_package(AshJob *job, Solver *solver, Id id, GError **error)
{
	g_autoptr(AshPackage) package = ash_package_new();
	Pool *pool = job->pool->pool;
	Solvable *solvable = pool_id2solvable(pool, id);

	package->name = g_strdup(pool_id2str(pool, solvable->name));
	package->arch = g_strdup(pool_id2str(pool, solvable->arch));
	if (!set_evr(package, pool_id2str(pool, solvable->evr), error) || !set_digest(package, solvable, error))
		return NULL;
	package->repo_id = g_strdup(solvable->repo->name);
	package->location = dup_location(solvable);
	package->size = solvable_lookup_num(solvable, SOLVABLE_DOWNLOADSIZE, 0);
	package->install_size = solvable_lookup_num(solvable, SOLVABLE_INSTALLSIZE, 0);
	package->build_time = solvable_lookup_num(solvable, SOLVABLE_BUILDTIME, 0);
	package->source = g_strdup(solvable_lookup_sourcepkg(solvable));
	package->license = g_strdup(solvable_lookup_str(solvable, SOLVABLE_LICENSE));
	package->reason = reason_of(job, solver, id);
	return g_steal_pointer(&package);
}

static AshPackageSet *
collect(AshJob *job, Solver *solver, GError **error)
{
	g_autoptr(AshPackageSet) set = ash_package_set_new();
	ash_auto_queue decisions;

	queue_init(&decisions);
	solver_get_decisionqueue(solver, &decisions);
	for (int i = 0; i < decisions.count; i++) {
		if (decisions.elements[i] <= SYSTEMSOLVABLE)
			continue;
		AshPackage *package = make_package(job, solver, decisions.elements[i], error);
		if (package == NULL)
			return NULL;
		g_ptr_array_add(set->packages, package);
	}
	ash_package_set_sort(set);
	return g_steal_pointer(&set);
}

static AshPackageSet *
run_solver(AshJob *job, GError **error)
{
	g_autoptr(Solver) solver = solver_create(job->pool->pool);

	for (gsize i = 0; i < G_N_ELEMENTS(solver_flags); i++)
		solver_set_flag(solver, solver_flags[i], 1);
	solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, !job->request->packages->weak_deps);
	if (solver_solve(solver, &job->queue) != 0) {
		ash_explain_problems(solver, job->labels, error);
		return NULL;
	}
	return collect(job, solver, error);
}

/* With ASH_LOCK_EXACT nothing but the lock was to be had; it must be needed whole, too. */
static gboolean
check_lock(const AshSolveRequest *request, AshPackageSet *set, GError **error)
{
	if (!ash_job_is_exact(request))
		return TRUE;
	g_autoptr(AshLock) now = ash_lock_new(request->lock->variant);
	for (guint i = 0; i < set->packages->len; i++)
		ash_lock_add_package(now, g_ptr_array_index(set->packages, i));
	g_autofree char *diff = ash_lock_diff(request->lock, now);
	if (*diff == '\0')
		return TRUE;
	g_strchomp(diff);
	return ash_throw(error, ASH_ERROR_UNSOLVABLE,
			 "the lock of variant \"%s\" does not fit what is asked for; --update-lock makes it again:\n%s",
			 request->lock->variant, diff);
}

AshPackageSet *
ash_solve(AshContext *ctx, GPtrArray *metadata, const AshSolveRequest *request, GError **error)
{
	const char *arch = request->arch != NULL ? request->arch : DEFAULT_ARCH;
	g_autoptr(AshPool) pool = ash_pool_new(ctx, metadata, arch, request->packages->names, error);
	g_autoptr(AshComps) comps = pool != NULL ? load_comps(metadata, arch, error) : NULL;
	g_auto(AshJob) job = { 0 };

	if (comps == NULL)
		return NULL;
	ash_job_init(&job, pool, request);
	if (!ash_job_add_hidden(&job, error) || !ash_job_add_names(&job, error) ||
	    !ash_job_add_groups(&job, comps, error))
		return NULL;
	ash_job_add_favours(&job);
	g_autoptr(AshPackageSet) set = run_solver(&job, error);
	if (set == NULL || !check_lock(request, set, error))
		return NULL;
	return g_steal_pointer(&set);
}
