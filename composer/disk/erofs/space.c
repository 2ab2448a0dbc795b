/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/space.h"

#include <string.h>

#define SLOTS ASH_EROFS_SLOTS_PER_BLOCK

/** Free blocks. */
typedef struct {
	guint64 start, n;
} Hole;

/** Which slots of a block are taken. */
typedef struct {
	guint64 block;
	bool taken[SLOTS];
} SlotBlock;

struct AshErofsSpace {
	GByteArray *taken;       /* one byte per block, while places are claimed */
	GArray *holes;           /* of Hole, by start, never neighbours; afterwards */
	guint64 end;
	GHashTable *slot_blocks; /* block number -> SlotBlock */
	GSequence *spans[SLOTS + 1]; /* of slot numbers, by free slots from there on in its block */
};

AshErofsSpace *
ash_erofs_space_new(void)
{
	AshErofsSpace *space = g_new0(AshErofsSpace, 1);

	space->taken = g_byte_array_new();
	space->holes = g_array_new(FALSE, FALSE, sizeof(Hole));
	space->slot_blocks = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
	for (guint i = 0; i <= SLOTS; i++)
		space->spans[i] = g_sequence_new(NULL);
	return space;
}

void
ash_erofs_space_free(AshErofsSpace *space)
{
	if (space == NULL)
		return;
	g_byte_array_unref(space->taken);
	g_array_unref(space->holes);
	g_hash_table_unref(space->slot_blocks);
	for (guint i = 0; i <= SLOTS; i++)
		g_sequence_free(space->spans[i]);
	g_free(space);
}

static Hole *
get_hole(const AshErofsSpace *space, guint index)
{
	return &g_array_index(space->holes, Hole, index);
}

static void
reserve(AshErofsSpace *space, guint64 end)
{
	guint before = space->taken->len;

	if (end > before) {
		g_byte_array_set_size(space->taken, (guint) end);
		memset(space->taken->data + before, 0, end - before);
	}
}

bool
ash_erofs_space_claim(AshErofsSpace *space, guint64 block, guint64 n, guint64 limit)
{
	if (block > limit || n > limit - block || limit > G_MAXUINT32)
		return false;
	reserve(space, block + n);
	if (n == 0 || memchr(space->taken->data + block, 1, n) != NULL)
		return n == 0;
	memset(space->taken->data + block, 1, n);
	return true;
}

static SlotBlock *
add_slot_block(AshErofsSpace *space, guint64 block)
{
	SlotBlock *slots = g_new0(SlotBlock, 1);

	slots->block = block;
	g_hash_table_insert(space->slot_blocks, &slots->block, slots);
	return slots;
}

/* A block that has slots already, or could; they are looked at, or taken. */
static bool
claim_in_block(AshErofsSpace *space, guint64 block, guint first, guint n, guint64 limit)
{
	SlotBlock *slots = g_hash_table_lookup(space->slot_blocks, &block);

	if (slots == NULL) {
		if (!ash_erofs_space_claim(space, block, 1, limit))
			return false;
		slots = add_slot_block(space, block);
	}
	if (memchr(slots->taken + first, true, n) != NULL)
		return false;
	memset(slots->taken + first, true, n);
	return true;
}

static bool
is_free_for_slots(AshErofsSpace *space, guint64 block, guint64 n, guint64 limit)
{
	if (block > limit || n > limit - block || limit > G_MAXUINT32)
		return false;
	reserve(space, block + n);
	return memchr(space->taken->data + block, 1, n) == NULL;
}

bool
ash_erofs_space_claim_slots(AshErofsSpace *space, guint64 slot, guint64 n, guint64 limit)
{
	guint64 block = slot / SLOTS;
	guint first = (guint) (slot % SLOTS);

	if (n <= SLOTS)
		return n > 0 && first + n <= SLOTS && claim_in_block(space, block, first, (guint) n, limit);
	if (first != 0 || !is_free_for_slots(space, block, (n + SLOTS - 1) / SLOTS, limit))
		return false;
	for (guint64 left = n; left > 0; left -= MIN(left, SLOTS))
		claim_in_block(space, block++, 0, (guint) MIN(left, SLOTS), limit);
	return true;
}

static int
compare_slots(gconstpointer a, gconstpointer b, gpointer user_data)
{
	guint64 first = GPOINTER_TO_SIZE(a), second = GPOINTER_TO_SIZE(b);

	return first < second ? -1 : first > second;
}

static void
add_span(AshErofsSpace *space, guint64 slot, guint n)
{
	if (n > 0)
		g_sequence_insert_sorted(space->spans[n], GSIZE_TO_POINTER(slot), compare_slots, NULL);
}

static void
add_spans(AshErofsSpace *space, const SlotBlock *slots)
{
	for (guint i = 0, n = 0; i < SLOTS; i += n + 1) {
		for (n = 0; i + n < SLOTS && !slots->taken[i + n];)
			n++;
		add_span(space, slots->block * SLOTS + i, n);
	}
}

