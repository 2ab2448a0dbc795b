/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * AshContentCache: digests of shared files (base/shared.h), from one run to the next. What such a file has in it never changes, so
 * that its inode, known again by the time it was made, stands for it. One file, read when it is first asked and replaced as a whole;
 * what is damaged or of another version does not exist.
 */
typedef struct AshContentCache AshContentCache;

/** In the file @name below @dir_fd (borrowed). Never fails. */
AshContentCache *ash_content_cache_new(int dir_fd, const char *name);
void ash_content_cache_free(AshContentCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshContentCache, ash_content_cache_free)

/**
 * The SHA-256 of what is in the regular file @fd, open for reading: owned hex; NULL if it cannot be read. If it is not
 * shared, or the file system does not tell when a file was made, it is read every time.
 */
char *ash_content_cache_digest(AshContentCache *cache, int fd);

/**
 * The same of a file that may be open for nothing (O_PATH of open(2)), if it is shared and known already: owned hex, else NULL. Then it has no
 * extended attributes but our marks.
 */
char *ash_content_cache_find(AshContentCache *cache, int fd);

/** Writes what is new. To be faster the next time: that it cannot is no error. */
void ash_content_cache_save(AshContentCache *cache);
