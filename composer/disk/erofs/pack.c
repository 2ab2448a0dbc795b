/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/pack.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "base/size.h"

#include <fcntl.h>
#include <lz4hc.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define BLOCK         EROFS_BLOCK
#define EXTENT        ASH_EROFS_EXTENT_BYTES
#define EXTENT_BLOCKS (EXTENT / BLOCK)
/* What one thread takes of a file. */
#define PIECE_EXTENTS 8
#define PIECE         ((guint64) PIECE_EXTENTS * EXTENT)
/* Where both stop to become much smaller for much more time. */
#define LZ4_LEVEL  LZ4HC_CLEVEL_DEFAULT
#define ZSTD_LEVEL 12

/** A part of a file, compressed: its blocks are in the spool. */
typedef struct {
	guint file;     /* index of its file */
	guint64 from;   /* in the file, bytes */
	guint32 bytes;  /* of the file */
	guint64 spool;  /* where it is there, bytes */
	guint32 n_blocks;
	guint8 blocks[PIECE_EXTENTS]; /* of each extent; as many as it is long: not compressed */
} Piece;

struct AshErofsPacked {
	const AshFsNode *node;
	guint first, n; /* of the pieces */
	guint32 n_blocks;
};

struct AshErofsPacker {
	AshRootCompression compression;
	int spool;
	guint64 spool_end; /* under lock */
	GMutex lock;
	GArray *files;     /* of AshErofsPacked */
	GArray *pieces;    /* of Piece */
};

