/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/gce.h"

#include "base/size.h"
#include "disk/format/appender.h"
#include "disk/format/clusters.h"
#include "disk/format/deflate.h"
#include "disk/format/pieces.h"
#include "disk/format/tarhead.h"

#include <string.h>

#define PIECE_BYTES ((guint64) 1 * ASH_MIB)
/* What tar(1) writes at a time, to which it fills up its archives. */
#define RECORD_BYTES (20 * ASH_TAR_BLOCK_BYTES)
#define FIELD_BYTES  12
/* Of a header whose type is 'S', and of the blocks that continue its list. */
#define TYPE_AT        156
#define LIST_AT        386
#define LIST_LENGTH    4
#define MORE_AT        482
#define REAL_BYTES_AT  483
#define BLOCK_LENGTH   21
#define BLOCK_MORE_AT  504

/** The archive: header and lists, then the clusters with data one behind the other, then zeros. */
typedef struct {
	const AshClusterMap *map;
	GByteArray *head; /* owned */
	guint64 data_bytes, bytes;
	AshAppender *file; /* borrowed */
	guint32 crc;
} Archive;

static void
archive_clear(Archive *archive)
{
	g_clear_pointer(&archive->head, g_byte_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Archive, archive_clear)

/* Entry @index of the list of what is no hole; the last one is the end of the file. */
static void
put_entry(const AshClusterMap *map, guint index, guint8 *at)
{
	guint64 offset = map->disk_bytes, bytes = 0;

	if (index < map->runs->len) {
		const AshClusterRun *run = ash_cluster_map_get(map, index);

		offset = run->first * ASH_CLUSTER_BYTES;
		bytes = MIN(run->n * ASH_CLUSTER_BYTES, map->disk_bytes - offset);
	}
	ash_tar_put_number(at, FIELD_BYTES, offset);
	ash_tar_put_number(at + FIELD_BYTES, FIELD_BYTES, bytes);
}

static void
make_head(Archive *archive, guint64 epoch)
{
	const AshClusterMap *map = archive->map;
	guint8 block[ASH_TAR_BLOCK_BYTES];
	guint n = map->runs->len + 1, next = 0;

	ash_tar_header(block, "disk.raw", archive->data_bytes, epoch);
	block[TYPE_AT] = 'S';
	for (; next < MIN(n, LIST_LENGTH); next++)
		put_entry(map, next, block + LIST_AT + next * 2 * FIELD_BYTES);
	block[MORE_AT] = next < n;
	ash_tar_put_number(block + REAL_BYTES_AT, FIELD_BYTES, map->disk_bytes);
	ash_tar_sum(block);
	g_byte_array_append(archive->head, block, sizeof(block));
	while (next < n) {
		memset(block, 0, sizeof(block));
		for (guint i = 0; i < BLOCK_LENGTH && next < n; i++)
			put_entry(map, next++, block + i * 2 * FIELD_BYTES);
		block[BLOCK_MORE_AT] = next < n;
		g_byte_array_append(archive->head, block, sizeof(block));
	}
}

static void
plan_archive(Archive *archive, guint64 epoch)
{
	const AshClusterMap *map = archive->map;

	archive->head = g_byte_array_new();
	archive->data_bytes = map->n_data * ASH_CLUSTER_BYTES;
	/* The disk's last cluster may be shorter. */
	if (map->n_data > 0) {
		guint64 end = (ash_cluster_map_locate(map, map->n_data - 1) + 1) * ASH_CLUSTER_BYTES;

		archive->data_bytes -= end > map->disk_bytes ? end - map->disk_bytes : 0;
	}
	make_head(archive, epoch);
	archive->bytes = ash_size_round_up(archive->head->len + ash_size_round_up(archive->data_bytes, ASH_TAR_BLOCK_BYTES) +
						   2 * ASH_TAR_BLOCK_BYTES, RECORD_BYTES);
}

/* What can be had at once of the archive's bytes from @at on, at most @length. */
static gboolean
read_some(const Archive *archive, AshReread *raw, guint64 at, guint8 *buffer, gsize length, gsize *ret_got, GError **error)
{
	guint64 data_at = archive->head->len, data_end = data_at + archive->data_bytes, cluster, within;

	if (at < data_at) {
		*ret_got = (gsize) MIN(length, data_at - at);
		memcpy(buffer, archive->head->data + at, *ret_got);
		return TRUE;
	}
	if (at >= data_end) {
		*ret_got = length;
		memset(buffer, 0, length);
		return TRUE;
	}
	cluster = ash_cluster_map_locate(archive->map, (at - data_at) / ASH_CLUSTER_BYTES);
	within = (at - data_at) % ASH_CLUSTER_BYTES;
	*ret_got = (gsize) MIN(MIN(length, ASH_CLUSTER_BYTES - within), data_end - at);
	return ash_reread_read(raw, buffer, *ret_got, cluster * ASH_CLUSTER_BYTES + within, error);
}

static gpointer
make_piece(guint64 index, AshReread *raw, gpointer user_data, GError **error)
{
	const Archive *archive = user_data;
	guint64 start = index * PIECE_BYTES;
	gsize length = (gsize) MIN(PIECE_BYTES, archive->bytes - start), got;
	g_autofree guint8 *buffer = g_malloc(length);

	for (gsize fill = 0; fill < length; fill += got)
		if (!read_some(archive, raw, start + fill, buffer + fill, length - fill, &got, error))
			return NULL;
	return ash_gzip_part_new(buffer, length, start + length == archive->bytes);
}

static gboolean
put_piece(guint64 index, gconstpointer piece, gpointer user_data, GError **error)
{
	const AshGzipPart *part = piece;
	Archive *archive = user_data;

	archive->crc = ash_gzip_part_add_crc(archive->crc, part);
	return ash_appender_add(archive->file, part->bytes, part->length, error);
}

static gboolean
write_member(AshContext *ctx, Archive *archive, AshReread *raw, GError **error)
{
	/* Deflate, no name, no time, made on Unix. */
	static const guint8 header[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	const AshPieceFuncs funcs = { make_piece, put_piece, (GDestroyNotify) ash_gzip_part_free, archive };
	guint32 trailer[2];

	if (!ash_appender_add(archive->file, header, sizeof(header), error) ||
	    !ash_pieces_run(ctx, raw, (archive->bytes + PIECE_BYTES - 1) / PIECE_BYTES, &funcs, error))
		return FALSE;
	trailer[0] = GUINT32_TO_LE(archive->crc);
	trailer[1] = GUINT32_TO_LE((guint32) archive->bytes);
	return ash_appender_add(archive->file, trailer, sizeof(trailer), error);
}

gboolean
ash_gce_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, guint64 epoch, int fd, char **ret_sha256, GError **error)
{
	g_autoptr(AshClusterMap) map = ash_cluster_map_new(ctx, raw, disk_bytes, error);
	g_autoptr(AshAppender) file = map != NULL ? ash_appender_new(ctx, fd, error) : NULL;
	g_auto(Archive) archive = { .map = map, .file = file };

	if (file == NULL)
		return FALSE;
	plan_archive(&archive, epoch);
	if (!write_member(ctx, &archive, raw, error))
		return FALSE;
	*ret_sha256 = ash_appender_finish_hex(file, error);
	return *ret_sha256 != NULL;
}
