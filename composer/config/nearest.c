/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/nearest.h"

#include <string.h>

/* Words longer than any name of ours need no distance. */
#define WORD_MAX 64

static guint
min3(guint a, guint b, guint c)
{
	return MIN(MIN(a, b), c);
}

guint
ash_nearest_distance(const char *a, const char *b)
{
	gsize a_length = strlen(a), b_length = strlen(b);
	guint rows[3][WORD_MAX + 1];

	if (a_length > WORD_MAX || b_length > WORD_MAX)
		return G_MAXUINT;
	for (gsize j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (gsize i = 1; i <= a_length; i++) {
		guint *row = rows[i % 3], *above = rows[(i + 2) % 3];
		const guint *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (gsize j = 1; j <= b_length; j++) {
			guint cost = a[i - 1] != b[j - 1];

			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], above2[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

const char *
ash_nearest_find(const char *word, const char *const *candidates)
{
	guint limit = MAX(1, (strlen(word) + 2) / 3);
	guint best = limit + 1;
	const char *nearest = NULL;

	for (guint i = 0; candidates[i] != NULL; i++) {
		guint distance = ash_nearest_distance(word, candidates[i]);

		if (distance < best) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}

char *
ash_nearest_hint(const char *word, const char *const *candidates)
{
	const char *nearest = ash_nearest_find(word, candidates);

	return nearest != NULL ? g_strdup_printf("; did you mean \"%s\"?", nearest) : g_strdup("");
}