AshErofsPacker *
ash_erofs_packer_new(AshRootCompression compression, GError **error)
{
	g_autoptr(AshErofsPacker) packer = g_new0(AshErofsPacker, 1);

	g_mutex_init(&packer->lock);
	packer->compression = compression;
	packer->files = g_array_new(FALSE, FALSE, sizeof(AshErofsPacked));
	packer->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
	packer->spool = open(g_get_tmp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (packer->spool < 0)
		return ash_throw_errno_null(error, "cannot make a temporary file in \"%s\"", g_get_tmp_dir());
	return g_steal_pointer(&packer);
}

void
ash_erofs_packer_free(AshErofsPacker *packer)
{
	if (packer == NULL)
		return;
	ash_fd_clear(&packer->spool);
	g_mutex_clear(&packer->lock);
	g_array_unref(packer->files);
	g_array_unref(packer->pieces);
	g_free(packer);
}

static guint32
count_blocks(guint64 bytes)
{
	return (guint32) ((bytes + BLOCK - 1) / BLOCK);
}

/* Bytes of the compressed data; 0 if it is not smaller by a block. */
static gsize
compress(const AshErofsPacker *packer, const guint8 *from, gsize length, guint8 *to)
{
	gsize room = (count_blocks(length) - 1) * BLOCK, result;

	if (room == 0)
		return 0;
	if (packer->compression == ASH_ROOT_COMPRESSION_LZ4HC)
		return (gsize) MAX(0, LZ4_compress_HC((const char *) from, (char *) to, (int) length, (int) room, LZ4_LEVEL));
	result = ZSTD_compress(to, room, from, length, ZSTD_LEVEL);
	return ZSTD_isError(result) ? 0 : result;
}

/* Appends one extent to @out, which has room for it; returns its blocks. */
static guint8
pack_extent(const AshErofsPacker *packer, const guint8 *from, gsize length, guint8 *scratch, guint8 *out)
{
	gsize packed = compress(packer, from, length, scratch);
	guint32 n = count_blocks(packed > 0 ? packed : length);
	gsize padding = n * BLOCK - (packed > 0 ? packed : length);

	/* Readers find the beginning by the zeros in front, so that the end can be decompressed in place. */
	if (packed > 0) {
		memset(out, 0, padding);
		memcpy(out + padding, scratch, packed);
	} else {
		memcpy(out, from, length);
		memset(out + length, 0, padding);
	}
	return (guint8) n;
}

typedef struct {
	AshErofsPacker *packer;
	AshContext *ctx;
	const AshFsTree *tree;
	guint64 done, total; /* bytes; done is under the packer's lock */
} PackWork;

static gboolean
spool_piece(PackWork *work, Piece *piece, const guint8 *data, GError **error)
{
	AshErofsPacker *packer = work->packer;

	g_mutex_lock(&packer->lock);
	piece->spool = packer->spool_end;
	packer->spool_end += (guint64) piece->n_blocks * BLOCK;
	work->done += piece->bytes;
	ash_progress_count(work->ctx->progress, work->done, work->total, "B");
	g_mutex_unlock(&packer->lock);
	return ash_fd_write_all(packer->spool, data, (gsize) piece->n_blocks * BLOCK, piece->spool, error);
}

static gboolean
read_piece(const PackWork *work, const Piece *piece, const AshFsNode *node, guint8 *data, GError **error)
{
	ash_autofd int fd = ash_fs_tree_open(work->tree, node, error);
	struct stat st;

	if (fd < 0 || !ash_fd_stat(fd, node->name, &st, error))
		return FALSE;
	if ((guint64) st.st_size != node->size)
		return ash_throw(error, ASH_ERROR_TRUST,
				 "its content has %" G_GUINT64_FORMAT " bytes instead of %" G_GUINT64_FORMAT,
				 (guint64) st.st_size, node->size);
	return ash_fd_read_exact(fd, data, piece->bytes, piece->from, error);
}

static gboolean
pack_piece(guint index, gpointer user_data, GError **error)
{
	PackWork *work = user_data;
	Piece *piece = &g_array_index(work->packer->pieces, Piece, index);
	const AshErofsPacked *file = &g_array_index(work->packer->files, AshErofsPacked, piece->file);
	g_autofree guint8 *data = g_malloc(PIECE), *out = g_malloc(PIECE), *scratch = g_malloc(EXTENT);

	if (!ash_context_check(work->ctx, error))
		return FALSE;
	if (!read_piece(work, piece, file->node, data, error)) {
		g_autofree char *path = ash_fs_node_dup_path(file->node);
		return ash_prefix(error, "\"/%s\"", path);
	}
	for (guint i = 0; i * EXTENT < piece->bytes; i++) {
		gsize length = MIN(EXTENT, piece->bytes - i * EXTENT);

		piece->blocks[i] = pack_extent(work->packer, data + i * EXTENT, length, scratch,
					       out + (gsize) piece->n_blocks * BLOCK);
		piece->n_blocks += piece->blocks[i];
	}
	return spool_piece(work, piece, out, error);
}

static void
add_file(AshErofsPacker *packer, const AshFsNode *node)
{
	AshErofsPacked file = { .node = node, .first = packer->pieces->len };

	for (guint64 at = 0; at < node->size; at += PIECE, file.n++) {
		Piece piece = { .file = packer->files->len, .from = at, .bytes = (guint32) MIN(PIECE, node->size - at) };
		g_array_append_val(packer->pieces, piece);
	}
	g_array_append_val(packer->files, file);
}

gboolean
ash_erofs_packer_run(AshErofsPacker *packer, AshContext *ctx, const AshFsTree *tree, const GPtrArray *nodes, GError **error)
{
	PackWork work = { packer, ctx, tree, 0, 0 };

	for (guint i = 0; i < nodes->len; i++) {
		add_file(packer, nodes->pdata[i]);
		work.total += ((const AshFsNode *) nodes->pdata[i])->size;
	}
	if (!ash_parallel_run(ctx, packer->pieces->len, pack_piece, &work, error))
		return FALSE;
	for (guint i = 0; i < packer->pieces->len; i++) {
		const Piece *piece = &g_array_index(packer->pieces, Piece, i);
		g_array_index(packer->files, AshErofsPacked, piece->file).n_blocks += piece->n_blocks;
	}
	return TRUE;
}

const AshErofsPacked *
ash_erofs_packer_get(const AshErofsPacker *packer, guint index)
{
	const AshErofsPacked *file = &g_array_index(packer->files, AshErofsPacked, index);

	return file->n_blocks < count_blocks(file->node->size) ? file : NULL;
}

guint32
ash_erofs_packed_count_blocks(const AshErofsPacked *packed)
{
	return packed->n_blocks;
}

/* Where the header of the index begins behind the inode. */
static guint64
get_header(guint64 before)
{
	return ash_size_round_up(before, EROFS_INDEX_ALIGN);
}

guint64
ash_erofs_packed_index_bytes(const AshErofsPacked *packed, guint64 before)
{
	return get_header(before) - before + sizeof(ErofsMapHeader) + EROFS_INDEX_GAP +
	       (guint64) count_blocks(packed->node->size) * sizeof(ErofsIndex);
}

static void
put_head(guint8 *at, guint type, guint64 block)
{
	ErofsIndex index = { .advise = GUINT16_TO_LE(type), .block = GUINT32_TO_LE((guint32) block) };

	memcpy(at, &index, sizeof(index));
}

/* The @i-th of @n clusters of an extent in @n_blocks blocks; the second one says how many those are. */
static void
put_follower(guint8 *at, guint i, guint n, guint n_blocks)
{
	guint back = i == 1 ? EROFS_INDEX_COUNT | n_blocks : i;
	ErofsIndex index = { .advise = GUINT16_TO_LE(EROFS_CLUSTER_FOLLOWER), .block = GUINT32_TO_LE(back | (n - i) << 16) };

	memcpy(at, &index, sizeof(index));
}

/* Returns where the next extent's entries go. */
static guint8 *
put_extent(guint8 *at, guint n, guint n_blocks, guint64 block)
{
	for (guint i = 0; i < n; i++, at += sizeof(ErofsIndex)) {
		if (n_blocks == n)
			put_head(at, EROFS_CLUSTER_PLAIN, block + i);
		else if (i == 0)
			put_head(at, EROFS_CLUSTER_HEAD, block);
		else
			put_follower(at, i, n, n_blocks);
	}
	return at;
}

void
ash_erofs_packed_put_index(const AshErofsPacker *packer, const AshErofsPacked *packed, guint64 before, guint64 block, guint8 *at)
{
	ErofsMapHeader header = {
		.advise = GUINT16_TO_LE(EROFS_ADVISE_BIG_CLUSTERS),
		.algorithms = packer->compression == ASH_ROOT_COMPRESSION_ZSTD ? EROFS_ALGORITHM_ZSTD : EROFS_ALGORITHM_LZ4,
	};

	at += get_header(before) - before;
	memcpy(at, &header, sizeof(header));
	at += sizeof(header) + EROFS_INDEX_GAP;
	for (guint i = packed->first; i < packed->first + packed->n; i++) {
		const Piece *piece = &g_array_index(packer->pieces, Piece, i);

		for (guint j = 0; j * EXTENT < piece->bytes; j++) {
			at = put_extent(at, count_blocks(MIN(EXTENT, piece->bytes - j * EXTENT)), piece->blocks[j], block);
			block += piece->blocks[j];
		}
	}
}

typedef struct {
	AshErofsPacker *packer;
	AshContext *ctx;
	const GArray *copies;
	int fd;
	AshWrittenFunc written;
	gpointer user_data;
} CopyWork;

static gboolean
copy_file(guint index, gpointer user_data, GError **error)
{
	const CopyWork *work = user_data;
	const AshErofsPackedCopy *copy = &g_array_index(work->copies, AshErofsPackedCopy, index);
	g_autofree guint8 *data = g_malloc(PIECE);
	guint64 at = copy->offset;

	for (guint i = copy->packed->first; i < copy->packed->first + copy->packed->n; i++) {
		const Piece *piece = &g_array_index(work->packer->pieces, Piece, i);
		gsize length = (gsize) piece->n_blocks * BLOCK;

		if (!ash_context_check(work->ctx, error) ||
		    !ash_fd_read_exact(work->packer->spool, data, length, piece->spool, error))
			return FALSE;
		work->written(at, data, length, work->user_data);
		if (!ash_fd_write_all(work->fd, data, length, at, error))
			return FALSE;
		at += length;
	}
	ash_fd_start_write_back(work->fd, copy->offset, at - copy->offset);
	return TRUE;
}

gboolean
ash_erofs_packer_copy(AshErofsPacker *packer, AshContext *ctx, const GArray *copies, int fd, AshWrittenFunc written,
		      gpointer user_data, GError **error)
{
	CopyWork work = { packer, ctx, copies, fd, written, user_data };

	return ash_parallel_run(ctx, copies->len, copy_file, &work, error);
}

void
ash_erofs_packer_put_superblock(const AshErofsPacker *packer, ErofsSuperblock *sb, guint8 *behind)
{
	const ErofsLz4Config lz4 = {
		.bytes = GUINT16_TO_LE(sizeof(lz4) - sizeof(lz4.bytes)),
		.max_distance = GUINT16_TO_LE(G_MAXUINT16),
		.max_blocks = GUINT16_TO_LE(EXTENT_BLOCKS),
	};
	const ErofsZstdConfig zstd = {
		.bytes = GUINT16_TO_LE(sizeof(zstd) - sizeof(zstd.bytes)),
		.window_log = 17 - EROFS_ZSTD_WINDOW_LOG_MIN, /* an extent */
	};
	bool is_zstd = packer->compression == ASH_ROOT_COMPRESSION_ZSTD;

	sb->feature_incompat = GUINT32_TO_LE(EROFS_INCOMPAT_ZERO_PADDING | EROFS_INCOMPAT_COMPRESSION);
	sb->compression_algorithms = GUINT16_TO_LE(1 << (is_zstd ? EROFS_ALGORITHM_ZSTD : EROFS_ALGORITHM_LZ4));
	memcpy(behind, is_zstd ? (const void *) &zstd : (const void *) &lz4, is_zstd ? sizeof(zstd) : sizeof(lz4));
}
