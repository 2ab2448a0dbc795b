/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/**
 * Canonical JSON (OLPC form), what TUF signs and key ids are computed of (TUF 1.0 4.1): no white space, members by code point,
 * only '"' and '\' escaped. ASH_ERROR_TRUST if @node has what the form cannot hold (a fraction). Owned.
 */
GBytes *ash_canonical_encode(JsonNode *node, GError **error);

/** The text of @node for a file: members by code point, two spaces of indentation, a final newline: equal for equal content. Owned. */
char *ash_canonical_format(JsonNode *node);

/** A copy of @node and all below it, to be changed; members by code point. Owned. */
JsonNode *ash_canonical_copy(JsonNode *node);
