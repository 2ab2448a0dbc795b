/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/erofs/erofs.h"

/** What the file system of a root is made of by another than disk/erofs/erofs.h; all borrowed. */
typedef struct {
	AshFsTree *tree;
	const char *left_out;    /* path of a file that @tree is without for now; NULL: none */
	const char *const *mount_points; /* what @tree has there is not in it for now, either; NULL-terminated */
	AshErofsOptions options; /* but for @previous */
	const char *path;        /* of the file to be made, absolute */
} AshRootFile;

typedef gboolean (*AshRootFileMaker)(AshContext *ctx, const AshRootFile *root, gpointer user_data, GError **error);

/**
 * Has @maker make the file system in a file of directory @dir, which has no name afterwards: a descriptor that the caller owns, and in *@ret_bytes
 * its size, a multiple of 4096. root->path is set meanwhile. -1 on failure.
 */
int ash_root_file_make(AshContext *ctx, AshRootFile *root, const char *dir, AshRootFileMaker maker, gpointer user_data, guint64 *ret_bytes,
		       GError **error);

/** Copies it to byte @offset of @fd; as ash_erofs_write(). */
gboolean ash_root_file_copy(AshContext *ctx, int root_fd, guint64 bytes, int fd, guint64 offset, AshWrittenFunc written, gpointer user_data,
			    GError **error);
