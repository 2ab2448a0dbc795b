/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "model/fstree.h"

typedef struct {
	AshUuid uuid;
	AshUuid hash_seed; /* of directory hashes (s_hash_seed) */
	char label[17];    /* at most 16 bytes and a NUL */
	guint64 epoch;     /* every time that is not a file's own, seconds */
} AshExt4Options;

/** A journal and its surroundings need at least this many bytes. */
#define ASH_EXT4_MIN_BYTES ((guint64) 16 * 1024 * 1024)

/**
 * Makes an ext4 file system of @bytes (a multiple of 4096) at byte @offset of the plain file @fd,
 * where it must be all zero (new), and fills it with @tree (NULL: only lost+found; nodes' "number" is used): entries of every type,
 * directories with an index where they have more than a block of names, times in whole seconds until 2446. 4096-byte
 * blocks, 256-byte inodes, journal, metadata checksums, 64-bit, flexible groups, room to grow
 * online by resize2fs. Same arguments, same bytes. ASH_ERROR_NO_SPACE if the tree does not fit,
 * ASH_ERROR_CONFIG for what cannot be held.
 */
gboolean ash_ext4_write(AshContext *ctx, const AshFsTree *tree, const AshExt4Options *options,
			int fd, guint64 offset, guint64 bytes, GError **error);

/** An upper bound of the bytes that @tree (may be NULL) needs as ext4, journal included. */
guint64 ash_ext4_estimate(const AshFsTree *tree);
