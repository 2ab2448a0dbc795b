/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/verity/verity.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "base/size.h"
#include "base/zero.h"
#include "model/hashlevels.h"

#include <string.h>

#define BLOCK ASH_VERITY_BLOCK_BYTES
/* What a thread takes at a time: 1 MiB. */
#define CHUNK_BLOCKS 256

/** On disk, little endian (cryptsetup lib/verity/verity.c; kernel verity.rst "Hash area format").
 */
typedef struct {
	char signature[8]; /* "verity\0\0" */
	guint32 version;   /* 1 */
	guint32 hash_type; /* 1 */
	guint8 uuid[16];
	char algorithm[32];
	guint32 data_block_bytes;
	guint32 hash_block_bytes;
	guint64 data_blocks;
	guint16 salt_bytes;
	guint8 pad1[6];
	guint8 salt[256];
	guint8 pad2[168];
} Superblock;

G_STATIC_ASSERT(sizeof(Superblock) == 512);

struct AshVerityTree {
	guint8 salt[256];
	gsize salt_bytes;
	guint64 data_blocks;
	AshHashLevels levels;
	guint8 *blocks; /* the hash area behind its superblock */
	guint8 *leaves; /* level 0 of it, or single */
	guint8 single[ASH_SHA256_SIZE];    /* the leaf of one block, which has no tree */
	guint8 zero_hash[ASH_SHA256_SIZE]; /* of a block of zeros: sparse images have many */
};

/* What lies behind the superblock. */
static gsize
levels_bytes(const AshHashLevels *levels)
{
	return (levels->total - 1) * BLOCK;
}

/* Of a level there. */
static gsize
level_offset(const AshHashLevels *levels, guint level)
{
	return (levels->first[level] - 1) * BLOCK;
}

/* Hash type 1: the salt comes first. */
static void
hash_block(const AshVerityTree *tree, AshDigest *digest, const guint8 *block, guint8 *ret_sum)
{
	ash_digest_reset(digest);
	ash_digest_update(digest, tree->salt, tree->salt_bytes);
	ash_digest_update(digest, block, BLOCK);
	ash_digest_finish(digest, ret_sum);
}

static AshVerityTree *
tree_new(guint64 data_bytes, const guint8 *salt, gsize salt_bytes, GError **error)
{
	g_autoptr(AshVerityTree) tree = g_new0(AshVerityTree, 1);
	g_autofree guint8 *zeros = g_malloc0(BLOCK);
	g_autoptr(AshDigest) digest = ash_digest_new();

	tree->data_blocks = data_bytes / BLOCK;
	tree->levels = ash_hash_levels_compute(data_bytes);
	tree->salt_bytes = salt_bytes;
	memcpy(tree->salt, salt, salt_bytes);
	tree->blocks = g_try_malloc0(levels_bytes(&tree->levels) + 1);
	if (tree->blocks == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "no memory for a hash tree");
	tree->leaves = tree->levels.n > 0 ? tree->blocks + level_offset(&tree->levels, 0) : tree->single;
	hash_block(tree, digest, zeros, tree->zero_hash);
	for (guint64 i = 0; i < tree->data_blocks; i++)
		memcpy(tree->leaves + i * ASH_SHA256_SIZE, tree->zero_hash, ASH_SHA256_SIZE);
	return g_steal_pointer(&tree);
}

AshVerityTree *
ash_verity_tree_new(guint64 data_bytes, const guint8 salt[ASH_VERITY_SALT_BYTES], GError **error)
{
	if (data_bytes == 0 || data_bytes % BLOCK != 0)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "verity data is not whole blocks of 4096 bytes");
	return tree_new(data_bytes, salt, ASH_VERITY_SALT_BYTES, error);
}

void
ash_verity_tree_free(AshVerityTree *tree)
{
	if (tree == NULL)
		return;
	g_free(tree->blocks);
	g_free(tree);
}

void
ash_verity_tree_add(AshVerityTree *tree, guint64 offset, const guint8 *data, gsize length)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	guint64 first = offset / BLOCK;

	g_assert(offset % BLOCK == 0 && length % BLOCK == 0 && first + length / BLOCK <= tree->data_blocks);
	for (gsize i = 0; i < length / BLOCK; i++) {
		guint8 *sum = tree->leaves + (first + i) * ASH_SHA256_SIZE;

		if (ash_is_zero(data + i * BLOCK, BLOCK))
			memcpy(sum, tree->zero_hash, ASH_SHA256_SIZE);
		else
			hash_block(tree, digest, data + i * BLOCK, sum);
	}
}

const guint8 *
ash_verity_tree_get_leaves(const AshVerityTree *tree, guint64 offset)
{
	return tree->leaves + offset / BLOCK * ASH_SHA256_SIZE;
}

void
ash_verity_tree_set_leaves(AshVerityTree *tree, guint64 offset, const guint8 *leaves, guint64 n)
{
	g_assert(offset % BLOCK == 0 && offset / BLOCK + n <= tree->data_blocks);
	memcpy(tree->leaves + offset / BLOCK * ASH_SHA256_SIZE, leaves, n * ASH_SHA256_SIZE);
}

