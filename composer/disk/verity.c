/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/verity.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"

#include <string.h>

#define BLOCK                 ASH_VERITY_BLOCK_BYTES
#define HASHES_PER_BLOCK      (BLOCK / ASH_SHA256_SIZE)
#define HASHES_PER_BLOCK_BITS 7
#define MAX_LEVELS            9 /* 128^9 blocks: more than 2^63 bytes */
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

/** The levels of a tree: 0 has the hashes of the data blocks, the last is one block. */
typedef struct {
	guint n;
	guint64 blocks[MAX_LEVELS];
	guint64 first[MAX_LEVELS]; /* block number from the start of the tree: the topmost level
				      comes first */
	guint64 total;
} Levels;

static Levels
compute_levels(guint64 data_blocks)
{
	Levels levels = {0};

	/* One data block has no hash block: its own hash is the root hash. */
	while (levels.n < MAX_LEVELS &&
	       (data_blocks - 1) >> (HASHES_PER_BLOCK_BITS * levels.n) > 0) {
		guint64 below = levels.n == 0 ? data_blocks : levels.blocks[levels.n - 1];

		levels.blocks[levels.n++] = (below + HASHES_PER_BLOCK - 1) / HASHES_PER_BLOCK;
	}
	for (guint i = levels.n; i-- > 0;) {
		levels.first[i] = levels.total;
		levels.total += levels.blocks[i];
	}
	return levels;
}

guint64
ash_verity_hash_bytes(guint64 data_bytes)
{
	return data_bytes < BLOCK ? BLOCK
				  : BLOCK + compute_levels(data_bytes / BLOCK).total * BLOCK;
}

/** One computation, shared by its threads. */
typedef struct {
	AshContext *ctx;
	const AshVerityPlace *place;
	const guint8 *salt;
	gsize salt_bytes;
	guint64 data_blocks;
	guint8 zero_hash[ASH_SHA256_SIZE]; /* of a block of zeros: sparse images have many */
	guint8 *leaves;                    /* level 0 of the tree, or the root hash itself */
	guint64 next_chunk;                /* under lock */
	GMutex lock;
	GError *error; /* the first one, under lock */
} Job;

/* Hash type 1: the salt comes first. */
static void
hash_block(const Job *job, AshDigest *digest, const guint8 *block, guint8 *ret_sum)
{
	ash_digest_reset(digest);
	ash_digest_update(digest, job->salt, job->salt_bytes);
	ash_digest_update(digest, block, BLOCK);
	ash_digest_finish(digest, ret_sum);
}

static bool
is_zero(const guint8 *block)
{
	return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
}

static gboolean
hash_chunk(Job *job, guint64 chunk, AshDigest *digest, guint8 *buffer, GError **error)
{
	guint64 first = chunk * CHUNK_BLOCKS;
	guint64 n = MIN(CHUNK_BLOCKS, job->data_blocks - first);

	if (!ash_context_check(job->ctx, error) ||
	    !ash_fd_read_exact(job->place->fd, buffer, n * BLOCK,
			       job->place->data_offset + first * BLOCK, error))
		return FALSE;
	for (guint64 i = 0; i < n; i++) {
		guint8 *sum = job->leaves + (first + i) * ASH_SHA256_SIZE;

		if (is_zero(buffer + i * BLOCK))
			memcpy(sum, job->zero_hash, ASH_SHA256_SIZE);
		else
			hash_block(job, digest, buffer + i * BLOCK, sum);
	}
	return TRUE;
}

/* The next chunk to do; FALSE if there is none, or a thread failed. */
static bool
take_chunk(Job *job, guint64 *ret_chunk)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&job->lock);

	if (job->error != NULL || job->next_chunk * CHUNK_BLOCKS >= job->data_blocks)
		return false;
	*ret_chunk = job->next_chunk++;
	return locker != NULL;
}

static gpointer
hash_thread(gpointer data)
{
	Job *job = data;
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree guint8 *buffer = g_malloc(CHUNK_BLOCKS * BLOCK);
	g_autoptr(GError) error = NULL;
	guint64 chunk = 0;

	while (error == NULL && take_chunk(job, &chunk))
		(void) hash_chunk(job, chunk, digest, buffer, &error);
	if (error != NULL) {
		g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&job->lock);

		if (locker != NULL && job->error == NULL)
			job->error = g_steal_pointer(&error);
	}
	return NULL;
}

static gboolean
run_threads(Job *job, GError **error)
{
	guint n = CLAMP(job->ctx->jobs, 1, 64);
	g_autofree GThread **threads = g_new0(GThread *, n);

	g_mutex_init(&job->lock);
	for (guint i = 1; i < n; i++)
		threads[i] = g_thread_try_new("verity", hash_thread, job,
					      NULL); /* fewer threads: only slower */
	hash_thread(job);
	for (guint i = 1; i < n; i++) {
		if (threads[i] != NULL)
			g_thread_join(threads[i]);
	}
	g_mutex_clear(&job->lock);
	if (job->error == NULL)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&job->error));
	return FALSE;
}

