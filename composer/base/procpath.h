/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/** No link of /proc, or one to something that is not an open file of the process itself. */
#define ASH_PROC_PATH_PLAIN (-1)
#define ASH_PROC_PATH_FOREIGN (-2)

/** A path as a call of another process names it. */
typedef struct {
	pid_t pid;        /* process or thread */
	int dir_fd;       /* its descriptor, or AT_FDCWD; not looked at if the path is absolute */
	const char *path; /* not empty */
	bool follow;      /* a link at the end, too */
	bool in_root;     /* the directory of dir_fd is "/" (RESOLVE_IN_ROOT) */
} AshProcPath;

/**
 * Opens (O_PATH) what the path leads to for that process: from its root, its working directory or its descriptor, with
 * its own /proc/self. -1 with errno if there is nothing. *@ret_magic says whether a link of /proc (proc(5): /proc/PID/fd/N
 * and the like) was the last step: the number of the process's own descriptor, or one of the above.
 */
int ash_proc_path_open(const AshProcPath *request, int *ret_magic);

/** Opens (O_PATH) the file behind descriptor @number of @pid; -1 with errno. */
int ash_proc_path_open_fd(pid_t pid, int number);
