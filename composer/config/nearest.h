/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** Optimal string alignment distance (edits and swaps of neighbours) between two words, in characters of bytes. */
guint ash_nearest_distance(const char *a, const char *b);

/**
 * The candidate most like @word, if it is like enough to be meant (at most a third of the word differs);
 * NULL otherwise. Borrowed from @candidates, a NULL-terminated vector.
 */
const char *ash_nearest_find(const char *word, const char *const *candidates);

/** "; did you mean "X"?" or "". Owned. */
char *ash_nearest_hint(const char *word, const char *const *candidates);
