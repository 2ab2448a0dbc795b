/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solve/job.h"

#include "base/error.h"
#include "solve/explain.h"
#include "solve/select.h"

#include <solv/evr.h>
#include <solv/solver.h>
#include <string.h>

#define DEFAULT_ARCH "x86_64"
#define CORE_GROUP "core"

void
ash_job_init(AshJob *job, AshPool *pool, const AshSolveRequest *request)
{
	job->pool = pool;
	job->request = request;
	queue_init(&job->queue);
	job->labels = g_ptr_array_new_with_free_func(g_free);
	map_init(&job->user, pool->pool->nsolvables);
	map_init(&job->group, pool->pool->nsolvables);
}

void
ash_job_clear(AshJob *job)
{
	queue_free(&job->queue);
	g_clear_pointer(&job->labels, g_ptr_array_unref);
	map_free(&job->user);
	map_free(&job->group);
}

bool
ash_job_is_exact(const AshSolveRequest *request)
{
	return request->lock != NULL && request->lock_mode == ASH_LOCK_EXACT;
}

static const char *
base_arch(const AshJob *job)
{
	return job->request->arch != NULL ? job->request->arch : DEFAULT_ARCH;
}

/* Newest only, unless the lock may ask for what is older. */
static int
install_flags(const AshJob *job)
{
	return SOLVER_INSTALL | (job->request->lock == NULL ? SOLVER_FORCEBEST : 0);
}

static void
hide_pattern(AshPool *pool, Repo *repo, const char *pattern)
{
	ash_auto_queue packages;

	queue_init(&packages);
	ash_select(pool, pattern, ASH_SELECT_NAMES, &packages);
	for (int i = 0; i < packages.count; i++)
		if (repo == NULL || pool->pool->solvables[packages.elements[i]].repo == repo)
			ash_pool_hide(pool, packages.elements[i]);
}

static void
hide_not_included(AshPool *pool, Repo *repo, char **includes)
{
	ash_auto_queue packages;
	ash_auto_map keep;
	Solvable *solvable;
	Id id;

	queue_init(&packages);
	map_init(&keep, pool->pool->nsolvables);
	for (char **pattern = includes; *pattern != NULL; pattern++)
		ash_select(pool, *pattern, ASH_SELECT_NAMES, &packages);
	for (int i = 0; i < packages.count; i++)
		MAPSET(&keep, packages.elements[i]);
	FOR_REPO_SOLVABLES(repo, id, solvable)
		if (!MAPTST(&keep, id))
			ash_pool_hide(pool, id);
}

static void
hide_by_repo(AshPool *pool)
{
	for (guint i = 0; i < pool->repos->len; i++) {
		const AshPoolRepo *repo = g_ptr_array_index(pool->repos, i);
		const AshRepoConf *conf = repo->metadata->conf;
		if (conf->includes[0] != NULL)
			hide_not_included(pool, repo->repo, conf->includes);
		for (char **pattern = conf->excludes; *pattern != NULL; pattern++)
			hide_pattern(pool, repo->repo, *pattern);
	}
}

/* The package of the pool that @locked names, digest included; 0 if none. */
static Id
find_locked(AshPool *owner, const AshPackage *locked)
{
	Pool *pool = owner->pool;
	g_autofree char *evr = ash_package_dup_evr(locked);
	Id name = pool_str2id(pool, locked->name, 0), arch = pool_str2id(pool, locked->arch, 0);
	Id evr_id = pool_str2id(pool, evr, 0), checksum_type, id, offset;

	if (name == 0 || arch == 0 || evr_id == 0)
		return 0;
	FOR_PROVIDES(id, offset, name) {
		Solvable *solvable = pool_id2solvable(pool, id);
		if (solvable->name != name || solvable->arch != arch || solvable->evr != evr_id ||
		    g_strcmp0(solvable->repo->name, locked->repo_id) != 0)
			continue;
		const char *checksum = solvable_lookup_checksum(solvable, SOLVABLE_CHECKSUM, &checksum_type);
		if (g_strcmp0(checksum, locked->sha256) == 0)
			return id;
	}
	return 0;
}

