/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/qcow2z.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/format/deflate.h"
#include "disk/format/pieces.h"
#include "disk/format/qcow2-format.h"

#include <stdbool.h>
#include <string.h>
#include <zstd.h>

#define CLUSTER_BYTES ASH_CLUSTER_BYTES
#define MAX_DISK_BYTES ((guint64) 1 << 50)
/* Where a compressed cluster's number of further sectors begins. */
#define SECTORS_SHIFT (62 - (ASH_QCOW2_CLUSTER_BITS - 8))
/* Bit 3 of the incompatible features: the type of compression is said, as it is not zlib. */
#define FEATURE_COMPRESSION ((guint64) 1 << 3)
#define ZSTD_LEVEL 6
/* Clusters that one thread compresses at a time. */
#define GROUP_LENGTH 16

/** Clusters that were compressed together. */
typedef struct {
	guint n;
	guint64 clusters[GROUP_LENGTH];
	gsize bytes[GROUP_LENGTH]; /* CLUSTER_BYTES: nothing was gained, as it is */
	guint8 *data;              /* one behind the other */
} Group;

/** An image being written: header, L1, all L2 tables; data; refcounts. */
typedef struct {
	const AshClusterMap *map;
	AshQcow2Compression compression;
	int fd;
	guint64 l1_entries, n_l1, l2_at; /* of L1: entries, clusters; cluster of the first L2 table */
	guint64 *l1;                     /* host order; 0: no table */
	guint64 at;                      /* bytes: where the data goes on */
	GArray *counts;                  /* of guint16 per cluster of the image */
	guint8 *l2;                      /* the table that is being filled */
	guint64 l2_index;
	guint64 n_l2;                    /* written or being filled */
	bool has_entries;                /* in it */
} Writer;

