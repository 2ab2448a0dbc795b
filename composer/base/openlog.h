/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * AshOpenLog: which files and directories below a root are opened while it runs, by whatever process, in whatever
 * namespace (inotify(7): it is the directories' inodes that are watched). Programs that are run and libraries that are
 * loaded are opened, too. Not seen: what is only asked about (stat, access, readlink), what is opened on a file system mounted
 * over a part of the root, and what is opened in directories made after the start.
 */
typedef struct AshOpenLog AshOpenLog;

/**
 * Starts. NULL and an error if the kernel cannot watch so many directories (fs.inotify.max_user_watches) or instances.
 * @root_fd is borrowed until ash_openlog_stop() or ash_openlog_free().
 */
AshOpenLog *ash_openlog_start(int root_fd, GError **error);

/**
 * Ends, and tells what was opened: paths from the root, sorted, each once, "." for the root itself. Owned. NULL and an error
 * if the kernel has lost events: then nothing is known.
 */
char **ash_openlog_stop(AshOpenLog *log, GError **error);

/** Ends if that has not been done; @log may be NULL. */
void ash_openlog_free(AshOpenLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshOpenLog, ash_openlog_free)
