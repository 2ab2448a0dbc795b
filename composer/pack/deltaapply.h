/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pack/delta.h"

#include <stdbool.h>

/** Where the old image is read and the new one is written; offsets in the images. */
typedef struct {
	/** Fills @buffer; a failure ends all. */
	gboolean (*read_old)(gpointer user_data, guint64 offset, gsize length, guint8 *buffer, GError **error);
	/** Is called from the start of the new image to its end, at most ASH_DELTA_SEGMENT_BYTES at a time. */
	gboolean (*write_new)(gpointer user_data, guint64 offset, const guint8 *data, gsize length, GError **error);
	/**
	 * Is any of these bytes of the new image wanted? Of what is not, the old image is not read where it could be copied from, and anything may go to
	 * @write_new. NULL: all are.
	 */
	bool (*is_needed)(gpointer user_data, guint64 offset, gsize length);
} AshDeltaTarget;

/**
 * AshDeltaApply: a delta (pack/delta.h), in pieces as they come from the network, to the new image. Every number is checked against the lengths of the
 * images, which the caller knows from signed metadata; what is wrong is ASH_ERROR_TRUST. Memory: at most 40 MiB.
 */
typedef struct AshDeltaApply AshDeltaApply;

/** @target is borrowed. */
AshDeltaApply *ash_delta_apply_new(guint64 old_bytes, guint64 new_bytes, const AshDeltaTarget *target, gpointer user_data);
void ash_delta_apply_free(AshDeltaApply *apply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshDeltaApply, ash_delta_apply_free)

/** The next @length bytes of the delta. */
gboolean ash_delta_apply_feed(AshDeltaApply *apply, const void *data, gsize length, GError **error);

/** After the last byte: ASH_ERROR_TRUST if the delta was not whole. */
gboolean ash_delta_apply_finish(AshDeltaApply *apply, GError **error);
