/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "node/fetching.h"

#define MISSING_ATTEMPTS  2
#define MAX_PAUSE	  (30 * G_USEC_PER_SEC)
/* This much makes up for earlier failures. */
#define PROGRESS_BYTES	  (16 * 1024)

static gint64
compute_pause(const AshFetcher *fetcher, guint round)
{
	gint64 pause = MIN(fetcher->pause << MIN(round, 16), MAX_PAUSE);

	return (gint64) (pause * g_rand_double_range(fetcher->jitter, 0.5, 1.5));
}

static void
throw_request(AshFetchRun *run, AshRequest *request)
{
	if (run->error == NULL)
		run->error = request->error != NULL ? g_error_copy(request->error)
						    : g_error_new(ASH_ERROR, ASH_ERROR_FETCH, "\"%s\" cannot be had", request->path);
}

/* @request was not finished by @transfer: when, and from where, is it tried next? */
static void
postpone(AshFetchRun *run, const AshTransfer *transfer, AshRequest *request)
{
	AshFetcher *fetcher = run->fetcher;
	AshFetchCopy *copy = &fetcher->copies[transfer->copy];

	if (transfer->verdict == ASH_REPLY_WHOLE && !transfer->conditional) {
		request->due = 0; /* at once, without ranges if need be */
		return;
	}
	if (request->done >= request->progress + PROGRESS_BYTES) {
		request->progress = request->done;
		request->failures = 0;
	}
	request->failures++;
	request->shift++;
	request->complaints += transfer->complained || transfer->too_long ? 1 : 0;
	request->due = g_get_monotonic_time();
	if (request->failures % fetcher->n_copies == 0)
		request->due += compute_pause(fetcher, request->failures / fetcher->n_copies - 1);
	if (transfer->verdict == ASH_REPLY_MISSING)
		request->missing |= 1U << transfer->copy;
	if ((request->missing >> transfer->copy & 1) != 0 || transfer->verdict == ASH_REPLY_STRANGER)
		request->useless |= 1U << transfer->copy;
	if (transfer->reply.retry_after > 0 && transfer->verdict == ASH_REPLY_BUSY)
		copy->due = g_get_monotonic_time() + transfer->reply.retry_after * G_USEC_PER_SEC;
	if (fetcher->preferred == transfer->copy && !transfer->complained && transfer->verdict != ASH_REPLY_MISSING) {
		fetcher->preferred = (transfer->copy + 1) % fetcher->n_copies;
		request->shift--; /* it moved along */
	}
	g_clear_error(&request->error);
	g_set_error(&request->error, ASH_ERROR, transfer->complained || transfer->too_long ? ASH_ERROR_TRUST : ASH_ERROR_FETCH, "\"%s/%s\": %s",
		    copy->url, request->path, transfer->why != NULL ? transfer->why : "the connection was lost");
	/* Once a copy says that there is none, copies that are down are not waited for. */
	const guint attempts = request->missing != 0 ? MIN(fetcher->attempts, MISSING_ATTEMPTS) : fetcher->attempts;
	if (request->failures >= attempts * fetcher->n_copies || request->complaints >= 2 * fetcher->n_copies ||
	    ash_fetch_choose_copy(fetcher, request) == fetcher->n_copies)
		throw_request(run, request);
}

void
ash_fetch_finish(AshFetchRun *run, AshTransfer *transfer)
{
	if (transfer->fatal != NULL && run->error == NULL)
		run->error = g_steal_pointer(&transfer->fatal);
	for (guint i = 0; i < transfer->requests->len; i++) {
		AshRequest *request = g_ptr_array_index(transfer->requests, i);

		request->active = false;
		request->finished = i < transfer->next;
		if (request->finished)
			continue;
		if (transfer->reply.etag[0] != '\0') {
			g_free(request->etag);
			request->etag = g_strdup(transfer->reply.etag);
		}
		if (run->error == NULL)
			postpone(run, transfer, request);
	}
	g_ptr_array_set_size(transfer->requests, 0);
}
