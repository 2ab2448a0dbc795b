/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/blockset.h"

#include <string.h>

#define NONE G_MAXUINT32

struct AshBlockSet {
	guint64 *keys;
	guint64 n;
	guint32 *slots; /* blocks or NONE: open addressing, at most half full */
	guint64 mask;
};

guint64
ash_block_key(const guint8 *sum)
{
	guint64 key;

	memcpy(&key, sum, sizeof(key));
	return key != ASH_BLOCK_UNKNOWN ? key : 1;
}

/* The slot of a key, or the free one where it would be. */
static guint64
find_slot(const AshBlockSet *set, guint64 key)
{
	guint64 slot = key & set->mask;

	while (set->slots[slot] != NONE && set->keys[set->slots[slot]] != key)
		slot = (slot + 1) & set->mask;
	return slot;
}

AshBlockSet *
ash_block_set_new(guint64 *keys, guint64 n, bool prefer_last)
{
	AshBlockSet *set = g_new0(AshBlockSet, 1);
	guint64 slots = 16;

	g_return_val_if_fail(n < G_MAXINT32, set);
	while (slots < 2 * n)
		slots *= 2;
	set->keys = keys;
	set->n = n;
	set->mask = slots - 1;
	set->slots = g_malloc_n(slots, sizeof(guint32));
	memset(set->slots, 0xff, slots * sizeof(guint32));
	for (guint32 i = 0; i < n; i++) {
		guint64 slot;

		if (keys[i] == ASH_BLOCK_UNKNOWN)
			continue;
		slot = find_slot(set, keys[i]);
		if (set->slots[slot] == NONE || prefer_last)
			set->slots[slot] = i;
	}
	return set;
}

void
ash_block_set_free(AshBlockSet *set)
{
	if (set == NULL)
		return;
	g_free(set->keys);
	g_free(set->slots);
	g_free(set);
}

bool
ash_block_set_find(const AshBlockSet *set, const guint8 *sum, guint64 *ret_block)
{
	guint64 slot;

	if (set == NULL || set->slots == NULL)
		return false;
	slot = find_slot(set, ash_block_key(sum));
	if (set->slots[slot] == NONE)
		return false;
	*ret_block = set->slots[slot];
	return true;
}

bool
ash_block_set_has_at(const AshBlockSet *set, guint64 block, const guint8 *sum)
{
	return set != NULL && block < set->n && set->keys[block] == ash_block_key(sum);
}
