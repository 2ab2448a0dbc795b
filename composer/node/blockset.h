/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshBlockSet: which block of a slot has which hash. Of each hash only the first 64 bits are kept: whoever copies a block checks the whole hash
 * anyhow, so a false find costs one block read in vain. Memory: 8 bytes a block and 8 to 16 for the table.
 */
typedef struct AshBlockSet AshBlockSet;

/** What no block has: an unreadable one's place. */
#define ASH_BLOCK_UNKNOWN 0

/** The first 64 bits of a hash; never ASH_BLOCK_UNKNOWN. */
guint64 ash_block_key(const guint8 *sum);

/**
 * Over the @n keys of blocks 0 to n - 1 (fewer than 2^31), which are taken. Of equal ones the first is found, or the last if @prefer_last. Owned.
 */
AshBlockSet *ash_block_set_new(guint64 *keys, guint64 n, bool prefer_last);
void ash_block_set_free(AshBlockSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshBlockSet, ash_block_set_free)

/** False if no block has this hash. @set may be NULL. */
bool ash_block_set_find(const AshBlockSet *set, const guint8 *sum, guint64 *ret_block);

/** True if block @block exists and has this hash. @set may be NULL. */
bool ash_block_set_has_at(const AshBlockSet *set, guint64 block, const guint8 *sum);