bool
ash_verity_tree_is_zero_leaf(const AshVerityTree *tree, const guint8 *leaf)
{
	return memcmp(leaf, tree->zero_hash, ASH_SHA256_SIZE) == 0;
}

/** A tree for data that is in a file already. */
typedef struct {
	AshContext *ctx;
	const AshVerityPlace *place;
	AshVerityTree *tree;
} Job;

static gboolean
hash_chunk(guint index, gpointer user_data, GError **error)
{
	const Job *job = user_data;
	guint64 first = (guint64) index * CHUNK_BLOCKS;
	gsize n = (gsize) MIN(CHUNK_BLOCKS, job->tree->data_blocks - first);
	g_autofree guint8 *buffer = g_malloc(n * BLOCK);

	if (!ash_context_check(job->ctx, error) ||
	    !ash_fd_read_exact(job->place->fd, buffer, n * BLOCK, job->place->data_offset + first * BLOCK, error))
		return FALSE;
	ash_verity_tree_add(job->tree, first * BLOCK, buffer, n * BLOCK);
	return TRUE;
}

static gboolean
hash_file(AshContext *ctx, const AshVerityPlace *place, AshVerityTree *tree, GError **error)
{
	Job job = { ctx, place, tree };
	guint64 n = (tree->data_blocks + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;

	return ash_parallel_run(ctx, (guint) MIN(n, G_MAXUINT), hash_chunk, &job, error);
}

/* Hashes each level's blocks into the one above, and the topmost into the root hash. */
static void
hash_upper_levels(AshVerityTree *tree, guint8 *ret_root_hash)
{
	const AshHashLevels *levels = &tree->levels;
	g_autoptr(AshDigest) digest = ash_digest_new();

	if (levels->n == 0)
		memcpy(ret_root_hash, tree->single, ASH_SHA256_SIZE);
	for (guint level = 0; level < levels->n; level++) {
		const guint8 *blocks = tree->blocks + level_offset(levels, level);
		guint8 *sums = level + 1 < levels->n ? tree->blocks + level_offset(levels, level + 1) : ret_root_hash;

		for (guint64 i = 0; i < levels->blocks[level]; i++)
			hash_block(tree, digest, blocks + i * BLOCK, sums + i * ASH_SHA256_SIZE);
	}
}

static gboolean
write_superblock(const AshVerityPlace *place, const guint8 *salt, const AshUuid *uuid,
		 GError **error)
{
	g_autofree guint8 *block = g_malloc0(BLOCK);
	Superblock sb = {
	    .signature = "verity",
	    .version = GUINT32_TO_LE(1),
	    .hash_type = GUINT32_TO_LE(1),
	    .algorithm = "sha256",
	    .data_block_bytes = GUINT32_TO_LE(BLOCK),
	    .hash_block_bytes = GUINT32_TO_LE(BLOCK),
	    .data_blocks = GUINT64_TO_LE(place->data_bytes / BLOCK),
	    .salt_bytes = GUINT16_TO_LE(ASH_VERITY_SALT_BYTES),
	};

	memcpy(sb.uuid, uuid->bytes, sizeof(sb.uuid));
	memcpy(sb.salt, salt, ASH_VERITY_SALT_BYTES);
	memcpy(block, &sb, sizeof(sb));
	return ash_fd_write_all(place->fd, block, BLOCK, place->hash_offset, error);
}

gboolean
ash_verity_tree_write(AshVerityTree *tree, const AshVerityPlace *place, const AshUuid *uuid,
		      guint8 ret_root_hash[ASH_SHA256_SIZE], GError **error)
{
	guint8 root_hash[ASH_SHA256_SIZE];

	if (ash_hash_area_bytes(place->data_bytes) > place->hash_bytes)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the hash partition has %" G_GUINT64_FORMAT
				 " bytes, the hash tree needs %" G_GUINT64_FORMAT,
				 place->hash_bytes, ash_hash_area_bytes(place->data_bytes));
	hash_upper_levels(tree, root_hash);
	if (!ash_fd_write_all(place->fd, tree->blocks, levels_bytes(&tree->levels), place->hash_offset + BLOCK, error) ||
	    !write_superblock(place, tree->salt, uuid, error))
		return FALSE;
	memcpy(ret_root_hash, root_hash, sizeof(root_hash));
	return TRUE;
}

gboolean
ash_verity_format(AshContext *ctx, const AshVerityPlace *place,
		  const guint8 salt[ASH_VERITY_SALT_BYTES], const AshUuid *uuid,
		  guint8 ret_root_hash[ASH_SHA256_SIZE], GError **error)
{
	g_autoptr(AshVerityTree) tree = ash_verity_tree_new(place->data_bytes, salt, error);

	return tree != NULL && hash_file(ctx, place, tree, error) &&
	       ash_verity_tree_write(tree, place, uuid, ret_root_hash, error);
}

