/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/suffix.h"

#include <stdbool.h>
#include <string.h>

#define NONE (-1)

/* A text of bytes, or, one level down, of the names of its parts. */
typedef struct {
	const guint8 *bytes;  /* else NULL */
	const gint32 *names;
	gint32 length;
	gint32 letters;       /* all are below */
	guint8 *is_small;     /* owned: the suffix here is before the one at the next position (type S) */
	gint32 *buckets;      /* owned: an entry for each letter */
} Text;

static inline gint32
letter_at(const Text *text, gint32 i)
{
	return text->bytes != NULL ? text->bytes[i] : text->names[i];
}

static inline bool
is_leftmost_small(const Text *text, gint32 i)
{
	return i > 0 && text->is_small[i] && !text->is_small[i - 1];
}

static void
text_init(Text *text)
{
	const gint32 n = text->length;

	text->is_small = g_malloc((gsize) n);
	text->buckets = g_new(gint32, text->letters);
	text->is_small[n - 1] = false;
	for (gint32 i = n - 2; i >= 0; i--) {
		const gint32 here = letter_at(text, i), next = letter_at(text, i + 1);
		text->is_small[i] = here < next || (here == next && text->is_small[i + 1]);
	}
}

static void
text_clear(Text *text)
{
	g_free(text->is_small);
	g_free(text->buckets);
}

/* Where each letter's suffixes begin in the array, or (@ends) the position behind their last. */
static void
set_buckets(Text *text, bool ends)
{
	gint32 sum = 0;

	memset(text->buckets, 0, (gsize) text->letters * sizeof(gint32));
	for (gint32 i = 0; i < text->length; i++)
		text->buckets[letter_at(text, i)]++;
	for (gint32 letter = 0; letter < text->letters; letter++) {
		const gint32 count = text->buckets[letter];
		text->buckets[letter] = ends ? sum + count : sum;
		sum += count;
	}
}

/* From the order of some small suffixes follows that of the large ones, and from it that of all small ones. */
static void
induce(Text *text, gint32 *array)
{
	const gint32 n = text->length;

	set_buckets(text, false);
	array[text->buckets[letter_at(text, n - 1)]++] = n - 1;
	for (gint32 i = 0; i < n; i++) {
		const gint32 before = array[i] - 1;
		if (array[i] > 0 && !text->is_small[before])
			array[text->buckets[letter_at(text, before)]++] = before;
	}
	set_buckets(text, true);
	for (gint32 i = n - 1; i >= 0; i--) {
		const gint32 before = array[i] - 1;
		if (array[i] > 0 && text->is_small[before])
			array[--text->buckets[letter_at(text, before)]] = before;
	}
}

/* Puts the leftmost small suffixes, in the order of @order (or that of the text), at the ends of their buckets. */
static void
place(Text *text, gint32 *array, const gint32 *order, gint32 count)
{
	for (gint32 i = 0; i < text->length; i++)
		array[i] = NONE;
	set_buckets(text, true);
	for (gint32 i = count - 1; i >= 0; i--)
		array[--text->buckets[letter_at(text, order[i])]] = order[i];
}

/* Do the parts from one leftmost small position to the next differ? */
static bool
parts_differ(const Text *text, gint32 a, gint32 b)
{
	for (gint32 i = 0;; i++) {
		if (a + i >= text->length || b + i >= text->length)
			return true;
		if (letter_at(text, a + i) != letter_at(text, b + i) || text->is_small[a + i] != text->is_small[b + i])
			return true;
		if (i > 0 && is_leftmost_small(text, a + i))
			return false;
	}
}

/* Gives equal parts equal names, in their order; they are left in the upper half of @array, at half their position. */
static gint32
name_parts(const Text *text, gint32 *array, gint32 *ret_count)
{
	gint32 count = 0, names = 0, previous = NONE;

	for (gint32 i = 0; i < text->length; i++)
		if (array[i] >= 0 && is_leftmost_small(text, array[i]))
			array[count++] = array[i];
	for (gint32 i = count; i < text->length; i++)
		array[i] = NONE;
	for (gint32 i = 0; i < count; i++) {
		const gint32 at = array[i];
		if (previous == NONE || parts_differ(text, previous, at))
			names++;
		previous = at;
		array[count + at / 2] = names - 1;
	}
	*ret_count = count;
	return names;
}

static void sort_text(Text *text, gint32 *array);

