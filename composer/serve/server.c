/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/server.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "serve/connections.h"
#include "serve/exchange.h"
#include "serve/systemd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define EXCHANGE "ash-exchange"
/* Replies under way when we are told to stop. */
#define GRACE_SECONDS 10
#define PRUNE_SECONDS 3600
#define DAY           86400
/* Addresses that the limit of reports knows at once. */
#define MAX_ADDRESSES 65536
/* A request's body that is not wanted is read up to here, so that the reply comes through; then the connection is cut. */
#define MAX_UNWANTED_BYTES (64 * 1024)
/* Of one address that is quiet otherwise. */
#define REPORT_BURST_MINUTES 2
/* A connection and the file it is sent. */
#define FDS_PER_CONNECTION 2
#define OTHER_FDS          64

struct AshServer {
	AshContext *ctx;
	AshSite site;
	SoupServer *soup;
	AshConnections *connections;
	GTlsCertificate *certificate;
	AshAccessLog *log;
	GPtrArray *urls; /* strings, NULL-terminated */
	GMainLoop *loop;
	guint keep_days;
	guint active;    /* requests */
	bool stopping;
};

/* --- one request --- */

static void
exchange_free(gpointer data)
{
	AshExchange *exchange = data;

	g_clear_pointer(&exchange->body, g_byte_array_unref);
	g_free(exchange);
}

static AshExchange *
get_exchange(SoupServerMessage *message)
{
	return g_object_get_data(G_OBJECT(message), EXCHANGE);
}

static void
touch(SoupServerMessage *message)
{
	ash_connections_touch(soup_server_message_get_remote_address(message));
}

static void
on_wrote(SoupServerMessage *message, guint bytes, gpointer user_data)
{
	get_exchange(message)->sent += bytes;
	touch(message);
}

static void
on_chunk(SoupServerMessage *message, GBytes *chunk, gpointer user_data)
{
	AshExchange *exchange = get_exchange(message);

	exchange->received += g_bytes_get_size(chunk);
	if (exchange->received > MAX_UNWANTED_BYTES) {
		ash_connections_cut(soup_server_message_get_remote_address(message));
	} else if (exchange->body != NULL && exchange->received > ASH_REPORT_MAX_BYTES) {
		g_clear_pointer(&exchange->body, g_byte_array_unref);
		ash_exchange_fail(exchange, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "that is too much");
	} else if (exchange->body != NULL) {
		g_byte_array_append(exchange->body, g_bytes_get_data(chunk, NULL), (guint) g_bytes_get_size(chunk));
	}
}

static void
on_started(SoupServer *soup, SoupServerMessage *message, gpointer user_data)
{
	AshServer *server = user_data;
	AshExchange *exchange = g_new0(AshExchange, 1);

	exchange->site = &server->site;
	exchange->message = message;
	exchange->class = ASH_SITE_OTHER;
	g_object_set_data_full(G_OBJECT(message), EXCHANGE, exchange, exchange_free);
	g_signal_connect(message, "got-chunk", G_CALLBACK(on_chunk), NULL);
	g_signal_connect(message, "wrote-body-data", G_CALLBACK(on_wrote), NULL);
	touch(message);
}

static void
on_headers(SoupServer *soup, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
	AshServer *server = user_data;

	server->active++;
	touch(message);
	ash_exchange_begin(get_exchange(message));
}

static void
on_request(SoupServer *soup, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
	AshServer *server = user_data;

	server->site.connections = ash_connections_count(server->connections);
	ash_exchange_answer(get_exchange(message));
}

static void
write_log(AshServer *server, AshExchange *exchange, guint status)
{
	SoupServerMessage *message = exchange->message;
	GUri *uri = soup_server_message_get_uri(message);
	const char *path = uri != NULL ? g_uri_get_path(uri) : NULL, *query = uri != NULL ? g_uri_get_query(uri) : NULL;
	g_autofree char *target = path != NULL ? g_strconcat(path, query != NULL ? "?" : "", query, NULL) : NULL;
	const AshAccess access = {
		.host = soup_server_message_get_remote_host(message),
		.method = soup_server_message_get_method(message),
		.target = target,
		.protocol = soup_server_message_get_http_version(message) == SOUP_HTTP_1_0 ? "HTTP/1.0" : "HTTP/1.1",
		.status = status,
		.bytes = exchange->sent,
		.time = g_get_real_time() / G_USEC_PER_SEC,
	};

	ash_access_log_write(server->log, &access);
}

static void
finish(AshServer *server, SoupServerMessage *message, bool aborted)
{
	AshExchange *exchange = get_exchange(message);
	const guint status = soup_server_message_get_status(message);

	touch(message);
	ash_metrics_count(server->site.metrics, exchange->class, status, exchange->sent, aborted);
	if (server->log != NULL)
		write_log(server, exchange, status);
	/* Headers that could not be understood never came to us. */
	if (server->active > 0 && soup_server_message_get_uri(message) != NULL)
		server->active--;
	if (server->stopping && server->active == 0)
		g_main_loop_quit(server->loop);
}

