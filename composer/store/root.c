/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/root.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/shared.h"
#include "store/dirwalk.h"
#include "store/inode.h"
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ROOTS_DIR "roots"

/* What Linux allows for a list of names and for a value (xattr(7)). */
#define XATTR_MAX 65536

/* A copied inode that has, or may have, more names in the root. */
typedef struct {
	AshInode id;
	char *path;   /* of the first copy, below the root; owned */
	bool is_done; /* the copy is there */
} Copy;

typedef struct {
	int from_fd, to_fd; /* the two roots */
	bool may_link;
	GMutex lock;        /* for all below */
	GCond changed;
	GHashTable *copies; /* set of Copy, owned */
} Clone;

/* A directory of the clone while it is filled. */
typedef struct {
	Clone *clone;
	AshDirWalk *walk;
	const char *path;
	int from, to;
} Place;

static void
copy_free(gpointer data)
{
	Copy *copy = data;

	g_free(copy->path);
	g_free(copy);
}

static gboolean
stat_entry(int dir_fd, const char *name, struct stat *ret_info, GError **error)
{
	return fstatat(dir_fd, name, ret_info, AT_SYMLINK_NOFOLLOW) == 0 || ash_throw_errno(error, "cannot stat \"%s\"", name);
}

/* Owner, mode and times of what was made; a symbolic link has no mode. */
static gboolean
set_metadata(int dir_fd, const char *name, const struct stat *info, GError **error)
{
	const struct timespec times[2] = { info->st_atim, info->st_mtim };

	if (fchownat(dir_fd, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot set the owner of \"%s\"", name);
	if (!S_ISLNK(info->st_mode) && fchmodat(dir_fd, name, info->st_mode & 07777, 0) < 0)
		return ash_throw_errno(error, "cannot set the mode of \"%s\"", name);
	if (utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot set the times of \"%s\"", name);
	return TRUE;
}

static gboolean
clone_symlink(const Place *place, const char *name, const struct stat *info, GError **error)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(place->from, name, target, sizeof(target) - 1);

	if (length < 0)
		return ash_throw_errno(error, "cannot read the symbolic link \"%s\"", name);
	target[length] = '\0';
	if (symlinkat(target, place->to, name) < 0)
		return ash_throw_errno(error, "cannot make the symbolic link \"%s\"", name);
	return set_metadata(place->to, name, info, error);
}

static gboolean
clone_special(const Place *place, const char *name, const struct stat *info, GError **error)
{
	if (S_ISSOCK(info->st_mode))
		return TRUE;
	if (mknodat(place->to, name, (info->st_mode & S_IFMT) | 0600, info->st_rdev) == 0)
		return set_metadata(place->to, name, info, error);
	/* No device in a user namespace. */
	return (!S_ISFIFO(info->st_mode) && errno == EPERM) || ash_throw_errno(error, "cannot make \"%s\"", name);
}

/* What this inode was copied to before, or NULL if it is for the caller to copy it, and to say so with end_copy(). */
static const char *
begin_copy(const Place *place, const char *name, const struct stat *info, Copy **ret_copy)
{
	Clone *clone = place->clone;
	const Copy key = { .id = { .dev = info->st_dev, .ino = info->st_ino } };
	Copy *copy;

	g_mutex_lock(&clone->lock);
	copy = g_hash_table_lookup(clone->copies, &key);
	*ret_copy = copy;
	if (copy == NULL) {
		*ret_copy = g_memdup2(&key, sizeof(key));
		(*ret_copy)->path = g_strconcat(place->path, "/", name, NULL);
		g_hash_table_add(clone->copies, *ret_copy);
	}
	while (copy != NULL && !copy->is_done)
		g_cond_wait(&clone->changed, &clone->lock);
	g_mutex_unlock(&clone->lock);
	return copy != NULL ? copy->path : NULL;
}

static void
end_copy(Clone *clone, Copy *copy)
{
	g_mutex_lock(&clone->lock);
	copy->is_done = true;
	g_cond_broadcast(&clone->changed);
	g_mutex_unlock(&clone->lock);
}

static gboolean
copy_file(const Place *place, const char *name, GError **error)
{
	struct stat info;
	const char *first;
	Copy *copy;
	gboolean ok;

	if (!stat_entry(place->from, name, &info, error))
		return FALSE;
	if (info.st_nlink == 1)
		return ash_shared_clone(place->from, name, place->to, name, false, error);
	first = begin_copy(place, name, &info, &copy);
	if (first == NULL) {
		ok = ash_shared_clone(place->from, name, place->to, name, false, error);
		end_copy(place->clone, copy);
		return ok;
	}
	return linkat(place->clone->to_fd, first, place->to, name, 0) == 0 ||
	       ash_throw_errno(error, "cannot link \"%s\"", name);
}

