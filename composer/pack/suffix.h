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

/** How many bytes two texts have in common at their starts, at most @max. */
gsize ash_suffix_common(const guint8 *a, const guint8 *b, gsize max);
