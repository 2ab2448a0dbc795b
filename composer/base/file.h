/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/**
 * Whole files and directories, by (directory fd, relative path). AT_FDCWD is allowed with paths that
 * the user gave. Paths inside a composed tree go through ash_fd_open_in_root() instead.
 */

/** The content of a file of at most @max bytes (0: 64 MiB). Owned, NUL-terminated; NULL on failure. */
char *ash_file_load(int dir_fd, const char *path, gsize max, gsize *ret_length, GError **error);

/** As ash_file_load(), but a missing file is no error: *@ret_text is NULL then. */
gboolean ash_file_load_optional(int dir_fd, const char *path, char **ret_text, gsize *ret_length, GError **error);

/**
 * Replaces @path by @data: temporary name in the same directory, mode @mode, fsync, rename.
 * @length may be -1 for a string. Nothing is left behind on failure.
 */
gboolean ash_file_save(int dir_fd, const char *path, const void *data, gssize length, mode_t mode, GError **error);

/** As ash_file_save(), not waiting for the disk: for what is synced as a whole later, or lost as a whole. */
gboolean ash_file_write(int dir_fd, const char *path, const void *data, gssize length, mode_t mode, GError **error);

/** mkdir -p; an existing directory is fine. */
gboolean ash_file_mkdirs(int dir_fd, const char *path, mode_t mode, GError **error);

/** rm -rf, not following links, making directories writable where needed; missing is fine. */
gboolean ash_file_remove_tree(int dir_fd, const char *path, GError **error);

/** Opens a directory for use as a dir fd; made first if @create. */
int ash_file_open_dir(int dir_fd, const char *path, bool create, GError **error);

/** True if something, a dangling link included, is at @path. */
bool ash_file_exists(int dir_fd, const char *path);

/** Bytes that a caller could still write on the file system of @dir_fd. */
gboolean ash_file_free_space(int dir_fd, guint64 *ret_bytes, GError **error);

/** True if the file system of @dir_fd has no room (less than 64 KiB, or no inode): for those who would else not hear of it. */
bool ash_file_is_full(int dir_fd);

/** Fails with ASH_ERROR_NO_SPACE if there is no room for what @subject made; what scripts missed by it, they need not say. */
gboolean ash_file_require_room(int dir_fd, const char *subject, GError **error);

/** A path that every part of the program can use for an fd of this process ("/proc/self/fd/N"). Owned. */
char *ash_file_fd_path(int fd);
