/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/qcow2.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/format/qcow2-format.h"
#include "disk/format/sidewriter.h"

#include <stdbool.h>
#include <string.h>

#define CLUSTER_BYTES ASH_QCOW2_CLUSTER_BYTES
#define BUFFER_BYTES  (16 * CLUSTER_BYTES)
#define BUFFERS       6
/* Offsets in the image must fit 56 bits, tables included. */
#define MAX_DISK_BYTES ((guint64) 1 << 55)

G_STATIC_ASSERT(CLUSTER_BYTES == ASH_CLUSTER_BYTES);

/** The image before a byte is written. Places are numbers of clusters from the start of the image. */
typedef struct {
	const AshClusterMap *map; /* its data clusters lie in the image as they are numbered there */
	guint64 l1_entries;
	guint64 table_at, n_table;   /* refcount table */
	guint64 blocks_at, n_blocks; /* refcount blocks */
	guint64 l1_at, n_l1;
	guint64 l2_at, n_l2; /* only tables that map something */
	guint64 data_at;
	guint64 total;
} Plan;

static const AshClusterRun *
get_run(const Plan *plan, guint index)
{
	return ash_cluster_map_get(plan->map, index);
}

static guint64
div_up(guint64 value, guint64 unit)
{
	return (value + unit - 1) / unit;
}

guint64
ash_qcow2_count_l2_tables(const AshClusterMap *map)
{
	guint64 n = 0, next = 0;

	for (guint i = 0; i < map->runs->len; i++) {
		const AshClusterRun *run = ash_cluster_map_get(map, i);
		guint64 first = MAX(next, run->first / ASH_QCOW2_L2_ENTRIES);

		next = (run->first + run->n - 1) / ASH_QCOW2_L2_ENTRIES + 1;
		n += next - first;
	}
	return n;
}

static void
place_tables(Plan *plan)
{
	guint64 n_clusters = div_up(plan->map->disk_bytes, CLUSTER_BYTES);
	guint64 before;

	plan->l1_entries = div_up(n_clusters, ASH_QCOW2_L2_ENTRIES);
	plan->n_l1 = div_up(plan->l1_entries * sizeof(guint64), CLUSTER_BYTES);
	plan->n_l2 = ash_qcow2_count_l2_tables(plan->map);
	/* Counts have to be counted as well: their number is found when it no longer grows. */
	do {
		before = plan->total;
		plan->total = 1 + plan->n_table + plan->n_blocks + plan->n_l1 + plan->n_l2 + plan->map->n_data;
		plan->n_blocks = div_up(plan->total, ASH_QCOW2_REFCOUNT_ENTRIES);
		plan->n_table = div_up(plan->n_blocks * sizeof(guint64), CLUSTER_BYTES);
	} while (plan->total != before);
	plan->table_at = 1;
	plan->blocks_at = plan->table_at + plan->n_table;
	plan->l1_at = plan->blocks_at + plan->n_blocks;
	plan->l2_at = plan->l1_at + plan->n_l1;
	plan->data_at = plan->l2_at + plan->n_l2;
}

/** An image being written, front to back. */
typedef struct {
	AshContext *ctx;
	AshReread *raw; /* borrowed */
	AshSideWriter *file;
	guint8 *buffer; /* BUFFER_BYTES, the file's */
	gsize fill;     /* bytes of it that are not given to it yet */
} Writer;

