/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshSideWriter: writes a file from front to back by a thread, and computes its SHA-256 by another, beside the one that makes the bytes. That
 * one fills buffers, of which there are few, so that it cannot run ahead by more than they hold.
 */
typedef struct AshSideWriter AshSideWriter;

/** For the empty file @fd (borrowed), with @n_buffers (at least 2) of @buffer_bytes each, aligned for base/direct. Without threads
 * to be had, the caller's own does the work. Owned. */
AshSideWriter *ash_side_writer_new(int fd, guint n_buffers, gsize buffer_bytes);
void ash_side_writer_free(AshSideWriter *side);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSideWriter, ash_side_writer_free)

/** A buffer to be filled, as soon as there is one; to be given back by ash_side_writer_put(). Its content is what it was. NULL if
 * what was put before cannot be written. */
guint8 *ash_side_writer_take(AshSideWriter *side, GError **error);
/** Gives back @buffer, whose first @length bytes come next in the file. Nobody may write into it any more. */
void ash_side_writer_put(AshSideWriter *side, guint8 *buffer, gsize length);

/** Waits until all that was put is written (not: synced). Lower-case hex, owned; NULL on failure. @side can only be freed
 * afterwards. */
char *ash_side_writer_finish_hex(AshSideWriter *side, GError **error);
