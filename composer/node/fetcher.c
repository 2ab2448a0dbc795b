/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "node/fetcher.h"

#include "base/error.h"
#include "base/fd.h"
#include "node/fetching.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* bits of AshRequest.missing */
#define MAX_CONNECTIONS	  16
#define LOCAL_CHUNK_BYTES (256 * 1024)
#define POLL_MILLISECONDS 50

static void
set_up_easy(const AshFetcher *fetcher, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* we do: see follow() */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long) fetcher->timeout);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long) CLAMP(fetcher->meter.rate > 0 ? fetcher->meter.rate / 8 : G_MAXINT32, 1024, 64 * 1024));
	curl_easy_setopt(easy, CURLOPT_USERAGENT, fetcher->user_agent);
	if (fetcher->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, fetcher->ca_file);
	if (fetcher->proxy != NULL)
		curl_easy_setopt(easy, CURLOPT_PROXY, fetcher->proxy);
}

static gboolean
set_up_curl(AshFetcher *fetcher, guint connections, GError **error)
{
	static gsize once;

	if (g_once_init_enter(&once))
		g_once_init_leave(&once, 1 + (gsize) curl_global_init(CURL_GLOBAL_DEFAULT));
	fetcher->multi = curl_multi_init();
	if (once != 1 || fetcher->multi == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "libcurl does not work");
	curl_multi_setopt(fetcher->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long) connections);
	curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long) connections);
	fetcher->n_transfers = connections;
	fetcher->transfers = g_new0(AshTransfer, connections);
	for (guint i = 0; i < connections; i++) {
		AshTransfer *transfer = &fetcher->transfers[i];

		transfer->requests = g_ptr_array_new();
		transfer->meter = &fetcher->meter;
		transfer->easy = curl_easy_init();
		if (transfer->easy == NULL)
			return ash_throw(error, ASH_ERROR_INTERNAL, "libcurl does not work");
		set_up_easy(fetcher, transfer->easy);
	}
	return TRUE;
}

AshFetcher *
ash_fetcher_new(const AshSourceOptions *options, GError **error)
{
	g_autoptr(AshFetcher) fetcher = g_new0(AshFetcher, 1);
	guint connections = options->connections > 0 ? MIN(options->connections, MAX_CONNECTIONS) : 6;

	fetcher->meter.rate = options->rate;
	fetcher->meter.budget = options->budget;
	fetcher->timeout = options->timeout > 0 ? options->timeout : 30;
	fetcher->attempts = options->attempts > 0 ? options->attempts : 8;
	fetcher->pause = (gint64) (options->pause > 0 ? options->pause : 500) * 1000;
	fetcher->ca_file = g_strdup(options->ca_file);
	fetcher->proxy = g_strdup(options->proxy);
	fetcher->user_agent = g_strdup(options->user_agent != NULL ? options->user_agent : "ashlar-node/" PACKAGE_VERSION);
	fetcher->jitter = g_rand_new();
	if (!ash_fetch_copies_read(fetcher, options->urls, options->credentials_file, error) || !set_up_curl(fetcher, connections, error))
		return NULL;
	return g_steal_pointer(&fetcher);
}

void
ash_fetcher_free(AshFetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	for (guint i = 0; i < fetcher->n_transfers; i++)
		ash_transfer_clear(&fetcher->transfers[i]);
	ash_fetch_copies_clear(fetcher);
	g_clear_pointer(&fetcher->multi, curl_multi_cleanup);
	g_clear_pointer(&fetcher->jitter, g_rand_free);
	g_free(fetcher->transfers);
	g_free(fetcher->ca_file);
	g_free(fetcher->user_agent);
	g_free(fetcher->proxy);
	g_free(fetcher);
}

guint64
ash_fetcher_get_received(const AshFetcher *fetcher)
{
	return fetcher->meter.received;
}

guint64
ash_fetcher_get_requests(const AshFetcher *fetcher)
{
	return fetcher->n_requests;
}

guint
ash_fetcher_count_copies(const AshFetcher *fetcher)
{
	return fetcher->n_copies;
}

