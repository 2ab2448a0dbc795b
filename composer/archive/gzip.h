/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "archive/output.h"

/**
 * AshGzip: a gzip stream (RFC 1952, one member, no name, no time) compressed on several threads. Blocks of a fixed
 * size are deflated each on its own, with the end of the one before as dictionary, so that the bytes do not
 * depend on the number of threads.
 */
typedef struct AshGzip AshGzip;

/** @level 1 to 9, @jobs >= 1. Owned. */
AshGzip *ash_gzip_new(int level, guint jobs, AshSinkFunc sink, gpointer user_data);
void ash_gzip_free(AshGzip *gzip);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshGzip, ash_gzip_free)

/** Adds to the stream; what is finished goes to the sink, in this thread. */
gboolean ash_gzip_write(AshGzip *gzip, const void *data, gsize length, GError **error);
/** Ends the stream; it can only be freed afterwards. */
gboolean ash_gzip_finish(AshGzip *gzip, GError **error);
