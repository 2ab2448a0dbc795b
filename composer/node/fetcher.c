/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "node/fetcher.h"

#include "base/error.h"
#include "base/fd.h"
#include "node/errand.h"
#include "node/transfer.h"
#include "pack/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_COPIES	  32 /* bits of AshRequest.missing */
#define MAX_CONNECTIONS	  16
#define MAX_REDIRECTS	  5
#define MISSING_ATTEMPTS  2
#define MAX_PAUSE	  (30 * G_USEC_PER_SEC)
/* This much makes up for earlier failures. */
#define PROGRESS_BYTES	  (16 * 1024)
/* Replies that are slower than this together, over a whole time limit, are given up; bytes a second. */
#define MIN_RATE	  1024
/* Time limits that a reply may take to begin or go on while others from the same copy do. */
#define PATIENCE	  4
#define LOCAL_CHUNK_BYTES (256 * 1024)
#define POLL_MILLISECONDS 200

/* One release directory. */
typedef struct {
	char *url;     /* without "/" at the end */
	char *dir;     /* "file:": the directory; else NULL */
	AshRegistryCopy *registry; /* "oci:", "oci+http:"; else NULL */
	bool no_ranges; /* it sends objects whole */
	gint64 due;    /* not before: Retry-After */
} Copy;

struct AshFetcher {
	Copy *copies;
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
} Run;

static gboolean
read_url(Copy *copy, const char *url, const char *credentials, GError **error)
{
	copy->url = g_strdup(url);
	for (gsize n = strlen(url); n > 0 && copy->url[n - 1] == '/'; n--)
		copy->url[n - 1] = '\0';
	if (ash_registry_is_url(url)) {
		copy->registry = ash_registry_copy_new(copy->url, credentials, error);
		return copy->registry != NULL;
	}
	if (g_ascii_strncasecmp(url, "file:", 5) == 0)
		copy->dir = g_filename_from_uri(copy->url, NULL, NULL);
	if (copy->dir != NULL || g_ascii_strncasecmp(url, "http://", 7) == 0 || g_ascii_strncasecmp(url, "https://", 8) == 0)
		return TRUE;
	return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is no address of a release directory: it begins with https:, http:, file: or oci:", url);
}

static gboolean
read_copies(AshFetcher *fetcher, const char *const *urls, const char *credentials, GError **error)
{
	guint n = urls != NULL ? g_strv_length((char **) urls) : 0;

	if (n == 0 || n > MAX_COPIES)
		return ash_throw(error, ASH_ERROR_CONFIG, "there must be 1 to %d addresses of release directories, not %u", MAX_COPIES, n);
	fetcher->copies = g_new0(Copy, n);
	fetcher->n_copies = n;
	for (guint i = 0; i < n; i++)
		if (!read_url(&fetcher->copies[i], urls[i], credentials, error))
			return FALSE;
	return TRUE;
}

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
	if (!read_copies(fetcher, options->urls, options->credentials_file, error) || !set_up_curl(fetcher, connections, error))
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
	for (guint i = 0; i < fetcher->n_copies; i++) {
		g_free(fetcher->copies[i].url);
		g_free(fetcher->copies[i].dir);
		ash_registry_copy_free(fetcher->copies[i].registry);
	}
	g_clear_pointer(&fetcher->multi, curl_multi_cleanup);
	g_clear_pointer(&fetcher->jitter, g_rand_free);
	g_free(fetcher->transfers);
	g_free(fetcher->copies);
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

static bool
is_part(const AshRequest *request)
{
	return request->total > 0 && (request->offset + request->done > 0 || request->offset + request->length < request->total);
}

/* The next copy for @request, one that knows ranges if there is any and they are needed; n_copies: none will do. */
static guint
choose_copy(const AshFetcher *fetcher, const AshRequest *request)
{
	for (guint pass = 0; pass < 2; pass++) {
		for (guint i = 0; i < fetcher->n_copies; i++) {
			guint copy = (fetcher->preferred + request->first_copy + request->shift + i) % fetcher->n_copies;

			if ((request->useless >> copy & 1) != 0 || (pass == 0 && fetcher->copies[copy].no_ranges && is_part(request)))
				continue;
			return copy;
		}
	}
	return fetcher->n_copies;
}

/* Without ranges all the parts of an object are taken from one reply. */
static void
gather(const Run *run, AshTransfer *transfer, AshRequest *request, guint copy)
{
	bool sequential = run->fetcher->copies[copy].no_ranges && is_part(request);

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

static gint64
compute_pause(const AshFetcher *fetcher, guint round)
{
	gint64 pause = MIN(fetcher->pause << MIN(round, 16), MAX_PAUSE);

	return (gint64) (pause * g_rand_double_range(fetcher->jitter, 0.5, 1.5));
}

static void
throw_request(Run *run, AshRequest *request)
{
	if (run->error == NULL)
		run->error = request->error != NULL ? g_error_copy(request->error)
						    : g_error_new(ASH_ERROR, ASH_ERROR_FETCH, "\"%s\" cannot be had", request->path);
}

/* @request was not finished by @transfer: when, and from where, is it tried next? */
static void
postpone(Run *run, const AshTransfer *transfer, AshRequest *request)
{
	AshFetcher *fetcher = run->fetcher;
	Copy *copy = &fetcher->copies[transfer->copy];

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
	    choose_copy(fetcher, request) == fetcher->n_copies)
		throw_request(run, request);
}

