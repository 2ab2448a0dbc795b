/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

/** The content of a regular file and where it goes. */
typedef struct {
	const AshFsNode *node; /* size > 0 */
	guint64 offset;        /* in the disk file, bytes */
} AshFileCopy;

/**
 * Copies many files of @tree into the disk file @fd, on ctx->jobs threads: small ones that are neighbours are written by one
 * call, large ones without coming through our memory, their holes left out. @copies (of AshFileCopy) are sorted by offset;
 * up to 4095 bytes between two of them are padding and become zero. tree->open is called by several threads. Counts
 * bytes in ctx->progress.
 *
 * ASH_ERROR_TRUST if a file has not the size that its node says. Errors name the file.
 */
gboolean ash_filecopy_run(AshContext *ctx, const AshFsTree *tree, const GArray *copies, int fd, GError **error);
