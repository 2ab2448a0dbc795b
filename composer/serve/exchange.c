/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/exchange.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "serve/body.h"
#include "serve/condition.h"
#include "serve/connections.h"
#include "serve/rollout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A reply about nodes is computed at most so often, microseconds. */
#define NODES_USEC (2 * G_USEC_PER_SEC)
#define API_CACHING "no-cache"
/* RFC 6585; libsoup has no name for it. */
#define TOO_MANY_REQUESTS 429

typedef void (*Answer)(AshExchange *exchange);

static void answer_page(AshExchange *exchange);
static void answer_releases(AshExchange *exchange);
static void answer_nodes(AshExchange *exchange);
static void answer_metrics(AshExchange *exchange);
static void answer_report(AshExchange *exchange);

/* What is no file. A prefix ends in "/". */
static const struct {
	const char *target;
	AshSiteClass class;
	bool takes_body; /* POST, and nothing else */
	Answer answer;
} routes[] = {
	{ "/", ASH_SITE_PAGE, false, answer_page },
	{ "/ui/", ASH_SITE_PAGE, false, answer_page },
	{ "/api/v1/releases", ASH_SITE_API, false, answer_releases },
	{ "/api/v1/nodes", ASH_SITE_API, false, answer_nodes },
	{ "/metrics", ASH_SITE_METRICS, false, answer_metrics },
	{ "/report", ASH_SITE_REPORT, true, answer_report },
};

static const char *
get_target(const AshExchange *exchange)
{
	const char *path = g_uri_get_path(soup_server_message_get_uri(exchange->message));

	return *path != '\0' ? path : "/";
}

/* Its index in routes; -1: files. */
static int
find_route(const char *target)
{
	for (gsize i = 0; i < G_N_ELEMENTS(routes); i++) {
		const gsize length = strlen(routes[i].target);
		const bool is_prefix = length > 1 && routes[i].target[length - 1] == '/';
		if (is_prefix ? strncmp(target, routes[i].target, length) == 0 : strcmp(target, routes[i].target) == 0)
			return (int) i;
	}
	return -1;
}

static void
set_header(AshExchange *exchange, const char *name, const char *value)
{
	soup_message_headers_replace(soup_server_message_get_response_headers(exchange->message), name, value);
}

static const char *
get_header(AshExchange *exchange, const char *name)
{
	return soup_message_headers_get_list(soup_server_message_get_request_headers(exchange->message), name);
}

static bool
is_head(const AshExchange *exchange)
{
	return strcmp(soup_server_message_get_method(exchange->message), "HEAD") == 0;
}

static void
send_bytes(AshExchange *exchange, GBytes *bytes)
{
	SoupMessageBody *body = soup_server_message_get_response_body(exchange->message);

	soup_message_body_set_accumulate(body, FALSE);
	soup_message_headers_set_content_length(soup_server_message_get_response_headers(exchange->message),
						(goffset) g_bytes_get_size(bytes));
	if (!is_head(exchange) && g_bytes_get_size(bytes) > 0)
		soup_message_body_append_bytes(body, bytes);
}

/* Replies without content say nothing of its length. */
static void
send_nothing(AshExchange *exchange, guint status)
{
	soup_server_message_set_status(exchange->message, status, NULL);
	if (status == SOUP_STATUS_NOT_MODIFIED || status == SOUP_STATUS_NO_CONTENT)
		soup_message_headers_set_encoding(soup_server_message_get_response_headers(exchange->message), SOUP_ENCODING_NONE);
}

void
ash_exchange_fail(AshExchange *exchange, guint status, const char *text)
{
	g_autofree char *line = g_strconcat(text, "\n", NULL);
	g_autoptr(GBytes) bytes = g_bytes_new(line, strlen(line));

	soup_server_message_set_status(exchange->message, status, NULL);
	set_header(exchange, "Content-Type", "text/plain; charset=utf-8");
	/* The next root, which nodes ask for, may be there a moment later. */
	set_header(exchange, "Cache-Control", "no-store");
	send_bytes(exchange, bytes);
}

/* The conditions of the request. */
static AshConditions
read_conditions(AshExchange *exchange)
{
	return (AshConditions){
		.if_match = get_header(exchange, "If-Match"),
		.if_none_match = get_header(exchange, "If-None-Match"),
		.if_modified_since = get_header(exchange, "If-Modified-Since"),
		.if_unmodified_since = get_header(exchange, "If-Unmodified-Since"),
		.if_range = get_header(exchange, "If-Range"),
	};
}

