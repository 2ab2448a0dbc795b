/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/clone.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/shared.h"
#include "store/dirwalk.h"
#include "store/inode.h"
#include "store/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

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
	bool refresh;       /* look at what is there already */
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
	GHashTable *old; /* name -> Old, both owned: what an earlier clone left and was not looked at yet; NULL: nothing */
} Place;

typedef struct {
	ino_t ino;
	guchar type; /* DT_... */
} Old;

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

static bool
has_time_of(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Owner, mode and times of what was made; a symbolic link has no mode. To look is cheaper than to change nothing. */
static gboolean
set_metadata(int dir_fd, const char *name, const struct stat *info, GError **error)
{
	const struct timespec times[2] = { info->st_atim, info->st_mtim };
	struct stat now;

	if (!stat_entry(dir_fd, name, &now, error))
		return FALSE;
	if ((now.st_uid != info->st_uid || now.st_gid != info->st_gid) &&
	    fchownat(dir_fd, name, info->st_uid, info->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot set the owner of \"%s\"", name);
	/* A change of owner takes set-id bits away, of a directory too. */
	if (!S_ISLNK(info->st_mode) &&
	    (now.st_mode != info->st_mode || now.st_uid != info->st_uid || now.st_gid != info->st_gid) &&
	    fchmodat(dir_fd, name, info->st_mode & 07777, 0) < 0)
		return ash_throw_errno(error, "cannot set the mode of \"%s\"", name);
	if (!has_time_of(&now, info) && utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
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

static bool
is_same_symlink(const Place *place, const char *name)
{
	char target[PATH_MAX], old_target[PATH_MAX];
	struct stat info, old;

	if (fstatat(place->from, name, &info, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(place->to, name, &old, AT_SYMLINK_NOFOLLOW) < 0 || info.st_uid != old.st_uid ||
	    info.st_gid != old.st_gid || info.st_size != old.st_size || !has_time_of(&info, &old))
		return false;
	ssize_t length = readlinkat(place->from, name, target, sizeof(target));
	return length >= 0 && readlinkat(place->to, name, old_target, sizeof(old_target)) == length &&
	       memcmp(target, old_target, (gsize) length) == 0;
}

/* A file is the same only if it is a link to the root's; a directory stays, and is looked into in its turn. */
static bool
is_same(const Place *place, const struct dirent *entry, const Old *old)
{
	if (entry->d_type != old->type)
		return false;
	switch (entry->d_type) {
	case DT_REG:
		return entry->d_ino == old->ino;
	case DT_LNK:
		return is_same_symlink(place, entry->d_name);
	default:
		return entry->d_type == DT_DIR;
	}
}

/* Sets *@ret_kept if the name stands for the right thing already; removes it if for another. */
static gboolean
keep_old(const Place *place, const struct dirent *entry, bool *ret_kept, GError **error)
{
	const Old *old = place->old != NULL ? g_hash_table_lookup(place->old, entry->d_name) : NULL;

	*ret_kept = old != NULL && is_same(place, entry, old);
	if (old == NULL)
		return TRUE;
	g_hash_table_remove(place->old, entry->d_name);
	if (*ret_kept && entry->d_type == DT_DIR)
		ash_dir_walk_add(place->walk, place->path, entry->d_name);
	return *ret_kept || ash_file_remove_tree(place->to, entry->d_name, error);
}

static gboolean
clone_entry(const Place *place, const struct dirent *entry, GError **error)
{
	const char *name = entry->d_name;
	struct stat info;
	bool kept;

	if (!keep_old(place, entry, &kept, error) || kept)
		return kept;
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
	if (mkdirat(place->to, name, (info.st_mode & 0777) | 0700) < 0)
		return ash_throw_errno(error, "cannot make the directory \"%s\"", name);
	ash_dir_walk_add(place->walk, place->path, name);
	return TRUE;
}

/* The few that an earlier build gave a directory. */
static gboolean
clear_dir_xattrs(int fd, GError **error)
{
	g_autofree char *names = NULL;
	ssize_t length = flistxattr(fd, NULL, 0);

	if (length == 0 || (length < 0 && errno == ENOTSUP))
		return TRUE;
	names = g_malloc(XATTR_MAX);
	length = flistxattr(fd, names, XATTR_MAX);
	for (const char *name = names; name < names + length; name += strlen(name) + 1)
		if (fremovexattr(fd, name) < 0 && strcmp(name, "security.selinux") != 0)
			return ash_throw_errno(error, "cannot remove the extended attribute \"%s\"", name);
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

/* What is there from an earlier clone; NULL if nothing. */
static GHashTable *
list_old(DIR *stream)
{
	GHashTable *names = NULL;
	struct dirent *entry;

	while ((entry = ash_fd_next_entry(stream)) != NULL) {
		const Old old = { .ino = entry->d_ino, .type = entry->d_type };
		if (names == NULL)
			names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
		g_hash_table_insert(names, g_strdup(entry->d_name), g_memdup2(&old, sizeof(old)));
	}
	return names;
}

static gboolean
remove_old(const Place *place, GError **error)
{
	GHashTableIter iter;
	gpointer name;

	if (place->old == NULL)
		return TRUE;
	g_hash_table_iter_init(&iter, place->old);
	while (g_hash_table_iter_next(&iter, &name, NULL))
		if (!ash_file_remove_tree(place->to, name, error))
			return FALSE;
	return TRUE;
}

static gboolean
clone_entries(const Place *place, DIR *stream, GError **error)
{
	struct dirent *entry;

	while (errno = 0, (entry = ash_fd_next_entry(stream)) != NULL)
		if (!clone_entry(place, entry, error))
			return FALSE;
	return errno == 0 || ash_throw_errno(error, "cannot read the directory");
}

/* What is in it, and then what it is: filling it changes its time, and its mode may forbid that. */
static gboolean
clone_directory(AshDirWalk *walk, const char *path, gpointer user_data, GError **error)
{
	Clone *clone = user_data;
	struct stat info;
	g_autoptr(DIR) from = ash_fd_open_stream(clone->from_fd, path, error);
	g_autoptr(DIR) to = from != NULL ? ash_fd_open_stream(clone->to_fd, path, error) : NULL;
	g_autoptr(GHashTable) old = to != NULL && clone->refresh ? list_old(to) : NULL;

	if (to == NULL)
		return FALSE;
	const Place place = {
		.clone = clone, .walk = walk, .path = path, .from = dirfd(from), .to = dirfd(to), .old = old
	};
	if (!ash_fd_stat(place.from, path, &info, error) || !clone_entries(&place, from, error) ||
	    !remove_old(&place, error) || (clone->refresh && !clear_dir_xattrs(place.to, error)) ||
	    !copy_dir_xattrs(place.from, place.to, error) || !set_metadata(place.to, ".", &info, error))
		return ash_prefix(error, "\"/%s\"", path);
	return TRUE;
}

gboolean
ash_store_clone_root(AshContext *ctx, AshStore *store, const char *key_or_path, const char *dest, bool may_link,
		     GError **error)
{
	g_autofree char *from = strchr(key_or_path, '/') != NULL ? g_strdup(key_or_path) : ash_store_root_path(store, key_or_path);
	ash_autofd int from_fd = ash_file_open_dir(AT_FDCWD, from, false, error);
	ash_autofd int to_fd = from_fd >= 0 ? ash_file_open_dir(AT_FDCWD, dest, false, error) : -1;
	g_autoptr(GHashTable) copies = NULL;
	gboolean ok;

	if (to_fd < 0)
		return ash_prefix(error, "cannot clone the root \"%s\"", from);
	copies = g_hash_table_new_full(ash_inode_hash, ash_inode_equal, copy_free, NULL);
	Clone clone = {
		.from_fd = from_fd,
		.to_fd = to_fd,
		.may_link = may_link,
		.refresh = may_link && ash_inode_is_exact(to_fd),
		.copies = copies,
	};
	g_mutex_init(&clone.lock);
	g_cond_init(&clone.changed);
	ok = ash_dir_walk_run(ctx, clone_directory, &clone, error);
	g_cond_clear(&clone.changed);
	g_mutex_clear(&clone.lock);
	return ok || ash_prefix(error, "cannot clone the root \"%s\"", from);
}
