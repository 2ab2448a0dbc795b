/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/import.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "install/entry.h"
#include "install/filepaths.h"
#include "install/filestates.h"
#include "install/unpack.h"
#include "install/verifier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct AshImporter {
	AshContext *ctx;      /* borrowed */
	char *import_dir;
	int import_fd, staging_fd;
	AshVerifier *verifier;
	GThreadPool *pool;    /* NULL once finished */
	int removed;          /* atomic: names for what is thrown away */
	int done;             /* atomic */
	GMutex lock;          /* for all below */
	AshFilePaths *paths;
	GPtrArray *pushed;    /* of borrowed AshPackage */
	GError *failure;      /* the one of the first package by name */
	char *failed_nevra;
	bool finishing;
};

bool
ash_importer_available(void)
{
	return ash_file_states_available();
}

static gboolean
add_paths(AshImporter *importer, const char *nevra, Header header, GError **error)
{
	g_mutex_lock(&importer->lock);
	gboolean good = ash_file_paths_add(importer->paths, nevra, header, error);
	g_mutex_unlock(&importer->lock);
	return good;
}

/* Takes an entry away in one step, so that nobody meets half of it. */
static gboolean
throw_away(AshImporter *importer, const char *path, GError **error)
{
	g_autofree char *name = g_strdup_printf("old-%d", g_atomic_int_add(&importer->removed, 1));

	if (renameat(importer->import_fd, path, importer->staging_fd, name) < 0)
		return errno == ENOENT || ash_throw_errno(error, "cannot remove \"%s/%s\"", importer->import_dir, path);
	return ash_file_remove_tree(importer->staging_fd, name, error);
}

/* The entry, if it is whole and of this package; NULL otherwise. */
static AshEntry *
load_whole(int dir_fd, const char *nevra)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(AshEntry) entry = ash_entry_load(dir_fd, &local);

	if (entry != NULL && strcmp(entry->nevra, nevra) == 0 && ash_entry_check(entry, dir_fd, &local))
		return g_steal_pointer(&entry);
	g_debug("import of %s: %s", nevra, local != NULL ? local->message : "it is another package");
	return NULL;
}

static gboolean
add_found(AshImporter *importer, AshPackage *package, const char *nevra, char *header_path, GError **error)
{
	FD_t fd = Fopen(header_path, "r.ufdio");
	Header header = fd != NULL && !Ferror(fd)
				? ash_verifier_read_header(fd, header_path, nevra, error)
				: NULL;
	gboolean good = header != NULL && add_paths(importer, nevra, header, error);

	headerFree(header);
	Fclose(fd);
	g_free(package->path);
	package->path = header_path;
	return good;
}

gboolean
ash_importer_find(AshImporter *importer, AshPackage *package, bool *ret_found, GError **error)
{
	const char *trust = ash_verifier_get_trust(importer->verifier, package->repo_id);
	g_autofree char *nevra = ash_package_dup_nevra(package);
	g_autofree char *path = ash_entry_path(package->sha256);
	ash_autofd int dir_fd = -1;

	*ret_found = false;
	if (path == NULL || trust == NULL)
		return TRUE;
	dir_fd = openat(importer->import_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0 && errno == ENOENT)
		return TRUE;
	g_autoptr(AshEntry) entry = dir_fd >= 0 ? load_whole(dir_fd, nevra) : NULL;
	if (entry == NULL)
		return throw_away(importer, path, error);
	/* Other keys: the file has to be looked at again, but not unpacked. */
	if (strcmp(entry->trust, trust) != 0)
		return TRUE;
	if (!add_found(importer, package, nevra,
		       g_build_filename(importer->import_dir, path, ASH_ENTRY_HEADER, NULL), error))
		return FALSE;
	/* For "ashlar prune --keep-age": when it was used last. */
	(void) !utimensat(dir_fd, ASH_ENTRY_MANIFEST, NULL, AT_SYMLINK_NOFOLLOW);
	*ret_found = true;
	return TRUE;
}