static gboolean
clone_file(const Place *place, const char *name, GError **error)
{
	if (place->clone->may_link && ash_shared_is_marked(place->from, name)) {
		if (linkat(place->from, name, place->to, name, 0) == 0)
			return TRUE;
		if (errno != EXDEV && errno != EMLINK && errno != EPERM && errno != EOPNOTSUPP)
			return ash_throw_errno(error, "cannot link \"%s\"", name);
	}
	return copy_file(place, name, error);
}

static gboolean
clone_entry(const Place *place, const struct dirent *entry, GError **error)
{
	const char *name = entry->d_name;
	struct stat info;

	if (entry->d_type == DT_REG)
		return clone_file(place, name, error);
	if (!stat_entry(place->from, name, &info, error))
		return FALSE;
	if (S_ISREG(info.st_mode))
		return clone_file(place, name, error);
	if (S_ISLNK(info.st_mode))
		return clone_symlink(place, name, &info, error);
	if (!S_ISDIR(info.st_mode))
		return clone_special(place, name, &info, error);
	if (mkdirat(place->to, name, 0700) < 0)
		return ash_throw_errno(error, "cannot make the directory \"%s\"", name);
	ash_dir_walk_add(place->walk, place->path, name);
	return TRUE;
}

static gboolean
copy_dir_xattr(int from, int to, const char *name, char *value, GError **error)
{
	ssize_t size = fgetxattr(from, name, value, XATTR_MAX);

	if (size < 0)
		return ash_throw_errno(error, "cannot read the extended attribute \"%s\"", name);
	/* The host's own label is for the host to give. */
	if (fsetxattr(to, name, value, (gsize) size, 0) < 0 && strcmp(name, "security.selinux") != 0)
		return ash_throw_errno(error, "cannot set the extended attribute \"%s\"", name);
	return TRUE;
}

static gboolean
copy_dir_xattrs(int from, int to, GError **error)
{
	g_autofree char *names = NULL, *value = NULL;
	ssize_t length = flistxattr(from, NULL, 0);

	if (length == 0 || (length < 0 && errno == ENOTSUP))
		return TRUE;
	names = g_malloc(XATTR_MAX);
	value = g_malloc(XATTR_MAX);
	length = flistxattr(from, names, XATTR_MAX);
	if (length < 0)
		return ash_throw_errno(error, "cannot list the extended attributes");
	for (const char *name = names; name < names + length; name += strlen(name) + 1)
		if (!copy_dir_xattr(from, to, name, value, error))
			return FALSE;
	return TRUE;
}

/* Takes @fd. Calls back for each entry but "." and "..". */
typedef gboolean (*EntryFunc)(gpointer data, const struct dirent *entry, GError **error);

static gboolean
for_each_entry(int fd, EntryFunc func, gpointer data, GError **error)
{
	g_autoptr(DIR) stream = fdopendir(fd);
	struct dirent *entry;

	if (stream == NULL) {
		ash_fd_clear(&fd);
		return ash_throw_errno(error, "cannot read the directory");
	}
	while (errno = 0, (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!func(data, entry, error))
			return FALSE;
	}
	return errno == 0 || ash_throw_errno(error, "cannot read the directory");
}

static gboolean
clone_place_entry(gpointer data, const struct dirent *entry, GError **error)
{
	return clone_entry(data, entry, error);
}

/* What is in it, and then what it is: filling it changes its time, and its mode may forbid that. */
static gboolean
clone_directory(AshDirWalk *walk, const char *path, gpointer user_data, GError **error)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	Clone *clone = user_data;
	struct stat info;
	ash_autofd int from = ash_fd_open(clone->from_fd, path, flags, 0, error);
	ash_autofd int to = from >= 0 ? ash_fd_open(clone->to_fd, path, flags, 0, error) : -1;
	int list = to >= 0 ? fcntl(from, F_DUPFD_CLOEXEC, 0) : -1;
	Place place = { .clone = clone, .walk = walk, .path = path, .from = from, .to = to };

	if (to < 0)
		return FALSE;
	if (!ash_fd_stat(from, path, &info, error) || !for_each_entry(list, clone_place_entry, &place, error) ||
	    !copy_dir_xattrs(from, to, error) || !set_metadata(to, ".", &info, error))
		return ash_prefix(error, "\"/%s\"", path);
	return TRUE;
}

static char *
root_path(const AshStore *store, const char *key)
{
	return g_strdup_printf("%s/" ROOTS_DIR "/%s", store->dir, key);
}

bool
ash_store_has_root(AshStore *store, const char *key)
{
	g_autofree char *path = root_path(store, key);

	return ash_file_exists(AT_FDCWD, path);
}

