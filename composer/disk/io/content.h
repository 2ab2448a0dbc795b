/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"

/**
 * AshContent: the bytes of a file that does not exist yet, as a list of pieces in memory and of whole open files, so
 * that a kernel image with a large initramfs never is in memory.
 */
typedef struct AshContent AshContent;

/** Empty. Owned by the caller; add everything before it is shared. */
AshContent *ash_content_new(void);
AshContent *ash_content_ref(AshContent *content);
void ash_content_unref(AshContent *content);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshContent, ash_content_unref)

/** Of one piece, referenced. */
AshContent *ash_content_new_from_bytes(GBytes *bytes);

/** Appends a piece, referenced. */
void ash_content_add_bytes(AshContent *content, GBytes *bytes);
void ash_content_add_content(AshContent *content, AshContent *other);
/** Appends @length bytes of @other (referenced) from @offset on, which must be in it. */
void ash_content_add_range(AshContent *content, AshContent *other, guint64 offset, guint64 length);
/** Appends the first @length bytes of the regular file @fd, which is taken over. */
void ash_content_add_fd(AshContent *content, int fd, guint64 length);

/** Bytes. */
guint64 ash_content_get_size(const AshContent *content);

/** The file that it is, whole, borrowed; -1 if it is of other pieces. */
int ash_content_get_fd(const AshContent *content);

/** Writes everything at the position of @fd, which may be a pipe; a file that is now too short is an error. */
gboolean ash_content_write(const AshContent *content, int fd, GError **error);

/** Feeds everything to @digest. */
gboolean ash_content_update_digest(const AshContent *content, AshDigest *digest, GError **error);

/** Exactly @length bytes from @offset on, which must be in it. Threads may do so at the same time. */
gboolean ash_content_read(const AshContent *content, void *buffer, gsize length, guint64 offset, GError **error);

/** Where a content is to be. */
typedef struct {
	AshContent *content; /* a reference */
	guint64 offset;      /* in the disk file, bytes */
} AshContentPlace;

/** Of AshContentPlace, which are freed with it. Owned. */
GArray *ash_content_places_new(void);

/** Everything, in memory after all. Owned; NULL on failure. */
GBytes *ash_content_load(const AshContent *content, GError **error);
