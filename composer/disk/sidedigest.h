/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * AshSideDigest: the SHA-256 of what somebody writes, computed by a thread beside it. The writer fills buffers, of which there
 * are few, so that it cannot run ahead by more than they hold.
 */
typedef struct AshSideDigest AshSideDigest;

/** With @n_buffers (at least 2) of @buffer_bytes each. Without a thread to be had, the digest is computed by the writer's own. Owned. */
AshSideDigest *ash_side_digest_new(guint n_buffers, gsize buffer_bytes);
void ash_side_digest_free(AshSideDigest *side);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSideDigest, ash_side_digest_free)

/** A buffer to be filled, as soon as there is one; to be given back by ash_side_digest_put(). Its content is what it was. */
guint8 *ash_side_digest_take(AshSideDigest *side);
/** Gives back @buffer, whose first @length bytes come next in the digest. Nobody may write into it any more. */
void ash_side_digest_put(AshSideDigest *side, guint8 *buffer, gsize length);

/** Waits for the digest of all that was put; lower-case hex. Owned. @side can only be freed afterwards. */
char *ash_side_digest_finish_hex(AshSideDigest *side);
