/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/plan.h"

#include "base/error.h"
#include "base/size.h"
#include "disk/erofs/format.h"

#include <sys/stat.h>

/* The superblock holds the root's number in 16 bits. */
#define MAX_ROOT_SLOT G_MAXUINT16
/* Blocks kept free in the metadata zone for later versions: so many, and one for each so many that are used. */
#define SPARE_BLOCKS 8
#define SPARE_SHARE  8
/* So many blocks more than the data needs, and one for each so many, may be holes: what lies behind that goes into them. */
#define HOLE_BLOCKS 64
#define HOLE_SHARE  5
/* A place beyond that is in no file system. */
#define MAX_BLOCKS G_MAXUINT32

static ErofsInode *
get_inode(const AshErofs *erofs, guint index)
{
	return &g_array_index(erofs->inodes, ErofsInode, index);
}

static guint32
count_slots(const ErofsInode *inode)
{
	return (guint32) (ash_size_round_up(ash_erofs_inode_bytes(inode), EROFS_SLOT) / EROFS_SLOT);
}

/* Directories grow: with some room beside them they can stay. The root has a block of its own, as it has to stay in front. */
static guint32
count_slots_to_keep(const ErofsInode *inode)
{
	guint32 n = count_slots(inode);

	if (n > ASH_EROFS_SLOTS_PER_BLOCK || !S_ISDIR(inode->node->mode))
		return n;
	if (inode->node->parent == NULL)
		return ASH_EROFS_SLOTS_PER_BLOCK;
	return MIN(n + n / 4, ASH_EROFS_SLOTS_PER_BLOCK);
}

/* The inode's old place, if it is large enough; the data's, even if that has grown: what follows may be free. */
static void
keep_place(AshErofs *erofs, ErofsInode *inode, const AshErofsPlace *old, guint64 limit)
{
	if (old->n_slots >= count_slots(inode) && ash_erofs_space_claim_slots(erofs->space, old->slot, old->n_slots, limit)) {
		inode->slot = old->slot;
		inode->n_slots = old->n_slots;
		inode->has_slot = true;
	}
	if (inode->n_blocks > 0 && old->n_blocks > 0 &&
	    ash_erofs_space_claim(erofs->space, old->block, MIN(inode->n_blocks, old->n_blocks), limit)) {
		inode->block = old->block;
		inode->has_blocks = true;
	}
}

/* A file under another name, or in a directory of another version: its content may be there. */
static void
keep_renamed(AshErofs *erofs, GHashTable *by_id, guint64 limit)
{
	for (guint i = 0; i < erofs->inodes->len; i++) {
		ErofsInode *inode = get_inode(erofs, i);
		guint64 id = inode->n_blocks > 0 && !inode->has_blocks ? ash_erofs_inode_id(inode) : 0;
		const AshErofsPlace *old = id != 0 ? g_hash_table_lookup(by_id, &id) : NULL;

		if (old == NULL || old->n_blocks != inode->n_blocks ||
		    !ash_erofs_space_claim(erofs->space, old->block, old->n_blocks, limit))
			continue;
		inode->block = old->block;
		inode->has_blocks = true;
	}
}

static GHashTable *
index_by_id(const AshErofsLayout *previous)
{
	const GArray *places = ash_erofs_layout_get_places(previous);
	GHashTable *by_id = g_hash_table_new(g_int64_hash, g_int64_equal);

	for (guint i = 0; i < places->len; i++) {
		AshErofsPlace *place = &g_array_index(places, AshErofsPlace, i);

		if (place->n_blocks > 0 && place->id != 0 && !g_hash_table_contains(by_id, &place->id))
			g_hash_table_insert(by_id, &place->id, place);
	}
	return by_id;
}

static bool
keep_shared(AshErofs *erofs, guint32 n_blocks, guint64 limit)
{
	const AshErofsZones *old = ash_erofs_layout_get_zones(erofs->options.previous);

	if (n_blocks == 0 || n_blocks > old->shared_blocks ||
	    !ash_erofs_space_claim(erofs->space, old->shared_block, old->shared_blocks, limit))
		return false;
	erofs->zones.shared_block = old->shared_block;
	erofs->zones.shared_blocks = old->shared_blocks;
	return true;
}

static void
keep_places(AshErofs *erofs, guint64 limit)
{
	const AshErofsLayout *previous = erofs->options.previous;
	g_autoptr(GHashTable) by_id = index_by_id(previous);

	for (guint i = 0; i < erofs->inodes->len; i++) {
		const AshErofsPlace *old = ash_erofs_layout_find(previous, get_inode(erofs, i)->path);

		if (old != NULL)
			keep_place(erofs, get_inode(erofs, i), old, limit);
	}
	keep_renamed(erofs, by_id, limit);
}

