/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/** json-glib with our rules: errors are ASH_ERROR_CONFIG, output is stable (members in the order set). */

/** Parses text that must be one JSON object. @what names it in errors. Owned (json_object_unref). */
JsonObject *ash_json_parse_object(const char *text, gssize length, const char *what, GError **error);
/** Serializes on one line (@pretty FALSE) or indented by two spaces with a final newline. Owned. */
char *ash_json_object_to_string(JsonObject *object, gboolean pretty);
/** A member that must be a string / an int >= 0 / an array of strings; error if absent or of another type. */
const char *ash_json_get_string(JsonObject *object, const char *member, GError **error);
/** As ash_json_get_string(), NULL (no error) if absent, null or not a string. */
const char *ash_json_get_string_optional(JsonObject *object, const char *member);
/** An owned string vector; an empty one if absent. */
char **ash_json_get_strv(JsonObject *object, const char *member);
void ash_json_set_strv(JsonObject *object, const char *member, const char *const *strv);