gboolean
ash_verity_read_superblock(int fd, guint64 hash_offset, AshVeritySuperblock *ret_superblock,
			   GError **error)
{
	Superblock sb;
	guint64 blocks;

	if (!ash_fd_read_exact(fd, &sb, sizeof(sb), hash_offset, error))
		return FALSE;
	if (memcmp(sb.signature, "verity\0\0", sizeof(sb.signature)) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "no verity superblock");
	if (GUINT32_FROM_LE(sb.version) != 1 || GUINT32_FROM_LE(sb.hash_type) != 1 ||
	    strncmp(sb.algorithm, "sha256", sizeof(sb.algorithm)) != 0 ||
	    GUINT32_FROM_LE(sb.data_block_bytes) != BLOCK ||
	    GUINT32_FROM_LE(sb.hash_block_bytes) != BLOCK)
		return ash_throw(error, ASH_ERROR_TRUST,
				 "verity superblock of another version, hash or block size: only "
				 "SHA-256 over 4096 bytes is known");
	blocks = GUINT64_FROM_LE(sb.data_blocks);
	if (GUINT16_FROM_LE(sb.salt_bytes) > sizeof(sb.salt) || blocks == 0 ||
	    blocks > G_MAXINT64 / BLOCK)
		return ash_throw(error, ASH_ERROR_TRUST, "verity superblock is damaged");
	memcpy(ret_superblock->uuid.bytes, sb.uuid, sizeof(sb.uuid));
	ret_superblock->data_bytes = blocks * BLOCK;
	ret_superblock->salt_bytes = GUINT16_FROM_LE(sb.salt_bytes);
	memcpy(ret_superblock->salt, sb.salt, sizeof(sb.salt));
	return TRUE;
}

/* Says which block is bad: the stored leaves tell, if they are not damaged themselves. */
static gboolean
throw_mismatch(const AshHashLevels *levels, const guint8 *computed, const guint8 *stored, GError **error)
{
	gsize leaves = levels->n > 0 ? level_offset(levels, 0) : 0;

	for (gsize i = leaves; i < levels_bytes(levels); i += ASH_SHA256_SIZE) {
		if (memcmp(computed + i, stored + i, ASH_SHA256_SIZE) != 0)
			return ash_throw(error, ASH_ERROR_TRUST,
					 "data block %" G_GSIZE_FORMAT " does not match its hash",
					 (i - leaves) / ASH_SHA256_SIZE);
	}
	for (gsize i = 0; i < levels_bytes(levels); i += BLOCK) {
		if (memcmp(computed + i, stored + i, BLOCK) != 0)
			return ash_throw(error, ASH_ERROR_TRUST,
					 "hash block %" G_GSIZE_FORMAT " is damaged", i / BLOCK);
	}
	return ash_throw(error, ASH_ERROR_TRUST, "the hash tree is not of this root hash");
}

gboolean
ash_verity_verify(AshContext *ctx, const AshVerityPlace *place,
		  const guint8 root_hash[ASH_SHA256_SIZE], GError **error)
{
	AshVeritySuperblock sb;
	AshVerityPlace real = *place;
	g_autoptr(AshVerityTree) tree = NULL;
	g_autofree guint8 *stored = NULL;
	guint8 sum[ASH_SHA256_SIZE];
	gsize bytes;

	if (!ash_verity_read_superblock(place->fd, place->hash_offset, &sb, error))
		return FALSE;
	if (sb.data_bytes > place->data_bytes ||
	    ash_hash_area_bytes(sb.data_bytes) > place->hash_bytes)
		return ash_throw(error, ASH_ERROR_TRUST,
				 "verity superblock speaks of more data than there is");
	real.data_bytes = sb.data_bytes;
	tree = tree_new(sb.data_bytes, sb.salt, sb.salt_bytes, error);
	if (tree == NULL || !hash_file(ctx, &real, tree, error))
		return FALSE;
	hash_upper_levels(tree, sum);
	bytes = levels_bytes(&tree->levels);
	stored = g_try_malloc(bytes + 1);
	if (stored == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "no memory for a hash tree");
	if (!ash_fd_read_exact(place->fd, stored, bytes, place->hash_offset + BLOCK, error))
		return FALSE;
	if (memcmp(tree->blocks, stored, bytes) != 0 || memcmp(sum, root_hash, sizeof(sum)) != 0)
		return throw_mismatch(&tree->levels, tree->blocks, stored, error);
	return TRUE;
}

void
ash_verity_partition_uuids(const guint8 root_hash[ASH_SHA256_SIZE], AshUuid *ret_data,
			   AshUuid *ret_hash)
{
	memcpy(ret_data->bytes, root_hash, sizeof(ret_data->bytes));
	memcpy(ret_hash->bytes, root_hash + ASH_SHA256_SIZE - sizeof(ret_hash->bytes),
	       sizeof(ret_hash->bytes));
}