/* The bytes are there, or no more will come: books it. */
static void
finish(Run *run, AshTransfer *transfer)
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

/* Nothing that a repetition makes better: the certificate, or an address that libcurl does not understand. */
static bool
is_hopeless(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
	       code == CURLE_UNSUPPORTED_PROTOCOL;
}

static void
set_why(AshTransfer *transfer, const char *text)
{
	g_free(transfer->why);
	transfer->why = g_strdup(text);
}

static bool
may_follow(const AshTransfer *transfer, const char *url)
{
	bool secure = g_ascii_strncasecmp(transfer->url, "https://", 8) == 0;

	if (url == NULL || transfer->redirects >= MAX_REDIRECTS)
		return false;
	return g_ascii_strncasecmp(url, "https://", 8) == 0 || (!secure && g_ascii_strncasecmp(url, "http://", 7) == 0);
}

static void
start(AshFetcher *fetcher, AshTransfer *transfer)
{
	ash_transfer_ask(transfer);
	fetcher->n_requests++;
	transfer->running = curl_multi_add_handle(fetcher->multi, transfer->easy) == CURLM_OK;
}

/* Goes to where a reply sends us. False: we do not go there. */
static bool
follow(Run *run, AshTransfer *transfer)
{
	const char *url = NULL;

	curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
	if (!may_follow(transfer, url)) {
		set_why(transfer, transfer->redirects >= MAX_REDIRECTS ? "too many redirects"
								       : "a redirect leads to an address that is none of ours to follow");
		return false;
	}
	transfer->redirects++;
	g_free(transfer->url);
	transfer->url = g_strdup(url);
	if (run->fetcher->copies[transfer->copy].registry != NULL)
		ash_registry_copy_authorize(run->fetcher->copies[transfer->copy].registry, transfer);
	start(run->fetcher, transfer);
	return transfer->running;
}

/* What a registry wants besides: an errand that is done, or one that is needed. True: @transfer is under way again. */
static bool
run_errand(Run *run, AshTransfer *transfer, bool good)
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
		start(run->fetcher, transfer);
	return more && transfer->running;
}

/* A part was asked for, all came. */
static void
note_whole(Run *run, AshTransfer *transfer)
{
	AshRequest *request = g_ptr_array_index(transfer->requests, 0);

	if (transfer->conditional) {
		set_why(transfer, "it was replaced while it was read");
		g_clear_pointer(&request->etag, g_free);
		transfer->reply.etag[0] = '\0';
		return;
	}
	run->fetcher->copies[transfer->copy].no_ranges = true;
}

static void
end_transfer(Run *run, AshTransfer *transfer, CURLcode code)
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
			set_why(transfer, transfer->curl_text[0] != '\0' ? transfer->curl_text
					  : code != CURLE_OK	       ? curl_easy_strerror(code)
								       : "the reply ended too early");
		if (is_hopeless(code))
			request->useless |= 1U << transfer->copy;
	}
	finish(run, transfer);
}

/* Local directories need no waiting: the whole request is done at once. */
static void
copy_local(Run *run, AshTransfer *transfer, const char *dir)
{
	AshRequest *request = g_ptr_array_index(transfer->requests, 0);
	g_autofree char *path = g_build_filename(dir, request->path, NULL);
	g_autofree guint8 *buffer = g_malloc(LOCAL_CHUNK_BYTES);
	ash_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	run->fetcher->n_requests++;
	if (fd < 0 || fstat(fd, &st) < 0) {
		transfer->verdict = errno == ENOENT || errno == ENOTDIR ? ASH_REPLY_MISSING : ASH_REPLY_WRONG;
		set_why(transfer, g_strerror(errno));
	} else if (!S_ISREG(st.st_mode) || (request->total > 0 && (guint64) st.st_size != request->total)) {
		set_why(transfer, "it does not have the right size there");
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
			set_why(transfer, g_strerror(errno));
		if (n == 0 && request->total == 0) {
			request->length = request->done;
			transfer->next++;
		}
	}
	finish(run, transfer);
}

static bool
is_within_budget(Run *run, const AshRequest *request)
{
	const AshTransferMeter *meter = &run->fetcher->meter;
	guint64 left = request->total > 0 ? request->length - request->done : 0;

	if (meter->budget == 0 || meter->received + left <= meter->budget)
		return true;
	return ash_throw(&run->error, ASH_ERROR_FETCH, "\"%s\": %" G_GUINT64_FORMAT " bytes more are over the limit of %" G_GUINT64_FORMAT " bytes",
			 request->path, left, meter->budget);
}

