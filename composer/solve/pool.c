/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solve/pool.h"

#include "base/error.h"
#include "solve/cache.h"

#include <errno.h>
#include <solv/repo_rpmmd.h>
#include <solv/solv_xfopen.h>
#include <stdio.h>
#include <string.h>

/* The Id of a repository's own attributes in libsolv is SOLVID_META; its stub of the file lists names this type. */
#define FILELISTS_TYPE "filelists"

static void
file_close(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}
#define ash_autofile __attribute__((cleanup(file_close)))

static FILE *
open_metadata(const AshRepoMetadata *metadata, const char *path, GError **error)
{
	FILE *file = solv_xfopen(path, "r");

	if (file == NULL) {
		int code = errno;
		ash_throw(error, ASH_ERROR_FETCH, "repository \"%s\": cannot open \"%s\": %s", metadata->conf->id, path,
			  g_strerror(code));
	}
	return file;
}

static gboolean
add_xml(Repo *repo, const AshRepoMetadata *metadata, const char *path, const char *language, int flags, GError **error)
{
	ash_autofile FILE *file = open_metadata(metadata, path, error);

	if (file == NULL)
		return FALSE;
	if (repo_add_rpmmd(repo, file, language, flags) != 0)
		return ash_throw(error, ASH_ERROR_FETCH, "repository \"%s\": \"%s\": %s", metadata->conf->id, path,
				 pool_errstr(repo->pool));
	return TRUE;
}

/* Says in the pool that file lists exist and which attribute they hold: libsolv asks for them when it needs them. */
static void
describe_filelists(Repo *repo)
{
	Repodata *data = repo_add_repodata(repo, 0);
	Id handle = repodata_new_handle(data);

	repodata_extend_block(data, repo->start, repo->end - repo->start);
	repodata_set_poolstr(data, handle, REPOSITORY_REPOMD_TYPE, FILELISTS_TYPE);
	repodata_add_idarray(data, handle, REPOSITORY_KEYS, SOLVABLE_FILELIST);
	repodata_add_idarray(data, handle, REPOSITORY_KEYS, REPOKEY_TYPE_DIRSTRARRAY);
	repodata_add_flexarray(data, SOLVID_META, REPOSITORY_EXTERNAL, handle);
	repodata_internalize(data);
}

static gboolean
load_primary(AshPoolRepo *repo, GError **error)
{
	const AshRepoMetadata *metadata = repo->metadata;

	repo->cached = ash_cache_load_main(repo->repo, metadata);
	if (repo->cached)
		return TRUE;
	if (!add_xml(repo->repo, metadata, metadata->primary_path, NULL, 0, error))
		return FALSE;
	if (metadata->filelists_path != NULL)
		describe_filelists(repo->repo);
	/* Read back, everything is in one block that can be extended and written again. */
	if (ash_cache_save_main(repo->repo, metadata)) {
		repo_empty(repo->repo, 1);
		repo->cached = ash_cache_load_main(repo->repo, metadata);
	}
	if (!repo->cached && repo->repo->nsolvables == 0)
		return add_xml(repo->repo, metadata, metadata->primary_path, NULL, 0, error);
	return TRUE;
}

static gboolean
load_filelists(AshPoolRepo *repo, Repodata *data, GError **error)
{
	const int flags = REPO_USE_LOADING | REPO_EXTEND_SOLVABLES | REPO_LOCALPOOL;

	if (ash_cache_load_filelists(repo->repo, repo->metadata, flags))
		return TRUE;
	if (!add_xml(repo->repo, repo->metadata, repo->metadata->filelists_path, "FL", flags, error))
		return FALSE;
	ash_cache_save_filelists(data, repo->metadata);
	return TRUE;
}

/* libsolv's call for what describe_filelists() promised. */
static int
on_load(Pool *pool, Repodata *data, void *user_data)
{
	AshPoolRepo *repo = data->repo->appdata;
	const char *type = repodata_lookup_str(data, SOLVID_META, REPOSITORY_REPOMD_TYPE);

	if (g_strcmp0(type, FILELISTS_TYPE) != 0 || repo == NULL || repo->metadata->filelists_path == NULL)
		return 0;
	return load_filelists(repo, data, repo->owner->load_error == NULL ? &repo->owner->load_error : NULL);
}

