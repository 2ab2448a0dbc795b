/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/placefile.h"

#include "base/error.h"
#include "base/fd.h"
#include "install/rootdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#define NAME_SIZE 16
#define CREATE_MODE 0200
#define MKDIR_MODE 0700
#define SET_ID_BITS (S_ISUID | S_ISGID)
#define TEMPORARY ";ashlar"

/* What is made under @name: a node of its own, or a link to @first. */
typedef struct {
	const AshPlaceFile *file;
	const AshPlaceLink *first;
} Maker;

static gboolean
set_caps(int fd, const char *text, GError **error)
{
	cap_t caps = cap_from_text(text);
	int failed = caps == NULL || cap_set_fd(fd, caps) < 0;
	int saved = errno;

	cap_free(caps);
	errno = saved;
	return !failed || ash_throw_errno(error, "cannot set its capabilities \"%s\"", text);
}

/* In this order: changing the owner takes set-id bits and capabilities away. */
static gboolean
set_metadata_fd(int fd, const AshPlaceFile *file, GError **error)
{
	struct timespec times[2] = { { .tv_sec = file->mtime }, { .tv_sec = file->mtime } };

	if (fchown(fd, file->uid, file->gid) < 0)
		return ash_throw_errno(error, "cannot set its owner");
	if (fchmod(fd, file->mode & 07777) < 0)
		return ash_throw_errno(error, "cannot set its mode");
	if (S_ISREG(file->mode) && file->caps != NULL && *file->caps != '\0' && !set_caps(fd, file->caps, error))
		return FALSE;
	/* As librpm has it, of a directory that is not fatal. */
	if (futimens(fd, times) < 0 && !S_ISDIR(file->mode))
		return ash_throw_errno(error, "cannot set its time");
	return TRUE;
}

