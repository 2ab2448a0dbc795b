/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/transfer.h"

/**
 * A copy of a release directory in a registry (pack/registry.h): where its files are, and what has to be fetched there before: the manifest that
 * names the metadata, once, and tokens. These errands run on the transfer that needs them, with the same limits and repetitions.
 */
typedef struct AshRegistryCopy AshRegistryCopy;

/** @credentials: a file, or NULL. ASH_ERROR_CONFIG. Owned. */
AshRegistryCopy *ash_registry_copy_new(const char *url, const char *credentials, GError **error);
void ash_registry_copy_free(AshRegistryCopy *copy);

/** Sets up @transfer to ask for the file at @path, or for what has to come before. False: there is no such file; transfer->why and verdict say so. */
bool ash_registry_copy_aim(AshRegistryCopy *copy, AshTransfer *transfer, const char *path);

/** The registry wants to know who asks: sets up @transfer for a token, or to ask for @path again. False: there is no answer; see transfer->why. */
bool ash_registry_copy_answer(AshRegistryCopy *copy, AshTransfer *transfer, const char *path);

/** The errand's reply has come: takes it. False: it is of no use; see transfer->why. The transfer has no errand any more. */
bool ash_registry_copy_take(AshRegistryCopy *copy, AshTransfer *transfer);

/** Tells @transfer's new address who asks, if it is the registry's own. */
void ash_registry_copy_authorize(const AshRegistryCopy *copy, AshTransfer *transfer);
