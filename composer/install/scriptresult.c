/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/scriptresult.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PATH_LENGTH 4096
#define ATTRIBUTES_LENGTH 65536
#define TEMPORARY_NAME ".ashlar-result"

AshScriptResult *
ash_script_result_new(char type, const char *path)
{
	AshScriptResult *result = g_new0(AshScriptResult, 1);

	result->type = type;
	result->path = g_strdup(path);
	result->seconds = -1;
	result->attributes = g_ptr_array_new_with_free_func(g_free);
	return result;
}

void
ash_script_result_free(AshScriptResult *result)
{
	if (result == NULL)
		return;
	g_free(result->path);
	g_free(result->text);
	g_ptr_array_unref(result->attributes);
	g_free(result);
}

/* The directory that @path is in; -1 with errno. */
static int
open_parent(int root_fd, const char *path, const char **ret_name)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	g_autofree char *parent = g_path_get_dirname(path);
	const char *slash = strrchr(path, '/');

	*ret_name = slash != NULL ? slash + 1 : path;
	return (int) syscall(SYS_openat2, root_fd, parent, &how, sizeof how);
}

static gboolean
take_attributes(AshScriptResult *result, int fd, GError **error)
{
	char list[PATH_LENGTH];
	g_autofree char *value = g_malloc(ATTRIBUTES_LENGTH);
	ssize_t length = flistxattr(fd, list, sizeof list);

	if (length < 0)
		return errno == ENOTSUP ? TRUE : ash_throw_errno(error, "attributes of \"/%s\"", result->path);
	for (const char *name = list; name < list + length; name += strlen(name) + 1) {
		if (strcmp(name, ASH_SHARED_XATTR) == 0 || strcmp(name, ASH_SHARED_OBJECT_XATTR) == 0)
			continue;
		ssize_t got = fgetxattr(fd, name, value, ATTRIBUTES_LENGTH);
		if (got < 0)
			return ash_throw_errno(error, "attribute \"%s\" of \"/%s\"", name, result->path);
		g_ptr_array_add(result->attributes, g_strdup(name));
		g_ptr_array_add(result->attributes, ash_hex_encode(value, (gsize) got));
	}
	return TRUE;
}

static gboolean
take_target(AshScriptResult *result, int dir, const char *name, GError **error)
{
	char target[PATH_LENGTH + 1];
	ssize_t length = readlinkat(dir, name, target, PATH_LENGTH);

	if (length <= 0)
		return ash_throw_errno(error, "cannot read the link \"/%s\"", result->path);
	result->text = g_strndup(target, (gsize) length);
	return TRUE;
}

static char
type_of(const struct stat *info)
{
	switch (info->st_mode & S_IFMT) {
	case S_IFREG:
		/* The other names would become files of their own. */
		return info->st_nlink == 1 ? 'f' : '\0';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	default:
		return '\0';
	}
}

AshScriptResult *
ash_script_result_take(int root_fd, const char *path, gint64 fresh, int *ret_fd, GError **error)
{
	const char *name;
	ash_autofd int dir = open_parent(root_fd, path, &name), fd = -1;
	struct stat info;

	*ret_fd = -1;
	if (dir < 0 || fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? ash_script_result_new('-', path)
			       : ash_throw_errno_null(error, "cannot look at \"/%s\"", path);
	char type = type_of(&info);
	if (type == '\0')
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "\"/%s\" is no plain file, or has several names", path);
	g_autoptr(AshScriptResult) result = ash_script_result_new(type, path);
	result->mode = info.st_mode & 07777;
	result->uid = info.st_uid;
	result->gid = info.st_gid;
	if (info.st_mtim.tv_sec < fresh) {
		result->seconds = info.st_mtim.tv_sec;
		result->nanoseconds = info.st_mtim.tv_nsec;
	}
	if (type == 'l')
		return take_target(result, dir, name, error) ? g_steal_pointer(&result) : NULL;
	fd = ash_fd_open(dir, name, O_RDONLY | O_NOFOLLOW, 0, error);
	if (fd < 0 || !take_attributes(result, fd, error))
		return NULL;
	/* It may have had them before, and others. */
	if (type == 'd' && result->attributes->len > 0)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "\"/%s\" has attributes", path);
	if (type == 'f')
		*ret_fd = ash_fd_steal(&fd);
	return g_steal_pointer(&result);
}