/* The order of the leftmost small suffixes: that of the text of their parts' names. @order gets positions in @text. */
static void
sort_parts(const Text *text, const gint32 *array, gint32 count, gint32 names, gint32 *order)
{
	g_autofree gint32 *named = g_new(gint32, count), *positions = g_new(gint32, count);
	gint32 filled = 0;

	for (gint32 i = count; i < text->length; i++)
		if (array[i] != NONE)
			named[filled++] = array[i];
	if (names < count) {
		Text inner = { .names = named, .length = count, .letters = names };
		sort_text(&inner, order);
	} else {
		for (gint32 i = 0; i < count; i++)
			order[named[i]] = i;
	}
	filled = 0;
	for (gint32 i = 1; i < text->length; i++)
		if (is_leftmost_small(text, i))
			positions[filled++] = i;
	for (gint32 i = 0; i < count; i++)
		order[i] = positions[order[i]];
}

static void
sort_text(Text *text, gint32 *array)
{
	g_autofree gint32 *order = NULL;
	gint32 count = 0;

	if (text->length == 1) {
		array[0] = 0;
		return;
	}
	text_init(text);
	order = g_new(gint32, text->length / 2 + 1);
	for (gint32 i = 1; i < text->length; i++)
		if (is_leftmost_small(text, i))
			order[count++] = i;
	place(text, array, order, count);
	induce(text, array);
	if (count > 0) {
		const gint32 names = name_parts(text, array, &count);
		sort_parts(text, array, count, names, order);
		place(text, array, order, count);
		induce(text, array);
	}
	text_clear(text);
}

gint32 *
ash_suffix_array(const guint8 *text, gsize length)
{
	Text whole = { .bytes = text, .length = (gint32) length, .letters = 256 };
	gint32 *array = g_new(gint32, length + 1);

	g_return_val_if_fail(length <= ASH_SUFFIX_MAX_BYTES, array);
	if (length > 0)
		sort_text(&whole, array);
	return array;
}

gsize
ash_suffix_common(const guint8 *a, const guint8 *b, gsize max)
{
	gsize i = 0;

	for (; i + sizeof(guint64) <= max; i += sizeof(guint64)) {
		guint64 x, y;
		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		if (x != y)
			return i + (gsize) (__builtin_ctzll(GUINT64_FROM_LE(x) ^ GUINT64_FROM_LE(y)) / 8);
	}
	while (i < max && a[i] == b[i])
		i++;
	return i;
}

#define PAIRS (256 * 256)

void
ash_suffix_starts_init(AshSuffixStarts *starts, const guint8 *text, gsize length)
{
	guint32 sum = 0;

	starts->first = g_new0(guint32, PAIRS + 1);
	for (gsize i = 0; i + 1 < length; i++)
		starts->first[text[i] << 8 | text[i + 1]]++;
	for (guint pair = 0; pair < PAIRS; pair++) {
		const guint32 count = starts->first[pair];
		/* The last byte alone comes before all that begins with it. */
		if (length > 0 && pair == (guint) text[length - 1] << 8)
			sum++;
		starts->first[pair] = sum;
		sum += count;
	}
	starts->first[PAIRS] = sum;
}

void
ash_suffix_starts_clear(AshSuffixStarts *starts)
{
	g_clear_pointer(&starts->first, g_free);
}

/* Between @low and @high all texts have their first @known_common bytes in common with the pattern. */
static gsize
find_between(const gint32 *array, const guint8 *text, gsize length, const guint8 *pattern, gsize pattern_length, gsize low, gsize high,
	     gsize known_common, gsize *ret_position)
{
	gsize low_common = known_common, high_common = known_common, best = 0;

	/* Between two suffixes that share c bytes with the pattern, all share them: they need not be compared again. */
	while (low < high) {
		const gsize middle = low + (high - low) / 2, at = (gsize) array[middle];
		const gsize max = MIN(length - at, pattern_length), known = MIN(MIN(low_common, high_common), max);
		const gsize common = known + ash_suffix_common(text + at + known, pattern + known, max - known);
		if (common > best) {
			best = common;
			*ret_position = at;
		}
		if (common == pattern_length)
			break;
		if (common == length - at || text[at + common] < pattern[common]) {
			low = middle + 1;
			low_common = common;
		} else {
			high = middle;
			high_common = common;
		}
	}
	return best;
}

gsize
ash_suffix_find(const gint32 *array, const guint8 *text, gsize length, const guint8 *pattern, gsize pattern_length,
		gsize *ret_position)
{
	return find_between(array, text, length, pattern, pattern_length, 0, length, 0, ret_position);
}

gsize
ash_suffix_find_from(const AshSuffixStarts *starts, const gint32 *array, const guint8 *text, gsize length, const guint8 *pattern,
		     gsize pattern_length, gsize *ret_position)
{
	if (pattern_length < 2)
		return 0;
	const guint pair = (guint) pattern[0] << 8 | pattern[1];
	/* Behind the last pair of a first byte may be the last byte of the text, which begins the next one. */
	gsize high = starts->first[pair + 1];
	if (high > starts->first[pair] && (gsize) array[high - 1] + 1 == length)
		high--;
	return find_between(array, text, length, pattern, pattern_length, starts->first[pair], high, 2, ret_position);
}
