/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/layout.h"

/** GPT attribute bits of the Discoverable Partitions Specification ("Partition Flags"). */
#define ASH_GPT_FLAG_GROW      ((guint64) 1 << 59)
#define ASH_GPT_FLAG_READ_ONLY ((guint64) 1 << 60)
#define ASH_GPT_FLAG_NO_AUTO   ((guint64) 1 << 63)

/**
 * Writes protective MBR, GPT and backup GPT (UEFI 2.10 5.2.3, 5.3) for @layout, whose offsets,
 * sizes, GUIDs, labels and flags are final, into the plain file @fd, which must already be
 * layout->size bytes long. 512-byte sectors, 128 entries. Only these sectors are touched. Fails
 * with ASH_ERROR_CONFIG for a layout that ash_place_check() refuses or a label over 36 UTF-16
 * units.
 */
gboolean ash_gpt_write(int fd, const AshLayout *layout, GError **error);

/**
 * Reads the GPT of the plain file @fd (the backup if the first is damaged). Partitions come in disk
 * order; role is ASH_PARTITION_LINUX where the type GUID is none of ours; fs, slot and template
 * fields are unset. Owned; NULL and ASH_ERROR_CONFIG if there is no valid GPT.
 */
AshLayout *ash_gpt_read(int fd, GError **error);
