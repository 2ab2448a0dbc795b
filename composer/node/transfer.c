/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/transfer.h"

#include "base/error.h"

#include <string.h>

void
ash_request_clear(AshRequest *request)
{
	g_clear_pointer(&request->etag, g_free);
	g_clear_error(&request->error);
}

gint64
ash_transfer_clock(const AshTransferMeter *meter)
{
	return g_get_monotonic_time() - meter->blocked;
}

static AshRequest *
current_request(const AshTransfer *transfer)
{
	return transfer->next < transfer->requests->len ? g_ptr_array_index(transfer->requests, transfer->next) : NULL;
}

bool
ash_transfer_is_complete(const AshTransfer *transfer)
{
	return transfer->next == transfer->requests->len;
}

void
ash_transfer_prepare(AshTransfer *transfer, guint copy, bool sequential)
{
	const AshRequest *first = g_ptr_array_index(transfer->requests, 0);

	transfer->copy = copy;
	transfer->next = 0;
	transfer->redirects = 0;
	transfer->accept = NULL;
	g_clear_pointer(&transfer->errand, g_byte_array_unref);
	g_clear_pointer(&transfer->authorization, g_free);
	transfer->sequential = sequential;
	transfer->position = sequential ? 0 : first->offset + first->done;
	transfer->reply = (AshReply){ .content_length = -1, .range_total = -1 };
	transfer->judged = transfer->complained = transfer->too_long = transfer->paused = false;
	transfer->verdict = ASH_REPLY_WRONG;
	g_clear_pointer(&transfer->why, g_free);
	g_clear_error(&transfer->fatal);
	transfer->progress_time = transfer->window_time = ash_transfer_clock(transfer->meter);
	transfer->window_bytes = 0;
}

void
ash_transfer_clear(AshTransfer *transfer)
{
	g_clear_pointer(&transfer->easy, curl_easy_cleanup);
	g_clear_pointer(&transfer->headers, curl_slist_free_all);
	g_clear_pointer(&transfer->requests, g_ptr_array_unref);
	g_clear_pointer(&transfer->errand, g_byte_array_unref);
	g_clear_pointer(&transfer->authorization, g_free);
	g_clear_pointer(&transfer->url, g_free);
	g_clear_pointer(&transfer->why, g_free);
	g_clear_error(&transfer->fatal);
}

static bool
complain(AshTransfer *transfer, AshRequest *request, GError *error)
{
	request->done = request->unit > 0 ? request->done - request->done % request->unit : 0;
	transfer->complained = true;
	transfer->verdict = ASH_REPLY_WRONG;
	g_free(transfer->why);
	transfer->why = g_strdup(error->message);
	g_error_free(error);
	return false;
}

/* The sink may take its time, because the disk does: that is not counted as the server's. */
static bool
feed(AshTransfer *transfer, AshRequest *request, const guint8 *data, gsize length)
{
	gint64 before = g_get_monotonic_time();
	GError *error = NULL;

	if (!request->sink(request, data, length, &error)) {
		if (ash_error_code(error) == ASH_ERROR_TRUST)
			return complain(transfer, request, error);
		g_propagate_error(&transfer->fatal, error);
		return false;
	}
	transfer->meter->blocked += g_get_monotonic_time() - before;
	request->done += length;
	return true;
}

static bool
say_too_long(AshTransfer *transfer, guint64 most)
{
	transfer->too_long = true;
	g_free(transfer->why);
	transfer->why = g_strdup_printf("it has more than %" G_GUINT64_FORMAT " bytes", most);
	return false;
}

static bool
deliver_errand(AshTransfer *transfer, const guint8 *data, gsize length)
{
	if (length > transfer->errand_max - transfer->errand->len)
		return say_too_long(transfer, transfer->errand_max);
	g_byte_array_append(transfer->errand, data, (guint) length);
	return true;
}

bool
ash_transfer_deliver(AshTransfer *transfer, const guint8 *data, gsize length)
{
	AshRequest *request;

	if (transfer->errand != NULL)
		return deliver_errand(transfer, data, length);
	while (length > 0 && (request = current_request(transfer)) != NULL) {
		guint64 wanted = request->offset + request->done;
		guint64 left = request->length - request->done;
		gsize n = (gsize) MIN(length, left);

		if (transfer->position < wanted) {
			n = (gsize) MIN(length, wanted - transfer->position);
		} else {
			if (request->total == 0 && length > left)
				return say_too_long(transfer, request->length);
			if (!feed(transfer, request, data, n))
				return false;
			if (request->total > 0 && request->done == request->length)
				transfer->next++;
		}
		transfer->position += n;
		data += n;
		length -= n;
	}
	return length == 0;
}