static void
begin(Run *run, AshTransfer *transfer, AshRequest *request, guint copy)
{
	const Copy *place = &run->fetcher->copies[copy];
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
			finish(run, transfer);
			return;
		}
	} else {
		g_free(transfer->url);
		transfer->url = g_strconcat(place->url, "/", path, NULL);
	}
	start(run->fetcher, transfer);
	if (!transfer->running)
		finish(run, transfer);
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
next_request(Run *run, guint *ret_copy)
{
	gint64 now = g_get_monotonic_time();

	while (run->first_open < run->n && run->requests[run->first_open].finished)
		run->first_open++;
	for (guint i = run->first_open; i < run->n; i++) {
		AshRequest *request = &run->requests[i];

		if (request->finished || request->active || request->due > now)
			continue;
		*ret_copy = choose_copy(run->fetcher, request);
		if (run->fetcher->copies[*ret_copy].due > now)
			continue;
		if (!run->fetcher->copies[*ret_copy].no_ranges || !is_part(request) || !is_under_way(run->fetcher, request))
			return request;
	}
	return NULL;
}

static void
fill_transfers(Run *run)
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
take_messages(Run *run)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(run->fetcher->multi, &left)) != NULL) {
		AshTransfer *transfer = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &transfer);
		if (message->msg == CURLMSG_DONE)
			end_transfer(run, transfer, message->data.result);
	}
}

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

static void
drop_stalled(Run *run)
{
	for (guint i = 0; i < run->fetcher->n_transfers; i++) {
		AshTransfer *transfer = &run->fetcher->transfers[i];

		if (!transfer->running)
			continue;
		if (ash_transfer_is_complete(transfer)) {
			end_transfer(run, transfer, CURLE_OK); /* the server goes on, we do not */
		} else if (is_stalled(run->fetcher, transfer)) {
			transfer->verdict = ASH_REPLY_BUSY;
			transfer->judged = true;
			set_why(transfer, "nothing, or next to nothing, comes");
			end_transfer(run, transfer, CURLE_OPERATION_TIMEDOUT);
		}
	}
}

/* Keeps the bytes below the rate by not reading for a while; a sixteenth of a second may be saved up. */
static void
wait_for_rate(AshFetcher *fetcher)
{
	gint64 now = g_get_monotonic_time();
	gint64 wait = MIN(fetcher->meter.empty_until - now, POLL_MILLISECONDS * 1000);

	if (fetcher->meter.rate == 0)
		return;
	if (wait > 0) {
		g_usleep((gulong) wait);
		fetcher->meter.blocked += wait;
	} else {
		fetcher->meter.empty_until = MAX(fetcher->meter.empty_until, now - G_USEC_PER_SEC / 16);
	}
}

static void
continue_paused(AshFetcher *fetcher)
{
	for (guint i = 0; i < fetcher->n_transfers; i++) {
		AshTransfer *transfer = &fetcher->transfers[i];

		if (transfer->running && transfer->paused) {
			transfer->paused = false;
			curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
		}
	}
}

static void
wait_for_events(Run *run)
{
	GPollFD cancel = { .fd = -1 };
	struct curl_waitfd extra = { .events = CURL_WAIT_POLLIN };
	bool cancellable = run->ctx->cancellable != NULL && g_cancellable_make_pollfd(run->ctx->cancellable, &cancel);

	extra.fd = cancel.fd;
	curl_multi_poll(run->fetcher->multi, &extra, cancellable ? 1 : 0, POLL_MILLISECONDS / 4, NULL);
	if (cancellable)
		g_cancellable_release_fd(run->ctx->cancellable);
}

static void
drop_all(Run *run)
{
	for (guint i = 0; i < run->fetcher->n_transfers; i++) {
		AshTransfer *transfer = &run->fetcher->transfers[i];

		if (!transfer->running)
			continue;
		curl_multi_remove_handle(run->fetcher->multi, transfer->easy);
		transfer->running = false;
		finish(run, transfer);
	}
}

gboolean
ash_fetcher_run(AshContext *ctx, AshFetcher *fetcher, AshRequest *requests, guint n, GError **error)
{
	Run run = { .ctx = ctx, .fetcher = fetcher, .requests = requests, .n = n };
	int running = 0;

	while (run.error == NULL && ash_context_check(ctx, &run.error)) {
		fill_transfers(&run);
		if (run.first_open == n || run.error != NULL)
			break;
		wait_for_rate(fetcher);
		if (fetcher->meter.rate > 0 && fetcher->meter.empty_until > g_get_monotonic_time())
			continue;
		continue_paused(fetcher);
		curl_multi_perform(fetcher->multi, &running);
		take_messages(&run);
		drop_stalled(&run);
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
