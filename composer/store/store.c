/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/store.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/internal.h"
#include "store/reflog.h"
#include "store/treeindex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* libostree's default of 3 % stops work on a large disk that has plenty of room left. */
#define MIN_FREE_SPACE "64MB"

void
ash_store_object_name(const char *checksum, char ret_name[ASH_STORE_OBJECT_NAME_SIZE])
{
	g_snprintf(ret_name, ASH_STORE_OBJECT_NAME_SIZE, "%.2s/%.62s.file", checksum, checksum + 2);
}

/* Without @wait, -1 with no error means that somebody else has it. */
static int
lock_store(AshStore *store, bool wait, GError **error)
{
	ash_autofd int fd = ash_fd_open(store->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0644, error);

	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
		if (errno == EWOULDBLOCK)
			return -1;
		if (errno != EINTR) {
			ash_throw_errno(error, "cannot lock \"%s/lock\"", store->dir);
			return -1;
		}
	}
	return ash_fd_steal(&fd);
}

int
ash_store_lock(AshStore *store, GError **error)
{
	return lock_store(store, true, error);
}

static gboolean
make_repo(const char *repo_path, GError **error)
{
	g_autoptr(OstreeRepo) repo = NULL;
	g_autoptr(GKeyFile) config = NULL;

	repo = ostree_repo_create_at(AT_FDCWD, repo_path, OSTREE_REPO_MODE_BARE_USER, NULL, NULL, error);
	if (repo == NULL)
		return FALSE;
	config = ostree_repo_copy_config(repo);
	g_key_file_set_string(config, "core", "min-free-space-size", MIN_FREE_SPACE);
	return ostree_repo_write_config(repo, config, error);
}

/*
 * Tells ext4 that the directories in this one have nothing to do with one another: it then looks for room all over the disk. Without
 * it every staging root lies where the one before it was just removed, and ext4 looks at each inode freed in the last minutes
 * before it takes one: a third of the time of a build, measured. Other file systems do not know it.
 */
static void
spread_out(const char *path)
{
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, path, false, NULL);
	int flags = 0;

	if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_TOPDIR_FL) == 0) {
		flags |= FS_TOPDIR_FL;
		if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
			g_debug("\"%s\" is not spread out", path);
	}
}

static gboolean
make_store(const char *dir, const char *repo_path, GError **error)
{
	g_autofree char *tmp = g_build_filename(dir, "tmp", NULL);
	g_autofree char *repo_tmp = g_build_filename(repo_path, "tmp", NULL);
	/* The last that libostree makes: without it, making was interrupted, and is gone on with. */
	g_autofree char *objects = g_build_filename(repo_path, "objects", NULL);

	/* A staging root of root's holds real set-user-ID programs: nobody else gets near it. */
	if (!ash_file_mkdirs(AT_FDCWD, dir, 0755, error) || !ash_file_mkdirs(AT_FDCWD, tmp, 0700, error))
		return FALSE;
	spread_out(dir);
	spread_out(tmp);
	if (!ash_file_exists(AT_FDCWD, objects) && !make_repo(repo_path, error))
		return ash_prefix(error, "cannot make the repository \"%s\"", repo_path);
	/* Where libostree makes thousands of objects. */
	spread_out(repo_tmp);
	return TRUE;
}

static gboolean
open_repo(AshStore *store, GError **error)
{
	store->repo = ostree_repo_open_at(AT_FDCWD, store->repo_path, NULL, error);
	if (store->repo == NULL)
		return ash_prefix(error, "cannot open the repository \"%s\"", store->repo_path);
	if (ostree_repo_get_mode(store->repo) != OSTREE_REPO_MODE_BARE_USER)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the repository \"%s\" is not of mode bare-user; choose another store directory",
				 store->repo_path);
	store->dir_fd = ash_file_open_dir(AT_FDCWD, store->dir, false, error);
	if (store->dir_fd < 0)
		return FALSE;
	store->tmp_fd = ash_file_open_dir(store->dir_fd, "tmp", false, error);
	if (store->tmp_fd < 0)
		return FALSE;
	store->objects_fd = ash_file_open_dir(store->dir_fd, "repo/objects", false, error);
	return store->objects_fd >= 0;
}

void
ash_store_free(AshStore *store)
{
	if (store == NULL)
		return;
	g_clear_object(&store->repo);
	ash_fd_clear(&store->dir_fd);
	ash_fd_clear(&store->tmp_fd);
	ash_fd_clear(&store->objects_fd);
	ash_fd_clear(&store->use_fd);
	g_free(store->dir);
	g_free(store->repo_path);
	g_free(store);
}

const char *
ash_store_get_dir(const AshStore *store)
{
	return store->dir;
}

const char *
ash_store_get_repo_path(const AshStore *store)
{
	return store->repo_path;
}

char *
ash_store_make_staging(AshStore *store, const char *prefix, int *ret_fd, GError **error)
{
	/* Nobody may take the new directory for a stale one before it is kept. */
	ash_autofd int lock_fd = ash_store_lock(store, error);
	g_autofree char *path = g_strdup_printf("%s/tmp/%s-XXXXXX", store->dir, prefix);
	ash_autofd int fd = -1;

	if (lock_fd < 0)
		return NULL;
	if (g_mkdtemp_full(path, 0755) == NULL)
		return ash_throw_errno_null(error, "cannot make a directory in \"%s/tmp\"", store->dir);
	fd = ash_file_open_dir(AT_FDCWD, path, false, error);
	if (fd < 0)
		return NULL;
	if (fchmod(fd, 0755) < 0 || flock(fd, LOCK_SH) < 0)
		return ash_throw_errno_null(error, "cannot lock \"%s\"", path);
	*ret_fd = ash_fd_steal(&fd);
	return g_steal_pointer(&path);
}