/* Without ranges all the parts of an object are taken from one reply. */
static void
gather(const AshFetchRun *run, AshTransfer *transfer, AshRequest *request, guint copy)
{
	bool sequential = run->fetcher->copies[copy].no_ranges && ash_fetch_is_part(request);

	g_ptr_array_set_size(transfer->requests, 0);
	for (guint i = 0; sequential && i < run->n; i++) {
		AshRequest *other = &run->requests[i];

		if (!other->finished && !other->active && strcmp(other->path, request->path) == 0 && (other->useless >> copy & 1) == 0)
			g_ptr_array_add(transfer->requests, other);
	}
	if (!sequential)
		g_ptr_array_add(transfer->requests, request);
	for (guint i = 0; i < transfer->requests->len; i++)
		((AshRequest *) g_ptr_array_index(transfer->requests, i))->active = true;
	ash_transfer_prepare(transfer, copy, sequential);
}

/* Local directories need no waiting: the whole request is done at once. */
static void
copy_local(AshFetchRun *run, AshTransfer *transfer, const char *dir)
{
	AshRequest *request = g_ptr_array_index(transfer->requests, 0);
	g_autofree char *path = g_build_filename(dir, request->path, NULL);
	g_autofree guint8 *buffer = g_malloc(LOCAL_CHUNK_BYTES);
	ash_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	run->fetcher->n_requests++;
	if (fd < 0 || fstat(fd, &st) < 0) {
		transfer->verdict = errno == ENOENT || errno == ENOTDIR ? ASH_REPLY_MISSING : ASH_REPLY_WRONG;
		ash_fetch_set_why(transfer, g_strerror(errno));
	} else if (!S_ISREG(st.st_mode) || (request->total > 0 && (guint64) st.st_size != request->total)) {
		ash_fetch_set_why(transfer, "it does not have the right size there");
	} else {
		gssize n = 0;

		transfer->verdict = ASH_REPLY_TAKE;
		while (!ash_transfer_is_complete(transfer) && ash_context_check(run->ctx, &transfer->fatal)) {
			guint64 left = request->length - request->done + (request->total == 0 ? 1 : 0); /* is there more? */

			n = pread(fd, buffer, (gsize) MIN(left, LOCAL_CHUNK_BYTES), (off_t) transfer->position);
			if (n <= 0 || (run->fetcher->meter.received += (guint64) n, !ash_transfer_deliver(transfer, buffer, (gsize) n)))
				break;
		}
		if (n < 0)
			ash_fetch_set_why(transfer, g_strerror(errno));
		if (n == 0 && request->total == 0) {
			request->length = request->done;
			transfer->next++;
		}
	}
	ash_fetch_finish(run, transfer);
}

static bool
is_within_budget(AshFetchRun *run, const AshRequest *request)
{
	const AshTransferMeter *meter = &run->fetcher->meter;
	guint64 left = request->total > 0 ? request->length - request->done : 0;

	if (meter->budget == 0 || meter->received + left <= meter->budget)
		return true;
	return ash_throw(&run->error, ASH_ERROR_FETCH, "\"%s\": %" G_GUINT64_FORMAT " bytes more are over the limit of %" G_GUINT64_FORMAT " bytes",
			 request->path, left, meter->budget);
}

static void
begin(AshFetchRun *run, AshTransfer *transfer, AshRequest *request, guint copy)
{
	const AshFetchCopy *place = &run->fetcher->copies[copy];
	g_autofree char *path = g_uri_escape_string(request->path, "/", FALSE);

	if (!is_within_budget(run, request))
		return;
	if (request->total == 0)
		request->done = 0;
	gather(run, transfer, request, copy);
	if (place->dir != NULL) {
		copy_local(run, transfer, place->dir);
		return;
	}
	if (place->registry != NULL) {
		if (!ash_registry_copy_aim(place->registry, transfer, request->path)) {
			ash_fetch_finish(run, transfer);
			return;
		}
	} else {
		g_free(transfer->url);
		transfer->url = g_strconcat(place->url, "/", path, NULL);
	}
	ash_fetch_start(run->fetcher, transfer);
	if (!transfer->running)
		ash_fetch_finish(run, transfer);
}

