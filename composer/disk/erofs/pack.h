/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "disk/erofs/format.h"
#include "disk/io/filecopy.h"
#include "model/fstree.h"
#include "model/imagetype.h"

/**
 * Compressed files of an EROFS file system (erofs.rst, "Compression"; the index is the one that is not compact: eight bytes for
 * each 4096 of a file). A file is cut into extents of 128 KiB, each compressed for itself into whole blocks, zeros in front:
 * a change in the file changes the extents it is in, and no others. What does not become smaller is kept as it is.
 */
#define ASH_EROFS_EXTENT_BYTES (128 * 1024)

/** AshErofsPacker: compresses files, on all threads, into a file of no name, from where they are copied to their places. */
typedef struct AshErofsPacker AshErofsPacker;

/** @compression: not none. Owned; NULL on failure. */
AshErofsPacker *ash_erofs_packer_new(AshRootCompression compression, GError **error);
void ash_erofs_packer_free(AshErofsPacker *packer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshErofsPacker, ash_erofs_packer_free)

/** A file that was compressed; owned by the packer. */
typedef struct AshErofsPacked AshErofsPacked;

/** Compresses @nodes (of AshFsNode, regular files). Counts bytes in ctx->progress. */
gboolean ash_erofs_packer_run(AshErofsPacker *packer, AshContext *ctx, const AshFsTree *tree, const GPtrArray *nodes,
			      GError **error);
/** The @index-th of the nodes; NULL if it would not become smaller. */
const AshErofsPacked *ash_erofs_packer_get(const AshErofsPacker *packer, guint index);

/** Blocks that it takes. */
guint32 ash_erofs_packed_count_blocks(const AshErofsPacked *packed);
/** Bytes of its index, with what aligns it, behind @before bytes of inode and attributes. */
guint64 ash_erofs_packed_index_bytes(const AshErofsPacked *packed, guint64 before);
/** Writes that index to @at, which is all zero, for data from @block on. */
void ash_erofs_packed_put_index(const AshErofsPacker *packer, const AshErofsPacked *packed, guint64 before, guint64 block,
				guint8 *at);

/** A file and the place of its blocks in the disk file. */
typedef struct {
	const AshErofsPacked *packed;
	guint64 offset;
} AshErofsPackedCopy;

/** Copies the blocks of @copies (of AshErofsPackedCopy) to the disk file @fd; @written: as in ash_filecopy_run(). */
gboolean ash_erofs_packer_copy(AshErofsPacker *packer, AshContext *ctx, const GArray *copies, int fd, AshWrittenFunc written,
			       gpointer user_data, GError **error);

/** What the superblock says of it, and what lies behind it: algorithms and their limits. */
void ash_erofs_packer_put_superblock(const AshErofsPacker *packer, ErofsSuperblock *sb, guint8 *behind);
