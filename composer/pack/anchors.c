/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/anchors.h"

#include "pack/suffix.h"

#include <string.h>

#define BLOCK_BYTES 4096
/* Of a block that are looked up. */
#define KEY_BYTES 64
/* Sections of programs and parts of archives begin at multiples of it. */
#define STEP_BYTES 512
/* Blocks with the same beginning that are tried; more of them are nothing special. */
#define MAX_CANDIDATES 16
/* What is shorter costs no less as a step of its own. */
#define LEAST_BYTES 32
#define EMPTY G_MAXUINT32

struct AshAnchors {
	AshMatchText image;
	guint32 *slots; /* block numbers, or EMPTY; open addressing */
	gsize mask;
};

static gsize
hash_key(const guint8 *key)
{
	guint64 hash = G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

	for (guint i = 0; i < KEY_BYTES; i += sizeof(guint64)) {
		guint64 word;
		memcpy(&word, key + i, sizeof(word));
		hash = (hash ^ word) * G_GUINT64_CONSTANT(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
	}
	return (gsize) hash;
}

AshAnchors *
ash_anchors_new(const AshMatchText *image)
{
	AshAnchors *anchors = g_new0(AshAnchors, 1);
	const gsize blocks = image->length / BLOCK_BYTES;
	gsize size = 64;

	while (size < blocks * 2)
		size *= 2;
	anchors->image = *image;
	anchors->mask = size - 1;
	anchors->slots = g_new(guint32, size);
	memset(anchors->slots, 0xff, size * sizeof(guint32));
	for (gsize block = 0; block < blocks; block++) {
		gsize slot = hash_key(image->data + block * BLOCK_BYTES) & anchors->mask;
		for (guint tries = 0; tries < MAX_CANDIDATES; tries++, slot = (slot + 1) & anchors->mask) {
			if (anchors->slots[slot] != EMPTY)
				continue;
			anchors->slots[slot] = (guint32) block;
			break;
		}
	}
	return anchors;
}

void
ash_anchors_free(AshAnchors *anchors)
{
	if (anchors == NULL)
		return;
	g_free(anchors->slots);
	g_free(anchors);
}

/* The longest text in the image that is like the one at @at; 0 if there is none. */
static gsize
find_longest(const AshAnchors *anchors, const AshMatchText *to, gsize at, gsize *ret_old)
{
	gsize best = 0;

	if (at + KEY_BYTES > to->length)
		return 0;
	gsize slot = hash_key(to->data + at) & anchors->mask;
	for (guint tries = 0; tries < MAX_CANDIDATES && anchors->slots[slot] != EMPTY; tries++, slot = (slot + 1) & anchors->mask) {
		const gsize old = (gsize) anchors->slots[slot] * BLOCK_BYTES;
		const gsize length = ash_suffix_common(anchors->image.data + old, to->data + at,
						       MIN(anchors->image.length - old, to->length - at));
		if (length > best) {
			best = length;
			*ret_old = old;
		}
	}
	return best;
}

/* How many bytes before @at are the same as those before @old, not beyond @done. */
static gsize
count_back(const AshAnchors *anchors, const AshMatchText *to, gsize done, gsize at, gsize old)
{
	gsize count = 0;

	while (at - count > done && old > count && to->data[at - count - 1] == anchors->image.data[old - count - 1])
		count++;
	return count;
}

void
ash_anchors_match(const AshAnchors *anchors, const AshMatchText *to, GArray *ops)
{
	gsize done = 0, at = 0, old = 0;

	while (at < to->length) {
		const gsize length = find_longest(anchors, to, at, &old);
		if (length < LEAST_BYTES) {
			at = (at / STEP_BYTES + 1) * STEP_BYTES;
			continue;
		}
		const gsize back = count_back(anchors, to, done, at, old);
		ash_match_add(ops, ASH_DELTA_EXTRA, to->data + done, at - back - done, 0);
		ash_match_add(ops, ASH_DELTA_COPY, to->data + at - back, length + back, anchors->image.offset + old - back);
		done = at + length;
		at = (done + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
	}
	ash_match_add(ops, ASH_DELTA_EXTRA, to->data + done, to->length - done, 0);
}

bool
ash_anchors_find_whole(const AshAnchors *anchors, const AshMatchText *to, guint64 *ret_old)
{
	gsize old = 0;

	if (find_longest(anchors, to, 0, &old) < to->length)
		return false;
	*ret_old = anchors->image.offset + old;
	return true;
}
