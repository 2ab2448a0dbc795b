/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "node/request.h"
#include "node/source.h"

/** Gets requests done: several connections, copies in turn, repetitions with growing pauses. See node/source.h for the rules. */
typedef struct AshFetcher AshFetcher;

AshFetcher *ash_fetcher_new(const AshSourceOptions *options, GError **error);
void ash_fetcher_free(AshFetcher *fetcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshFetcher, ash_fetcher_free)

/**
 * Does all @requests. On failure, those already finished are; the error is that of the first that could not be done. Whoever set them up
 * clears them.
 */
gboolean ash_fetcher_run(AshContext *ctx, AshFetcher *fetcher, AshRequest *requests, guint n, GError **error);

/** Bytes of bodies, and requests, in all. */
guint64 ash_fetcher_get_received(const AshFetcher *fetcher);
guint64 ash_fetcher_get_requests(const AshFetcher *fetcher);
/** How many copies there are. */
guint ash_fetcher_count_copies(const AshFetcher *fetcher);
