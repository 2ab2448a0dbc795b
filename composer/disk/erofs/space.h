/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshErofsSpace: which blocks of a file system are taken, and which slots of 32 bytes in those blocks that hold inodes. First
 * everything that stays claims its place; then ash_erofs_space_settle(), and the rest gets places: holes where they fit best,
 * the lowest of equal ones, or the end.
 */
typedef struct AshErofsSpace AshErofsSpace;

#define ASH_EROFS_SLOTS_PER_BLOCK 128

AshErofsSpace *ash_erofs_space_new(void);
void ash_erofs_space_free(AshErofsSpace *space);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshErofsSpace, ash_erofs_space_free)

/** Blocks below @limit that are all free become taken; false if not all are. */
bool ash_erofs_space_claim(AshErofsSpace *space, guint64 block, guint64 n, guint64 limit);
/** The same for slots: up to 128 lie in one block, more begin with one. */
bool ash_erofs_space_claim_slots(AshErofsSpace *space, guint64 slot, guint64 n, guint64 limit);

/** Ends claiming: what is free before the last taken block is a hole now. */
void ash_erofs_space_settle(AshErofsSpace *space);

/** Takes @n blocks: the smallest hole that lies in blocks from @from up to @to, else at the end. Returns the first. */
guint64 ash_erofs_space_take(AshErofsSpace *space, guint64 n, guint64 from, guint64 to);
/** Takes @n_more blocks at @block, where a hole, or nothing, must follow; false if it does not. */
bool ash_erofs_space_extend(AshErofsSpace *space, guint64 block, guint64 n_more);
/** Gives blocks back, to holes. */
void ash_erofs_space_release(AshErofsSpace *space, guint64 block, guint64 n);
/** Takes @n slots where most are free in one block, else in a new one (@to: as in ash_erofs_space_take()). Returns the first. */
guint64 ash_erofs_space_take_slots(AshErofsSpace *space, guint64 n, guint64 to);
/** Puts the end at least there; what is skipped becomes a hole. */
void ash_erofs_space_skip_to(AshErofsSpace *space, guint64 block);

/** The first block that was never taken. */
guint64 ash_erofs_space_get_end(const AshErofsSpace *space);
/** Free blocks before the end. */
guint64 ash_erofs_space_count_free(const AshErofsSpace *space);
/** Adds the number of every block that has slots to @blocks (of guint64), in no order. */
void ash_erofs_space_list_slot_blocks(const AshErofsSpace *space, GArray *blocks);
