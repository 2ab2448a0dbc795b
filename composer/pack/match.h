/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pack/deltaop.h"

#include <stdbool.h>

/** A stretch of an image. */
typedef struct {
	const guint8 *data; /* of the stretch, not of the image */
	gsize length;       /* bytes */
	guint64 offset;     /* of the stretch in its image */
} AshMatchText;

/**
 * Steps (appended to @ops, of AshDeltaOp) that make @to out of @from, a former version of it: stretches that are alike byte for byte
 * but for single changes, as those of addresses in programs, become ASH_DELTA_ADD (Percival, "Naive differences of executable code", 2003).
 * Memory: six bytes for each byte of @from.
 */
void ash_match_versions(const AshMatchText *from, const AshMatchText *to, GArray *ops);

/** Appends a step, or makes the last one longer if it goes on where that ends; ASH_DELTA_EXTRA that is all zero becomes ASH_DELTA_ZERO. */
void ash_match_add(GArray *ops, AshDeltaOpKind kind, const guint8 *data, guint64 length, guint64 old);

/** Is it data that a compressor has been at, so that no two versions are alike? A guess from samples. */
bool ash_match_is_dense(const AshMatchText *text);
