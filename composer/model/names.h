/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** What configuration calls the values of an enumeration; all static. */
typedef struct {
	const char *const *names; /* by value, none NULL */
	guint n;
} AshNames;

/** Of an array that is indexed by the enumeration. */
#define ASH_NAMES(array) { array, G_N_ELEMENTS(array) }

/** The value that is called @text. FALSE (no error) for any other text. */
gboolean ash_names_find(const AshNames *names, const char *text, guint *ret_value);