static void
writer_clear(Writer *writer)
{
	g_clear_pointer(&writer->l1, g_free);
	g_clear_pointer(&writer->l2, g_free);
	g_clear_pointer(&writer->counts, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Writer, writer_clear)

static void
group_free(Group *group)
{
	g_free(group->data);
	g_free(group);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Group, group_free)

static guint64
div_up(guint64 value, guint64 unit)
{
	return (value + unit - 1) / unit;
}

/* 0 if nothing is gained. QEMU's reader of zlib has a window of 4 KiB. */
static gsize
compress(AshQcow2Compression compression, ZSTD_CCtx *zstd, const guint8 *data, guint8 *to)
{
	gsize used;

	if (compression == ASH_QCOW2_ZLIB)
		return ash_deflate(data, CLUSTER_BYTES, ASH_DEFLATE_RAW_4K, to, CLUSTER_BYTES - 1);
	used = ZSTD_compressCCtx(zstd, to, CLUSTER_BYTES - 1, data, CLUSTER_BYTES, ZSTD_LEVEL);
	return ZSTD_isError(used) ? 0 : used;
}

static gboolean
fill_group(const Writer *writer, Group *group, guint64 first, AshReread *raw, ZSTD_CCtx *zstd, GError **error)
{
	guint64 end = MIN(first + GROUP_LENGTH, writer->map->n_data);
	g_autofree guint8 *buffer = g_malloc(CLUSTER_BYTES);
	guint8 *to = group->data;

	for (guint64 place = first; place < end; place++) {
		guint64 cluster = ash_cluster_map_locate(writer->map, place);
		gsize used;

		/* A disk's last cluster is padded with zeros. */
		if (!ash_cluster_map_read(writer->map, raw, buffer, CLUSTER_BYTES, cluster * CLUSTER_BYTES, error))
			return FALSE;
		used = compress(writer->compression, zstd, buffer, to);
		if (used == 0)
			memcpy(to, buffer, CLUSTER_BYTES);
		group->clusters[group->n] = cluster;
		group->bytes[group->n] = used != 0 ? used : CLUSTER_BYTES;
		to += group->bytes[group->n++];
	}
	return TRUE;
}

static gpointer
make_group(guint64 index, AshReread *raw, gpointer user_data, GError **error)
{
	const Writer *writer = user_data;
	g_autoptr(Group) group = g_new0(Group, 1);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	gboolean ok;

	if (zstd == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "no memory to compress with");
	group->data = g_malloc(GROUP_LENGTH * CLUSTER_BYTES);
	ok = fill_group(writer, group, index * GROUP_LENGTH, raw, zstd, error);
	ZSTD_freeCCtx(zstd);
	return ok ? g_steal_pointer(&group) : NULL;
}

/* One more reference for each cluster of the image that the @bytes at @offset touch. */
static void
count(Writer *writer, guint64 offset, guint64 bytes)
{
	guint64 first = offset / CLUSTER_BYTES, end = div_up(offset + bytes, CLUSTER_BYTES);

	if (end > writer->counts->len)
		g_array_set_size(writer->counts, (guint) end);
	for (guint64 i = first; i < end; i++)
		g_array_index(writer->counts, guint16, i)++;
}

static gboolean
finish_l2(Writer *writer, GError **error)
{
	guint64 place = (writer->l2_at + writer->n_l2) * CLUSTER_BYTES;

	if (!writer->has_entries)
		return TRUE;
	writer->l1[writer->l2_index] = place;
	writer->n_l2++;
	writer->has_entries = false;
	if (!ash_fd_write_all(writer->fd, writer->l2, CLUSTER_BYTES, place, error))
		return FALSE;
	memset(writer->l2, 0, CLUSTER_BYTES);
	return TRUE;
}

static guint64
place_cluster(Writer *writer, gsize bytes)
{
	guint64 offset, sectors;

	if (bytes == CLUSTER_BYTES) {
		offset = ash_size_round_up(writer->at, CLUSTER_BYTES);
		writer->at = offset + bytes;
		count(writer, offset, bytes);
		return offset | ASH_QCOW2_COPIED;
	}
	offset = writer->at;
	writer->at += bytes;
	sectors = (offset + bytes - 1) / ASH_QCOW2_SECTOR_BYTES - offset / ASH_QCOW2_SECTOR_BYTES;
	count(writer, offset, bytes);
	return offset | sectors << SECTORS_SHIFT | ASH_QCOW2_COMPRESSED;
}

static gboolean
put_group(guint64 index, gconstpointer piece, gpointer user_data, GError **error)
{
	const Group *group = piece;
	Writer *writer = user_data;
	const guint8 *data = group->data;

	for (guint i = 0; i < group->n; i++) {
		guint64 cluster = group->clusters[i], entry, offset;

		if (cluster / ASH_QCOW2_L2_ENTRIES != writer->l2_index && !finish_l2(writer, error))
			return FALSE;
		writer->l2_index = cluster / ASH_QCOW2_L2_ENTRIES;
		writer->has_entries = true;
		entry = GUINT64_TO_BE(place_cluster(writer, group->bytes[i]));
		offset = writer->at - group->bytes[i];
		memcpy(writer->l2 + cluster % ASH_QCOW2_L2_ENTRIES * sizeof(entry), &entry, sizeof(entry));
		if (!ash_fd_write_all(writer->fd, data, group->bytes[i], offset, error))
			return FALSE;
		data += group->bytes[i];
	}
	return TRUE;
}

/* A table of @n numbers at byte @at; what is left of its last cluster stays a hole. */
static gboolean
write_numbers(const Writer *writer, const guint64 *values, guint64 n, guint64 at, GError **error)
{
	g_autofree guint64 *table = g_new0(guint64, n);

	for (guint64 i = 0; i < n; i++)
		table[i] = GUINT64_TO_BE(values[i]);
	return ash_fd_write_all(writer->fd, table, n * sizeof(*table), at, error);
}

static gboolean
write_counts(Writer *writer, guint64 blocks_at, guint64 n_blocks, GError **error)
{
	for (guint i = 0; i < writer->counts->len; i++) {
		guint16 *value = &g_array_index(writer->counts, guint16, i);

		*value = GUINT16_TO_BE(*value);
	}
	g_array_set_size(writer->counts, (guint) (n_blocks * ASH_QCOW2_REFCOUNT_ENTRIES));
	return ash_fd_write_all(writer->fd, writer->counts->data, n_blocks * CLUSTER_BYTES, blocks_at, error);
}

/* Behind the data; counts have to be counted as well: their number is found when it no longer grows. */
static gboolean
write_refcounts(Writer *writer, AshQcow2Header *header, GError **error)
{
	guint64 start = div_up(writer->at, CLUSTER_BYTES), n_blocks = 0, n_table = 0, before, total;
	g_autofree guint64 *blocks = NULL;

	do {
		before = n_blocks + n_table;
		total = start + before;
		n_blocks = div_up(total, ASH_QCOW2_REFCOUNT_ENTRIES);
		n_table = div_up(n_blocks * sizeof(guint64), CLUSTER_BYTES);
	} while (n_blocks + n_table != before);
	count(writer, start * CLUSTER_BYTES, (n_blocks + n_table) * CLUSTER_BYTES);
	blocks = g_new0(guint64, n_blocks);
	for (guint64 i = 0; i < n_blocks; i++)
		blocks[i] = (start + n_table + i) * CLUSTER_BYTES;
	header->refcount_table_offset = GUINT64_TO_BE(start * CLUSTER_BYTES);
	header->refcount_table_clusters = GUINT32_TO_BE((guint32) n_table);
	return write_numbers(writer, blocks, n_blocks, start * CLUSTER_BYTES, error) &&
	       write_counts(writer, (start + n_table) * CLUSTER_BYTES, n_blocks, error);
}

static gboolean
write_tables(Writer *writer, GError **error)
{
	bool is_zstd = writer->compression == ASH_QCOW2_ZSTD;
	AshQcow2Header header = {
		.magic = { 'Q', 'F', 'I', (char) 0xfb },
		.version = GUINT32_TO_BE(3),
		.cluster_bits = GUINT32_TO_BE(ASH_QCOW2_CLUSTER_BITS),
		.disk_bytes = GUINT64_TO_BE(writer->map->disk_bytes),
		.l1_entries = GUINT32_TO_BE((guint32) writer->l1_entries),
		.l1_offset = GUINT64_TO_BE(CLUSTER_BYTES),
		.incompatible_features = GUINT64_TO_BE(is_zstd ? FEATURE_COMPRESSION : 0),
		.refcount_order = GUINT32_TO_BE(4),
		.header_bytes = GUINT32_TO_BE(sizeof(header)),
		.compression = (guint8) writer->compression,
	};

	if (!finish_l2(writer, error))
		return FALSE;
	for (guint64 i = 0; i < writer->l1_entries; i++)
		writer->l1[i] |= writer->l1[i] != 0 ? ASH_QCOW2_COPIED : 0;
	return write_refcounts(writer, &header, error) &&
	       write_numbers(writer, writer->l1, writer->l1_entries, CLUSTER_BYTES, error) &&
	       ash_fd_write_all(writer->fd, &header, sizeof(header), 0, error);
}

static void
plan(Writer *writer)
{
	guint64 n_clusters = div_up(writer->map->disk_bytes, CLUSTER_BYTES);

	writer->l1_entries = div_up(n_clusters, ASH_QCOW2_L2_ENTRIES);
	writer->n_l1 = div_up(writer->l1_entries * sizeof(guint64), CLUSTER_BYTES);
	writer->l2_at = 1 + writer->n_l1;
	writer->l1 = g_new0(guint64, writer->l1_entries);
	writer->l2 = g_malloc0(CLUSTER_BYTES);
	writer->counts = g_array_new(FALSE, TRUE, sizeof(guint16));
	writer->at = (writer->l2_at + ash_qcow2_count_l2_tables(writer->map)) * CLUSTER_BYTES;
	count(writer, 0, writer->at);
}

gboolean
ash_qcow2z_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, AshQcow2Compression compression, int fd, char **ret_sha256,
		 GError **error)
{
	g_autoptr(AshClusterMap) map = NULL;
	g_auto(Writer) writer = { .compression = compression, .fd = fd };
	const AshPieceFuncs funcs = { make_group, put_group, (GDestroyNotify) group_free, &writer };

	if (disk_bytes == 0 || disk_bytes % ASH_QCOW2_SECTOR_BYTES != 0 || disk_bytes > MAX_DISK_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "a disk of %" G_GUINT64_FORMAT " bytes cannot be a qcow2 image",
				 disk_bytes);
	map = ash_cluster_map_new(ctx, raw, disk_bytes, error);
	if (map == NULL)
		return FALSE;
	writer.map = map;
	plan(&writer);
	if (!ash_pieces_run(ctx, raw, div_up(map->n_data, GROUP_LENGTH), &funcs, error) || !write_tables(&writer, error))
		return FALSE;
	ash_fd_start_write_back(fd, 0, writer.at);
	*ret_sha256 = ash_sha256_fd_hex(fd, error);
	return *ret_sha256 != NULL;
}