static gboolean
hide_unlocked(AshJob *job, GError **error)
{
	const AshPackageSet *set = job->request->lock->set;
	g_autoptr(GString) missing = g_string_new(NULL);
	ash_auto_map keep;

	map_init(&keep, job->pool->pool->nsolvables);
	for (guint i = 0; i < set->packages->len; i++) {
		const AshPackage *locked = g_ptr_array_index(set->packages, i);
		Id id = find_locked(job->pool, locked);
		if (id != 0) {
			MAPSET(&keep, id);
			continue;
		}
		g_autofree char *nevra = ash_package_dup_nevra(locked);
		g_string_append_printf(missing, "\n- %s sha256:%s", nevra, locked->sha256);
	}
	if (missing->len > 0)
		return ash_throw(error, ASH_ERROR_UNSOLVABLE,
				 "the lock of variant \"%s\" names packages that no repository has any more; "
				 "--update-lock makes it again:%s",
				 job->request->lock->variant, missing->str);
	ash_pool_hide_all_but(job->pool, &keep);
	return TRUE;
}

gboolean
ash_job_add_hidden(AshJob *job, GError **error)
{
	hide_by_repo(job->pool);
	for (char **pattern = job->request->packages->excludes; *pattern != NULL; pattern++)
		hide_pattern(job->pool, NULL, *pattern);
	return !ash_job_is_exact(job->request) || hide_unlocked(job, error);
}

/* Takes @label. */
static void
push(AshJob *job, Id how, Id what, char *label)
{
	queue_push2(&job->queue, how, what);
	g_ptr_array_add(job->labels, label);
}

/* Whose word a job follows: the bits of its packages, and how to speak of it. */
typedef struct {
	Map *map;
	const char *kind, *name; /* "package", "bash" */
} Asker;

/* One job: one of @packages. */
static void
add_one_of(AshJob *job, Queue *packages, const Asker *asker)
{
	for (int i = 0; i < packages->count; i++)
		MAPSET(asker->map, packages->elements[i]);
	/* The architecture was chosen by who asked: an inferior one is no mistake. */
	push(job, install_flags(job) | SOLVER_SOLVABLE_ONE_OF | SOLVER_SETARCH | SOLVER_SETEVR,
	     pool_queuetowhatprovides(job->pool->pool, packages),
	     g_strdup_printf("%s \"%s\"", asker->kind, asker->name));
}

/* Moves the packages that are of the same name (and architecture) as the first of @from to @to. */
static void
take_alike(AshPool *pool, Queue *from, bool same_arch, Queue *to)
{
	const Solvable *first = pool_id2solvable(pool->pool, from->elements[0]);
	int kept = 0;

	for (int i = 0; i < from->count; i++) {
		const Solvable *solvable = pool_id2solvable(pool->pool, from->elements[i]);
		if (solvable->name == first->name && (!same_arch || solvable->arch == first->arch))
			queue_push(to, from->elements[i]);
		else
			from->elements[kept++] = from->elements[i];
	}
	queue_truncate(from, kept);
}

/* One job for each package name (and, with multilib, architecture) in @packages, which is emptied. */
static void
add_each_name(AshJob *job, Queue *packages, const Asker *asker)
{
	while (packages->count > 0) {
		ash_auto_queue alike;
		queue_init(&alike);
		take_alike(job->pool, packages, job->request->packages->multilib, &alike);
		ash_select_add_obsoleters(job->pool, &alike);
		add_one_of(job, &alike, asker);
	}
}

static gboolean
add_name(AshJob *job, const char *spec, GError **error)
{
	const AshPackageRequest *packages = job->request->packages;
	ash_auto_queue found;

	queue_init(&found);
	int form = ash_select(job->pool, spec, ASH_SELECT_ANY, &found);
	if (form == 0 && packages->ignore_missing) {
		ash_progress_message(job->pool->ctx->progress, "package \"%s\" is in no repository: ignored", spec);
		return TRUE;
	}
	if (form == 0) {
		const char *origin =
			job->request->origins != NULL ? g_hash_table_lookup(job->request->origins, spec) : NULL;
		return ash_explain_unknown(job->pool, spec, origin != NULL ? origin : packages->origin, error);
	}
	const Asker asker = { &job->user, "package", spec };
	if (form == ASH_SELECT_NAMES)
		add_each_name(job, &found, &asker);
	else
		add_one_of(job, &found, &asker);
	return TRUE;
}