/* Names in the directory @fd that begin with @prefix. */
static GPtrArray *
list_staging(int fd, const char *prefix, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(DIR) stream = ash_fd_open_stream(fd, ".", error);
	struct dirent *entry;

	if (stream == NULL)
		return NULL;
	while ((entry = ash_fd_next_entry(stream)) != NULL)
		if (g_str_has_prefix(entry->d_name, prefix))
			g_ptr_array_add(names, g_strdup(entry->d_name));
	return g_steal_pointer(&names);
}

/* libostree's lock on a repository, as it takes it: for each open file, and only if nobody writes. -1: somebody does. */
static int
try_lock_repo(AshStore *store)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	ash_autofd int fd = openat(store->dir_fd, "repo/.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);

	return fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) == 0 ? ash_fd_steal(&fd) : -1;
}

/* What transactions that were killed left in REPO/tmp. libostree would go on with it some time, or remove it after a day. */
static void
clean_transactions(AshStore *store)
{
	ash_autofd int tmp_fd = ash_file_open_dir(store->dir_fd, "repo/tmp", false, NULL);
	g_autoptr(GPtrArray) names = tmp_fd >= 0 ? list_staging(tmp_fd, "staging-", NULL) : NULL;
	ash_autofd int lock_fd = -1;

	/* Most often there is none; with the lock held, others wait a second. */
	if (names == NULL || names->len == 0)
		return;
	lock_fd = try_lock_repo(store);
	for (guint i = 0; lock_fd >= 0 && i < names->len; i++)
		ash_file_remove_tree(tmp_fd, g_ptr_array_index(names, i), NULL);
}

static bool
is_kept(AshStore *store, const char *name)
{
	ash_autofd int fd = openat(store->tmp_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* The caller has the lock. */
static gboolean
clean_stale(AshStore *store, GError **error)
{
	g_autoptr(GPtrArray) names = list_staging(store->tmp_fd, "", error);

	if (names == NULL)
		return FALSE;
	clean_transactions(store);
	ash_store_clean_locks(store);
	ash_tree_index_clean(store);
	for (guint i = 0; i < names->len; i++) {
		const char *name = g_ptr_array_index(names, i);
		if (!is_kept(store, name) && !ash_file_remove_tree(store->tmp_fd, name, error))
			return FALSE;
	}
	return TRUE;
}

AshStore *
ash_store_open(const char *dir, bool create, GError **error)
{
	g_autoptr(AshStore) store = g_new0(AshStore, 1);
	g_autofree char *objects = NULL;
	ash_autofd int lock_fd = -1;

	store->dir_fd = store->tmp_fd = store->objects_fd = store->use_fd = -1;
	store->dir = g_canonicalize_filename(dir, NULL);
	store->repo_path = g_build_filename(store->dir, "repo", NULL);
	objects = g_build_filename(store->repo_path, "objects", NULL);
	if (create && !make_store(store->dir, store->repo_path, error))
		return NULL;
	if (!create && !ash_file_exists(AT_FDCWD, objects))
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "there is no store in \"%s\"; a build makes one", dir);
	if (!open_repo(store, error))
		return NULL;
	/* No matter if this cannot be: a reader has no write access, files of other ids wait for the next worker. */
	lock_fd = lock_store(store, false, NULL);
	if (lock_fd >= 0)
		clean_stale(store, NULL);
	return g_steal_pointer(&store);
}

gboolean
ash_store_clean_stale(AshStore *store, GError **error)
{
	ash_autofd int lock_fd = ash_store_lock(store, error);

	return lock_fd >= 0 && clean_stale(store, error);
}

/* "REF^", "REF^^": from the ref's history. */
static char *
resolve_earlier(AshStore *store, const char *text, GError **error)
{
	gsize length = strcspn(text, "^"), steps = strlen(text) - length;
	g_autofree char *ref = g_strndup(text, length);
	g_autoptr(GPtrArray) checksums = ash_reflog_load(store, ref, error);

	if (checksums == NULL)
		return NULL;
	if (strspn(text + length, "^") != steps || steps >= checksums->len)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the history of \"%s\" does not go back to \"%s\"", ref, text);
	return g_strdup(g_ptr_array_index(checksums, checksums->len - 1 - steps));
}

char *
ash_store_resolve(AshStore *store, const char *ref_or_checksum, GError **error)
{
	g_autofree char *checksum = NULL;

	if (strchr(ref_or_checksum, '^') != NULL)
		return resolve_earlier(store, ref_or_checksum, error);
	if (!ostree_repo_resolve_rev(store->repo, ref_or_checksum, TRUE, &checksum, error))
		return ash_prefix(error, "cannot resolve \"%s\" in the store \"%s\"", ref_or_checksum,
				  store->dir),
		       NULL;
	if (checksum == NULL)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "the store \"%s\" has no ref or commit \"%s\"", store->dir,
				      ref_or_checksum);
	return g_steal_pointer(&checksum);
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char **
ash_store_list_refs(AshStore *store, GError **error)
{
	g_autoptr(GHashTable) refs = NULL;
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	GHashTableIter iter;
	gpointer name;

	if (!ostree_repo_list_refs(store->repo, NULL, &refs, NULL, error))
		return ash_prefix(error, "store \"%s\"", store->dir), NULL;
	g_hash_table_iter_init(&iter, refs);
	while (g_hash_table_iter_next(&iter, &name, NULL))
		g_ptr_array_add(names, g_strdup(name));
	g_ptr_array_sort(names, compare_strings);
	g_ptr_array_add(names, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}
