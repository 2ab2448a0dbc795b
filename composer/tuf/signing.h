/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/metadata.h"

/** Metadata being written: a document with "signed" and "signatures" (TUF 1.0 4.2.1). */

/** What all roles have in "signed": type, version, expiry and time of signing (seconds since 1970) are set in @object. */
void ash_tuf_signing_stamp(JsonObject *object, AshTufRole role, gint64 version, gint64 now, guint days);

/** A document of @object without signatures. Owned. */
JsonNode *ash_tuf_signing_new(JsonObject *object);

/**
 * Signs by those of @keys (AshKey) that are private and one of @signers, whose ids @known has; signatures are kept by key id and in that
 * order. *@ret_count: how many did (may be NULL).
 */
gboolean ash_tuf_signing_sign(JsonNode *document, GPtrArray *keys, GHashTable *known, const AshTufSigners *signers,
			      guint *ret_count, GError **error);

/** The document as a file has it. Owned. */
GBytes *ash_tuf_signing_format(JsonNode *document);

/** The validity of a role in days: @days, or its default if 0. */
guint ash_tuf_signing_days(AshTufRole role, guint days);

/** The highest N of files "N.ROLE.json" in a directory; 0: there is none. */
gboolean ash_tuf_signing_find_newest(int dir_fd, const char *role, gint64 *ret_version, GError **error);
