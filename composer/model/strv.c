/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/strv.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

char **
ash_strv_new(void)
{
	return g_new0(char *, 1);
}

void
ash_strv_add(char ***strv, const char *text)
{
	guint length = g_strv_length(*strv);

	*strv = g_renew(char *, *strv, length + 2);
	(*strv)[length] = g_strdup(text);
	(*strv)[length + 1] = NULL;
}

void
ash_strv_add_unique(char ***strv, const char *text)
{
	if (!g_strv_contains((const char *const *) *strv, text))
		ash_strv_add(strv, text);
}

void
ash_strv_add_all(char ***strv, const char *const *other)
{
	for (guint i = 0; other[i] != NULL; i++)
		ash_strv_add_unique(strv, other[i]);
}

bool
ash_strv_remove(char ***strv, const char *text)
{
	guint kept = 0;
	bool found = false;

	for (guint i = 0; (*strv)[i] != NULL; i++) {
		if (g_str_equal((*strv)[i], text)) {
			g_free((*strv)[i]);
			found = true;
		} else {
			(*strv)[kept++] = (*strv)[i];
		}
	}
	(*strv)[kept] = NULL;
	return found;
}

void
ash_strv_replace(char ***strv, const char *const *other)
{
	char **copy = g_strdupv((char **) other);

	g_strfreev(*strv);
	*strv = copy;
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void
ash_strv_sort(char **strv)
{
	qsort(strv, g_strv_length(strv), sizeof(*strv), compare_strings);
}

bool
ash_strv_any_glob_matches(const char *const *globs, const char *text)
{
	for (guint i = 0; globs[i] != NULL; i++)
		if (fnmatch(globs[i], text, 0) == 0)
			return true;
	return false;
}
