/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tree/tree.h"

#include <sys/types.h>

/**
 * AshTreeRoot: the root that steps work on. All paths are relative to it ("etc/passwd"), and links in it are
 * followed as if it were "/": nothing leads outside.
 */
typedef struct {
	AshContext *ctx;               /* borrowed */
	const AshTreeRequest *request; /* borrowed */
	int fd;                        /* of the root */
	GHashTable *installed;         /* ash_dracut_list_installed(), borrowed; NULL: not known */
} AshTreeRoot;

/** True if the path exists, links followed inside the root. */
bool ash_tree_root_has(const AshTreeRoot *root, const char *path);
/** True if one of the directories where programs are has this one. */
bool ash_tree_root_has_program(const AshTreeRoot *root, const char *name);
/** True if systemd knows such a unit file ("x.service", also for an instance of a template). */
bool ash_tree_root_has_unit(const AshTreeRoot *root, const char *unit);

/** The whole of a text file; *@ret_text (owned) is NULL if it is missing. */
gboolean ash_tree_root_load(const AshTreeRoot *root, const char *path, char **ret_text, GError **error);
/** Replaces or makes a file (a link in its place is replaced, not followed), directories above it included. */
gboolean ash_tree_root_save(const AshTreeRoot *root, const char *path, const char *text, mode_t mode, GError **error);
/** As ash_tree_root_save(), for @length bytes. */
gboolean ash_tree_root_save_bytes(const AshTreeRoot *root, const char *path, const void *data, gsize length, mode_t mode,
				  GError **error);
/** As ash_tree_root_save(), keeping mode and owner of the file that is there; @mode is for a new one. */
gboolean ash_tree_root_rewrite(const AshTreeRoot *root, const char *path, const char *text, mode_t mode, GError **error);
gboolean ash_tree_root_mkdirs(const AshTreeRoot *root, const char *path, mode_t mode, GError **error);
/** Replaces or makes a symbolic link. */
gboolean ash_tree_root_link(const AshTreeRoot *root, const char *path, const char *target, GError **error);
/** rm -rf; a link is removed itself; missing is fine. */
gboolean ash_tree_root_remove(const AshTreeRoot *root, const char *path, GError **error);
/** Removes everything inside a directory, which stays; missing is fine. */
gboolean ash_tree_root_empty(const AshTreeRoot *root, const char *path, GError **error);
/** Names in a directory, sorted; empty if missing. Owned. */
char **ash_tree_root_list(const AshTreeRoot *root, const char *path);
/** An O_PATH or real fd of the directory of @path, whose last element is *@ret_name (borrowed from @path); -1 on failure. */
int ash_tree_root_open_parent(const AshTreeRoot *root, const char *path, bool create, const char **ret_name,
			      GError **error);

/** Runs a program of the tree in the sandbox; anything but exit status 0 is ASH_ERROR_SCRIPT with its last lines. */
gboolean ash_tree_root_run(const AshTreeRoot *root, const char *const *argv, GError **error);
