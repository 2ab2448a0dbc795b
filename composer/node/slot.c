/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/slot.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/parallel.h"
#include "base/zero.h"
#include "disk/verity/verity.h"

#include <fcntl.h>
#include <string.h>

#define BLOCK	     ASH_RELEASE_BLOCK_BYTES
/* Read at a time by each thread: little, because there may be many of them. */
#define CHUNK_BLOCKS 64

void
ash_slot_content_clear(AshSlotContent *content)
{
	g_clear_pointer(&content->data, ash_block_set_free);
	g_clear_pointer(&content->tree, ash_block_set_free);
}

/* A tree of another salt says nothing about our hashes. */
static bool
is_of_use(const AshVeritySuperblock *sb, const AshHashSpec *spec)
{
	return sb->salt_bytes == sizeof(spec->salt) && memcmp(sb->salt, spec->salt, sizeof(spec->salt)) == 0 &&
	       sb->data_bytes / BLOCK < G_MAXINT32;
}

/*
 * How the slot's own tree is hashed; false: there is none that is of use. Without a superblock there may be the tree of an attempt at the same
 * release (ash_plan_apply() writes the superblock last): blocks of it are worth a look, but it says nothing about the data.
 */
static bool
read_spec(const AshSlotView *view, const AshHashSpec *spec, AshHashSpec *ret_spec, bool *ret_known)
{
	g_autoptr(GError) error = NULL;
	AshVeritySuperblock sb;

	*ret_spec = *spec;
	*ret_known = false;
	if (ash_verity_read_superblock(view->hash.fd, view->hash.offset, &sb, &error)) {
		if (!is_of_use(&sb, spec))
			return false;
		ret_spec->data_bytes = sb.data_bytes;
		*ret_known = view->known && ash_hex_decode(view->root_hash, ret_spec->root_hash, sizeof(ret_spec->root_hash));
	}
	return ret_spec->data_bytes <= view->data.bytes && ash_hash_levels_compute(ret_spec->data_bytes).total * BLOCK <= view->hash.bytes;
}

/* The hash area of a slot, and the hash of each of its blocks. */
typedef struct {
	AshHashSpec spec;
	AshHashLevels levels;
	guint8 *blocks;
	guint8 *sums;
} Tree;

static void
tree_clear(Tree *tree)
{
	g_clear_pointer(&tree->blocks, g_free);
	g_clear_pointer(&tree->sums, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tree, tree_clear)

static bool
load_tree(const AshSlotView *view, Tree *tree)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autoptr(GError) error = NULL;

	tree->levels = ash_hash_levels_compute(tree->spec.data_bytes);
	tree->blocks = g_try_malloc(tree->levels.total * BLOCK);
	tree->sums = g_try_malloc0(tree->levels.total * ASH_SHA256_SIZE);
	if (tree->blocks == NULL || tree->sums == NULL ||
	    !ash_fd_read_exact(view->hash.fd, tree->blocks, tree->levels.total * BLOCK, view->hash.offset, &error))
		return false;
	for (guint64 i = 1; i < tree->levels.total; i++)
		ash_hash_block(digest, &tree->spec, tree->blocks + i * BLOCK, tree->sums + i * ASH_SHA256_SIZE);
	return true;
}

/* From the root hash down: only then do the leaves say what the data is. */
static bool
is_sound(const Tree *tree)
{
	const AshHashLevels *levels = &tree->levels;

	for (guint level = levels->n; level-- > 0;) {
		const guint8 *above = level + 1 == levels->n ? tree->spec.root_hash : tree->blocks + levels->first[level + 1] * BLOCK;

		if (memcmp(tree->sums + levels->first[level] * ASH_SHA256_SIZE, above, levels->blocks[level] * ASH_SHA256_SIZE) != 0)
			return false;
	}
	return levels->n > 0;
}