gboolean
ash_job_add_names(AshJob *job, GError **error)
{
	for (char **spec = job->request->packages->names; *spec != NULL; spec++)
		if (!add_name(job, *spec, error))
			return FALSE;
	return TRUE;
}

static void
keep_arch(AshPool *pool, Queue *packages, const char *arch)
{
	Id wanted = pool_str2id(pool->pool, arch, 1);
	int kept = 0;

	for (int i = 0; i < packages->count; i++)
		if (pool->pool->solvables[packages->elements[i]].arch == wanted)
			packages->elements[kept++] = packages->elements[i];
	queue_truncate(packages, kept);
}

/* "(name if requires)", as a dependency that must hold. */
static void
add_conditional(AshJob *job, const AshCompsMember *member, Queue *packages)
{
	Pool *pool = job->pool->pool;
	Id dependency = pool_rel2id(pool, pool_str2id(pool, member->name, 1), pool_str2id(pool, member->requires, 1),
				    REL_COND, 1);

	for (int i = 0; i < packages->count; i++)
		MAPSET(&job->group, packages->elements[i]);
	push(job, install_flags(job) | SOLVER_SOLVABLE_PROVIDES, dependency,
	     g_strdup_printf("package \"%s\" if there is \"%s\"", member->name, member->requires));
}

/* The packages called exactly @name. */
static void
select_exact(AshPool *pool, const char *name, int flags, Queue *packages)
{
	Id string = pool_str2id(pool->pool, name, 0);
	int kept = 0;

	if (string == 0)
		return;
	ash_select(pool, name, ASH_SELECT_NAMES | flags, packages);
	for (int i = 0; i < packages->count; i++)
		if (pool->pool->solvables[packages->elements[i]].name == string)
			packages->elements[kept++] = packages->elements[i];
	queue_truncate(packages, kept);
}

/* A member that the repositories do not have is passed over, as dnf does: comps files are for many of them. */
static void
add_member(AshJob *job, const AshCompsGroup *group, const AshCompsMember *member)
{
	const Asker asker = { &job->group, "group member", member->name };
	ash_auto_queue found, hidden;

	queue_init(&found);
	queue_init(&hidden);
	select_exact(job->pool, member->name, 0, &found);
	if (member->basearch_only)
		keep_arch(job->pool, &found, base_arch(job));
	select_exact(job->pool, member->name, ASH_SELECT_HIDDEN, &hidden);
	if (found.count > 0 && member->requires != NULL)
		add_conditional(job, member, &found);
	else if (found.count > 0)
		add_each_name(job, &found, &asker);
	else if (hidden.count == 0)
		ash_progress_message(job->pool->ctx->progress, "group \"%s\": no repository has its member \"%s\"",
				     group->id, member->name);
}

/* A group that is to be installed: which of its members. */
typedef struct {
	AshJob *job;
	const AshComps *comps;
	GHashTable *done; /* of borrowed AshCompsGroup: members' types that were added */
} GroupAdder;

static bool
is_excluded(const AshJob *job, const AshCompsGroup *group)
{
	char *const *excludes = job->request->packages->group_excludes;

	return g_strv_contains((const char *const *)excludes, group->id) ||
	       (group->name != NULL && g_strv_contains((const char *const *)excludes, group->name));
}

static void
add_group(GroupAdder *adder, const AshCompsGroup *group, int types)
{
	guint done = GPOINTER_TO_UINT(g_hash_table_lookup(adder->done, group));
	guint wanted = (guint)types & ~done;

	if (is_excluded(adder->job, group))
		return;
	g_hash_table_insert(adder->done, (gpointer)group, GUINT_TO_POINTER(done | wanted));
	for (guint i = 0; i < group->members->len; i++) {
		const AshCompsMember *member = g_ptr_array_index(group->members, i);
		if ((member->type & wanted) != 0)
			add_member(adder->job, group, member);
	}
}

