/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/runner.h"
#include "disk/erofs/erofs.h"

/**
 * The program mkfs.erofs (erofs-utils), for who wants to compare it with disk/erofs/erofs.h. It is asked for what serves updates best: no tails of files
 * beside inodes, nothing shared between files, metadata in a zone of its own where it can do that (1.9), the times of files as
 * they are. Same content, options and program, same bytes.
 */

/** What the one that is installed can do, as its own help says. */
typedef struct {
	bool reads_tar; /* 1.8 and newer; 1.7 can, but its help cannot be read */
	bool has_label;
	bool has_zone;
	bool has_zstd;
} AshMkfsErofs;

/** Asks it. ASH_ERROR_CONFIG naming its package if there is none. */
gboolean ash_mkfs_erofs_probe(AshContext *ctx, AshMkfsErofs *ret_mkfs, GError **error);

/**
 * Makes the file system @path, a new file, of a tar stream that @feed writes (entry "./" is the root). options->previous does not count.
 * ASH_ERROR_CONFIG if the program cannot do what options->compression wants.
 */
gboolean ash_mkfs_erofs_from_tar(AshContext *ctx, const AshMkfsErofs *mkfs, const AshErofsOptions *options, const char *path, AshRunFeed feed,
				 gpointer user_data, GError **error);

/** The same of the directory @dir; @labels: a file_contexts(5), or NULL. */
gboolean ash_mkfs_erofs_from_dir(AshContext *ctx, const AshMkfsErofs *mkfs, const AshErofsOptions *options, const char *path, const char *dir,
				 const char *labels, GError **error);
