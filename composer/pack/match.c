/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/match.h"

#include "base/zero.h"

#include "pack/suffix.h"

#include <math.h>
#include <string.h>

/* A match elsewhere must be so many bytes better than going on side by side. */
#define ADVANTAGE 8
/* Side by side for so long, nothing better is looked for. */
#define LONG_ENOUGH 32
/* Equal stretches of this length among changed ones are steps of their own: they cost less than their zeros. */
#define COPY_BYTES 1024
#define SAMPLE_BYTES 4096
#define SAMPLES 16
/* Bits in a byte, of 8, from which data counts as compressed. */
#define DENSE_BITS 7.6

/* Where matching is: what lies before "done" in the new text has its steps. */
typedef struct {
	const AshMatchText *from, *to;
	const gint32 *array; /* suffix array of the old text */
	const AshSuffixStarts *starts;
	GArray *ops;
	gsize done;          /* in the new text */
	gint64 shift;        /* old position - new position of the stretch that begins at "done" */
} Match;

/* A match that begins another stretch; at == length of the new text: there is none any more. */
typedef struct {
	gsize at, old;
} Anchor;

void
ash_match_add(GArray *ops, AshDeltaOpKind kind, const guint8 *data, guint64 length, guint64 old)
{
	AshDeltaOp op = { .kind = kind, .length = length, .old = old };

	if (length == 0)
		return;
	if (kind == ASH_DELTA_EXTRA && length >= COPY_BYTES && ash_is_zero(data, length))
		op.kind = ASH_DELTA_ZERO;
	if (op.kind == ASH_DELTA_EXTRA || op.kind == ASH_DELTA_ZERO)
		op.old = 0;
	if (ops->len > 0) {
		AshDeltaOp *last = &g_array_index(ops, AshDeltaOp, ops->len - 1);
		const bool follows = op.kind == ASH_DELTA_EXTRA || op.kind == ASH_DELTA_ZERO ||
				     last->old + last->length == op.old;
		if (last->kind == op.kind && follows) {
			last->length += length;
			return;
		}
	}
	g_array_append_val(ops, op);
}

/* Steps for a stretch that lies side by side with the old text at @old. */
static void
add_stretch(Match *match, gsize at, gsize old, gsize length)
{
	const guint8 *new_data = match->to->data + at, *old_data = match->from->data + old;
	gsize changed = 0, i = 0;

	while (i < length) {
		const gsize equal = ash_suffix_common(new_data + i, old_data + i, length - i);
		if (equal < COPY_BYTES && i + equal < length) {
			i += equal + 1;
			continue;
		}
		if (equal < COPY_BYTES && changed < i)
			break;
		ash_match_add(match->ops, ASH_DELTA_ADD, new_data + changed, i - changed, match->from->offset + old + changed);
		ash_match_add(match->ops, ASH_DELTA_COPY, new_data + i, equal, match->from->offset + old + i);
		i += equal;
		changed = i;
	}
	ash_match_add(match->ops, ASH_DELTA_ADD, new_data + changed, length - changed, match->from->offset + old + changed);
}

/* Is the byte of the new text at @at the same as its neighbour in the stretch that is open? */
static inline bool
agrees(const Match *match, gsize at)
{
	const gint64 old = (gint64) at + match->shift;

	return old >= 0 && old < (gint64) match->from->length && match->from->data[old] == match->to->data[at];
}

static gsize
count_side_by_side(const Match *match, gsize at)
{
	const gint64 old = (gint64) at + match->shift;

	if (old < 0 || old >= (gint64) match->from->length)
		return 0;
	return ash_suffix_common(match->from->data + old, match->to->data + at,
				 MIN(match->from->length - (gsize) old, match->to->length - at));
}

/* The next place from @scan on where another part of the old text fits clearly better than the open stretch does. */
static Anchor
find_anchor(const Match *match, gsize scan)
{
	const gsize end = match->to->length;
	gsize counted = scan, agreeing = 0, old = 0;

	while (scan < end) {
		const gsize beside = count_side_by_side(match, scan);
		if (beside >= LONG_ENOUGH) {
			scan += beside;
			counted = MAX(counted, scan);
			agreeing = 0;
			for (gsize i = scan; i < counted; i++)
				agreeing += agrees(match, i);
			continue;
		}
		const gsize length = ash_suffix_find_from(match->starts, match->array, match->from->data, match->from->length,
						     match->to->data + scan, end - scan, &old);
		for (; counted < scan + length; counted++)
			agreeing += agrees(match, counted);
		if (length > agreeing + ADVANTAGE)
			return (Anchor) { scan, old };
		if (length == agreeing && length > 0) {
			scan += length;
			counted = MAX(counted, scan);
			agreeing = 0;
			continue;
		}
		agreeing -= agreeing > 0 && agrees(match, scan);
		scan++;
		counted = MAX(counted, scan);
	}
	return (Anchor) { end, 0 };
}