static void
writer_clear(Writer *writer)
{
	g_clear_pointer(&writer->file, ash_side_writer_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Writer, writer_clear)

static gboolean
flush(Writer *writer, GError **error)
{
	if (!ash_context_check(writer->ctx, error))
		return FALSE;
	ash_side_writer_put(writer->file, writer->buffer, writer->fill);
	writer->fill = 0;
	writer->buffer = ash_side_writer_take(writer->file, error);
	return writer->buffer != NULL;
}

/* The next cluster, zeroed, to be filled in place; NULL on failure. */
static guint8 *
next_cluster(Writer *writer, GError **error)
{
	guint8 *cluster;

	if (writer->fill == BUFFER_BYTES && !flush(writer, error))
		return NULL;
	cluster = writer->buffer + writer->fill;
	memset(cluster, 0, CLUSTER_BYTES);
	writer->fill += CLUSTER_BYTES;
	return cluster;
}

static void
put64(guint8 *table, guint64 index, guint64 value)
{
	value = GUINT64_TO_BE(value);
	memcpy(table + index * sizeof(value), &value, sizeof(value));
}

static gboolean
write_header(Writer *writer, const Plan *plan, GError **error)
{
	guint8 *cluster = next_cluster(writer, error);
	AshQcow2Header header = {
		.magic = { 'Q', 'F', 'I', (char) 0xfb },
		.version = GUINT32_TO_BE(3),
		.cluster_bits = GUINT32_TO_BE(ASH_QCOW2_CLUSTER_BITS),
		.disk_bytes = GUINT64_TO_BE(plan->map->disk_bytes),
		.l1_entries = GUINT32_TO_BE((guint32) plan->l1_entries),
		.l1_offset = GUINT64_TO_BE(plan->l1_at * CLUSTER_BYTES),
		.refcount_table_offset = GUINT64_TO_BE(plan->table_at * CLUSTER_BYTES),
		.refcount_table_clusters = GUINT32_TO_BE((guint32) plan->n_table),
		.refcount_order = GUINT32_TO_BE(4),
		.header_bytes = GUINT32_TO_BE(sizeof(header)),
	};

	if (cluster == NULL)
		return FALSE;
	/* The zeros behind it end the (empty) list of header extensions. */
	memcpy(cluster, &header, sizeof(header));
	return TRUE;
}

/* Entry i of @n_entries points to cluster @first + i. */
static gboolean
write_pointers(Writer *writer, guint64 n_clusters, guint64 n_entries, guint64 first, GError **error)
{
	for (guint64 i = 0; i < n_clusters; i++) {
		guint8 *cluster = next_cluster(writer, error);

		if (cluster == NULL)
			return FALSE;
		for (guint64 j = 0; j < ASH_QCOW2_L2_ENTRIES && i * ASH_QCOW2_L2_ENTRIES + j < n_entries; j++)
			put64(cluster, j, (first + i * ASH_QCOW2_L2_ENTRIES + j) * CLUSTER_BYTES);
	}
	return TRUE;
}

/* Every cluster of the image has one reference. */
static gboolean
write_refcount_blocks(Writer *writer, const Plan *plan, GError **error)
{
	const guint16 one = GUINT16_TO_BE(1);

	for (guint64 i = 0; i < plan->n_blocks; i++) {
		guint8 *cluster = next_cluster(writer, error);

		if (cluster == NULL)
			return FALSE;
		for (guint64 j = 0; j < ASH_QCOW2_REFCOUNT_ENTRIES && i * ASH_QCOW2_REFCOUNT_ENTRIES + j < plan->total; j++)
			memcpy(cluster + j * sizeof(one), &one, sizeof(one));
	}
	return TRUE;
}

/* Whether clusters of the disk from @first on up to @end have data; *@run is the first run that may, and moves on. */
static bool
has_data(const Plan *plan, guint64 first, guint64 end, guint *run)
{
	while (*run < plan->map->runs->len && get_run(plan, *run)->first + get_run(plan, *run)->n <= first)
		(*run)++;
	return *run < plan->map->runs->len && get_run(plan, *run)->first < end;
}

static gboolean
write_l1(Writer *writer, const Plan *plan, GError **error)
{
	guint64 place = plan->l2_at;
	guint8 *cluster = NULL;
	guint run = 0;

	for (guint64 i = 0; i < plan->l1_entries; i++) {
		if (i % ASH_QCOW2_L2_ENTRIES == 0) {
			cluster = next_cluster(writer, error);
			if (cluster == NULL)
				return FALSE;
		}
		if (has_data(plan, i * ASH_QCOW2_L2_ENTRIES, (i + 1) * ASH_QCOW2_L2_ENTRIES, &run))
			put64(cluster, i % ASH_QCOW2_L2_ENTRIES, place++ * CLUSTER_BYTES | ASH_QCOW2_COPIED);
	}
	return TRUE;
}

/* The entries of a table that maps the disk's clusters from @first on. */
static void
fill_l2(const Plan *plan, guint64 first, guint index, guint8 *table)
{
	for (; index < plan->map->runs->len && get_run(plan, index)->first < first + ASH_QCOW2_L2_ENTRIES; index++) {
		const AshClusterRun *run = get_run(plan, index);
		guint64 from = MAX(first, run->first);
		guint64 end = MIN(first + ASH_QCOW2_L2_ENTRIES, run->first + run->n);

		for (guint64 i = from; i < end; i++)
			put64(table, i - first,
			      (plan->data_at + run->place + (i - run->first)) * CLUSTER_BYTES | ASH_QCOW2_COPIED);
	}
}

static gboolean
write_l2(Writer *writer, const Plan *plan, GError **error)
{
	guint run = 0;

	for (guint64 i = 0; i < plan->l1_entries; i++) {
		guint8 *table;

		if (!has_data(plan, i * ASH_QCOW2_L2_ENTRIES, (i + 1) * ASH_QCOW2_L2_ENTRIES, &run))
			continue;
		table = next_cluster(writer, error);
		if (table == NULL)
			return FALSE;
		fill_l2(plan, i * ASH_QCOW2_L2_ENTRIES, run, table);
	}
	return TRUE;
}

/* A disk's last cluster is padded with zeros. */
static gboolean
write_run(Writer *writer, const Plan *plan, const AshClusterRun *run, GError **error)
{
	guint64 end = MIN((run->first + run->n) * CLUSTER_BYTES, plan->map->disk_bytes);

	for (guint64 at = run->first * CLUSTER_BYTES; at < end;) {
		gsize part, padded;

		if (writer->fill == BUFFER_BYTES && !flush(writer, error))
			return FALSE;
		part = (gsize) MIN(BUFFER_BYTES - writer->fill, end - at);
		padded = ash_size_round_up(part, CLUSTER_BYTES);
		if (!ash_reread_read(writer->raw, writer->buffer + writer->fill, part, at, error))
			return FALSE;
		memset(writer->buffer + writer->fill + part, 0, padded - part);
		writer->fill += padded;
		at += part;
	}
	return TRUE;
}

static gboolean
write_image(Writer *writer, const Plan *plan, GError **error)
{
	if (!write_header(writer, plan, error) ||
	    !write_pointers(writer, plan->n_table, plan->n_blocks, plan->blocks_at, error) ||
	    !write_refcount_blocks(writer, plan, error) || !write_l1(writer, plan, error) ||
	    !write_l2(writer, plan, error))
		return FALSE;
	for (guint i = 0; i < plan->map->runs->len; i++) {
		if (!write_run(writer, plan, get_run(plan, i), error))
			return FALSE;
	}
	return flush(writer, error);
}

gboolean
ash_qcow2_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, int fd, char **ret_sha256, GError **error)
{
	g_autoptr(AshClusterMap) map = NULL;
	Plan plan = { 0 };
	g_auto(Writer) writer = { .ctx = ctx, .raw = raw };

	if (disk_bytes == 0 || disk_bytes % ASH_QCOW2_SECTOR_BYTES != 0 || disk_bytes > MAX_DISK_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "a disk of %" G_GUINT64_FORMAT " bytes cannot be a qcow2 image",
				 disk_bytes);
	map = ash_cluster_map_new(ctx, raw, disk_bytes, error);
	if (map == NULL)
		return FALSE;
	plan.map = map;
	place_tables(&plan);
	writer.file = ash_side_writer_new(fd, BUFFERS, BUFFER_BYTES);
	writer.buffer = ash_side_writer_take(writer.file, error);
	if (writer.buffer == NULL || !write_image(&writer, &plan, error))
		return FALSE;
	*ret_sha256 = ash_side_writer_finish_hex(writer.file, error);
	return *ret_sha256 != NULL;
}
