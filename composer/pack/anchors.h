/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pack/match.h"

/**
 * AshAnchors: an index of an image by the first bytes of its blocks of 4096, where files begin: finds a text that is in the image as it is,
 * at whatever distance. About 12 bytes of memory for each block. Used from several threads at once.
 */
typedef struct AshAnchors AshAnchors;

/** @image (its offset is 0) is borrowed. */
AshAnchors *ash_anchors_new(const AshMatchText *image);
void ash_anchors_free(AshAnchors *anchors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshAnchors, ash_anchors_free)

/** Steps (appended to @ops) for @to: ASH_DELTA_COPY for what the image has, else ASH_DELTA_EXTRA. */
void ash_anchors_match(const AshAnchors *anchors, const AshMatchText *to, GArray *ops);

/** True, and where, if the image has all of @to as it is from the start of a block on. */
bool ash_anchors_find_whole(const AshAnchors *anchors, const AshMatchText *to, guint64 *ret_old);