/* True if the conditions say that there is nothing more to do. */
static bool
judge(AshExchange *exchange, const AshConditions *conditions, const AshValidators *validators)
{
	switch (ash_condition_judge(conditions, validators)) {
	case ASH_CONDITION_NOT_MODIFIED:
		send_nothing(exchange, SOUP_STATUS_NOT_MODIFIED);
		return true;
	case ASH_CONDITION_FAILED:
		ash_exchange_fail(exchange, SOUP_STATUS_PRECONDITION_FAILED, "it is not what you have");
		return true;
	default:
		return false;
	}
}

void
ash_exchange_reply(AshExchange *exchange, guint status, const char *type, GBytes *bytes)
{
	g_autofree char *digest = ash_sha256_hex(g_bytes_get_data(bytes, NULL), (gssize) g_bytes_get_size(bytes));
	g_autofree char *etag = g_strdup_printf("\"%.32s\"", digest);
	const AshConditions all = read_conditions(exchange);
	const AshConditions conditions = { .if_match = all.if_match, .if_none_match = all.if_none_match };
	const AshValidators validators = { .etag = etag };

	set_header(exchange, "ETag", etag);
	set_header(exchange, "Cache-Control", API_CACHING);
	if (judge(exchange, &conditions, &validators))
		return;
	soup_server_message_set_status(exchange->message, status, NULL);
	set_header(exchange, "Content-Type", type);
	send_bytes(exchange, bytes);
}

static void
reply_with_text(AshExchange *exchange, const char *type, char *text)
{
	const gsize length = strlen(text);
	g_autoptr(GBytes) bytes = g_bytes_new_take(text, length);

	ash_exchange_reply(exchange, SOUP_STATUS_OK, type, bytes);
}

static void
answer_page(AshExchange *exchange)
{
	const char *type;
	GBytes *bytes = ash_page_find(exchange->site->page, get_target(exchange), &type);

	if (bytes == NULL)
		ash_exchange_fail(exchange, SOUP_STATUS_NOT_FOUND, "not found");
	else
		ash_exchange_reply(exchange, SOUP_STATUS_OK, type, bytes);
}

/* False, and a reply is made, if what is published cannot be read. */
static bool
refresh(AshExchange *exchange)
{
	g_autoptr(GError) error = NULL;

	if (ash_overview_refresh(exchange->site->overview, &error))
		return true;
	fprintf(stderr, "ashlar: %s\n", error->message);
	ash_exchange_fail(exchange, SOUP_STATUS_SERVICE_UNAVAILABLE, "the releases cannot be read: see the server's messages");
	return false;
}

static void
answer_releases(AshExchange *exchange)
{
	if (refresh(exchange))
		reply_with_text(exchange, "application/json",
				ash_overview_format(exchange->site->overview, exchange->site->database != NULL));
}

static void
answer_nodes(AshExchange *exchange)
{
	AshSite *site = exchange->site;
	g_autoptr(GError) error = NULL;

	if (site->database == NULL) {
		ash_exchange_fail(exchange, SOUP_STATUS_NOT_FOUND, "reports of nodes are not kept here (--database)");
		return;
	}
	if (!refresh(exchange))
		return;
	if (site->nodes_json == NULL || g_get_monotonic_time() - site->nodes_time > NODES_USEC) {
		char *text = ash_rollout_format(site->database, site->overview, g_get_real_time() / G_USEC_PER_SEC, &error);
		if (text == NULL) {
			fprintf(stderr, "ashlar: %s\n", error->message);
			ash_exchange_fail(exchange, SOUP_STATUS_SERVICE_UNAVAILABLE, "the database cannot be read: see the server's messages");
			return;
		}
		g_free(site->nodes_json);
		site->nodes_json = text;
		site->nodes_time = g_get_monotonic_time();
	}
	reply_with_text(exchange, "application/json", g_strdup(site->nodes_json));
}

static void
answer_metrics(AshExchange *exchange)
{
	const AshSite *site = exchange->site;

	reply_with_text(exchange, "text/plain; version=0.0.4; charset=utf-8",
			ash_metrics_format(site->metrics, site->connections, site->database != NULL ? (gint64) ash_database_get_nodes(site->database) : -1));
}

static GInetAddress *
get_address(AshExchange *exchange)
{
	GSocketAddress *remote = soup_server_message_get_remote_address(exchange->message);

	return G_IS_INET_SOCKET_ADDRESS(remote) ? g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(remote)) : NULL;
}

/* False, and a reply is made: too many came from there. */
static bool
is_within_limit(AshExchange *exchange)
{
	GInetAddress *address = get_address(exchange);
	guint seconds = 0;

	if (address == NULL || ash_rate_limit_allow(exchange->site->limit, address, g_get_monotonic_time(), &seconds))
		return true;
	g_autofree char *text = g_strdup_printf("%u", seconds);
	ash_metrics_count_report(exchange->site->metrics, ASH_METRICS_REPORT_LIMITED);
	ash_exchange_fail(exchange, TOO_MANY_REQUESTS, "too many reports come from your address");
	set_header(exchange, "Retry-After", text);
	return false;
}