/* 1: it is in place. 0: there is another already. -1: failure. */
static int
rename_into_place(AshImporter *importer, const char *name, const char *path, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(path);

	if (!ash_file_mkdirs(importer->import_fd, dir, 0700, error))
		return -1;
	if (renameat2(importer->staging_fd, name, importer->import_fd, path, RENAME_NOREPLACE) == 0)
		return 1;
	/* File systems that cannot refuse to replace refuse to replace what is not empty. */
	if (errno == EINVAL && renameat(importer->staging_fd, name, importer->import_fd, path) == 0)
		return 1;
	if (errno == EEXIST || errno == ENOTEMPTY)
		return 0;
	ash_throw_errno(error, "cannot make \"%s/%s\"", importer->import_dir, path);
	return -1;
}

/* An entry made by somebody else meanwhile, or one verified by other keys: it stays if it is good, and learns ours. */
static bool
adopt(AshImporter *importer, const char *path, const AshEntry *ours)
{
	ash_autofd int dir_fd = openat(importer->import_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	g_autoptr(AshEntry) entry = dir_fd >= 0 ? load_whole(dir_fd, ours->nevra) : NULL;

	if (entry == NULL || memcmp(entry->header_sha256, ours->header_sha256, sizeof ours->header_sha256) != 0)
		return false;
	if (strcmp(entry->trust, ours->trust) == 0)
		return true;
	g_free(entry->trust);
	entry->trust = g_strdup(ours->trust);
	return ash_entry_save(entry, dir_fd, NULL);
}

static gboolean
put_into_place(AshImporter *importer, const char *name, const char *path, const AshEntry *entry, GError **error)
{
	for (guint i = 0; i < 2; i++) {
		int outcome = rename_into_place(importer, name, path, error);
		if (outcome != 0)
			return outcome > 0;
		if (adopt(importer, path, entry))
			return ash_file_remove_tree(importer->staging_fd, name, error);
		if (!throw_away(importer, path, error))
			return FALSE;
	}
	return ash_throw(error, ASH_ERROR_INTERNAL, "cannot make \"%s/%s\": it comes back", importer->import_dir, path);
}

static gboolean
make_entry(AshImporter *importer, const AshPackage *package, const char *nevra, Header header, FD_t fd, GError **error)
{
	g_autofree char *path = ash_entry_path(package->sha256);
	ash_autofd int dir_fd = -1;

	if (path == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "package \"%s\" has no digest", nevra);
	const char *name = strrchr(path, '/') + 1;
	if (mkdirat(importer->staging_fd, name, 0700) < 0)
		return ash_throw_errno(error, "package \"%s\": cannot make a directory to unpack in", nevra);
	dir_fd = ash_fd_open(importer->staging_fd, name, O_RDONLY | O_DIRECTORY, 0, error);
	g_autoptr(AshEntry) entry = dir_fd >= 0 ? ash_unpack(header, fd, nevra, package->path, dir_fd, error) : NULL;
	if (entry == NULL)
		return FALSE;
	entry->trust = g_strdup(ash_verifier_get_trust(importer->verifier, package->repo_id));
	return ash_entry_save(entry, dir_fd, error) && put_into_place(importer, name, path, entry, error);
}

static gboolean
import_package(AshImporter *importer, const AshPackage *package, const char *nevra, GError **error)
{
	FD_t fd = ash_verifier_open(package, error);
	Header header = NULL;

	if (fd == NULL)
		return FALSE;
	gboolean good = ash_verifier_check(importer->verifier, package, fd, &header, error) &&
			add_paths(importer, nevra, header, error) &&
			make_entry(importer, package, nevra, header, fd, error);
	headerFree(header);
	Fclose(fd);
	return good;
}

/* Of several failures the first by name is told, however the threads ran. */
static void
note_failure(AshImporter *importer, char *nevra, GError *failure)
{
	g_mutex_lock(&importer->lock);
	if (importer->failure == NULL || strcmp(nevra, importer->failed_nevra) < 0) {
		g_clear_error(&importer->failure);
		g_free(importer->failed_nevra);
		importer->failure = failure;
		importer->failed_nevra = nevra;
	} else {
		g_error_free(failure);
		g_free(nevra);
	}
	g_mutex_unlock(&importer->lock);
}

static void
import_one(gpointer data, gpointer user_data)
{
	AshPackage *package = data;
	AshImporter *importer = user_data;
	g_autofree char *nevra = ash_package_dup_nevra(package);
	GError *failure = NULL;

	if (!ash_context_check(importer->ctx, NULL))
		return;
	if (!import_package(importer, package, nevra, &failure))
		note_failure(importer, g_steal_pointer(&nevra), failure);
	int done = g_atomic_int_add(&importer->done, 1) + 1;
	g_mutex_lock(&importer->lock);
	/* Before, the counters are those of the downloads. */
	if (importer->finishing)
		ash_progress_count(importer->ctx->progress, (guint64) done, importer->pushed->len, "packages");
	g_mutex_unlock(&importer->lock);
}

AshImporter *
ash_importer_new(AshContext *ctx, const char *import_dir, const char *staging_dir, GPtrArray *confs, GError **error)
{
	g_autoptr(AshImporter) importer = g_new0(AshImporter, 1);

	g_mutex_init(&importer->lock);
	importer->ctx = ctx;
	importer->import_dir = g_canonicalize_filename(import_dir, NULL);
	importer->import_fd = importer->staging_fd = -1;
	importer->paths = ash_file_paths_new();
	importer->pushed = g_ptr_array_new();
	importer->import_fd = ash_file_open_dir(AT_FDCWD, import_dir, true, error);
	if (importer->import_fd < 0)
		return NULL;
	importer->staging_fd = ash_file_open_dir(AT_FDCWD, staging_dir, false, error);
	importer->verifier = importer->staging_fd >= 0 ? ash_verifier_new(confs, error) : NULL;
	if (importer->verifier == NULL)
		return NULL;
	importer->pool = g_thread_pool_new(import_one, importer, (int) MAX(1, ctx->jobs), FALSE, error);
	return importer->pool != NULL ? g_steal_pointer(&importer) : NULL;
}

static void
wait_for_all(AshImporter *importer)
{
	if (importer->pool != NULL)
		g_thread_pool_free(importer->pool, FALSE, TRUE);
	importer->pool = NULL;
}

void
ash_importer_free(AshImporter *importer)
{
	if (importer == NULL)
		return;
	wait_for_all(importer);
	ash_verifier_free(importer->verifier);
	ash_file_paths_free(importer->paths);
	g_ptr_array_unref(importer->pushed);
	ash_fd_clear(&importer->import_fd);
	ash_fd_clear(&importer->staging_fd);
	g_clear_error(&importer->failure);
	g_free(importer->failed_nevra);
	g_free(importer->import_dir);
	g_mutex_clear(&importer->lock);
	g_free(importer);
}

void
ash_importer_push(AshImporter *importer, AshPackage *package)
{
	g_mutex_lock(&importer->lock);
	g_ptr_array_add(importer->pushed, package);
	g_mutex_unlock(&importer->lock);
	g_thread_pool_push(importer->pool, package, NULL);
}

gboolean
ash_importer_finish(AshImporter *importer, GError **error)
{
	g_mutex_lock(&importer->lock);
	importer->finishing = true;
	g_mutex_unlock(&importer->lock);
	wait_for_all(importer);
	if (importer->failure != NULL) {
		g_propagate_error(error, g_steal_pointer(&importer->failure));
		return FALSE;
	}
	if (!ash_context_check(importer->ctx, error) || !ash_file_paths_check(importer->paths, error))
		return FALSE;
	for (guint i = 0; i < importer->pushed->len; i++) {
		AshPackage *package = g_ptr_array_index(importer->pushed, i);
		g_autofree char *path = ash_entry_path(package->sha256);
		g_free(package->path);
		package->path = g_build_filename(importer->import_dir, path, ASH_ENTRY_HEADER, NULL);
	}
	return TRUE;
}