/* An object that has to be sent whole is sent once: not before all parts that were asked for of it are known to be idle. */
static bool
is_under_way(const AshFetcher *fetcher, const AshRequest *request)
{
	for (guint i = 0; i < fetcher->n_transfers; i++) {
		const AshTransfer *transfer = &fetcher->transfers[i];

		if (transfer->running && strcmp(((AshRequest *) g_ptr_array_index(transfer->requests, 0))->path, request->path) == 0)
			return true;
	}
	return false;
}

/* The first request that may begin now; NULL if there is none. */
static AshRequest *
next_request(AshFetchRun *run, guint *ret_copy)
{
	gint64 now = g_get_monotonic_time();

	while (run->first_open < run->n && run->requests[run->first_open].finished)
		run->first_open++;
	for (guint i = run->first_open; i < run->n; i++) {
		AshRequest *request = &run->requests[i];

		if (request->finished || request->active || request->due > now)
			continue;
		*ret_copy = ash_fetch_choose_copy(run->fetcher, request);
		if (run->fetcher->copies[*ret_copy].due > now)
			continue;
		if (!run->fetcher->copies[*ret_copy].no_ranges || !ash_fetch_is_part(request) || !is_under_way(run->fetcher, request))
			return request;
	}
	return NULL;
}

static void
fill_transfers(AshFetchRun *run)
{
	for (guint i = 0; i < run->fetcher->n_transfers && run->error == NULL; i++) {
		AshTransfer *transfer = &run->fetcher->transfers[i];
		AshRequest *request;
		guint copy = 0;

		while (!transfer->running && run->error == NULL && (request = next_request(run, &copy)) != NULL)
			begin(run, transfer, request, copy);
	}
}

static void
take_messages(AshFetchRun *run)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(run->fetcher->multi, &left)) != NULL) {
		AshTransfer *transfer = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
		if (message->msg == CURLMSG_DONE)
			ash_fetch_end(run, transfer, message->data.result);
	}
}

static void
wait_for_events(AshFetchRun *run)
{
	GPollFD cancel = { .fd = -1 };
	struct curl_waitfd extra = { .events = CURL_WAIT_POLLIN };
	bool cancellable = run->ctx->cancellable != NULL && g_cancellable_make_pollfd(run->ctx->cancellable, &cancel);

	extra.fd = cancel.fd;
	curl_multi_poll(run->fetcher->multi, &extra, cancellable ? 1 : 0, POLL_MILLISECONDS, NULL);
	if (cancellable)
		g_cancellable_release_fd(run->ctx->cancellable);
}

static void
drop_all(AshFetchRun *run)
{
	for (guint i = 0; i < run->fetcher->n_transfers; i++) {
		AshTransfer *transfer = &run->fetcher->transfers[i];

		if (!transfer->running)
			continue;
		curl_multi_remove_handle(run->fetcher->multi, transfer->easy);
		transfer->running = false;
		ash_fetch_finish(run, transfer);
	}
}

gboolean
ash_fetcher_run(AshContext *ctx, AshFetcher *fetcher, AshRequest *requests, guint n, GError **error)
{
	AshFetchRun run = { .ctx = ctx, .fetcher = fetcher, .requests = requests, .n = n };
	int running = 0;

	while (run.error == NULL && ash_context_check(ctx, &run.error)) {
		fill_transfers(&run);
		if (run.first_open == n || run.error != NULL)
			break;
		ash_fetch_wait_for_rate(fetcher);
		if (fetcher->meter.rate > 0 && fetcher->meter.empty_until > g_get_monotonic_time())
			continue;
		ash_fetch_continue_paused(fetcher);
		curl_multi_perform(fetcher->multi, &running);
		take_messages(&run);
		ash_fetch_drop_stalled(&run);
		fill_transfers(&run);
		if (run.first_open < n && run.error == NULL)
			wait_for_events(&run);
	}
	drop_all(&run);
	if (run.error == NULL)
		return TRUE;
	g_propagate_error(error, run.error);
	return FALSE;
}
