/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/record.h"

/**
 * AshStageKey: the inputs of one stage, each with a name, and the one digest of them all. Two runs of a stage with
 * equal keys give the same bytes, so the store's result of the first does for the second.
 */
typedef struct AshStageKey AshStageKey;

/** @version: of the stage's own code; raised when the same inputs would give something else. */
AshStageKey *ash_stage_key_new(const char *version);
void ash_stage_key_free(AshStageKey *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshStageKey, ash_stage_key_free)

/** Adds an input; @value (NULL counts as absent) is kept as it is and may be read by others: no secrets. */
void ash_stage_key_add(AshStageKey *key, const char *name, const char *value);
/** Adds an input of which only the digest is kept. */
void ash_stage_key_add_digest_of(AshStageKey *key, const char *name, const char *text);
/** Adds each member of @record as an input of its own, by its digest. */
void ash_stage_key_add_record(AshStageKey *key, gconstpointer record, const AshField *fields);

/** Lower-case hex of the SHA-256 over all inputs in the order they were added. Owned. */
char *ash_stage_key_dup_digest(const AshStageKey *key);

/** {"key": DIGEST, "version": ..., "inputs": {NAME: VALUE, ...}}. Owned. */
JsonObject *ash_stage_key_to_json(const AshStageKey *key);

/**
 * In a few words for people, what differs from the key that was saved as @earlier (NULL: there is none). NULL if nothing
 * does. Owned.
 */
char *ash_stage_key_explain(const AshStageKey *key, JsonObject *earlier);
