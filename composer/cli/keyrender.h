/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tuf/repository.h"
#include "tuf/rootdraft.h"

#include <stdbool.h>

/** Results of "ashlar key" on standard output: text for people, or JSON objects. */

/** A key, and the file that it is in. */
JsonObject *ash_key_render_to_json(const AshKey *key, const char *file);
void ash_key_render(const AshKey *key, const char *file);

/** How far a file is signed, by what "sign" found. */
JsonObject *ash_key_render_status_to_json(const AshTufSignStatus *status, const char *file);
void ash_key_render_status(const AshTufSignStatus *status, const char *file);

/** Roles, versions, expiries and keys of a repository, and the draft of its next root. */
JsonObject *ash_key_render_repository_to_json(AshTufRepository *repository, const char *dir);
void ash_key_render_repository(AshTufRepository *repository);

/** What a commit wrote. */
JsonObject *ash_key_render_committed_to_json(AshTufRepository *repository, const AshTufCommitted *committed, const char *dir);
void ash_key_render_committed(AshTufRepository *repository, const AshTufCommitted *committed);
