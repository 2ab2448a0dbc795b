/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/**
 * Directories of the root that a package's files go to, opened as librpm opens them: from "/" of this process, one element
 * after the other; a symbolic link is followed only if it is root's or belongs to the owner of its target; what is
 * missing is made with mode 0755.
 */

/** Opens @path (absolute, may end in a slash), making what is missing if @create. -1 and @error on failure. */
int ash_root_dir_open(const char *path, bool create, GError **error);

/**
 * The same directory as @dir_fd, which is @path, on the mount that @host_root (the root as the host sees it) is of; -1, and no
 * error, if it is covered by a mount of the sandbox.
 */
int ash_root_dir_on_host(int host_root, const char *path, int dir_fd);

/** openat() that follows a symbolic link as the last element only by the rule above. -1 and errno. */
int ash_root_dir_open_safely(int dir_fd, const char *name, int flags);
