/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "solve/cache.h"

#include "solve/pool.h"

#include <glib/gstdio.h>
#include <solv/repo_solv.h>
#include <solv/repo_write.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAIN_NAME "main.solv"
#define FILELISTS_NAME "filelists.solv"
/* To be raised when what we write changes. */
#define CACHE_VERSION "1"
/* The main block comes first; a stub follows it. */
#define MAIN_REPODATA 1

/* What a cache must say of itself to be used. */
static char *
cookie_of(const AshRepoMetadata *metadata)
{
	return g_strdup_printf("ashlar " CACHE_VERSION " libsolv %s toolversion %s repomd %s", solv_version,
			       solv_toolversion, metadata->repomd_sha256);
}

static bool
has_cookie(FILE *file, const AshRepoMetadata *metadata)
{
	g_autofree char *cookie = cookie_of(metadata);
	unsigned char *data = NULL;
	int length = 0;

	if (solv_read_userdata(file, &data, &length) != 0)
		return false;
	bool same = length == (int)strlen(cookie) && memcmp(data, cookie, (size_t)length) == 0;
	free(data);
	rewind(file);
	return same;
}

static bool
load(Repo *repo, const AshRepoMetadata *metadata, const char *name, int flags)
{
	g_autofree char *path = g_build_filename(metadata->cache_dir, name, NULL);
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return false;
	bool ok = has_cookie(file, metadata) && repo_add_solv(repo, file, flags) == 0;
	fclose(file);
	return ok;
}

static bool
write_to(Repowriter *writer, const AshRepoMetadata *metadata, FILE *file)
{
	g_autofree char *cookie = cookie_of(metadata);

	repowriter_set_userdata(writer, cookie, (int)strlen(cookie));
	bool ok = repowriter_write(writer, file) == 0;
	return fclose(file) == 0 && ok;
}

/* No fsync: what a power cut leaves is not a .solv file or lacks its end, and is then made again. Takes @writer. */
static bool
save(Repowriter *writer, const AshRepoMetadata *metadata, const char *name)
{
	g_autofree char *path = g_build_filename(metadata->cache_dir, name, NULL);
	g_autofree char *temp = g_strconcat(path, ".XXXXXX", NULL);
	int fd = g_mkstemp(temp);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

	bool ok = file != NULL && write_to(writer, metadata, file) && rename(temp, path) == 0;
	if (file == NULL && fd >= 0)
		close(fd);
	if (!ok && fd >= 0)
		unlink(temp);
	repowriter_free(writer);
	return ok;
}

bool
ash_cache_load_main(Repo *repo, const AshRepoMetadata *metadata)
{
	if (load(repo, metadata, MAIN_NAME, SOLV_ADD_NO_STUBS))
		return true;
	repo_empty(repo, 1);
	return false;
}

bool
ash_cache_save_main(Repo *repo, const AshRepoMetadata *metadata)
{
	return save(repowriter_create(repo), metadata, MAIN_NAME);
}

bool
ash_cache_load_filelists(Repo *repo, const AshRepoMetadata *metadata, int flags)
{
	return load(repo, metadata, FILELISTS_NAME, flags);
}

static Repowriter *
repodata_writer(Repodata *data)
{
	Repowriter *writer = repowriter_create(data->repo);

	repowriter_set_repodatarange(writer, data->repodataid, data->repodataid + 1);
	return writer;
}

void
ash_cache_save_filelists(Repodata *data, const AshRepoMetadata *metadata)
{
	Repowriter *writer = repodata_writer(data);

	repowriter_set_flags(writer, REPOWRITER_NO_STORAGE_SOLVABLE);
	repowriter_set_solvablerange(writer, data->start, data->end);
	save(writer, metadata, FILELISTS_NAME);
}

static bool
includes_all(Queue *known, const Queue *added)
{
	for (int i = 0; i < added->count; i++) {
		int at = 0;
		while (at < known->count && known->elements[at] != added->elements[i])
			at++;
		if (at == known->count)
			return false;
	}
	return true;
}

void
ash_cache_update_file_provides(Repo *repo, const AshRepoMetadata *metadata, Queue *added)
{
	Repodata *data = repo_id2repodata(repo, MAIN_REPODATA);
	ash_auto_queue known;

	queue_init(&known);
	if (repodata_lookup_idarray(data, SOLVID_META, REPOSITORY_ADDEDFILEPROVIDES, &known) &&
	    includes_all(&known, added))
		return;
	for (int i = 0; i < added->count; i++)
		queue_pushunique(&known, added->elements[i]);
	repodata_set_idarray(data, SOLVID_META, REPOSITORY_ADDEDFILEPROVIDES, &known);
	repodata_internalize(data);
	save(repodata_writer(data), metadata, MAIN_NAME);
}
