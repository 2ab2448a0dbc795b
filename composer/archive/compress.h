/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "archive/output.h"
#include "model/imagetype.h"

/**
 * AshCompressor: a compressed stream, the same bytes on every machine and with any number of threads.
 * It is an AshSinkFunc itself, and hands what it makes to another.
 */
typedef struct AshCompressor AshCompressor;

/**
 * Begins a stream. @level is gzip's 1 to 9 or zstd's 1 to 19, 0 for a sensible one; @jobs threads may be used, >= 1.
 * Owned; NULL on failure.
 */
AshCompressor *ash_compressor_new(AshCompression compression, int level, guint jobs, AshSinkFunc sink,
				  gpointer user_data, GError **error);
void ash_compressor_free(AshCompressor *compressor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshCompressor, ash_compressor_free)

/** An AshSinkFunc; @compressor is an AshCompressor. */
gboolean ash_compressor_write(gpointer compressor, const void *data, gsize length, GError **error);
/** Ends the stream; it can only be freed afterwards. */
gboolean ash_compressor_finish(AshCompressor *compressor, GError **error);
