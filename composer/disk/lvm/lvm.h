/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/layout.h"

/** Extents begin so many bytes behind the start of a physical volume: label and metadata are in front. */
#define ASH_LVM_DATA_OFFSET ((guint64) 1024 * 1024)

/**
 * What the physical volume @partition of @layout needs, in bytes, so that its logical volumes can be in it; @content_bytes has one number for each of
 * layout->volumes. A volume has the size that it says, or that of its content with headroom, in whole extents; with a percentage its content's. ASH_ERROR_CONFIG
 * for numbers that no disk holds.
 */
gboolean ash_lvm_measure(const AshLayout *layout, const AshPartition *partition, const guint64 *content_bytes, guint64 *ret_bytes, GError **error);

/**
 * Gives each logical volume its size and its offset in the disk, once the partitions have theirs: one behind the other, in the order of the layout. Those that
 * grow share what nobody else has, each up to its limit. ASH_ERROR_CONFIG if a group has not the room.
 */
gboolean ash_lvm_place(AshLayout *layout, const guint64 *content_bytes, GError **error);

/**
 * Makes @partition of @layout, which has its place in @fd and is zero there, a physical volume with a group of the logical volumes placed in it.
 * Identifiers follow from @seed and the names, times are @epoch (seconds): same arguments, same bytes. What is in the volumes is not touched.
 */
gboolean ash_lvm_write(const AshLayout *layout, const AshPartition *partition, const AshUuid *seed, guint64 epoch, int fd, GError **error);