/* libsoup tells of a fault in a request by the request's header. */
static bool
may_keep(const AshServer *server, SoupServerMessage *message)
{
	SoupMessageHeaders *request = soup_server_message_get_request_headers(message);
	SoupMessageHeaders *response = soup_server_message_get_response_headers(message);

	return !server->stopping && soup_server_message_get_uri(message) != NULL &&
	       soup_message_headers_get_encoding(response) != SOUP_ENCODING_EOF &&
	       !soup_message_headers_header_contains(request, "Connection", "close") &&
	       !soup_message_headers_header_contains(response, "Connection", "close");
}

static void
on_finished(SoupServer *soup, SoupServerMessage *message, gpointer user_data)
{
	finish(user_data, message, false);
	if (may_keep(user_data, message))
		ash_connections_keep(soup_server_message_get_remote_address(message));
}

static void
on_aborted(SoupServer *soup, SoupServerMessage *message, gpointer user_data)
{
	finish(user_data, message, true);
}

/* --- the server --- */

static void
take_connection(GIOStream *stream, GSocketAddress *local, GSocketAddress *remote, gpointer user_data)
{
	AshServer *server = user_data;

	soup_server_accept_iostream(server->soup, stream, local, remote, NULL);
}

static void
count_refused(gpointer user_data)
{
	AshServer *server = user_data;

	ash_metrics_count_refused(server->site.metrics);
}

static gboolean
prune(gpointer user_data)
{
	AshServer *server = user_data;
	g_autoptr(GError) error = NULL;

	if (!ash_database_prune(server->site.database, g_get_real_time() / G_USEC_PER_SEC - (gint64) server->keep_days * DAY, &error))
		fprintf(stderr, "ashlar: %s\n", error->message);
	return G_SOURCE_CONTINUE;
}

static gboolean
load_certificate(AshServer *server, const AshServerOptions *options, GError **error)
{
	if (options->tls_certificate == NULL && options->tls_key == NULL)
		return TRUE;
	if (options->tls_certificate == NULL || options->tls_key == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--tls-certificate and --tls-key go together");
	if (!g_tls_backend_supports_tls(g_tls_backend_get_default()))
		return ash_throw(error, ASH_ERROR_CONFIG, "GLib has no TLS here: install glib-networking");
	server->certificate = g_tls_certificate_new_from_files(options->tls_certificate, options->tls_key, error);
	if (server->certificate == NULL)
		return ash_prefix(error, "cannot use \"%s\" with the key \"%s\"", options->tls_certificate, options->tls_key);
	return TRUE;
}

static gboolean
open_reports(AshServer *server, const AshServerOptions *options, GError **error)
{
	if (options->database == NULL)
		return TRUE;
	server->site.database = ash_database_open(options->database, options->max_nodes, error);
	if (server->site.database == NULL)
		return FALSE;
	server->site.limit = ash_rate_limit_new(options->report_rate, options->report_rate * REPORT_BURST_MINUTES, MAX_ADDRESSES);
	server->keep_days = options->keep_days;
	prune(server);
	return TRUE;
}

static gboolean
open_site(AshServer *server, const AshServerOptions *options, GError **error)
{
	server->site.dir_fd = ash_file_open_dir(AT_FDCWD, options->dir, false, error);
	if (server->site.dir_fd < 0)
		return FALSE;
	server->site.metrics = ash_metrics_new(g_get_real_time() / G_USEC_PER_SEC);
	server->site.overview = ash_overview_new(options->dir);
	if (!ash_overview_refresh(server->site.overview, error))
		return FALSE;
	server->site.page = ash_page_load(server->ctx->data_dir, error);
	if (server->site.page == NULL || !open_reports(server, options, error))
		return FALSE;
	if (options->access_log != NULL)
		server->log = ash_access_log_open(options->access_log, error);
	return options->access_log == NULL || server->log != NULL;
}

static void
add_url(AshServer *server, GSocket *socket)
{
	g_autoptr(GSocketAddress) address = g_socket_get_local_address(socket, NULL);
	g_autofree char *text = address != NULL ? g_socket_connectable_to_string(G_SOCKET_CONNECTABLE(address)) : g_strdup("?");

	g_ptr_array_add(server->urls, g_strdup_printf("%s://%s/", server->certificate != NULL ? "https" : "http", text));
	ash_connections_listen(server->connections, socket);
}

static gboolean
start_listening(AshServer *server, const AshServerOptions *options, GError **error)
{
	static const char *const standard[] = { ASH_SERVER_LISTEN, NULL };
	g_autoptr(GPtrArray) given = ash_systemd_take_sockets(error);

	if (given == NULL)
		return FALSE;
	for (guint i = 0; i < given->len; i++)
		add_url(server, given->pdata[i]);
	const bool named = options->listen != NULL && options->listen[0] != NULL;
	for (const char *const *at = named ? options->listen : standard; *at != NULL && (named || given->len == 0); at++) {
		g_autoptr(GSocket) socket = ash_connections_bind(*at, error);
		if (socket == NULL)
			return FALSE;
		add_url(server, socket);
	}
	g_ptr_array_add(server->urls, NULL);
	return TRUE;
}

/* As many descriptors as connections may need, where that is allowed. The number of connections there is room for. */
static guint
make_room(guint max)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return max;
	const rlim_t wanted = (rlim_t) max * FDS_PER_CONNECTION + OTHER_FDS;
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = MIN(wanted, limit.rlim_max);
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= wanted)
		return max;
	return limit.rlim_cur > OTHER_FDS + FDS_PER_CONNECTION ? (guint) ((limit.rlim_cur - OTHER_FDS) / FDS_PER_CONNECTION) : 1;
}

