/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/io/usedmap.h"

#include "base/zero.h"

#include <string.h>

#define CLUSTER ASH_USED_CLUSTER_BYTES

struct AshUsedMap {
	guint64 n;
	guint8 *used; /* 0 or 1 per cluster: whoever writes one writes 1 */
};

AshUsedMap *
ash_used_map_new(guint64 disk_bytes)
{
	AshUsedMap *map = g_new0(AshUsedMap, 1);

	map->n = (disk_bytes + CLUSTER - 1) / CLUSTER;
	map->used = g_malloc0(map->n + 1);
	return map;
}

void
ash_used_map_free(AshUsedMap *map)
{
	if (map == NULL)
		return;
	g_free(map->used);
	g_free(map);
}

void
ash_used_map_mark(AshUsedMap *map, guint64 offset)
{
	__atomic_store_n(&map->used[offset / CLUSTER], 1, __ATOMIC_RELAXED);
}

void
ash_used_map_add(AshUsedMap *map, guint64 offset, const guint8 *data, gsize length)
{
	while (length > 0) {
		guint64 index = offset / CLUSTER;
		gsize part = (gsize) MIN(length, CLUSTER - offset % CLUSTER);

		g_assert(index < map->n);
		if (!ash_used_map_knows(map, index) && !ash_is_zero(data, part))
			ash_used_map_mark(map, offset);
		offset += part;
		data += part;
		length -= part;
	}
}

bool
ash_used_map_knows(const AshUsedMap *map, guint64 index)
{
	return index < map->n && __atomic_load_n(&map->used[index], __ATOMIC_RELAXED) != 0;
}
