/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * A root for the sandbox (base/sandbox.h) that has the programs of this machine, read-only, and nothing else of it: a folder with
 * what stands where a system has it, into which /usr and its like are bound. For scripts that run beside a system and not in it.
 */
typedef struct {
	char *path;   /* of the folder; empty directories dev, proc, sys, run, tmp, root, etc, mnt/sysimage are in it */
	char **binds; /* for AshSandboxCommand.bind_pairs */
} AshHostRoot;

/** Makes one below the folder for temporary files. *@ret_root is cleared by the caller, on failure too. */
gboolean ash_host_root_make(AshHostRoot *ret_root, GError **error);
/** Removes it. */
void ash_host_root_clear(AshHostRoot *root);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshHostRoot, ash_host_root_clear)
