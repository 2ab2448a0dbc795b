/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/key.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>

/** A key as TUF metadata names it (TUF 1.0 4.2.2). */
typedef struct {
	char *id;         /* SHA-256 of the canonical key object, hex */
	AshKey *key;      /* NULL: of a type that this program does not know; it verifies nothing */
	JsonNode *object; /* with members that we do not know */
} AshTufKey;

/** The TUF form of @key: "ed25519", "ecdsa" (ecdsa-sha2-nistp256) or "rsa" (rsassa-pss-sha256). Owned. */
AshTufKey *ash_tuf_key_new(const AshKey *key);
/** Parses a key object. Known types with broken values are ASH_ERROR_TRUST. Owned. */
AshTufKey *ash_tuf_key_parse(JsonNode *object, GError **error);
void ash_tuf_key_free(AshTufKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTufKey, ash_tuf_key_free)

/** The keys of @object, a member "keys": id to AshTufKey. Each id must be its key's (TUF 1.0 4.3). ASH_ERROR_TRUST. Owned. */
GHashTable *ash_tuf_keys_parse(JsonObject *object, GError **error);

/** Who must sign: at least @threshold different keys of @keyids. */
typedef struct {
	char **keyids;
	gint64 threshold;
} AshTufSigners;

/** "keyids", none twice, and "threshold" of @object. ASH_ERROR_TRUST. */
gboolean ash_tuf_signers_parse(JsonObject *object, AshTufSigners *ret_signers, GError **error);
void ash_tuf_signers_clear(AshTufSigners *signers);
