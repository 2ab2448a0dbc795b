/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * AshUsedMap: of which clusters of a disk file somebody has seen that they are not all zero, so that nobody reads them again to find
 * out. What it does not know is not therefore zero.
 */
typedef struct AshUsedMap AshUsedMap;

/** Clusters of 64 KiB, as those of qcow2. */
#define ASH_USED_CLUSTER_BYTES ((guint64) 64 * 1024)

/** Owned. */
AshUsedMap *ash_used_map_new(guint64 disk_bytes);
void ash_used_map_free(AshUsedMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshUsedMap, ash_used_map_free)

/** Looks at what is written at @offset of the disk, which nothing will replace. Several threads may do so at the same time. */
void ash_used_map_add(AshUsedMap *map, guint64 offset, const guint8 *data, gsize length);
/** What is at @offset is not all zero. */
void ash_used_map_mark(AshUsedMap *map, guint64 offset);
/** Whether the cluster @index is known to hold something. */
bool ash_used_map_knows(const AshUsedMap *map, guint64 index);
