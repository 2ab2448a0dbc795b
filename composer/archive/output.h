/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** Takes the next @length bytes of a stream. FALSE and @error end it. */
typedef gboolean (*AshSinkFunc)(gpointer user_data, const void *data, gsize length, GError **error);

/**
 * AshOutput: a file written as a stream under a temporary name beside its own, which it gets only when it is
 * whole. It is not synced: whoever shows the file to others does that, once for all files.
 */
typedef struct AshOutput AshOutput;

/** Begins to write what will be @path. Owned; NULL on failure. */
AshOutput *ash_output_new(const char *path, GError **error);
/** Removes what was written unless ash_output_commit() succeeded. */
void ash_output_free(AshOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshOutput, ash_output_free)

/** An AshSinkFunc that appends; @output is an AshOutput. */
gboolean ash_output_write(gpointer output, const void *data, gsize length, GError **error);
/** Overwrites @length bytes at @offset, which were written before. */
gboolean ash_output_patch(AshOutput *output, guint64 offset, const void *data, gsize length, GError **error);
/** Bytes appended so far. */
guint64 ash_output_get_size(const AshOutput *output);
/** Renames: afterwards the file is there, with mode 0644. */
gboolean ash_output_commit(AshOutput *output, GError **error);
