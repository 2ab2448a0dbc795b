/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/inode.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/erofs/format.h"

#include <lz4.h>
#include <string.h>
#include <zstd.h>

/* What is decompressed at a time, before and after. */
#define MAX_EXTENT_BYTES ASH_MIB

/** Some neighbouring clusters of a compressed file. */
typedef struct {
	guint64 first, n; /* clusters of 4096 bytes of the file */
	guint64 block;    /* of its data */
	guint n_blocks;
	bool plain;
} Extent;

static gboolean
read_entry(AshErofsReader *reader, const AshErofsInode *inode, guint64 cluster, ErofsIndex *entry, GError **error)
{
	guint64 header = ash_size_round_up(inode->tail, EROFS_INDEX_ALIGN);

	if (!ash_erofs_read_at(reader, header + sizeof(ErofsMapHeader) + EROFS_INDEX_GAP + cluster * sizeof(*entry), entry,
		     sizeof(*entry), error))
		return FALSE;
	entry->advise = GUINT16_FROM_LE(entry->advise);
	entry->block = GUINT32_FROM_LE(entry->block);
	return entry->offset == 0 || ash_throw(error, ASH_ERROR_CONFIG, "EROFS: extents that do not begin with a block "
					       "cannot be read here");
}

/* The extent that @cluster is in. */
static gboolean
find_extent(AshErofsReader *reader, const AshErofsInode *inode, guint64 cluster, Extent *extent, GError **error)
{
	guint64 n_clusters = (inode->stat.size + EROFS_BLOCK - 1) / EROFS_BLOCK;
	ErofsIndex entry;
	guint kind;

	if (!read_entry(reader, inode, cluster, &entry, error))
		return FALSE;
	if ((entry.advise & EROFS_CLUSTER_MASK) == EROFS_CLUSTER_FOLLOWER) {
		guint back = entry.block & 0xffff;

		back = (back & EROFS_INDEX_COUNT) != 0 ? 1 : back;
		if (back == 0 || back > cluster)
			return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: the index of a file is damaged");
		cluster -= back;
		if (!read_entry(reader, inode, cluster, &entry, error))
			return FALSE;
	}
	kind = entry.advise & EROFS_CLUSTER_MASK;
	if (kind > EROFS_CLUSTER_HEAD)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: the index of a file is damaged");
	*extent = (Extent) { cluster, 1, entry.block, 1, kind == EROFS_CLUSTER_PLAIN };
	while (!extent->plain && cluster + extent->n < n_clusters && extent->n < MAX_EXTENT_BYTES / EROFS_BLOCK) {
		if (!read_entry(reader, inode, cluster + extent->n, &entry, error))
			return FALSE;
		if ((entry.advise & EROFS_CLUSTER_MASK) != EROFS_CLUSTER_FOLLOWER)
			break;
		if (extent->n++ == 1)
			extent->n_blocks = entry.block & (EROFS_INDEX_COUNT - 1);
	}
	return TRUE;
}

/* The compressed bytes, without the zeros in front. */
static gboolean
unpack(guint algorithm, const guint8 *data, gsize length, guint8 *to, gsize wanted, GError **error)
{
	gsize got = 0;

	while (length > 0 && *data == 0) {
		data++;
		length--;
	}
	if (algorithm == EROFS_ALGORITHM_LZ4)
		got = (gsize) LZ4_decompress_safe((const char *) data, (char *) to, (int) length, (int) wanted);
	else if (algorithm == EROFS_ALGORITHM_ZSTD)
		got = ZSTD_decompress(to, wanted, data, length);
	return got == wanted || ash_throw(error, ASH_ERROR_CONFIG, "EROFS: compressed data is damaged");
}

/* The bytes of @extent, @wanted of them, into @to. */
static gboolean
read_extent(AshErofsReader *reader, const AshErofsInode *inode, const Extent *extent, guint8 *to, gsize wanted, GError **error)
{
	guint64 header = ash_size_round_up(inode->tail, EROFS_INDEX_ALIGN);
	guint64 at = extent->block * EROFS_BLOCK;
	gsize length = (gsize) extent->n_blocks * EROFS_BLOCK;
	g_autofree guint8 *data = NULL;
	ErofsMapHeader map;

	if (extent->plain)
		return ash_erofs_read_at(reader, at, to, wanted, error);
	if (length == 0 || length > MAX_EXTENT_BYTES || !ash_erofs_read_at(reader, header, &map, sizeof(map), NULL) ||
	    (map.cluster_bits & 7) != 0)
		return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: the index of a file is damaged");
	data = g_malloc(length);
	return ash_erofs_read_at(reader, at, data, length, error) && unpack(map.algorithms & 15, data, length, to, wanted, error);
}

gboolean
ash_erofs_inode_unpack(AshErofsReader *reader, const AshErofsInode *inode, guint64 at, guint8 *to, gsize length, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(MAX_EXTENT_BYTES);

	for (guint64 end = at + length; at < end;) {
		Extent extent = { 0 };
		guint64 start, extent_end;

		if (!find_extent(reader, inode, at / EROFS_BLOCK, &extent, error))
			return FALSE;
		start = extent.first * EROFS_BLOCK;
		extent_end = MIN(start + extent.n * EROFS_BLOCK, inode->stat.size);
		if (at >= extent_end)
			return ash_throw(error, ASH_ERROR_CONFIG, "EROFS: the index of a file is damaged");
		if (!read_extent(reader, inode, &extent, buffer, (gsize) (extent_end - start), error))
			return FALSE;
		memcpy(to, buffer + (at - start), (gsize) (MIN(end, extent_end) - at));
		to += MIN(end, extent_end) - at;
		at = MIN(end, extent_end);
	}
	return TRUE;
}
