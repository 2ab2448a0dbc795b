/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

/** AshAppender: a file that grows from front to back in parts of any length (disk/format/sidewriter.h writes and hashes it). */
typedef struct AshAppender AshAppender;

/** For the empty file @fd (borrowed). Owned; NULL on failure. */
AshAppender *ash_appender_new(AshContext *ctx, int fd, GError **error);
void ash_appender_free(AshAppender *appender);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshAppender, ash_appender_free)

/** Appends @length bytes; @data NULL: zeros. */
gboolean ash_appender_add(AshAppender *appender, const void *data, guint64 length, GError **error);
/** Appends zeros up to the next multiple of @unit bytes. */
gboolean ash_appender_align(AshAppender *appender, guint64 unit, GError **error);
/** Bytes appended until now. */
guint64 ash_appender_get_bytes(const AshAppender *appender);
/** Waits until all is written (not: synced). The file's SHA-256, lower-case hex, owned; NULL on failure. @appender can only be freed afterwards. */
char *ash_appender_finish_hex(AshAppender *appender, GError **error);
