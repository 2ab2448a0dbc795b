/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DEFAULT_LOAD_MAX (64 * ASH_MIB)

static char *
load_fd(int fd, const char *path, gsize max, gsize *ret_length, GError **error)
{
	g_autoptr(GByteArray) data = g_byte_array_new();
	gsize limit = max > 0 ? max : DEFAULT_LOAD_MAX;
	guint8 buffer[16384];

	for (;;) {
		gssize got = read(fd, buffer, sizeof(buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ash_throw_errno_null(error, "cannot read \"%s\"", path);
		if (got == 0)
			break;
		if (data->len + (gsize) got > limit)
			return ash_throw_null(error, ASH_ERROR_CONFIG,
					      "\"%s\" is larger than %" G_GSIZE_FORMAT " bytes", path, limit);
		g_byte_array_append(data, buffer, (guint) got);
	}
	if (ret_length != NULL)
		*ret_length = data->len;
	g_byte_array_append(data, (const guint8 *) "", 1);
	return (char *) g_byte_array_free(g_steal_pointer(&data), FALSE);
}

char *
ash_file_load(int dir_fd, const char *path, gsize max, gsize *ret_length, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, path, O_RDONLY, 0, error);

	if (fd < 0)
		return NULL;
	return load_fd(fd, path, max, ret_length, error);
}

gboolean
ash_file_load_optional(int dir_fd, const char *path, char **ret_text, gsize *ret_length, GError **error)
{
	ash_autofd int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		*ret_text = NULL;
		return TRUE;
	}
	if (fd < 0)
		return ash_throw_errno(error, "cannot open \"%s\"", path);
	char *text = load_fd(fd, path, 0, ret_length, error);
	if (text == NULL)
		return FALSE;
	*ret_text = text;
	return TRUE;
}

static gboolean
write_whole(int fd, const char *path, const void *data, gsize length, mode_t mode, bool sync, GError **error)
{
	if (!ash_fd_write_all(fd, data, length, 0, error))
		return ash_prefix(error, "\"%s\"", path);
	if (fchmod(fd, mode) < 0 || (sync && fsync(fd) < 0))
		return ash_throw_errno(error, "cannot write \"%s\"", path);
	return TRUE;
}

static gboolean
replace(int dir_fd, const char *path, const void *data, gsize length, mode_t mode, bool sync, GError **error)
{
	g_autofree char *temporary = g_strdup_printf("%s.%08x.tmp", path, g_random_int());
	ash_autofd int fd = ash_fd_open(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, error);

	if (fd < 0)
		return FALSE;
	if (!write_whole(fd, path, data, length, mode, sync, error)) {
		unlinkat(dir_fd, temporary, 0);
		return FALSE;
	}
	if (renameat(dir_fd, temporary, dir_fd, path) < 0) {
		ash_throw_errno(error, "cannot rename to \"%s\"", path);
		unlinkat(dir_fd, temporary, 0);
		return FALSE;
	}
	return TRUE;
}

gboolean
ash_file_save(int dir_fd, const char *path, const void *data, gssize length, mode_t mode, GError **error)
{
	return replace(dir_fd, path, data, length >= 0 ? (gsize) length : strlen(data), mode, true, error);
}

gboolean
ash_file_write(int dir_fd, const char *path, const void *data, gssize length, mode_t mode, GError **error)
{
	return replace(dir_fd, path, data, length >= 0 ? (gsize) length : strlen(data), mode, false, error);
}

gboolean
ash_file_mkdirs(int dir_fd, const char *path, mode_t mode, GError **error)
{
	g_autofree char *copy = g_strdup(path);

	for (char *at = copy; *at != '\0'; at++) {
		if (*at != '/' || at == copy)
			continue;
		*at = '\0';
		if (mkdirat(dir_fd, copy, mode) < 0 && errno != EEXIST)
			return ash_throw_errno(error, "cannot create directory \"%s\"", copy);
		*at = '/';
	}
	if (mkdirat(dir_fd, copy, mode) < 0 && errno != EEXIST)
		return ash_throw_errno(error, "cannot create directory \"%s\"", copy);
	ash_autofd int fd = openat(dir_fd, path, O_DIRECTORY | O_PATH | O_CLOEXEC);
	if (fd < 0)
		return ash_throw_errno(error, "\"%s\" is not a directory", path);
	return TRUE;
}

static gboolean remove_children(int dir_fd, GError **error);

/* Removes one entry, whatever it is. */
static gboolean
remove_entry(int dir_fd, const char *name, GError **error)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return TRUE;
	int reason = errno;
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
		errno = reason;
		return ash_throw_errno(error, "cannot remove \"%s\"", name);
	}
	ash_autofd int child = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0 && errno == EACCES && fchmodat(dir_fd, name, 0700, 0) == 0)
		child = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0)
		return ash_throw_errno(error, "cannot remove \"%s\"", name);
	if (fstat(child, &st) == 0 && (st.st_mode & 0300) != 0300)
		(void) !fchmod(child, 0700);
	if (!remove_children(child, error))
		return FALSE;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return ash_throw_errno(error, "cannot remove directory \"%s\"", name);
	return TRUE;
}

static gboolean
remove_children(int dir_fd, GError **error)
{
	int copy = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	gboolean ok = TRUE;

	if (dir == NULL)
		return ash_throw_errno(error, "cannot read a directory");
	for (struct dirent *entry = readdir(dir); ok && entry != NULL; entry = readdir(dir))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			ok = remove_entry(dir_fd, entry->d_name, error);
	closedir(dir);
	return ok;
}

gboolean
ash_file_remove_tree(int dir_fd, const char *path, GError **error)
{
	return remove_entry(dir_fd, path, error);
}

int
ash_file_open_dir(int dir_fd, const char *path, bool create, GError **error)
{
	if (create && !ash_file_mkdirs(dir_fd, path, 0755, error))
		return -1;
	return ash_fd_open(dir_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
}

bool
ash_file_exists(int dir_fd, const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

gboolean
ash_file_free_space(int dir_fd, guint64 *ret_bytes, GError **error)
{
	struct statvfs vfs;

	if (fstatvfs(dir_fd, &vfs) < 0)
		return ash_throw_errno(error, "cannot ask for free space");
	*ret_bytes = (guint64) vfs.f_bavail * vfs.f_frsize;
	return TRUE;
}

bool
ash_file_is_full(int dir_fd)
{
	struct statvfs vfs;

	/* Where inodes are made as they are needed, their number is 0. */
	return fstatvfs(dir_fd, &vfs) == 0 && ((guint64) vfs.f_bavail * vfs.f_frsize < 64 * ASH_KIB || (vfs.f_files > 0 && vfs.f_favail == 0));
}

gboolean
ash_file_require_room(int dir_fd, const char *subject, GError **error)
{
	return !ash_file_is_full(dir_fd) ||
	       ash_throw(error, ASH_ERROR_NO_SPACE, "%s: %s, so that something may be missing", subject, g_strerror(ENOSPC));
}

char *
ash_file_fd_path(int fd)
{
	return g_strdup_printf("/proc/self/fd/%d", fd);
}
