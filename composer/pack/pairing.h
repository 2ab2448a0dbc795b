/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pack/delta.h"

/** AshPairing: finds, for a file of a new image, the file of an old one that it is most likely a version of. */
typedef struct AshPairing AshPairing;

/** @files as in AshDeltaImage; borrowed, may be NULL. */
AshPairing *ash_pairing_new(const GPtrArray *files);
void ash_pairing_free(AshPairing *pairing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPairing, ash_pairing_free)

/**
 * The file of the same path, else of those with the same name (digits, as of versions of libraries, do not count) the one whose path has most in common at both ends,
 * as kernel modules of another version have. NULL: there is none. Borrowed.
 */
const AshDeltaFile *ash_pairing_find(const AshPairing *pairing, const char *path);
