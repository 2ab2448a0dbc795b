/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/fetching.h"

#define MAX_REDIRECTS	  5

void
ash_fetch_set_why(AshTransfer *transfer, const char *text)
{
	g_free(transfer->why);
	transfer->why = g_strdup(text);
}

void
ash_fetch_start(AshFetcher *fetcher, AshTransfer *transfer)
{
	ash_transfer_ask(transfer);
	fetcher->n_requests++;
	transfer->running = curl_multi_add_handle(fetcher->multi, transfer->easy) == CURLM_OK;
}

/* Nothing that a repetition makes better: the certificate, or an address that libcurl does not understand. */
static bool
is_hopeless(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
	       code == CURLE_UNSUPPORTED_PROTOCOL;
}

static bool
may_follow(const AshTransfer *transfer, const char *url)
{
	bool secure = g_ascii_strncasecmp(transfer->url, "https://", 8) == 0;

	if (url == NULL || transfer->redirects >= MAX_REDIRECTS)
		return false;
	return g_ascii_strncasecmp(url, "https://", 8) == 0 || (!secure && g_ascii_strncasecmp(url, "http://", 7) == 0);
}

/* Goes to where a reply sends us. False: we do not go there. */
static bool
follow(AshFetchRun *run, AshTransfer *transfer)
{
	const char *url = NULL;

	curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
	if (!may_follow(transfer, url)) {
		ash_fetch_set_why(transfer, transfer->redirects >= MAX_REDIRECTS ? "too many redirects"
								       : "a redirect leads to an address that is none of ours to follow");
		return false;
	}
	transfer->redirects++;
	g_free(transfer->url);
	transfer->url = g_strdup(url);
	if (run->fetcher->copies[transfer->copy].registry != NULL)
		ash_registry_copy_authorize(run->fetcher->copies[transfer->copy].registry, transfer);
	ash_fetch_start(run->fetcher, transfer);
	return transfer->running;
}

/* What a registry wants besides: an errand that is done, or one that is needed. True: @transfer is under way again. */
static bool
run_errand(AshFetchRun *run, AshTransfer *transfer, bool good)
{
	const AshRequest *request = g_ptr_array_index(transfer->requests, 0);
	AshRegistryCopy *registry = run->fetcher->copies[transfer->copy].registry;
	bool more = false;

	if (registry == NULL)
		return false;
	if (good && transfer->errand != NULL) {
		transfer->complained = !ash_registry_copy_take(registry, transfer);
		more = !transfer->complained && ash_registry_copy_aim(registry, transfer, request->path);
	}
	if (!good && transfer->judged && transfer->verdict == ASH_REPLY_STRANGER)
		more = ash_registry_copy_answer(registry, transfer, request->path);
	if (more)
		ash_fetch_start(run->fetcher, transfer);
	return more && transfer->running;
}

/* A part was asked for, all came. */
static void
note_whole(AshFetchRun *run, AshTransfer *transfer)
{
	AshRequest *request = g_ptr_array_index(transfer->requests, 0);

	if (transfer->conditional) {
		ash_fetch_set_why(transfer, "it was replaced while it was read");
		g_clear_pointer(&request->etag, g_free);
		transfer->reply.etag[0] = '\0';
		return;
	}
	run->fetcher->copies[transfer->copy].no_ranges = true;
}

void
ash_fetch_end(AshFetchRun *run, AshTransfer *transfer, CURLcode code)
{
	AshRequest *request = g_ptr_array_index(transfer->requests, 0);

	curl_multi_remove_handle(run->fetcher->multi, transfer->easy);
	transfer->running = false;
	const bool good = transfer->reply.status > 0 && code == CURLE_OK && ash_transfer_judge(transfer), errand = transfer->errand != NULL;
	if (run_errand(run, transfer, good))
		return;
	if (good && !errand && request->total == 0) {
		request->length = request->done;
		transfer->next++;
	}
	if (!ash_transfer_is_complete(transfer) && transfer->fatal == NULL) {
		if (transfer->judged && transfer->verdict == ASH_REPLY_REDIRECT && follow(run, transfer))
			return;
		if (transfer->judged && transfer->verdict == ASH_REPLY_WHOLE)
			note_whole(run, transfer);
		if (transfer->why == NULL)
			ash_fetch_set_why(transfer, transfer->curl_text[0] != '\0' ? transfer->curl_text
					  : code != CURLE_OK	       ? curl_easy_strerror(code)
								       : "the reply ended too early");
		if (is_hopeless(code))
			request->useless |= 1U << transfer->copy;
	}
	ash_fetch_finish(run, transfer);
}