bool
ash_transfer_judge(AshTransfer *transfer)
{
	if (!transfer->judged) {
		transfer->judged = true;
		g_clear_pointer(&transfer->why, g_free);
		transfer->verdict = ash_reply_judge(&transfer->reply, &transfer->wish, &transfer->why);
	}
	return transfer->verdict == ASH_REPLY_TAKE;
}

static size_t
on_header(char *data, size_t size, size_t n, void *user_data)
{
	AshTransfer *transfer = user_data;

	if (ash_reply_add_line(&transfer->reply, data, size * n))
		return size * n;
	transfer->judged = true;
	transfer->verdict = ASH_REPLY_WRONG;
	g_free(transfer->why);
	transfer->why = g_strdup("the headers have no end");
	return 0;
}

static void
count(AshTransfer *transfer, gsize length)
{
	AshTransferMeter *meter = transfer->meter;

	meter->received += length;
	if (meter->rate > 0)
		meter->empty_until += (gint64) (length * (double) G_USEC_PER_SEC / (double) meter->rate);
	transfer->progress_time = ash_transfer_clock(meter);
	transfer->window_bytes += length;
}

static size_t
on_body(char *data, size_t size, size_t n, void *user_data)
{
	AshTransfer *transfer = user_data;
	gsize length = size * n;

	if (transfer->meter->rate > 0 && transfer->meter->empty_until > g_get_monotonic_time()) {
		transfer->paused = true; /* libcurl keeps it for later */
		return CURL_WRITEFUNC_PAUSE;
	}
	count(transfer, length);
	if (transfer->meter->budget > 0 && transfer->meter->received > transfer->meter->budget) {
		ash_throw(&transfer->fatal, ASH_ERROR_FETCH, "the limit of %" G_GUINT64_FORMAT " bytes is used up", transfer->meter->budget);
		return 0;
	}
	if (!ash_transfer_judge(transfer))
		return 0;
	return ash_transfer_deliver(transfer, (const guint8 *) data, length) ? length : 0;
}

static void
add_header(AshTransfer *transfer, const char *name, const char *value)
{
	g_autofree char *line = value != NULL ? g_strconcat(name, ": ", value, NULL) : NULL;

	if (line != NULL)
		transfer->headers = curl_slist_append(transfer->headers, line);
}

/* If-Range only where one reply carries on another: then the two must be of the same thing. */
static void
make_headers(AshTransfer *transfer)
{
	const AshRequest *first = g_ptr_array_index(transfer->requests, 0);

	g_clear_pointer(&transfer->headers, curl_slist_free_all);
	transfer->headers = curl_slist_append(NULL, "Accept-Encoding: identity");
	transfer->conditional = transfer->wish.ranged && first->done > 0 && first->etag != NULL;
	if (transfer->conditional)
		add_header(transfer, "If-Range", first->etag);
	add_header(transfer, "Accept", transfer->accept);
	add_header(transfer, "Authorization", transfer->authorization);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

/* What the reply must be, and the Range header for it. */
static void
make_wish(AshTransfer *transfer)
{
	const AshRequest *first = g_ptr_array_index(transfer->requests, 0);
	g_autofree char *range = NULL;

	transfer->wish = (AshReplyWish){ .start = transfer->position, .end = first->offset + first->length, .total = first->total };
	if (transfer->sequential)
		transfer->wish.end = first->total;
	if (transfer->errand != NULL)
		transfer->wish = (AshReplyWish){ .end = transfer->errand_max };
	else if (first->total > 0 && (transfer->wish.start > 0 || transfer->wish.end < first->total)) {
		transfer->wish.ranged = true;
		transfer->wish.etag = first->etag;
		range = g_strdup_printf("%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, transfer->wish.start, transfer->wish.end - 1);
	}
	curl_easy_setopt(transfer->easy, CURLOPT_RANGE, range); /* copied */
}

void
ash_transfer_ask(AshTransfer *transfer)
{
	CURL *easy = transfer->easy;

	transfer->reply = (AshReply){ .content_length = -1, .range_total = -1 };
	transfer->judged = false;
	transfer->verdict = ASH_REPLY_WRONG;
	g_clear_pointer(&transfer->why, g_free);
	transfer->curl_text[0] = '\0';
	make_wish(transfer);
	make_headers(transfer);
	curl_easy_setopt(easy, CURLOPT_URL, transfer->url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_text);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}