static gboolean
set_attributes(const AshScriptResult *result, int fd, GError **error)
{
	for (guint i = 0; i + 1 < result->attributes->len; i += 2) {
		const char *name = g_ptr_array_index(result->attributes, i);
		const char *hex = g_ptr_array_index(result->attributes, i + 1);
		gsize length = strlen(hex) / 2;
		g_autofree guint8 *value = g_malloc(length + 1);
		if (!ash_hex_decode(hex, value, length) || fsetxattr(fd, name, value, length, 0) < 0)
			return ash_throw_errno(error, "cannot set attribute \"%s\" of \"/%s\"", name, result->path);
	}
	return TRUE;
}

static gboolean
set_times(const AshScriptResult *result, int dir, const char *name, GError **error)
{
	const struct timespec when = { (time_t) result->seconds, (long) result->nanoseconds };
	const struct timespec times[2] = { when, when };

	if (result->seconds >= 0 && utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot set the time of \"/%s\"", result->path);
	return TRUE;
}

static gboolean
write_file(const AshScriptResult *result, int dir, int from, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir, TEMPORARY_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, error);
	struct stat info;

	if (fd < 0 || !ash_fd_stat(from, result->path, &info, error) ||
	    !ash_fd_copy_range(from, 0, fd, 0, (guint64) info.st_size, error))
		return FALSE;
	/* In this order: a change of owner takes set-id bits and capabilities. */
	if (fchown(fd, result->uid, result->gid) < 0 || fchmod(fd, result->mode) < 0)
		return ash_throw_errno(error, "cannot set owner and mode of \"/%s\"", result->path);
	return set_attributes(result, fd, error);
}

static gboolean
write_link(const AshScriptResult *result, int dir, GError **error)
{
	if (symlinkat(result->text, dir, TEMPORARY_NAME) < 0 ||
	    fchownat(dir, TEMPORARY_NAME, result->uid, result->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot make the link \"/%s\"", result->path);
	return TRUE;
}

static gboolean
place_dir(const AshScriptResult *result, int dir, const char *name, GError **error)
{
	bool made = mkdirat(dir, name, 0700) == 0;

	if (!made && errno != EEXIST)
		return ash_throw_errno(error, "cannot make \"/%s\"", result->path);
	ash_autofd int fd = ash_fd_open(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
	if (fd < 0)
		return FALSE;
	if (fchown(fd, result->uid, result->gid) < 0 || fchmod(fd, result->mode) < 0)
		return ash_throw_errno(error, "cannot set owner and mode of \"/%s\"", result->path);
	return TRUE;
}

static gboolean
remove_name(int dir, const char *name, bool dirs_only, const char *path, GError **error)
{
	if ((!dirs_only && unlinkat(dir, name, 0) == 0) || unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return TRUE;
	if (errno == ENOENT || (dirs_only && errno == ENOTDIR))
		return TRUE;
	return ash_throw_errno(error, "cannot remove \"/%s\"", path);
}

/* A file or a link, beside its name and then renamed. */
static gboolean
place_file(const AshScriptResult *result, int dir, const char *name, int from, GError **error)
{
	unlinkat(dir, TEMPORARY_NAME, 0);
	gboolean ok = result->type == 'f' ? write_file(result, dir, from, error) : write_link(result, dir, error);
	ok = ok && set_times(result, dir, TEMPORARY_NAME, error) && remove_name(dir, name, true, result->path, error);
	if (ok && renameat(dir, TEMPORARY_NAME, dir, name) < 0)
		ok = ash_throw_errno(error, "cannot make \"/%s\"", result->path);
	if (!ok)
		unlinkat(dir, TEMPORARY_NAME, 0);
	return ok;
}

gboolean
ash_script_result_place(const AshScriptResult *result, int root_fd, int fd, GError **error)
{
	const char *name;
	ash_autofd int dir = open_parent(root_fd, result->path, &name);

	if (dir < 0)
		return result->type == '-' ? TRUE : ash_throw_errno(error, "cannot make \"/%s\"", result->path);
	switch (result->type) {
	case '-':
		return remove_name(dir, name, false, result->path, error);
	case 'd':
		return place_dir(result, dir, name, error);
	case 't':
		return TRUE;
	default:
		return place_file(result, dir, name, fd, error);
	}
}

gboolean
ash_script_result_finish(const AshScriptResult *result, int root_fd, GError **error)
{
	const char *name;

	if (result->type != 'd' && result->type != 't')
		return TRUE;
	ash_autofd int dir = open_parent(root_fd, result->path, &name);
	if (dir < 0 || (result->seconds < 0 && utimensat(dir, name, NULL, AT_SYMLINK_NOFOLLOW) < 0))
		return ash_throw_errno(error, "cannot set the time of \"/%s\"", result->path);
	return set_times(result, dir, name, error);
}
