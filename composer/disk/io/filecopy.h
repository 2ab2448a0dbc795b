/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

/** The content of a regular file and where it goes. */
typedef struct {
	const AshFsNode *node; /* size > 0 */
	guint64 offset;        /* in the disk file, bytes */
} AshFileCopy;

/** Is shown what lies at @offset of the disk file now: whole blocks of 4096 bytes. Called by several threads. */
typedef void (*AshWrittenFunc)(guint64 offset, const guint8 *data, gsize length, gpointer user_data);

/**
 * Copies many files of @tree into the disk file @fd, on ctx->jobs threads: small ones that are neighbours are written by one
 * call, large ones piece by piece, their holes left out. @copies (of AshFileCopy) are sorted by offset, a multiple of 4096;
 * what is left of a file's last block becomes zero. tree->open is called by several threads. @written (may be NULL) sees
 * every byte while it is still in the processor's cache. With @fd -1 that is all that is done with them. Counts bytes in
 * ctx->progress.
 *
 * ASH_ERROR_TRUST if a file has not the size that its node says. Errors name the file.
 */
gboolean ash_filecopy_run(AshContext *ctx, const AshFsTree *tree, const GArray *copies, int fd, AshWrittenFunc written,
			  gpointer user_data, GError **error);
