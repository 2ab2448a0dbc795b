/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/spec.h"
#include "store/store.h"

#include <stdbool.h>

/**
 * AshSource: the commit that a system is which is not composed of packages: kickstart's ostreesetup and ostreecontainer.
 */
typedef struct AshSource AshSource;

/**
 * Finds out which commit @spec (borrowed) means: what the ref is at the remote, of which no more than the commit's own object is fetched, or what the container
 * holds. ASH_ERROR_CONFIG "file:line: command: ..." for what cannot be fetched or is no such thing, ASH_ERROR_FETCH if it cannot be had,
 * ASH_ERROR_TRUST if it is not signed as @spec says or damaged. Owned.
 */
AshSource *ash_source_find(AshContext *ctx, const AshOstreeSpec *spec, GError **error);
void ash_source_free(AshSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshSource, ash_source_free)

/** Checksum, version (NULL: it has none), both borrowed, and time in seconds of the commit. */
const char *ash_source_get_commit(const AshSource *source);
const char *ash_source_get_version(const AshSource *source);
guint64 ash_source_get_timestamp(const AshSource *source);

/** Whether @store has all of the commit already; ASH_ERROR_TRUST if it has, and the commit is not signed as the kickstart says. */
gboolean ash_source_look_up(AshContext *ctx, const AshSource *source, AshStore *store, bool *ret_has, GError **error);

/** Brings the commit and all of its tree into the store, verified. */
gboolean ash_source_bring(AshContext *ctx, const AshSource *source, AshStore *store, GError **error);