/* Data that has grown, at its old place, takes what follows there, or goes away. */
static void
settle_growth(AshErofs *erofs)
{
	for (guint i = 0; i < erofs->inodes->len; i++) {
		ErofsInode *inode = get_inode(erofs, i);
		const AshErofsPlace *old =
			inode->has_blocks ? ash_erofs_layout_find(erofs->options.previous, inode->path) : NULL;

		if (old == NULL || old->block != inode->block || old->n_blocks >= inode->n_blocks ||
		    ash_erofs_space_extend(erofs->space, old->block + old->n_blocks, inode->n_blocks - old->n_blocks))
			continue;
		ash_erofs_space_release(erofs->space, old->block, old->n_blocks);
		inode->has_blocks = false;
	}
}

static void
place_slots(AshErofs *erofs, guint64 meta_end)
{
	for (guint i = 0; i < erofs->inodes->len; i++) {
		ErofsInode *inode = get_inode(erofs, i);

		if (inode->has_slot)
			continue;
		inode->n_slots = count_slots_to_keep(inode);
		inode->slot = ash_erofs_space_take_slots(erofs->space, inode->n_slots, meta_end);
	}
}

static void
place_blocks(AshErofs *erofs, ErofsInode *inode, guint64 from, guint64 to)
{
	if (inode->has_blocks || inode->n_blocks == 0)
		return;
	inode->block = ash_erofs_space_take(erofs->space, inode->n_blocks, from, to);
	inode->has_blocks = true;
}

static void
place_directories(AshErofs *erofs, guint64 meta_end)
{
	for (guint i = 0; i < erofs->inodes->len; i++) {
		if (!S_ISREG(get_inode(erofs, i)->node->mode))
			place_blocks(erofs, get_inode(erofs, i), 0, meta_end);
	}
}

static int
compare_by_mtime(gconstpointer a, gconstpointer b)
{
	const ErofsInode *first = *(ErofsInode *const *) a, *second = *(ErofsInode *const *) b;

	if (first->node->mtime != second->node->mtime)
		return first->node->mtime < second->node->mtime ? -1 : 1;
	return first < second ? -1 : first > second;
}

static void
place_files(AshErofs *erofs)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new();

	for (guint i = 0; i < erofs->inodes->len; i++) {
		if (S_ISREG(get_inode(erofs, i)->node->mode) && !get_inode(erofs, i)->has_blocks)
			g_ptr_array_add(files, get_inode(erofs, i));
	}
	g_ptr_array_sort(files, compare_by_mtime);
	for (guint i = 0; i < files->len; i++)
		place_blocks(erofs, files->pdata[i], erofs->zones.meta_end, MAX_BLOCKS);
}

static gboolean
check_result(const AshErofs *erofs, GError **error)
{
	if (ash_erofs_space_get_end(erofs->space) >= MAX_BLOCKS)
		return ash_throw(error, ASH_ERROR_CONFIG, "the file system is larger than 16 TiB");
	if (get_inode(erofs, 0)->slot > MAX_ROOT_SLOT)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the previous layout has no room in front for the root directory: pack anew without it");
	return TRUE;
}

/* Where places are kept: holes must not pile up, release by release, until the partition is full. */
static guint64
compute_limit(const AshErofs *erofs)
{
	const AshErofsZones *old = ash_erofs_layout_get_zones(erofs->options.previous);
	guint64 used = 0;

	for (guint i = 0; i < erofs->inodes->len; i++)
		used += get_inode(erofs, i)->n_blocks;
	return MIN(old->n_blocks, old->meta_end + used + used / HOLE_SHARE + HOLE_BLOCKS);
}

gboolean
ash_erofs_place(AshErofs *erofs, GError **error)
{
	const AshErofsLayout *previous = erofs->options.previous;
	guint64 limit = previous != NULL ? compute_limit(erofs) : 0;
	guint32 area = (guint32) (ash_size_round_up(ash_erofs_xattrs_get_area_bytes(erofs->xattrs), EROFS_BLOCK) / EROFS_BLOCK);
	bool has_area = false;
	guint64 end;

	ash_erofs_space_claim(erofs->space, 0, 1, 1); /* of the superblock */
	erofs->zones.meta_end = previous != NULL ? ash_erofs_layout_get_zones(previous)->meta_end : G_MAXUINT64;
	if (previous != NULL) {
		has_area = keep_shared(erofs, area, limit);
		keep_places(erofs, limit);
	}
	ash_erofs_space_settle(erofs->space);
	if (previous != NULL) {
		ash_erofs_space_skip_to(erofs->space, erofs->zones.meta_end);
		settle_growth(erofs);
	}
	place_slots(erofs, erofs->zones.meta_end);
	if (!has_area) {
		erofs->zones.shared_blocks = area;
		erofs->zones.shared_block =
			area > 0 ? ash_erofs_space_take(erofs->space, area, 0, erofs->zones.meta_end) : 0;
	}
	place_directories(erofs, erofs->zones.meta_end);
	if (previous == NULL) {
		end = ash_erofs_space_get_end(erofs->space);
		erofs->zones.meta_end = end + SPARE_BLOCKS + end / SPARE_SHARE;
		ash_erofs_space_skip_to(erofs->space, erofs->zones.meta_end);
	}
	place_files(erofs);
	erofs->zones.n_blocks = ash_erofs_space_get_end(erofs->space);
	erofs->zones.free_blocks = ash_erofs_space_count_free(erofs->space);
	return check_result(erofs, error);
}
