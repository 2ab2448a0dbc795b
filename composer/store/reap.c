/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/reap.h"

#include "base/error.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE 512 /* of st_blocks (stat(3type)) */

struct AshReaper {
	int trash_fd; /* borrowed */
	bool dry_run;
	guint next;        /* name in the trash */
	guint64 freed;     /* bytes */
	GHashTable *names; /* inode number -> how many names are gone; dry runs only */
};

AshReaper *
ash_reaper_new(int trash_fd, bool dry_run)
{
	AshReaper *reaper = g_new0(AshReaper, 1);

	reaper->trash_fd = trash_fd;
	reaper->dry_run = dry_run;
	reaper->names = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	return reaper;
}

void
ash_reaper_free(AshReaper *reaper)
{
	if (reaper == NULL)
		return;
	g_hash_table_unref(reaper->names);
	g_free(reaper);
}

guint64
ash_reaper_get_freed(const AshReaper *reaper)
{
	return reaper->freed;
}

/* Called for each name, directories after what is in them. */
typedef gboolean (*VisitFunc)(int dir_fd, const char *name, const struct stat *info, gpointer user_data, GError **error);

static gboolean
visit_tree(int dir_fd, const char *name, VisitFunc func, gpointer user_data, GError **error);

static gboolean
visit_children(int dir_fd, const char *name, VisitFunc func, gpointer user_data, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(dir_fd, name, error);
	struct dirent *entry;

	if (stream == NULL)
		return FALSE;
	while ((entry = ash_fd_next_entry(stream)) != NULL)
		if (!visit_tree(dirfd(stream), entry->d_name, func, user_data, error))
			return FALSE;
	return TRUE;
}

static gboolean
visit_tree(int dir_fd, const char *name, VisitFunc func, gpointer user_data, GError **error)
{
	struct stat info;

	if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || ash_throw_errno(error, "cannot look at \"%s\"", name);
	if (S_ISDIR(info.st_mode) && !visit_children(dir_fd, name, func, user_data, error))
		return FALSE;
	return func(dir_fd, name, &info, user_data, error);
}

/* How many names of the inode, this one included, are gone. */
static guint
count_name(GHashTable *names, ino_t inode)
{
	gint64 key = (gint64) inode;
	guint count = GPOINTER_TO_UINT(g_hash_table_lookup(names, &key)) + 1;

	g_hash_table_replace(names, g_memdup2(&key, sizeof(key)), GUINT_TO_POINTER(count));
	return count;
}

static gboolean
reap(int dir_fd, const char *name, const struct stat *info, gpointer user_data, GError **error)
{
	AshReaper *reaper = user_data;
	bool is_dir = S_ISDIR(info->st_mode), is_last = is_dir || info->st_nlink == 1;

	if (reaper->dry_run)
		is_last = is_last || count_name(reaper->names, info->st_ino) == info->st_nlink;
	else if (unlinkat(dir_fd, name, is_dir ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
		return ash_throw_errno(error, "cannot remove \"%s\"", name);
	if (is_last)
		reaper->freed += (guint64) info->st_blocks * BLOCK_SIZE;
	return TRUE;
}

gboolean
ash_reaper_remove(AshReaper *reaper, int dir_fd, const char *path, GError **error)
{
	return visit_tree(dir_fd, path, reap, reaper, error);
}

gboolean
ash_reaper_remove_whole(AshReaper *reaper, int dir_fd, const char *path, GError **error)
{
	char name[sizeof("4294967295")];

	if (reaper->dry_run)
		return ash_reaper_remove(reaper, dir_fd, path, error);
	g_snprintf(name, sizeof(name), "%u", reaper->next++);
	if (renameat(dir_fd, path, reaper->trash_fd, name) < 0)
		return errno == ENOENT || ash_throw_errno(error, "cannot remove \"%s\"", path);
	return ash_reaper_remove(reaper, reaper->trash_fd, name, error);
}

typedef struct {
	guint64 bytes;
	GHashTable *names; /* as in AshReaper: inodes that were counted */
} Measure;

static gboolean
measure(int dir_fd, const char *name, const struct stat *info, gpointer user_data, GError **error)
{
	Measure *measure = user_data;

	if (S_ISDIR(info->st_mode) || info->st_nlink == 1 || count_name(measure->names, info->st_ino) == 1)
		measure->bytes += (guint64) info->st_blocks * BLOCK_SIZE;
	return TRUE;
}

gboolean
ash_reap_measure(int dir_fd, const char *path, guint64 *ret_bytes, GError **error)
{
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	Measure sum = { .names = names };

	if (!visit_tree(dir_fd, path, measure, &sum, error))
		return FALSE;
	*ret_bytes = sum.bytes;
	return TRUE;
}
