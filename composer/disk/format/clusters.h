/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "disk/io/reread.h"

#include <stdbool.h>

/** The unit in which formats tell data from zeros. */
#define ASH_CLUSTER_BYTES ASH_USED_CLUSTER_BYTES

/** Neighbouring clusters of the disk that have data. */
typedef struct {
	guint64 first; /* cluster of the disk */
	guint64 n;
	guint64 place; /* of the first, among all clusters with data */
} AshClusterRun;

/** Which clusters of a disk are not all zero: depends on its content alone, not on how its file is laid out. */
typedef struct {
	guint64 disk_bytes;
	GArray *runs;   /* of AshClusterRun, in order; none touches another */
	guint64 n_data; /* clusters in all runs */
} AshClusterMap;

/** Finds them in the first @disk_bytes of @raw. Holes are not read, nor what is known to be data (disk/io/usedmap.h). Owned. */
AshClusterMap *ash_cluster_map_new(AshContext *ctx, const AshReread *raw, guint64 disk_bytes, GError **error);
void ash_cluster_map_free(AshClusterMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshClusterMap, ash_cluster_map_free)

/** Borrowed. */
const AshClusterRun *ash_cluster_map_get(const AshClusterMap *map, guint index);
/** Index of the first run that ends behind cluster @cluster; the number of runs if there is none. */
guint ash_cluster_map_find(const AshClusterMap *map, guint64 cluster);
/** The cluster of the disk that is number @place (below n_data) of those with data. */
guint64 ash_cluster_map_locate(const AshClusterMap *map, guint64 place);
/** Whether any of the @length bytes at @offset of the disk are in a cluster with data. */
bool ash_cluster_map_has_data(const AshClusterMap *map, guint64 offset, guint64 length);
/** As ash_reread_read() of the map's disk, without reading what is zero; behind the end of the disk there are zeros as well. */
gboolean ash_cluster_map_read(const AshClusterMap *map, AshReread *raw, guint8 *buffer, gsize length, guint64 offset, GError **error);
