/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/fetching.h"

/* Replies that are slower than this together, over a whole time limit, are given up; bytes a second. */
#define MIN_RATE	  1024
/* Time limits that a reply may take to begin or go on while others from the same copy do. */
#define PATIENCE	  4
/* The longest pause at once. */
#define POLL_MICROSECONDS 200000

/* How many transfers share the line; *@ret_others: bytes come for another one from the same copy. */
static guint
count_running(const AshFetcher *fetcher, const AshTransfer *transfer, bool *ret_others)
{
	gint64 since = ash_transfer_clock(&fetcher->meter) - fetcher->timeout * G_USEC_PER_SEC;
	guint n = 0;

	*ret_others = false;
	for (guint i = 0; i < fetcher->n_transfers; i++) {
		const AshTransfer *other = &fetcher->transfers[i];

		n += other->running ? 1 : 0;
		if (other != transfer && other->running && other->copy == transfer->copy && other->progress_time > since &&
		    other->window_bytes > 0)
			*ret_others = true;
	}
	return n;
}

/*
 * True if nothing comes, or next to nothing. While others get something the line is merely slow: servers may send the streams of one connection one after
 * the other.
 */
static bool
is_stalled(const AshFetcher *fetcher, AshTransfer *transfer)
{
	gint64 now = ash_transfer_clock(&fetcher->meter);
	gint64 limit = fetcher->timeout * G_USEC_PER_SEC;
	bool others = false;
	guint64 least = MIN_RATE / MAX(1, count_running(fetcher, transfer, &others));

	if (others)
		limit *= PATIENCE;
	if (now - transfer->progress_time >= limit)
		return true;
	if (now - transfer->window_time < limit)
		return false;
	if (fetcher->meter.rate > 0)
		least = MIN(least, fetcher->meter.rate / (4 * fetcher->n_transfers));
	if (transfer->window_bytes < least * (guint64) (limit / G_USEC_PER_SEC))
		return true;
	transfer->window_time = now;
	transfer->window_bytes = 0;
	return false;
}

void
ash_fetch_drop_stalled(AshFetchRun *run)
{
	for (guint i = 0; i < run->fetcher->n_transfers; i++) {
		AshTransfer *transfer = &run->fetcher->transfers[i];

		if (!transfer->running)
			continue;
		if (ash_transfer_is_complete(transfer)) {
			ash_fetch_end(run, transfer, CURLE_OK); /* the server goes on, we do not */
		} else if (is_stalled(run->fetcher, transfer)) {
			transfer->verdict = ASH_REPLY_BUSY;
			transfer->judged = true;
			ash_fetch_set_why(transfer, "nothing, or next to nothing, comes");
			ash_fetch_end(run, transfer, CURLE_OPERATION_TIMEDOUT);
		}
	}
}

void
ash_fetch_wait_for_rate(AshFetcher *fetcher)
{
	gint64 now = g_get_monotonic_time();
	gint64 wait = MIN(fetcher->meter.empty_until - now, POLL_MICROSECONDS);

	if (fetcher->meter.rate == 0)
		return;
	if (wait > 0) {
		g_usleep((gulong) wait);
		fetcher->meter.blocked += wait;
	} else {
		fetcher->meter.empty_until = MAX(fetcher->meter.empty_until, now - G_USEC_PER_SEC / 16);
	}
}

void
ash_fetch_continue_paused(AshFetcher *fetcher)
{
	for (guint i = 0; i < fetcher->n_transfers; i++) {
		AshTransfer *transfer = &fetcher->transfers[i];

		if (transfer->running && transfer->paused) {
			transfer->paused = false;
			curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
		}
	}
}