void
ash_erofs_space_settle(AshErofsSpace *space)
{
	GHashTableIter iter;
	gpointer slots;

	for (guint64 at = 0, n = 0; at < space->taken->len; at += n) {
		guint8 state = space->taken->data[at];

		for (n = 1; at + n < space->taken->len && space->taken->data[at + n] == state;)
			n++;
		if (state != 0) {
			space->end = at + n;
		} else {
			Hole hole = { at, n };
			g_array_append_val(space->holes, hole);
		}
	}
	/* What follows the last taken block is no hole. */
	if (space->holes->len > 0 && get_hole(space, space->holes->len - 1)->start >= space->end)
		g_array_set_size(space->holes, space->holes->len - 1);
	g_byte_array_set_size(space->taken, 0);
	g_hash_table_iter_init(&iter, space->slot_blocks);
	while (g_hash_table_iter_next(&iter, NULL, &slots))
		add_spans(space, slots);
}

/* Takes @n blocks of a hole from @start on. */
static void
cut_hole(AshErofsSpace *space, guint index, guint64 start, guint64 n)
{
	Hole *hole = get_hole(space, index);
	Hole behind = { start + n, hole->start + hole->n - start - n };

	hole->n = start - hole->start;
	if (behind.n > 0)
		g_array_insert_val(space->holes, index + 1, behind);
	if (get_hole(space, index)->n == 0)
		g_array_remove_index(space->holes, index);
}

guint64
ash_erofs_space_take(AshErofsSpace *space, guint64 n, guint64 from, guint64 to)
{
	guint best = G_MAXUINT;
	guint64 best_n = G_MAXUINT64, start = space->end;

	for (guint i = 0; i < space->holes->len; i++) {
		const Hole *hole = get_hole(space, i);
		guint64 first = MAX(hole->start, from), end = MIN(hole->start + hole->n, to);

		if (first + n <= end && end - first < best_n) {
			best = i;
			best_n = end - first;
			start = first;
		}
	}
	if (best != G_MAXUINT)
		cut_hole(space, best, start, n);
	else
		space->end += n;
	return start;
}

/* The hole that begins at @block, or the one before which it would be. */
static guint
find_hole(const AshErofsSpace *space, guint64 block)
{
	guint low = 0, high = space->holes->len;

	while (low < high) {
		guint middle = (low + high) / 2;

		if (get_hole(space, middle)->start < block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
ash_erofs_space_extend(AshErofsSpace *space, guint64 block, guint64 n_more)
{
	guint index = find_hole(space, block);

	if (block == space->end) {
		space->end += n_more;
		return true;
	}
	if (index >= space->holes->len || get_hole(space, index)->start != block || get_hole(space, index)->n < n_more)
		return false;
	cut_hole(space, index, block, n_more);
	return true;
}

void
ash_erofs_space_release(AshErofsSpace *space, guint64 block, guint64 n)
{
	guint index = find_hole(space, block);
	Hole hole = { block, n };

	if (n == 0)
		return;
	if (index < space->holes->len && get_hole(space, index)->start == block + n) {
		hole.n += get_hole(space, index)->n;
		g_array_remove_index(space->holes, index);
	}
	if (index > 0 && get_hole(space, index - 1)->start + get_hole(space, index - 1)->n == block) {
		hole.start = get_hole(space, --index)->start;
		hole.n += get_hole(space, index)->n;
		g_array_remove_index(space->holes, index);
	}
	/* At the end it is no hole, but the end. */
	if (hole.start + hole.n == space->end)
		space->end = hole.start;
	else
		g_array_insert_val(space->holes, index, hole);
}

static guint64
take_slot_blocks(AshErofsSpace *space, guint64 n, guint64 to)
{
	guint64 n_blocks = (n + SLOTS - 1) / SLOTS;
	guint64 block = ash_erofs_space_take(space, n_blocks, 0, to);

	for (guint64 i = 0; i < n_blocks; i++)
		add_slot_block(space, block + i);
	add_span(space, block * SLOTS + n, (guint) (n_blocks * SLOTS - n));
	return block * SLOTS;
}

guint64
ash_erofs_space_take_slots(AshErofsSpace *space, guint64 n, guint64 to)
{
	/* The widest: what is new together changes few blocks. */
	for (guint64 length = SLOTS; length >= n; length--) {
		GSequenceIter *iter = g_sequence_get_begin_iter(space->spans[length]);
		guint64 slot;

		if (g_sequence_iter_is_end(iter))
			continue;
		slot = GPOINTER_TO_SIZE(g_sequence_get(iter));
		g_sequence_remove(iter);
		add_span(space, slot + n, (guint) (length - n));
		return slot;
	}
	return take_slot_blocks(space, n, to);
}

void
ash_erofs_space_skip_to(AshErofsSpace *space, guint64 block)
{
	Hole hole = { space->end, block - space->end };

	if (block <= space->end)
		return;
	g_array_append_val(space->holes, hole);
	space->end = block;
}

guint64
ash_erofs_space_get_end(const AshErofsSpace *space)
{
	return space->end;
}

guint64
ash_erofs_space_count_free(const AshErofsSpace *space)
{
	guint64 n = 0;

	for (guint i = 0; i < space->holes->len; i++)
		n += get_hole(space, i)->n;
	return n;
}

void
ash_erofs_space_list_slot_blocks(const AshErofsSpace *space, GArray *blocks)
{
	GHashTableIter iter;
	gpointer slots;

	g_hash_table_iter_init(&iter, space->slot_blocks);
	while (g_hash_table_iter_next(&iter, NULL, &slots)) {
		guint64 block = ((SlotBlock *) slots)->block;
		g_array_append_val(blocks, block);
	}
}