static void
set_up_soup(AshServer *server, const AshServerOptions *options)
{
	const AshConnectionsOptions connections = {
		.max = make_room(options->max_connections),
		.idle_seconds = options->timeout,
		.certificate = server->certificate,
		.take = take_connection,
		.refused = count_refused,
		.user_data = server,
	};

	/* Paths come as they were asked for: serve/site.h decodes them, once. */
	server->soup = g_object_new(SOUP_TYPE_SERVER, "raw-paths", TRUE, NULL);
	soup_server_add_early_handler(server->soup, NULL, on_headers, server, NULL);
	soup_server_add_handler(server->soup, NULL, on_request, server, NULL);
	g_signal_connect(server->soup, "request-started", G_CALLBACK(on_started), server);
	g_signal_connect(server->soup, "request-finished", G_CALLBACK(on_finished), server);
	g_signal_connect(server->soup, "request-aborted", G_CALLBACK(on_aborted), server);
	server->connections = ash_connections_new(&connections);
}

AshServer *
ash_server_new(AshContext *ctx, const AshServerOptions *options, GError **error)
{
	g_autoptr(AshServer) server = g_new0(AshServer, 1);

	server->ctx = ctx;
	server->site.dir_fd = -1;
	server->urls = g_ptr_array_new_with_free_func(g_free);
	server->loop = g_main_loop_new(NULL, FALSE);
	if (!load_certificate(server, options, error) || !open_site(server, options, error))
		return NULL;
	set_up_soup(server, options);
	return start_listening(server, options, error) ? g_steal_pointer(&server) : NULL;
}

void
ash_server_free(AshServer *server)
{
	if (server == NULL)
		return;
	if (server->soup != NULL)
		soup_server_disconnect(server->soup);
	g_clear_pointer(&server->connections, ash_connections_free);
	g_clear_object(&server->soup);
	g_clear_object(&server->certificate);
	g_clear_pointer(&server->log, ash_access_log_free);
	g_clear_pointer(&server->site.metrics, ash_metrics_free);
	g_clear_pointer(&server->site.overview, ash_overview_free);
	g_clear_pointer(&server->site.page, ash_page_free);
	g_clear_pointer(&server->site.database, ash_database_free);
	g_clear_pointer(&server->site.limit, ash_rate_limit_free);
	g_free(server->site.nodes_json);
	ash_fd_clear(&server->site.dir_fd);
	g_ptr_array_unref(server->urls);
	g_main_loop_unref(server->loop);
	g_free(server);
}

const char *const *
ash_server_get_urls(const AshServer *server)
{
	return (const char *const *) server->urls->pdata;
}

static gboolean
quit(gpointer user_data)
{
	g_main_loop_quit(user_data);
	return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled(GCancellable *cancellable, gpointer user_data)
{
	AshServer *server = user_data;

	ash_systemd_notify("STOPPING=1");
	server->stopping = true;
	ash_connections_stop(server->connections);
	if (server->active == 0)
		g_main_loop_quit(server->loop);
	else
		g_timeout_add_seconds(GRACE_SECONDS, quit, server->loop);
	return G_SOURCE_REMOVE;
}

void
ash_server_run(AshServer *server)
{
	g_autoptr(GSource) cancelled = g_cancellable_source_new(server->ctx->cancellable);
	const guint prune_id = server->site.database != NULL ? g_timeout_add_seconds(PRUNE_SECONDS, prune, server) : 0;

	g_source_set_callback(cancelled, G_SOURCE_FUNC(on_cancelled), server, NULL);
	g_source_attach(cancelled, NULL);
	ash_systemd_notify("READY=1");
	g_main_loop_run(server->loop);
	if (prune_id != 0)
		g_source_remove(prune_id);
	g_source_destroy(cancelled);
}