static void
keep_report(AshExchange *exchange, const AshReport *report)
{
	AshSite *site = exchange->site;
	g_autoptr(GError) error = NULL;

	if (ash_database_put(site->database, report, g_get_real_time() / G_USEC_PER_SEC, &error)) {
		ash_metrics_count_report(site->metrics, ASH_METRICS_REPORT_KEPT);
		send_nothing(exchange, SOUP_STATUS_NO_CONTENT);
		return;
	}
	fprintf(stderr, "ashlar: %s\n", error->message);
	ash_metrics_count_report(site->metrics, ASH_METRICS_REPORT_LIMITED);
	ash_exchange_fail(exchange, SOUP_STATUS_SERVICE_UNAVAILABLE, "it cannot be kept");
}

static void
answer_report(AshExchange *exchange)
{
	AshSite *site = exchange->site;
	g_autoptr(GError) error = NULL;

	if (exchange->body == NULL || !is_within_limit(exchange))
		return;
	g_autoptr(AshReport) report = ash_report_parse((const char *) exchange->body->data, exchange->body->len, &error);
	if (report == NULL) {
		ash_metrics_count_report(site->metrics, ASH_METRICS_REPORT_REFUSED);
		ash_exchange_fail(exchange, SOUP_STATUS_BAD_REQUEST, error->message);
		return;
	}
	if (!refresh(exchange))
		return;
	if (!ash_overview_has_channel(site->overview, report->ref, report->channel)) {
		ash_metrics_count_report(site->metrics, ASH_METRICS_REPORT_REFUSED);
		ash_exchange_fail(exchange, SOUP_STATUS_NOT_FOUND, "no such system is published here");
		return;
	}
	keep_report(exchange, report);
}

/* A file that is shorter than it was: the client must not take what it got for all of it. */
static void
cut(SoupServerMessage *message, gpointer user_data)
{
	ash_connections_cut(soup_server_message_get_remote_address(message));
}

static void
send_whole(AshExchange *exchange, AshSiteFile *file)
{
	const AshByteRange all = { .first = 0, .last = file->bytes - 1 };

	soup_server_message_set_status(exchange->message, SOUP_STATUS_OK, NULL);
	set_header(exchange, "Content-Type", file->type);
	soup_message_headers_set_content_length(soup_server_message_get_response_headers(exchange->message), (goffset) file->bytes);
	if (is_head(exchange) || file->bytes == 0)
		return;
	AshBody *body = ash_body_new(ash_fd_steal(&file->fd));
	ash_body_add_range(body, &all);
	ash_body_send(body, exchange->message, cut, NULL);
}

