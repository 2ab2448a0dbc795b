/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"
#include "model/fstree.h"

/**
 * AshLeafCache: the dm-verity hashes of files' blocks of 4096 bytes, from one image to the next: a file that is in both need not be read
 * to be hashed again. Files are known by the digest that AshFsNode has of them; the salt belongs to the whole cache. One file, replaced
 * as a whole; what is damaged or of another version does not exist.
 */
typedef struct AshLeafCache AshLeafCache;

/** The cache for @salt in the directory @dir, which is made when needed. @dir NULL: an empty one that is not kept. Never fails. */
AshLeafCache *ash_leaf_cache_open(const char *dir, const guint8 *salt, gsize salt_bytes);
void ash_leaf_cache_free(AshLeafCache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshLeafCache, ash_leaf_cache_free)

/** The hashes of the blocks of @node, whose last one is filled up with zeros; borrowed. NULL if they are not known. */
const guint8 *ash_leaf_cache_find(AshLeafCache *cache, const AshFsNode *node);

/** Keeps the hashes of @node's blocks, one after the other; copied. */
void ash_leaf_cache_add(AshLeafCache *cache, const AshFsNode *node, const guint8 *leaves);

/** Writes what is new. To be faster the next time: that it cannot is no error. */
void ash_leaf_cache_save(AshLeafCache *cache);
