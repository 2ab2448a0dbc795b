/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

G_BEGIN_DECLS

/** TOML 1.0 as a flat list of its values: what the key table of image types needs, and no more. */
typedef enum {
	ASH_TOML_STRING,
	ASH_TOML_INTEGER,
	ASH_TOML_BOOLEAN,
	ASH_TOML_STRINGS, /* an array of strings; an empty array too */
	ASH_TOML_TABLE,   /* [a.b], before what is in it */
	ASH_TOML_ELEMENT, /* [[a]], before what is in it */
	ASH_TOML_OTHER,   /* a number with a fraction, a date, a mixed array: nothing takes one */
} AshTomlType;

typedef struct {
	char *path;     /* keys joined by "."; elements of an array of tables add nothing to it */
	guint line;     /* from 1 */
	AshTomlType type;
	char *string;   /* STRING */
	char **strings; /* STRINGS; else NULL */
	gint64 integer;
	bool boolean;
} AshTomlItem;

void ash_toml_item_free(AshTomlItem *item);

/** "a string", "a table", ...: for errors. Borrowed, static. */
const char *ash_toml_type_to_string(AshTomlType type);

/**
 * Parses @text, which must be UTF-8 (ash_lexer_check_text()), into an array of AshTomlItem, in the order of the file; owned. NULL and ASH_ERROR_CONFIG "file:line: ..." if
 * it is no TOML, or has a key of other characters than letters, digits, "_" and "-".
 */
GPtrArray *ash_toml_parse(const char *text, gsize length, const char *file, GError **error);

G_END_DECLS
