/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <rpm/header.h>

/**
 * AshFilePaths: where the files of a whole package set will lie, to refuse those that would lead elsewhere before
 * anything is unpacked. (In the sandbox nothing leads out of the root; a package that tries is bad all the same.)
 */
typedef struct AshFilePaths AshFilePaths;

AshFilePaths *ash_file_paths_new(void);
void ash_file_paths_free(AshFilePaths *paths);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshFilePaths, ash_file_paths_free)

/**
 * Adds the files of one package. ASH_ERROR_TRUST for a path that is not absolute, or has an empty, "." or ".." element. From
 * one thread at a time.
 */
gboolean ash_file_paths_add(AshFilePaths *paths, const char *nevra, Header header, GError **error);

/**
 * Once all are added: ASH_ERROR_TRUST for a file whose directory leads through a symbolic link of a package
 * that climbs out of the root or, unless it is one that systems have always had (/var/run to /run and its like), is absolute.
 */
gboolean ash_file_paths_check(const AshFilePaths *paths, GError **error);