static AshBlockSet *
make_set(const guint8 *sums, guint64 n, bool prefer_last)
{
	guint64 *keys = g_new(guint64, n);

	for (guint64 i = 0; i < n; i++)
		keys[i] = ash_block_key(sums + i * ASH_SHA256_SIZE);
	return ash_block_set_new(keys, n, prefer_last);
}

/* A slot being read. */
typedef struct {
	AshContext *ctx;
	const AshSlotPart *part;
	const AshHashSpec *spec;
	guint64 *keys;
	guint64 blocks;
	guint64 zero_key; /* slots that nothing was written to are many of these */
} Scan;

static gboolean
scan_chunk(guint index, gpointer user_data, GError **error)
{
	Scan *scan = user_data;
	guint64 first = (guint64) index * CHUNK_BLOCKS;
	guint64 n = MIN(CHUNK_BLOCKS, scan->blocks - first);
	g_autofree guint8 *buffer = g_malloc(n * BLOCK);
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autoptr(GError) ignored = NULL; /* what cannot be read is not there */
	guint8 sum[ASH_SHA256_SIZE];

	if (!ash_context_check(scan->ctx, error))
		return FALSE;
	if (!ash_fd_read_exact(scan->part->fd, buffer, n * BLOCK, scan->part->offset + first * BLOCK, &ignored))
		return TRUE;
	for (guint64 i = 0; i < n; i++) {
		if (ash_is_zero(buffer + i * BLOCK, BLOCK)) {
			scan->keys[first + i] = scan->zero_key;
			continue;
		}
		ash_hash_block(digest, scan->spec, buffer + i * BLOCK, sum);
		scan->keys[first + i] = ash_block_key(sum);
	}
	posix_fadvise(scan->part->fd, (off_t) (scan->part->offset + first * BLOCK), (off_t) (n * BLOCK), POSIX_FADV_DONTNEED);
	return TRUE;
}

static gboolean
scan_data(AshContext *ctx, const AshSlotView *view, const AshHashSpec *spec, guint64 bytes, AshSlotContent *content, GError **error)
{
	Scan scan = { .ctx = ctx, .part = &view->data, .spec = spec, .blocks = MIN(bytes, view->data.bytes) / BLOCK };
	g_autofree guint64 *keys = NULL;
	g_autofree guint8 *zeros = g_malloc0(BLOCK);
	g_autoptr(AshDigest) digest = ash_digest_new();
	guint8 sum[ASH_SHA256_SIZE];

	ash_hash_block(digest, spec, zeros, sum);
	scan.zero_key = ash_block_key(sum);
	scan.blocks = MIN(scan.blocks, G_MAXINT32 - 1);
	scan.keys = keys = g_new0(guint64, scan.blocks);
	if (!ash_parallel_run(ctx, (guint) ((scan.blocks + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS), scan_chunk, &scan, error))
		return FALSE;
	content->scanned = true;
	content->data = ash_block_set_new(g_steal_pointer(&keys), scan.blocks, true);
	return TRUE;
}

gboolean
ash_slot_content_load(AshContext *ctx, const AshSlotView *view, const AshHashSpec *spec, guint64 scan_bytes, AshSlotContent *ret_content,
		      GError **error)
{
	g_auto(AshSlotContent) content = { NULL };
	g_auto(Tree) tree = { .blocks = NULL };
	bool known = false;

	if (read_spec(view, spec, &tree.spec, &known) && load_tree(view, &tree)) {
		content.tree = make_set(tree.sums, tree.levels.total, false);
		known = known && is_sound(&tree);
	} else {
		known = false;
	}
	if (known)
		content.data = make_set(tree.blocks + tree.levels.first[0] * BLOCK, tree.spec.data_bytes / BLOCK, true);
	tree_clear(&tree);
	if (!known && !scan_data(ctx, view, spec, scan_bytes, &content, error))
		return FALSE;
	*ret_content = content;
	content = (AshSlotContent){ NULL };
	return TRUE;
}