/* Both kinds, as "@" is written before either. */
static gboolean
report_unknown_group(GroupAdder *adder, const char *kind, const char *id, GError **error)
{
	const AshPackageRequest *packages = adder->job->request->packages;
	g_autoptr(GString) known = g_string_new(NULL);

	for (guint i = 0; i < adder->comps->groups->len && *kind == 'g'; i++)
		g_string_append_printf(known, " %s", ((AshCompsGroup *)g_ptr_array_index(adder->comps->groups, i))->id);
	for (guint i = 0; i < adder->comps->environments->len && *kind == 'e'; i++)
		g_string_append_printf(known, " %s",
				       ((AshCompsEnvironment *)g_ptr_array_index(adder->comps->environments, i))->id);
	if (packages->ignore_missing) {
		ash_progress_message(adder->job->pool->ctx->progress, "%s \"%s\" is in no repository: ignored", kind, id);
		return TRUE;
	}
	const char *origin = packages->origin;
	g_autofree char *where = origin != NULL ? g_strdup_printf(" (%s)", origin) : g_strdup("");
	return ash_throw(error, ASH_ERROR_UNSOLVABLE, "%s \"%s\"%s is in no repository; there are:%s", kind, id, where,
			 known->len > 0 ? known->str : " none");
}

static gboolean
add_groups_of(GroupAdder *adder, char **ids, int types, GError **error)
{
	for (char **id = ids; *id != NULL; id++) {
		const AshCompsGroup *group = ash_comps_find_group(adder->comps, *id);
		if (group != NULL)
			add_group(adder, group, types);
		else if (!report_unknown_group(adder, "group", *id, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
add_environments(GroupAdder *adder, int types, GError **error)
{
	for (char **id = adder->job->request->packages->environments; *id != NULL; id++) {
		const AshCompsEnvironment *environment = ash_comps_find_environment(adder->comps, *id);
		if (environment == NULL && !report_unknown_group(adder, "environment", *id, error))
			return FALSE;
		for (char **member = environment != NULL ? environment->groups : NULL; member != NULL && *member != NULL;
		     member++) {
			const AshCompsGroup *group = ash_comps_find_group(adder->comps, *member);
			if (group != NULL)
				add_group(adder, group, types);
		}
	}
	return TRUE;
}

gboolean
ash_job_add_groups(AshJob *job, const AshComps *comps, GError **error)
{
	const int usual = ASH_COMPS_MANDATORY | ASH_COMPS_DEFAULT | ASH_COMPS_CONDITIONAL;
	const AshPackageRequest *packages = job->request->packages;
	const AshCompsGroup *core = packages->core ? ash_comps_find_group(comps, CORE_GROUP) : NULL;
	g_autoptr(GHashTable) done = g_hash_table_new(NULL, NULL);
	GroupAdder adder = { .job = job, .comps = comps, .done = done };

	if (core != NULL)
		add_group(&adder, core, usual);
	return add_groups_of(&adder, packages->groups, usual, error) &&
	       add_groups_of(&adder, packages->groups_mandatory, ASH_COMPS_MANDATORY | ASH_COMPS_CONDITIONAL, error) &&
	       add_groups_of(&adder, packages->groups_all, usual | ASH_COMPS_OPTIONAL, error) &&
	       add_environments(&adder, usual, error);
}

void
ash_job_add_favours(AshJob *job)
{
	const AshLock *lock = ash_job_is_exact(job->request) ? NULL : job->request->lock;

	for (guint i = 0; lock != NULL && i < lock->set->packages->len; i++) {
		Id id = find_locked(job->pool, g_ptr_array_index(lock->set->packages, i));
		if (id != 0)
			push(job, SOLVER_FAVOR | SOLVER_SOLVABLE, id, g_strdup("what the lock names"));
	}
}