static char *
format_content_range(const AshByteRange *range, guint64 bytes)
{
	return g_strdup_printf("bytes %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, range->first, range->last, bytes);
}

/* RFC 9110 14.6. The boundary must not be in the parts: 128 bits of chance. */
static void
add_parts(AshExchange *exchange, AshBody *body, const AshSiteFile *file, const GArray *ranges)
{
	g_autofree char *boundary = g_strdup_printf("%08x%08x%08x%08x", g_random_int(), g_random_int(), g_random_int(), g_random_int());
	g_autofree char *type = g_strdup_printf("multipart/byteranges; boundary=%s", boundary);
	g_autofree char *end = g_strdup_printf("\r\n--%s--\r\n", boundary);

	for (guint i = 0; i < ranges->len; i++) {
		const AshByteRange *range = &g_array_index(ranges, AshByteRange, i);
		g_autofree char *where = format_content_range(range, file->bytes);
		g_autofree char *head = g_strdup_printf("%s--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n", i > 0 ? "\r\n" : "", boundary,
							file->type, where);
		ash_body_add_text(body, head);
		ash_body_add_range(body, range);
	}
	ash_body_add_text(body, end);
	set_header(exchange, "Content-Type", type);
}

static void
send_parts(AshExchange *exchange, AshSiteFile *file, const GArray *ranges)
{
	const AshByteRange *first = &g_array_index(ranges, AshByteRange, 0);
	g_autoptr(AshBody) body = ash_body_new(ash_fd_steal(&file->fd));

	soup_server_message_set_status(exchange->message, SOUP_STATUS_PARTIAL_CONTENT, NULL);
	if (ranges->len == 1) {
		g_autofree char *where = format_content_range(first, file->bytes);
		set_header(exchange, "Content-Range", where);
		set_header(exchange, "Content-Type", file->type);
		ash_body_add_range(body, first);
	} else {
		add_parts(exchange, body, file, ranges);
	}
	ash_body_send(g_steal_pointer(&body), exchange->message, cut, NULL);
}

/* Ranges are for GET only (RFC 9110 14.2). */
static void
send_file(AshExchange *exchange, AshSiteFile *file)
{
	const AshConditions conditions = read_conditions(exchange);
	const AshValidators validators = { .etag = file->etag, .modified = file->modified };
	g_autofree char *modified = ash_condition_format_date(file->modified);
	g_autoptr(GArray) ranges = NULL;

	set_header(exchange, "Accept-Ranges", "bytes");
	set_header(exchange, "ETag", file->etag);
	if (modified != NULL)
		set_header(exchange, "Last-Modified", modified);
	set_header(exchange, "Cache-Control", file->caching);
	if (judge(exchange, &conditions, &validators))
		return;
	const bool ranged = !is_head(exchange) && ash_condition_allows_range(&conditions, &validators);
	switch (ash_byte_range_parse(ranged ? get_header(exchange, "Range") : NULL, file->bytes, &ranges)) {
	case ASH_BYTE_RANGE_PARTS:
		send_parts(exchange, file, ranges);
		break;
	case ASH_BYTE_RANGE_UNSATISFIABLE: {
		g_autofree char *where = g_strdup_printf("bytes */%" G_GUINT64_FORMAT, file->bytes);
		ash_exchange_fail(exchange, SOUP_STATUS_REQUESTED_RANGE_NOT_SATISFIABLE, "it has no such bytes");
		set_header(exchange, "Content-Range", where);
		break;
	}
	default:
		send_whole(exchange, file);
	}
}

static void
answer_file(AshExchange *exchange)
{
	g_autofree char *path = ash_site_decode_path(get_target(exchange));
	g_auto(AshSiteFile) file = { .fd = -1 };

	exchange->class = path != NULL ? ash_site_classify(path) : ASH_SITE_OTHER;
	const int code = path != NULL ? ash_site_open(exchange->site->dir_fd, path, &file) : ENOENT;
	if (code == 0)
		send_file(exchange, &file);
	else if (code == ENOENT)
		ash_exchange_fail(exchange, SOUP_STATUS_NOT_FOUND, "not found");
	else
		ash_exchange_fail(exchange, SOUP_STATUS_SERVICE_UNAVAILABLE, "it cannot be read now");
}

static bool
has_body(AshExchange *exchange)
{
	SoupMessageHeaders *headers = soup_server_message_get_request_headers(exchange->message);

	return soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CHUNKED || soup_message_headers_get_content_length(headers) > 0;
}

/* RFC 9112 9.3. Of HTTP/1.0, and with a body (serve/keptstream.h), none is kept. */
static bool
may_keep_connection(const AshExchange *exchange)
{
	SoupMessageHeaders *headers = soup_server_message_get_request_headers(exchange->message);

	return soup_server_message_get_http_version(exchange->message) == SOUP_HTTP_1_1 &&
	       !soup_message_headers_header_contains(headers, "Connection", "close") &&
	       soup_message_headers_get_one(headers, "Content-Length") == NULL &&
	       soup_message_headers_get_one(headers, "Transfer-Encoding") == NULL;
}

void
ash_exchange_begin(AshExchange *exchange)
{
	const char *method = soup_server_message_get_method(exchange->message);
	const int route = find_route(get_target(exchange));
	const bool posts = route >= 0 && routes[route].takes_body && exchange->site->database != NULL;
	SoupMessageHeaders *headers = soup_server_message_get_request_headers(exchange->message);

	exchange->class = route >= 0 ? routes[route].class : ASH_SITE_OTHER;
	soup_message_body_set_accumulate(soup_server_message_get_request_body(exchange->message), FALSE);
	if (!may_keep_connection(exchange))
		set_header(exchange, "Connection", "close");
	set_header(exchange, "X-Content-Type-Options", "nosniff");
	set_header(exchange, "Referrer-Policy", "no-referrer");
	set_header(exchange, "Content-Security-Policy",
		   "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
		   "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
	if (posts ? strcmp(method, "POST") != 0 : strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		ash_exchange_fail(exchange, SOUP_STATUS_METHOD_NOT_ALLOWED, "there is no such method here");
		set_header(exchange, "Allow", posts ? "POST" : "GET, HEAD");
	} else if (posts ? soup_message_headers_get_content_length(headers) > ASH_REPORT_MAX_BYTES : has_body(exchange)) {
		ash_exchange_fail(exchange, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "that is too much");
	} else if (posts) {
		exchange->body = g_byte_array_new();
	}
}

void
ash_exchange_answer(AshExchange *exchange)
{
	const int route = find_route(get_target(exchange));

	if (route < 0)
		answer_file(exchange);
	else if (routes[route].takes_body && exchange->body == NULL)
		ash_exchange_fail(exchange, SOUP_STATUS_NOT_FOUND, "reports of nodes are not taken here (--database)");
	else
		routes[route].answer(exchange);
}