gboolean
ash_store_clone_root(AshContext *ctx, AshStore *store, const char *key_or_path, const char *dest, bool may_link,
		     GError **error)
{
	g_autofree char *from = strchr(key_or_path, '/') != NULL ? g_strdup(key_or_path) : root_path(store, key_or_path);
	ash_autofd int from_fd = ash_file_open_dir(AT_FDCWD, from, false, error);
	ash_autofd int to_fd = from_fd >= 0 ? ash_file_open_dir(AT_FDCWD, dest, false, error) : -1;
	g_autoptr(GHashTable) copies = NULL;
	gboolean ok;

	if (to_fd < 0)
		return ash_prefix(error, "cannot clone the root \"%s\"", from);
	copies = g_hash_table_new_full(ash_inode_hash, ash_inode_equal, copy_free, NULL);
	Clone clone = { .from_fd = from_fd, .to_fd = to_fd, .may_link = may_link, .copies = copies };
	g_mutex_init(&clone.lock);
	g_cond_init(&clone.changed);
	ok = ash_dir_walk_run(ctx, clone_directory, &clone, error);
	g_cond_clear(&clone.changed);
	g_mutex_clear(&clone.lock);
	return ok || ash_prefix(error, "cannot clone the root \"%s\"", from);
}

/* A directory of a root that is marked. */
typedef struct {
	AshDirWalk *walk;
	const char *path;
	int fd;
} Marking;

/* The host's own label does not count. */
static bool
has_xattrs(int fd)
{
	char names[256];
	ssize_t length = flistxattr(fd, names, sizeof(names));

	return length != 0 && (length != sizeof "security.selinux" || strcmp(names, "security.selinux") != 0);
}

static gboolean
mark_entry(gpointer data, const struct dirent *entry, GError **error)
{
	const Marking *marking = data;
	struct stat info;

	if (!stat_entry(marking->fd, entry->d_name, &info, error))
		return FALSE;
	if (S_ISDIR(info.st_mode))
		ash_dir_walk_add(marking->walk, marking->path, entry->d_name);
	if (!ash_shared_is_plain(&info) || info.st_nlink != 1)
		return TRUE;
	ash_autofd int fd = ash_fd_open(marking->fd, entry->d_name, O_RDONLY | O_NOFOLLOW, 0, error);
	return fd >= 0 && (has_xattrs(fd) || ash_shared_mark(fd, error));
}

static gboolean
mark_directory(AshDirWalk *walk, const char *path, gpointer user_data, GError **error)
{
	ash_autofd int fd = ash_fd_open(*(int *) user_data, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
	Marking marking = { .walk = walk, .path = path, .fd = fd };

	if (fd < 0)
		return FALSE;
	return for_each_entry(fcntl(fd, F_DUPFD_CLOEXEC, 0), mark_entry, &marking, error) ||
	       ash_prefix(error, "\"/%s\"", path);
}

gboolean
ash_store_mark_root(AshContext *ctx, const char *path, GError **error)
{
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, path, false, error);

	return fd >= 0 && (ash_dir_walk_run(ctx, mark_directory, &fd, error) ||
			   ash_prefix(error, "cannot mark the files of the root \"%s\"", path));
}

gboolean
ash_store_keep_root(AshContext *ctx, AshStore *store, const char *key, const char *staging_path, GError **error)
{
	ash_autofd int roots_fd = -1;

	if (!ash_store_mark_root(ctx, staging_path, error))
		return FALSE;
	/* As with staging roots: it holds real set-user-ID programs. */
	if (!ash_file_mkdirs(store->dir_fd, ROOTS_DIR, 0700, error))
		return FALSE;
	roots_fd = ash_file_open_dir(store->dir_fd, ROOTS_DIR, false, error);
	if (roots_fd < 0)
		return FALSE;
	/* A directory is only replaced by rename(2) if it is empty, which a root is not. */
	if (renameat(AT_FDCWD, staging_path, roots_fd, key) == 0 || errno == EEXIST || errno == ENOTEMPTY)
		return TRUE;
	return ash_throw_errno(error, "cannot keep the root \"%s\" as \"%s/" ROOTS_DIR "/%s\"", staging_path, store->dir,
			       key);
}

static gpointer
sync_thread(gpointer data)
{
	ash_autofd int fd = GPOINTER_TO_INT(data);

	syncfs(fd);
	return NULL;
}

void
ash_store_start_sync(AshStore *store)
{
	int fd = fcntl(store->objects_fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		g_thread_unref(g_thread_new("sync", sync_thread, GINT_TO_POINTER(fd)));
}

gboolean
ash_store_sync(AshStore *store, GError **error)
{
	return syncfs(store->objects_fd) == 0 || ash_throw_errno(error, "cannot sync the store \"%s\"", store->dir);
}