static gboolean
add_repo(AshPool *pool, const AshRepoMetadata *metadata, GError **error)
{
	AshPoolRepo *repo = g_new0(AshPoolRepo, 1);

	g_ptr_array_add(pool->repos, repo);
	repo->owner = pool;
	repo->metadata = metadata;
	repo->repo = repo_create(pool->pool, metadata->conf->id);
	repo->repo->appdata = repo;
	/* dnf counts down, libsolv counts up. */
	repo->repo->priority = -metadata->conf->priority;
	repo->repo->subpriority = -metadata->conf->cost;
	if (!ash_context_check(pool->ctx, error) || !load_primary(repo, error))
		return FALSE;
	if (metadata->filelists_path != NULL && repo->repo->nrepodata > 1)
		repodata_create_stubs(repo_last_repodata(repo->repo));
	return TRUE;
}

/*
 * A package that requires the paths in @specs: libsolv looks them up together with those in real dependencies, far
 * faster than its search through all files of all packages.
 */
static Repo *
add_asker(AshPool *pool, char **specs)
{
	Repo *repo = repo_create(pool->pool, "request");
	Solvable *solvable = pool_id2solvable(pool->pool, repo_add_solvable(repo));

	solvable->name = pool_str2id(pool->pool, "request", 1);
	solvable->arch = ARCH_SRC;
	solvable->evr = ID_EMPTY;
	for (char **spec = specs; *spec != NULL; spec++)
		if (**spec == '/' && strpbrk(*spec, "*?[ ") == NULL)
			solvable->requires = repo_addid_dep(repo, solvable->requires, pool_str2id(pool->pool, *spec, 1), 0);
	return repo;
}

/* Dependencies on files become provides; which ones were looked up is kept in the .solv files. */
static gboolean
add_file_provides(AshPool *pool, char **specs, GError **error)
{
	Repo *asker = add_asker(pool, specs);
	ash_auto_queue added;

	queue_init(&added);
	pool_addfileprovides_queue(pool->pool, &added, NULL);
	repo_free(asker, 1);
	if (pool->load_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&pool->load_error));
		return FALSE;
	}
	for (guint i = 0; added.count > 0 && i < pool->repos->len; i++) {
		AshPoolRepo *repo = g_ptr_array_index(pool->repos, i);
		if (repo->cached)
			ash_cache_update_file_provides(repo->repo, repo->metadata, &added);
	}
	return TRUE;
}

AshPool *
ash_pool_new(AshContext *ctx, GPtrArray *metadata, const char *arch, char **specs, GError **error)
{
	g_autoptr(AshPool) pool = g_new0(AshPool, 1);

	pool->ctx = ctx;
	pool->pool = pool_create();
	pool->repos = g_ptr_array_new_with_free_func(g_free);
	pool_setdisttype(pool->pool, DISTTYPE_RPM);
	pool_setarch(pool->pool, arch);
	/* Packages of one name for different word sizes stand side by side, as rpm has it; Debian's libsolv differs. */
	pool_set_flag(pool->pool, POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1);
	/* What is hidden can be named in explanations: "filtered out", not "nothing provides". */
	pool_set_flag(pool->pool, POOL_FLAG_WHATPROVIDESWITHDISABLED, 1);
	pool_setloadcallback(pool->pool, on_load, NULL);
	for (guint i = 0; i < metadata->len; i++)
		if (!add_repo(pool, g_ptr_array_index(metadata, i), error))
			return NULL;
	if (!add_file_provides(pool, specs, error))
		return NULL;
	pool_createwhatprovides(pool->pool);
	map_init(&pool->considered, pool->pool->nsolvables);
	map_setall(&pool->considered);
	pool->pool->considered = &pool->considered;
	return g_steal_pointer(&pool);
}

void
ash_pool_free(AshPool *pool)
{
	if (pool == NULL)
		return;
	pool->pool->considered = NULL;
	map_free(&pool->considered);
	pool_free(pool->pool);
	g_ptr_array_unref(pool->repos);
	g_clear_error(&pool->load_error);
	g_free(pool);
}

void
ash_pool_hide(AshPool *pool, Id package)
{
	MAPCLR(&pool->considered, package);
}

void
ash_pool_hide_all_but(AshPool *pool, const Map *keep)
{
	map_and(&pool->considered, keep);
}
