/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dirent.h>
#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/**
 * ash_autofd: a file descriptor closed when it leaves its scope; -1 means none.
 *
 *     ash_autofd int fd = -1;
 */
#define ash_autofd __attribute__((cleanup(ash_fd_clear)))

/** Closes *@fd unless it is -1, keeps errno, and sets it to -1. */
void ash_fd_clear(int *fd);

/** Takes the descriptor out of *@fd, leaving -1: hands ownership to the caller. */
int ash_fd_steal(int *fd);

/** From now on this process may have as many descriptors open as the system lets it (setrlimit(2)). */
void ash_fd_raise_limit(void);

/** openat() with O_CLOEXEC added; -1 and @error naming @path on failure. */
int ash_fd_open(int dir_fd, const char *path, int flags, mode_t mode, GError **error);

/**
 * Opens @path below @root_fd, never leaving it: symbolic links are resolved as if @root_fd were "/"
 * (openat2(2), RESOLVE_IN_ROOT). @flags get O_CLOEXEC. -1 and @error on failure.
 */
int ash_fd_open_in_root(int root_fd, const char *path, int flags, mode_t mode, GError **error);

/** Reads exactly @length bytes at @offset (pread(2)); a short file is an error. */
gboolean ash_fd_read_exact(int fd, void *buffer, gsize length, guint64 offset, GError **error);

/** Writes @length bytes at @offset (pwrite(2)), however many calls it takes. */
gboolean ash_fd_write_all(int fd, const void *buffer, gsize length, guint64 offset, GError **error);

/** Copies @length bytes between two positions (copy_file_range(2), else read and write). */
gboolean ash_fd_copy_range(int from_fd, guint64 from_offset, int to_fd, guint64 to_offset, guint64 length,
			   GError **error);

/**
 * Finds the next range that is no hole, from @from on and before @end, which is at most the file's size (SEEK_DATA of
 * lseek(2), which moves the descriptor's own position). If there is none, both results are @end. Where a file system
 * knows no holes, everything is data; data may be zeros anyway.
 */
gboolean ash_fd_find_data(int fd, guint64 from, guint64 end, guint64 *ret_start, guint64 *ret_end, GError **error);

/**
 * Has the kernel begin to write a finished range to the disk, without waiting for it: a later sync then finds less to do.
 * Only a hint.
 */
void ash_fd_start_write_back(int fd, guint64 offset, guint64 length);

/** fstat(2) with @error naming @what. */
gboolean ash_fd_stat(int fd, const char *what, struct stat *ret_stat, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, closedir)

/** The entries of the directory @name below @dir_fd, which is not followed if it is a link. Owned; NULL on failure. */
DIR *ash_fd_open_stream(int dir_fd, const char *name, GError **error);

/** The next entry but "." and ".."; NULL at the end. */
struct dirent *ash_fd_next_entry(DIR *stream);
