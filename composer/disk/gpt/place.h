/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/layout.h"

/** Partitions begin and end on multiples of this many bytes. */
#define ASH_PLACE_ALIGNMENT ((guint64) 1024 * 1024)
/** Entries in the partition table that we write (UEFI 2.10 5.3.2: at least 16 KiB of entries). */
#define ASH_PLACE_MAX_PARTITIONS 128
/** What a GPT takes: protective MBR, header and 128 entries of 128 bytes in front, entries and header behind (UEFI 2.10
 * 5.3.1). In bytes. */
#define ASH_PLACE_TABLE_BYTES        ((guint64) (2 + 32) * 512)
#define ASH_PLACE_BACKUP_TABLE_BYTES ((guint64) (1 + 32) * 512)
/** No disk of ours is larger, in bytes: 2^50, so that sums of sizes cannot overflow. */
#define ASH_PLACE_MAX_SIZE ((guint64) 1 << 50)

/**
 * Gives every partition of @layout its size and offset, and the disk its size, all in bytes.
 *
 * @content_bytes has one number per partition: what is to be written into it now (0: nothing). A
 * partition of size 0 gets room for the largest content among the partitions of its role, plus
 * headroom_percent, and at least min_size; a hash partition of size 0 gets room for the hash tree
 * of the whole root partition of its slot, so that any later version that fits the root fits it
 * too. Sizes are rounded up to 1 MiB. A layout that already says a disk size keeps it. Errors:
 * ASH_ERROR_CONFIG for a size too small for its content, a partition whose size nothing determines,
 * or a disk that is too small or too large; it names the partition.
 */
gboolean ash_place_layout(AshLayout *layout, const guint64 *content_bytes, GError **error);

/** Checks that partitions are aligned to 512-byte sectors, do not overlap, and leave room for both
 * partition tables. */
gboolean ash_place_check(const AshLayout *layout, GError **error);
