/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/cosi.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"
#include "disk/format/clusters.h"
#include "disk/format/pieces.h"
#include "disk/format/tarhead.h"

#include <string.h>
#include <zstd.h>

/* Larger ones gain nothing that can be seen, smaller ones lose what is alike in neighbours. */
#define PIECE_BYTES ((guint64) 1 << ASH_COSI_WINDOW_LOG)
/* As for tar streams: higher ones take twice the time for a few per cent. */
#define LEVEL 6

/** A COSI file being written. */
typedef struct {
	AshContext *ctx;
	AshReread *raw; /* borrowed, as all else */
	const AshClusterMap *map;
	GBytes *zeros;               /* a piece of nothing else, compressed; owned */
	const AshCosiRegion *region; /* that is being written */
	AshDigest *digest;           /* of its image */
	int fd;
	guint64 at;                  /* where the file goes on */
} Writer;

static void
writer_clear(Writer *writer)
{
	g_clear_pointer(&writer->zeros, g_bytes_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Writer, writer_clear)

static GBytes *
compress(const guint8 *data, gsize length, GError **error)
{
	gsize bound = ZSTD_compressBound(length), used;
	g_autofree guint8 *frame = g_malloc(bound);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();

	if (zstd == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "no memory to compress with");
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, ASH_COSI_WINDOW_LOG);
	used = ZSTD_compress2(zstd, frame, bound, data, length);
	ZSTD_freeCCtx(zstd);
	if (ZSTD_isError(used))
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "cannot compress: %s", ZSTD_getErrorName(used));
	return g_bytes_new(frame, used);
}

static gpointer
make_piece(guint64 index, AshReread *raw, gpointer user_data, GError **error)
{
	const Writer *writer = user_data;
	guint64 start = index * PIECE_BYTES;
	gsize length = (gsize) MIN(PIECE_BYTES, writer->region->bytes - start);
	g_autofree guint8 *buffer = NULL;

	if (length == PIECE_BYTES && !ash_cluster_map_has_data(writer->map, writer->region->offset + start, length))
		return g_bytes_ref(writer->zeros);
	buffer = g_malloc(length);
	if (!ash_cluster_map_read(writer->map, raw, buffer, length, writer->region->offset + start, error))
		return NULL;
	return compress(buffer, length, error);
}

static gboolean
append(Writer *writer, const void *data, gsize length, GError **error)
{
	if (!ash_fd_write_all(writer->fd, data, length, writer->at, error))
		return FALSE;
	writer->at += length;
	return TRUE;
}

static gboolean
put_piece(guint64 index, gconstpointer piece, gpointer user_data, GError **error)
{
	Writer *writer = user_data;
	gsize length;
	const void *data = g_bytes_get_data((GBytes *) piece, &length);

	ash_digest_update(writer->digest, data, length);
	return append(writer, data, length, error);
}

/* Behind the header at @header_at, which has its place already, comes the content up to where the file goes on. */
static gboolean
finish_entry(Writer *writer, guint64 header_at, const char *name, guint64 epoch, GError **error)
{
	guint8 header[ASH_TAR_BLOCK_BYTES], padding[ASH_TAR_BLOCK_BYTES] = { 0 };
	guint64 bytes = writer->at - header_at - ASH_TAR_BLOCK_BYTES;

	ash_tar_header(header, name, bytes, epoch);
	return append(writer, padding, (gsize) (ash_size_round_up(bytes, ASH_TAR_BLOCK_BYTES) - bytes), error) &&
	       ash_fd_write_all(writer->fd, header, sizeof(header), header_at, error);
}

static gboolean
write_region(Writer *writer, AshCosiRegion *region, guint64 epoch, GError **error)
{
	const AshPieceFuncs funcs = { make_piece, put_piece, (GDestroyNotify) g_bytes_unref, writer };
	guint64 n = (region->bytes + PIECE_BYTES - 1) / PIECE_BYTES, header_at = writer->at;
	g_autoptr(AshDigest) digest = ash_digest_new_sha384();

	writer->region = region;
	writer->digest = digest;
	writer->at += ASH_TAR_BLOCK_BYTES;
	if (!ash_pieces_run(writer->ctx, writer->raw, n, &funcs, error))
		return FALSE;
	region->compressed = writer->at - header_at - ASH_TAR_BLOCK_BYTES;
	g_free(region->sha384);
	region->sha384 = ash_digest_finish_hex(digest);
	return finish_entry(writer, header_at, region->path, epoch, error);
}

/* Now that all is known, in the room that was left for it. */
static gboolean
write_metadata(const Writer *writer, const AshCosiMeta *meta, guint64 at, gsize room, GError **error)
{
	g_autofree char *text = ash_cosi_meta_format(meta);
	g_autofree char *padded = g_strnfill(room, ' ');
	gsize length = strlen(text);

	g_assert(length <= room);
	memcpy(padded, text, length);
	padded[room - 1] = '\n';
	return ash_fd_write_all(writer->fd, padded, room, at, error);
}

static gboolean
write_archive(Writer *writer, AshCosiMeta *meta, GError **error)
{
	g_autofree char *longest = ash_cosi_meta_format(meta);
	const guint8 end[2 * ASH_TAR_BLOCK_BYTES] = { 0 };
	guint64 epoch = meta->source->epoch, metadata_at = 2 * ASH_TAR_BLOCK_BYTES;
	gsize room = strlen(longest);

	writer->at = ASH_TAR_BLOCK_BYTES;
	if (!finish_entry(writer, 0, "cosi-marker", epoch, error))
		return FALSE;
	writer->at = metadata_at + room;
	if (!finish_entry(writer, ASH_TAR_BLOCK_BYTES, "metadata.json", epoch, error))
		return FALSE;
	for (guint i = 0; i < meta->regions->len; i++) {
		if (!write_region(writer, meta->regions->pdata[i], epoch, error))
			return FALSE;
	}
	return write_metadata(writer, meta, metadata_at, room, error) && append(writer, end, sizeof(end), error);
}

gboolean
ash_cosi_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, const AshCosiSource *source, int fd, char **ret_sha256,
	       GError **error)
{
	g_autoptr(AshCosiMeta) meta = ash_cosi_meta_new(ash_reread_get_fd(raw), disk_bytes, source, error);
	g_autoptr(AshClusterMap) map = meta != NULL ? ash_cluster_map_new(ctx, raw, disk_bytes, error) : NULL;
	g_auto(Writer) writer = { .ctx = ctx, .raw = raw, .map = map, .fd = fd };
	g_autofree guint8 *nothing = g_malloc0(PIECE_BYTES);

	writer.zeros = map != NULL ? compress(nothing, PIECE_BYTES, error) : NULL;
	if (writer.zeros == NULL || !write_archive(&writer, meta, error))
		return FALSE;
	ash_fd_start_write_back(fd, 0, writer.at);
	*ret_sha256 = ash_sha256_fd_hex(fd, error);
	return *ret_sha256 != NULL;
}
