/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/blockset.h"
#include "node/plan.h"
#include "pack/hashtree.h"

/** What a slot has that a release may need. All of it is a hint: blocks are hashed again when they are used. */
typedef struct {
	AshBlockSet *data; /* by data block; NULL: nothing */
	AshBlockSet *tree; /* by block of the hash area, superblock's place included; NULL: nothing */
	bool scanned;      /* the data was read, because no tree could be believed */
} AshSlotContent;

/**
 * Looks into @view. If it is known what it should be, and its hash tree is sound up to that root hash and has the salt of @spec, the tree says
 * what the data is; else the data is read and hashed, @scan_bytes of it at most. What cannot be read is not there.
 */
gboolean ash_slot_content_load(AshContext *ctx, const AshSlotView *view, const AshHashSpec *spec, guint64 scan_bytes,
			       AshSlotContent *ret_content, GError **error);
void ash_slot_content_clear(AshSlotContent *content);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSlotContent, ash_slot_content_clear)