/* Hashes each level's blocks into the one above, and the topmost into the root hash. */
static void
hash_upper_levels(const Job *job, const Levels *levels, guint8 *tree, guint8 *ret_root_hash)
{
	g_autoptr(AshDigest) digest = ash_digest_new();

	for (guint level = 0; level < levels->n; level++) {
		const guint8 *blocks = tree + levels->first[level] * BLOCK;
		guint8 *sums =
		    level + 1 < levels->n ? tree + levels->first[level + 1] * BLOCK : ret_root_hash;

		for (guint64 i = 0; i < levels->blocks[level]; i++)
			hash_block(job, digest, blocks + i * BLOCK, sums + i * ASH_SHA256_SIZE);
	}
}

/* The whole tree of the data, as it lies on disk; owned (one byte if there is no level). */
static guint8 *
compute_tree(AshContext *ctx, const AshVerityPlace *place, const guint8 *salt, gsize salt_bytes,
	     const Levels *levels, guint8 *ret_root_hash, GError **error)
{
	g_autofree guint8 *zeros = g_malloc0(BLOCK);
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree guint8 *tree = g_try_malloc0(levels->total * BLOCK + 1);
	Job job = {
	    .ctx = ctx,
	    .place = place,
	    .salt = salt,
	    .salt_bytes = salt_bytes,
	    .data_blocks = place->data_bytes / BLOCK,
	};

	if (tree == NULL)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "no memory for a hash tree");
	job.leaves = levels->n > 0 ? tree + levels->first[0] * BLOCK : ret_root_hash;
	hash_block(&job, digest, zeros, job.zero_hash);
	if (!run_threads(&job, error))
		return NULL;
	hash_upper_levels(&job, levels, tree, ret_root_hash);
	return g_steal_pointer(&tree);
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
ash_verity_format(AshContext *ctx, const AshVerityPlace *place,
		  const guint8 salt[ASH_VERITY_SALT_BYTES], const AshUuid *uuid,
		  guint8 ret_root_hash[ASH_SHA256_SIZE], GError **error)
{
	g_autofree guint8 *tree = NULL;
	guint8 root_hash[ASH_SHA256_SIZE];
	Levels levels;

	if (place->data_bytes == 0 || place->data_bytes % BLOCK != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL,
				 "verity data is not whole blocks of 4096 bytes");
	if (ash_verity_hash_bytes(place->data_bytes) > place->hash_bytes)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the hash partition has %" G_GUINT64_FORMAT
				 " bytes, the hash tree needs %" G_GUINT64_FORMAT,
				 place->hash_bytes, ash_verity_hash_bytes(place->data_bytes));
	levels = compute_levels(place->data_bytes / BLOCK);
	tree = compute_tree(ctx, place, salt, ASH_VERITY_SALT_BYTES, &levels, root_hash, error);
	if (tree == NULL ||
	    !ash_fd_write_all(place->fd, tree, levels.total * BLOCK, place->hash_offset + BLOCK,
			      error) ||
	    !write_superblock(place, salt, uuid, error))
		return FALSE;
	memcpy(ret_root_hash, root_hash, sizeof(root_hash));
	return TRUE;
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
throw_mismatch(const Levels *levels, const guint8 *computed, const guint8 *stored, GError **error)
{
	gsize leaves = levels->n > 0 ? levels->first[0] * BLOCK : 0;

	for (gsize i = leaves; i < levels->total * BLOCK; i += ASH_SHA256_SIZE) {
		if (memcmp(computed + i, stored + i, ASH_SHA256_SIZE) != 0)
			return ash_throw(error, ASH_ERROR_TRUST,
					 "data block %" G_GSIZE_FORMAT " does not match its hash",
					 (i - leaves) / ASH_SHA256_SIZE);
	}
	for (gsize i = 0; i < levels->total * BLOCK; i += BLOCK) {
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
	g_autofree guint8 *computed = NULL;
	g_autofree guint8 *stored = NULL;
	guint8 sum[ASH_SHA256_SIZE];
	Levels levels;

	if (!ash_verity_read_superblock(place->fd, place->hash_offset, &sb, error))
		return FALSE;
	if (sb.data_bytes > place->data_bytes ||
	    ash_verity_hash_bytes(sb.data_bytes) > place->hash_bytes)
		return ash_throw(error, ASH_ERROR_TRUST,
				 "verity superblock speaks of more data than there is");
	real.data_bytes = sb.data_bytes;
	levels = compute_levels(sb.data_bytes / BLOCK);
	computed = compute_tree(ctx, &real, sb.salt, sb.salt_bytes, &levels, sum, error);
	stored = g_try_malloc(levels.total * BLOCK + 1);
	if (computed == NULL)
		return FALSE;
	if (stored == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "no memory for a hash tree");
	if (!ash_fd_read_exact(place->fd, stored, levels.total * BLOCK, place->hash_offset + BLOCK,
			       error))
		return FALSE;
	if (memcmp(computed, stored, levels.total * BLOCK) != 0 ||
	    memcmp(sum, root_hash, sizeof(sum)) != 0)
		return throw_mismatch(&levels, computed, stored, error);
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
