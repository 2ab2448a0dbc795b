/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** String vectors as the model uses them: NULL-terminated, owned, never NULL themselves. */

/** An empty vector. Owned. */
char **ash_strv_new(void);
/** Appends a copy of @text to *@strv. */
void ash_strv_add(char ***strv, const char *text);
/** As ash_strv_add(), unless it is there already. */
void ash_strv_add_unique(char ***strv, const char *text);
/** Appends copies of all of @other that are not there already. */
void ash_strv_add_all(char ***strv, const char *const *other);
/** Takes every occurrence of @text out; true if there was one. */
bool ash_strv_remove(char ***strv, const char *text);
/** Frees *@strv and puts a copy of @other in its place. */
void ash_strv_replace(char ***strv, const char *const *other);
/** Sorts by bytes. */
void ash_strv_sort(char **strv);
/** True if one of @globs (fnmatch(3)) matches @text. */
bool ash_strv_any_glob_matches(const char *const *globs, const char *text);
