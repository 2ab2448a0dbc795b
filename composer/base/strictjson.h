/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/error.h"

#include <json-glib/json-glib.h>

/**
 * Strict JSON (RFC 8259) from outside, where two readers must never understand two things: exactly one value and white space,
 * valid UTF-8 without a byte-order mark, no NUL, no lone surrogate, no member twice, integers in 64 bits only (no fraction, exponent
 * or "-0"), no comment, bounded depth and size. json-glib's own parser lets most of these pass.
 */
typedef struct {
	gsize bytes;     /* no longer text; 0: ASH_STRICT_JSON_BYTES */
	guint depth;     /* no deeper nesting of objects and arrays; 0: ASH_STRICT_JSON_DEPTH */
	AshErrorCode code; /* of errors; 0 (ASH_ERROR_INTERNAL): ASH_ERROR_TRUST */
} AshJsonLimits;

#define ASH_STRICT_JSON_BYTES (4 * 1024 * 1024)
#define ASH_STRICT_JSON_DEPTH 32

/** Parses @text; @what names it in errors, which say the byte offset; @limits may be NULL. Owned (json_node_unref). */
JsonNode *ash_strict_json_parse(const char *text, gsize length, const AshJsonLimits *limits, const char *what, GError **error);

/** As ash_strict_json_parse(), for what must be an object. The node holds it. */
JsonNode *ash_strict_json_parse_object(const char *text, gsize length, const AshJsonLimits *limits, const char *what,
				       GError **error);

/**
 * Members of an object that must be there and of that type, else an error that says so and the member (with @limits' default code,
 * ASH_ERROR_TRUST). The results are borrowed.
 */
const char *ash_strict_json_string(JsonObject *object, const char *member, GError **error);
gboolean ash_strict_json_int(JsonObject *object, const char *member, gint64 least, gint64 most, gint64 *ret_value,
			     GError **error);
gboolean ash_strict_json_bool(JsonObject *object, const char *member, gboolean *ret_value, GError **error);
JsonObject *ash_strict_json_object(JsonObject *object, const char *member, GError **error);
JsonArray *ash_strict_json_array(JsonObject *object, const char *member, GError **error);
/** The same for one that is an array of strings. Owned. */
char **ash_strict_json_strv(JsonObject *object, const char *member, GError **error);
