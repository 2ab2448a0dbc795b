/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshReaper: removes files and counts the bytes that this really frees. The import cache, kept roots and objects
 * share inodes: only the last name of an inode gives its blocks back.
 */
typedef struct AshReaper AshReaper;

/**
 * @trash_fd: an empty directory on the same file system, borrowed; removed by its owner. With @dry_run nothing is touched:
 * the reaper remembers which names would be gone.
 */
AshReaper *ash_reaper_new(int trash_fd, bool dry_run);
void ash_reaper_free(AshReaper *reaper);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshReaper, ash_reaper_free)

/** Removes one file or a whole directory, not following links; missing is fine. With @dry_run call it once per path. */
gboolean ash_reaper_remove(AshReaper *reaper, int dir_fd, const char *path, GError **error);

/**
 * As ash_reaper_remove(), but moves it to the trash first: killed in the middle, nobody finds half of it under
 * its name.
 */
gboolean ash_reaper_remove_whole(AshReaper *reaper, int dir_fd, const char *path, GError **error);

/** Bytes freed so far: blocks of inodes whose last name went, directories included. */
guint64 ash_reaper_get_freed(const AshReaper *reaper);

/** Bytes that everything below a directory takes, each inode once. */
gboolean ash_reap_measure(int dir_fd, const char *path, guint64 *ret_bytes, GError **error);
