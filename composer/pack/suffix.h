/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** No text for a suffix array is longer, bytes: positions are 32 bits. */
#define ASH_SUFFIX_MAX_BYTES ((gsize) 1 << 30)

/**
 * The suffix array of @text: all positions, in the order of the texts that begin there (a text that ends is before one that
 * goes on), by induced sorting (Nong, Zhang and Chan, "Two Efficient Algorithms for Linear Time Suffix Array Construction",
 * 2011): linear time, some 6 bytes of memory for each byte of text. @length at most ASH_SUFFIX_MAX_BYTES. Owned (g_free), @length long.
 */
gint32 *ash_suffix_array(const guint8 *text, gsize length);

/**
 * The longest text at the start of @pattern that is somewhere in @text, whose suffix array is @array: its length, and in
 * *@ret_position where it is (undefined if 0).
 */
gsize ash_suffix_find(const gint32 *array, const guint8 *text, gsize length, const guint8 *pattern, gsize pattern_length,
		      gsize *ret_position);

/** Where in a suffix array the texts with each two first bytes begin. Zero-initialise. */
typedef struct {
	guint32 *first; /* owned; of each pair of bytes, the first one being the higher digit, and behind the last */
} AshSuffixStarts;

/** Of the @length bytes at @text, which need not stay. */
void ash_suffix_starts_init(AshSuffixStarts *starts, const guint8 *text, gsize length);
/** Frees what it has. */
void ash_suffix_starts_clear(AshSuffixStarts *starts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSuffixStarts, ash_suffix_starts_clear)

/** As ash_suffix_find(), with most of the search done before; what is shorter than two bytes is not found. */
gsize ash_suffix_find_from(const AshSuffixStarts *starts, const gint32 *array, const guint8 *text, gsize length, const guint8 *pattern,
			   gsize pattern_length, gsize *ret_position);

/** How many bytes two texts have in common at their starts, at most @max. */
gsize ash_suffix_common(const guint8 *a, const guint8 *b, gsize max);
