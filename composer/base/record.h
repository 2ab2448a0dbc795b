/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/**
 * Plain structs to JSON and back, by a table of their fields: what a worker process is given, and what the
 * keys of stages are computed from. The order of the table is the order in the text, so equal structs
 * give equal text.
 */
typedef enum {
	ASH_FIELD_STRING,  /* char *; null if NULL */
	ASH_FIELD_NOTE,    /* as a string, but not part of what a record means: left out of keys */
	ASH_FIELD_STRV,    /* char **; never NULL after reading */
	ASH_FIELD_STRINGS, /* GPtrArray * of char * */
	ASH_FIELD_BOOL,    /* bool */
	ASH_FIELD_INT,     /* int, or an enum */
	ASH_FIELD_UINT64,  /* guint64 */
	ASH_FIELD_RECORD,  /* a struct in place, described by @fields */
	ASH_FIELD_RECORDS, /* GPtrArray * of pointers to structs of @size bytes, described by @fields */
} AshFieldKind;

typedef struct AshField AshField;
struct AshField {
	const char *name; /* NULL ends a table */
	AshFieldKind kind;
	gsize offset;
	const AshField *fields;
	gsize size;
};

#define ASH_FIELD(type, member, field_kind) { #member, field_kind, G_STRUCT_OFFSET(type, member), NULL, 0 }
#define ASH_FIELD_IN(type, member, table) \
	{ #member, ASH_FIELD_RECORD, G_STRUCT_OFFSET(type, member), table, 0 }
#define ASH_FIELD_EACH(type, member, table, element) \
	{ #member, ASH_FIELD_RECORDS, G_STRUCT_OFFSET(type, member), table, sizeof(element) }

/** The JSON object of @record, with its notes or without. Owned. */
JsonObject *ash_record_to_json(gconstpointer record, const AshField *fields, gboolean with_notes);

/** SHA-256 of the record's text without notes: equal for equal meaning. Owned hex. */
char *ash_record_dup_digest(gconstpointer record, const AshField *fields);

/**
 * Fills @record (made by its own constructor: vectors and arrays exist) from @object, freeing what it replaces. Elements
 * of arrays are made with g_malloc0() and freed by the array's own free function; arrays that such an element should have are made, and
 * free their elements with g_free(). Members that are absent keep their value; a bool or number of another type is an error.
 */
gboolean ash_record_from_json(gpointer record, const AshField *fields, JsonObject *object, GError **error);
