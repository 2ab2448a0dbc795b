/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"
#include "disk/gpt/gpt.h"

/**
 * The GPT (UEFI 2.10 5.3) of a disk in use: labels, PARTUUIDs and flags of partitions are changed in place, places and sizes never.
 *
 * Our own code and not libfdisk's, because of what must hold whenever the power fails: Linux takes the backup table only if told
 * to on its command line, so the primary one has to be whole at every moment. New entries are therefore written where
 * nothing reads them (the other one of two places between header and first partition), then the header's one sector
 * is replaced, then the backup. Where a table has no room for that, the backup is written first and the primary in place.
 */
typedef struct AshGptTable AshGptTable;

/** A partition that is in use. */
typedef struct {
	guint index; /* in the table: partition number less one */
	AshUuid type, uuid;
	char *label;           /* UTF-8; what does not convert has replacement characters */
	guint64 flags;         /* UEFI 2.10 table 5.8 */
	guint64 offset, bytes; /* from the start of the disk */
} AshGptEntry;

/**
 * Reads the table of the disk or plain file @fd: the primary one, or the backup if that is damaged. The sector size is the device's (plain
 * files: 512). Owned; NULL and ASH_ERROR_CONFIG if neither is valid.
 */
AshGptTable *ash_gpt_table_load(int fd, GError **error);
void ash_gpt_table_free(AshGptTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshGptTable, ash_gpt_table_free)

/** The partitions (of AshGptEntry) by their offset. Borrowed, until the table is changed. */
const GPtrArray *ash_gpt_table_get_entries(const AshGptTable *table);
/** False if either copy was damaged, or the two differ; ash_gpt_table_store() mends that. */
bool ash_gpt_table_is_sound(const AshGptTable *table);

/** Changes a partition in memory. ASH_ERROR_CONFIG if @label has more than 36 UTF-16 units. */
gboolean ash_gpt_table_set(AshGptTable *table, guint index, const AshUuid *uuid, const char *label, guint64 flags, GError **error);

/** Writes what ash_gpt_table_set() changed to the disk it came from, synced; nothing if both copies say that already. */
gboolean ash_gpt_table_store(AshGptTable *table, int fd, GError **error);