/* For what cannot be opened, or should not be. */
static gboolean
set_metadata_at(const AshPlaceFile *file, const char *name, GError **error)
{
	struct timespec times[2] = { { .tv_sec = file->mtime }, { .tv_sec = file->mtime } };

	if (fchownat(file->dir_fd, name, file->uid, file->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot set its owner");
	if (!S_ISLNK(file->mode) && fchmodat(file->dir_fd, name, file->mode & 07777, 0) < 0)
		return ash_throw_errno(error, "cannot set its mode");
	if (utimensat(file->dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return ash_throw_errno(error, "cannot set its time");
	return TRUE;
}

/* Another name of a program that is replaced must not keep its rights. */
static void
drop_rights(int dir_fd, const char *name)
{
	struct stat info;

	if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(info.st_mode))
		return;
	if ((info.st_mode & SET_ID_BITS) != 0 && fchmodat(dir_fd, name, info.st_mode & 0777, 0) < 0)
		g_debug("\"%s\" keeps its mode", name);
	if ((info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
		return;
	ash_autofd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cap_t caps = fd >= 0 ? cap_get_fd(fd) : NULL;
	if (caps != NULL && cap_set_fd(fd, NULL) < 0)
		g_debug("\"%s\" keeps its capabilities", name);
	cap_free(caps);
}

/* What a configuration file of another's is moved to. */
static gboolean
back_up(const AshPlaceFile *file, GError **error)
{
	const char *suffix = file->action == FA_SAVE ? ".rpmsave" : ".rpmorig";

	if (file->action != FA_SAVE && file->action != FA_BACKUP)
		return TRUE;
	g_autofree char *name = g_strconcat(file->name, suffix, NULL);
	drop_rights(file->dir_fd, name);
	if (renameat(file->dir_fd, file->name, file->dir_fd, name) < 0)
		return ash_throw_errno(error, "cannot rename it to \"%s\"", name);
	g_string_append_printf(file->notices, "%s%s saved as %s%s\n", file->dir, file->name, file->dir, name);
	return TRUE;
}

/* True if there is a directory, or a link to one that may be followed; anything else is removed. */
static bool
has_dir(const AshPlaceFile *file)
{
	struct stat info, target;

	if (fstatat(file->dir_fd, file->name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (S_ISDIR(info.st_mode))
		return true;
	if (S_ISLNK(info.st_mode) && fstatat(file->dir_fd, file->name, &target, 0) == 0 && S_ISDIR(target.st_mode) &&
	    (info.st_uid == 0 || info.st_uid == target.st_uid))
		return true;
	drop_rights(file->dir_fd, file->name);
	/* If it stays, what follows fails and says so. */
	if (unlinkat(file->dir_fd, file->name, 0) < 0)
		g_debug("\"%s\" stays", file->name);
	return false;
}

gboolean
ash_place_dir(const AshPlaceFile *file, GError **error)
{
	ash_autofd int fd = -1;

	if (!back_up(file, error))
		return FALSE;
	if (!has_dir(file) && mkdirat(file->dir_fd, file->name, MKDIR_MODE) < 0)
		return ash_throw_errno(error, "cannot make the directory");
	fd = ash_root_dir_open_safely(file->dir_fd, file->name, O_RDONLY);
	if (fd < 0)
		return ash_throw_errno(error, "cannot open the directory");
	return set_metadata_fd(fd, file, error);
}

static gboolean
copy_content(const AshPlaceFile *file, int fd, GError **error)
{
	char name[NAME_SIZE];
	ash_autofd int from = -1;

	snprintf(name, sizeof name, "%u", file->content->index);
	from = ash_fd_open(file->entry_fd, name, O_RDONLY | O_NOFOLLOW, 0, error);
	return from >= 0 && ash_fd_copy_range(from, 0, fd, 0, file->content->size, error);
}

/* FALSE, and nothing made, if this file is not to be linked, or cannot be; TRUE with errno EEXIST if there is one. */
static bool
link_content(const AshPlaceFile *file, const char *name, bool *ret_exists)
{
	char from[NAME_SIZE];

	*ret_exists = false;
	if (file->link_dir_fd < 0 || !file->content->shared)
		return false;
	snprintf(from, sizeof from, "%u", file->content->index);
	if (linkat(file->entry_fd, from, file->link_dir_fd, name, 0) < 0) {
		*ret_exists = errno == EEXIST;
		return *ret_exists;
	}
	return true;
}

/* The makers: 1 if made, 0 if something has that name, -1 for an error. */

static int
made(int outcome, GError **error)
{
	if (outcome >= 0)
		return 1;
	if (errno == EEXIST)
		return 0;
	ash_throw_errno(error, "cannot make it");
	return -1;
}

static int
make_regular(const AshPlaceFile *file, const char *name, GError **error)
{
	bool exists = false;
	ash_autofd int fd = -1;

	if (file->content == NULL) {
		ash_throw(error, ASH_ERROR_INTERNAL, "the import cache does not have it");
		return -1;
	}
	if (link_content(file, name, &exists))
		return exists ? 0 : 1;
	fd = openat(file->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, CREATE_MODE);
	if (fd < 0)
		return made(fd, error);
	return copy_content(file, fd, error) && set_metadata_fd(fd, file, error) ? 1 : -1;
}

static int
make_special(const AshPlaceFile *file, const char *name, GError **error)
{
	mode_t type = file->mode & S_IFMT;
	int outcome = -1;

	if (type == S_IFLNK)
		outcome = symlinkat(file->link_target, file->dir_fd, name);
	else if (type == S_IFIFO || type == S_IFCHR || type == S_IFBLK || type == S_IFSOCK)
		outcome = mknodat(file->dir_fd, name, type, file->device);
	else
		errno = ENOTSUP;
	outcome = made(outcome, error);
	return outcome <= 0 || set_metadata_at(file, name, error) ? outcome : -1;
}

static int
make(const Maker *maker, const char *name, GError **error)
{
	const AshPlaceFile *file = maker->file;

	if (maker->first != NULL)
		return made(linkat(maker->first->dir_fd, maker->first->name, file->dir_fd, name, 0), error);
	return S_ISREG(file->mode) ? make_regular(file, name, error) : make_special(file, name, error);
}

/* Something has the name: made beside it, and renamed over it. */
static gboolean
replace(const Maker *maker, const char *name, GError **error)
{
	int dir_fd = maker->file->dir_fd;
	g_autofree char *temporary = g_strconcat(name, TEMPORARY, NULL);
	int outcome = make(maker, temporary, error);

	if (outcome == 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "\"%s\" is in the way", temporary);
	if (outcome < 0)
		return FALSE;
	drop_rights(dir_fd, name);
	if (renameat(dir_fd, temporary, dir_fd, name) < 0) {
		ash_throw_errno(error, "cannot replace what is there");
		return unlinkat(dir_fd, temporary, 0) < 0 && FALSE;
	}
	/* Two names of one inode: rename(2) leaves both. */
	if (maker->first != NULL || maker->file->link_dir_fd >= 0)
		return unlinkat(dir_fd, temporary, 0) == 0 || errno == ENOENT || ash_throw_errno(error, "\"%s\"", temporary);
	return TRUE;
}

static gboolean
place(const Maker *maker, char **ret_name, GError **error)
{
	const AshPlaceFile *file = maker->file;
	g_autofree char *name = g_strconcat(file->name, file->action == FA_ALTNAME ? ".rpmnew" : NULL, NULL);

	if (!back_up(file, error))
		return FALSE;
	int outcome = make(maker, name, error);
	if (outcome < 0 || (outcome == 0 && !replace(maker, name, error)))
		return FALSE;
	if (file->action == FA_ALTNAME)
		g_string_append_printf(file->notices, "%s%s created as %s%s\n", file->dir, file->name, file->dir, name);
	if (ret_name != NULL)
		*ret_name = g_steal_pointer(&name);
	return TRUE;
}

gboolean
ash_place_node(const AshPlaceFile *file, char **ret_name, GError **error)
{
	Maker maker = { file, NULL };

	return place(&maker, ret_name, error);
}

gboolean
ash_place_link(const AshPlaceFile *file, const AshPlaceLink *first, GError **error)
{
	Maker maker = { file, first };

	return place(&maker, NULL, error);
}
