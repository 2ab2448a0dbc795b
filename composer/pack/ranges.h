/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * What to ask a server for, when single pieces of immutable objects are wanted: single ranges (RFC 9110 14.2; never several in one
 * request, which object stores refuse). Pieces that lie near each other are asked for together, gap included, because a request costs
 * more than the gap. Used by the node, which asks, and by publish, which says before what it will cost.
 */
#define ASH_RANGE_GAP_BYTES (64 * 1024)
#define ASH_RANGE_MAX_BYTES (8 * 1024 * 1024)

/** One request. */
typedef struct {
	guint object;   /* whatever number the caller gave */
	guint64 offset; /* bytes */
	guint64 bytes;  /* gaps included */
} AshRange;

/** An empty array of AshRange. Owned (g_array_unref). */
GArray *ash_ranges_new(void);

/**
 * Adds a piece of @bytes (0: nothing is added) at @offset of @object. Pieces come in ascending order and do not overlap. A piece is never
 * split: one longer than ASH_RANGE_MAX_BYTES is a range of its own.
 */
void ash_ranges_add(GArray *ranges, guint object, guint64 offset, guint64 bytes);

/** Bytes of all ranges. */
guint64 ash_ranges_sum(const GArray *ranges);
