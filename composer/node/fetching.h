/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of node/fetcher.h share: nothing for others. */

#include "node/errand.h"
#include "node/fetcher.h"
#include "node/transfer.h"

/* One release directory. */
typedef struct {
	char *url;     /* without "/" at the end */
	char *dir;     /* "file:": the directory; else NULL */
	AshRegistryCopy *registry; /* "oci:", "oci+http:"; else NULL */
	bool no_ranges; /* it sends objects whole */
	gint64 due;    /* not before: Retry-After */
} AshFetchCopy;

struct AshFetcher {
	AshFetchCopy *copies;
	guint n_copies;
	guint preferred;
	CURLM *multi;
	AshTransfer *transfers;
	guint n_transfers;
	AshTransferMeter meter;
	guint64 n_requests;
	guint timeout, attempts;
	gint64 pause; /* microseconds */
	char *ca_file, *user_agent, *proxy;
	GRand *jitter;
};

/* One call of ash_fetcher_run(). */
typedef struct {
	AshContext *ctx;
	AshFetcher *fetcher;
	AshRequest *requests;
	guint n;
	guint first_open; /* all before it are finished */
	GError *error;
} AshFetchRun;

/* --- fetchcopies.c --- */

/** One for each address; errors name it. They live as long as the fetcher, or to ash_fetch_copies_clear(). */
gboolean ash_fetch_copies_read(AshFetcher *fetcher, const char *const *urls, const char *credentials, GError **error);
void ash_fetch_copies_clear(AshFetcher *fetcher);
/** True if @request is not for a whole object. */
bool ash_fetch_is_part(const AshRequest *request);
/** The next copy for @request, one that knows ranges if there is any and they are needed; n_copies: none will do. */
guint ash_fetch_choose_copy(const AshFetcher *fetcher, const AshRequest *request);

/* --- fetchretry.c --- */

/** The bytes are there, or no more will come: books it, and says of each request that is not done when, and where, it is tried next. */
void ash_fetch_finish(AshFetchRun *run, AshTransfer *transfer);

/* --- fetchreply.c --- */

/** Asks for what @transfer has been aimed at; transfer->running says if that is under way. */
void ash_fetch_start(AshFetcher *fetcher, AshTransfer *transfer);
/** The reply has ended, with @code: follows a redirect, does a registry's errand, or finishes. */
void ash_fetch_end(AshFetchRun *run, AshTransfer *transfer, CURLcode code);
void ash_fetch_set_why(AshTransfer *transfer, const char *text);

/* --- fetchpace.c --- */

/** Ends transfers that have all their bytes though the server goes on, and those that get nothing, or next to nothing. */
void ash_fetch_drop_stalled(AshFetchRun *run);
/** Keeps the bytes below the rate by not reading for a while; a sixteenth of a second may be saved up. */
void ash_fetch_wait_for_rate(AshFetcher *fetcher);
void ash_fetch_continue_paused(AshFetcher *fetcher);
