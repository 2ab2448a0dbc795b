/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/clusters.h"

#include "base/fd.h"
#include "base/zero.h"

#include <string.h>

#define CLUSTER_BYTES ASH_CLUSTER_BYTES
#define PROBE_BYTES   4096

static guint64
div_up(guint64 value, guint64 unit)
{
	return (value + unit - 1) / unit;
}

/* The bytes of the disk in cluster @index: the last one may be shorter. */
static gsize
cluster_bytes(guint64 disk_bytes, guint64 index)
{
	return (gsize) MIN(CLUSTER_BYTES, disk_bytes - index * CLUSTER_BYTES);
}

/* Most clusters that hold something show it in their first block. */
static gboolean
probe_cluster(int raw_fd, guint64 disk_bytes, guint64 index, guint8 *buffer, bool *ret_used, GError **error)
{
	gsize length = cluster_bytes(disk_bytes, index), first = MIN(length, PROBE_BYTES);
	guint64 at = index * CLUSTER_BYTES;

	if (!ash_fd_read_exact(raw_fd, buffer, first, at, error))
		return FALSE;
	*ret_used = !ash_is_zero(buffer, first);
	if (*ret_used || length == first)
		return TRUE;
	if (!ash_fd_read_exact(raw_fd, buffer, length - first, at + first, error))
		return FALSE;
	*ret_used = !ash_is_zero(buffer, length - first);
	return TRUE;
}

static void
add_cluster(AshClusterMap *map, guint64 index)
{
	AshClusterRun *last = map->runs->len > 0 ? &g_array_index(map->runs, AshClusterRun, map->runs->len - 1) : NULL;
	AshClusterRun run = { index, 1, map->n_data };

	map->n_data++;
	if (last != NULL && last->first + last->n == index)
		last->n++;
	else
		g_array_append_val(map->runs, run);
}

/* What a file system calls data may be zeros all the same. @buffer: scratch of one cluster. */
static gboolean
find_in_data(AshClusterMap *map, const AshReread *raw, guint64 first, guint64 end, guint8 *buffer, GError **error)
{
	for (guint64 i = first; i < end; i++) {
		bool used = ash_reread_knows(raw, i);

		if (!used && !probe_cluster(ash_reread_get_fd(raw), map->disk_bytes, i, buffer, &used, error))
			return FALSE;
		if (used)
			add_cluster(map, i);
	}
	return TRUE;
}

/* Holes of the disk file are not read, but have something in them if that lies elsewhere. */
static void
find_in_hole(AshClusterMap *map, const AshReread *raw, guint64 first, guint64 end)
{
	for (guint64 i = first; i < end; i++)
		if (ash_reread_knows(raw, i))
			add_cluster(map, i);
}

static gboolean
find_runs(AshContext *ctx, AshClusterMap *map, const AshReread *raw, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(CLUSTER_BYTES);
	guint64 next = 0, start, end = 0;

	do {
		if (!ash_context_check(ctx, error) ||
		    !ash_fd_find_data(ash_reread_get_fd(raw), end, map->disk_bytes, &start, &end, error))
			return FALSE;
		/* At the end of the disk both are there. */
		guint64 first = MAX(next, start / CLUSTER_BYTES), behind = MAX(next, div_up(end, CLUSTER_BYTES));

		find_in_hole(map, raw, next, first);
		if (!find_in_data(map, raw, first, behind, buffer, error))
			return FALSE;
		next = behind;
	} while (start != end);
	return TRUE;
}

AshClusterMap *
ash_cluster_map_new(AshContext *ctx, const AshReread *raw, guint64 disk_bytes, GError **error)
{
	g_autoptr(AshClusterMap) map = g_new0(AshClusterMap, 1);

	map->disk_bytes = disk_bytes;
	map->runs = g_array_new(FALSE, FALSE, sizeof(AshClusterRun));
	return find_runs(ctx, map, raw, error) ? g_steal_pointer(&map) : NULL;
}

void
ash_cluster_map_free(AshClusterMap *map)
{
	if (map == NULL)
		return;
	g_array_unref(map->runs);
	g_free(map);
}

const AshClusterRun *
ash_cluster_map_get(const AshClusterMap *map, guint index)
{
	return &g_array_index(map->runs, AshClusterRun, index);
}

guint
ash_cluster_map_find(const AshClusterMap *map, guint64 cluster)
{
	guint low = 0, high = map->runs->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const AshClusterRun *run = ash_cluster_map_get(map, middle);

		if (run->first + run->n <= cluster)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

guint64
ash_cluster_map_locate(const AshClusterMap *map, guint64 place)
{
	guint low = 0, high = map->runs->len;

	while (high - low > 1) {
		guint middle = low + (high - low) / 2;

		if (ash_cluster_map_get(map, middle)->place <= place)
			low = middle;
		else
			high = middle;
	}
	return ash_cluster_map_get(map, low)->first + (place - ash_cluster_map_get(map, low)->place);
}

bool
ash_cluster_map_has_data(const AshClusterMap *map, guint64 offset, guint64 length)
{
	guint index = ash_cluster_map_find(map, offset / CLUSTER_BYTES);

	return length > 0 && index < map->runs->len && ash_cluster_map_get(map, index)->first * CLUSTER_BYTES < offset + length;
}

gboolean
ash_cluster_map_read(const AshClusterMap *map, AshReread *raw, guint8 *buffer, gsize length, guint64 offset, GError **error)
{
	guint64 disk_end = MIN(offset + length, map->disk_bytes), at = offset;

	for (guint i = ash_cluster_map_find(map, offset / CLUSTER_BYTES); i < map->runs->len && at < disk_end; i++) {
		const AshClusterRun *run = ash_cluster_map_get(map, i);
		guint64 start = MIN(MAX(offset, run->first * CLUSTER_BYTES), disk_end);
		guint64 end = MIN(disk_end, (run->first + run->n) * CLUSTER_BYTES);

		memset(buffer + (at - offset), 0, (gsize) (start - at));
		if (start < end && !ash_reread_read(raw, buffer + (start - offset), (gsize) (end - start), start, error))
			return FALSE;
		at = MAX(start, end);
	}
	memset(buffer + (at - offset), 0, (gsize) (offset + length - at));
	return TRUE;
}