/* How far it pays to stay side by side from the start of the open stretch, at most up to @limit: most bytes must agree. */
static gsize
extend_forward(const Match *match, gsize limit)
{
	const gint64 start = (gint64) match->done + match->shift;
	gsize best = 0;
	gint64 score = 0, best_score = 0;

	for (gsize i = 0; match->done + i < limit && start + (gint64) i < (gint64) match->from->length; i++) {
		score += agrees(match, match->done + i) ? 1 : -1;
		if (score > best_score) {
			best_score = score;
			best = i + 1;
		}
	}
	return best;
}

/* The same before an anchor. */
static gsize
extend_backward(const Match *match, const Anchor *anchor)
{
	gsize best = 0;
	gint64 score = 0, best_score = 0;

	if (anchor->at >= match->to->length)
		return 0;
	for (gsize i = 1; anchor->at >= match->done + i && anchor->old >= i; i++) {
		score += match->from->data[anchor->old - i] == match->to->data[anchor->at - i] ? 1 : -1;
		if (score > best_score) {
			best_score = score;
			best = i;
		}
	}
	return best;
}

/* Both stretches want the last @overlap bytes before the anchor's start: how many of them the earlier one should get. */
static gsize
divide_overlap(const Match *match, const Anchor *anchor, gsize start, gsize overlap)
{
	gsize best = 0;
	gint64 score = 0, best_score = 0;

	for (gsize i = 0; i < overlap; i++) {
		const gsize at = start + i;
		score += agrees(match, at);
		score -= match->from->data[anchor->old - (anchor->at - at)] == match->to->data[at];
		if (score > best_score) {
			best_score = score;
			best = i + 1;
		}
	}
	return best;
}

/* Steps for all before the anchor's stretch, which becomes the open one. */
static void
close_stretch(Match *match, const Anchor *anchor)
{
	gsize forward = extend_forward(match, anchor->at), backward = extend_backward(match, anchor);
	const gsize room = anchor->at - match->done;

	if (forward + backward > room) {
		const gsize overlap = forward + backward - room;
		const gsize kept = divide_overlap(match, anchor, anchor->at - backward, overlap);
		forward = forward - overlap + kept;
		backward -= kept;
	}
	if (forward > 0)
		add_stretch(match, match->done, (gsize) ((gint64) match->done + match->shift), forward);
	ash_match_add(match->ops, ASH_DELTA_EXTRA, match->to->data + match->done + forward, room - forward - backward, 0);
	match->done = anchor->at - backward;
	match->shift = (gint64) anchor->old - (gint64) anchor->at;
}

void
ash_match_versions(const AshMatchText *from, const AshMatchText *to, GArray *ops)
{
	g_autofree gint32 *array = ash_suffix_array(from->data, from->length);
	g_auto(AshSuffixStarts) starts = { NULL };
	Match match = { .from = from, .to = to, .array = array, .starts = &starts, .ops = ops };
	Anchor anchor = { 0 };

	ash_suffix_starts_init(&starts, from->data, from->length);
	do {
		anchor = find_anchor(&match, anchor.at);
		close_stretch(&match, &anchor);
	} while (anchor.at < to->length);
}

bool
ash_match_is_dense(const AshMatchText *text)
{
	guint counts[256] = { 0 };
	guint total = 0;
	double bits = 0;

	if (text->length < SAMPLES * SAMPLE_BYTES)
		return false;
	for (guint i = 0; i < SAMPLES; i++) {
		const guint8 *sample = text->data + (text->length - SAMPLE_BYTES) / SAMPLES * i;
		for (guint j = 0; j < SAMPLE_BYTES; j++)
			counts[sample[j]]++;
		total += SAMPLE_BYTES;
	}
	for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
		if (counts[i] > 0)
			bits -= counts[i] * log2((double) counts[i] / total);
	return bits / total > DENSE_BITS;
}
