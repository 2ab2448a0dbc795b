/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/connections.h"

#include "base/error.h"
#include "serve/keptstream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#define ACCEPT_AT_ONCE 64
/* There are no descriptors left: some will be closed. */
#define RETRY_MILLIS 200
#define QDATA        "ash-connection"

typedef struct {
	AshConnections *connections;
	GSocket *socket;
	gint64 touched; /* microseconds, monotonic */
	AshKeptStream *turn; /* borrowed; NULL: there is none now */
	bool keep;           /* after this turn */
	bool was_kept;       /* this is not its first turn */
	bool asked;          /* bytes of the next request came with those of this one */
	bool leaving;        /* was cut, and does not count any more */
	GList link;     /* in AshConnections.open */
} Connection;

struct AshConnections {
	AshConnectionsOptions options;
	GQueue open;        /* of Connection, in no order */
	GPtrArray *sockets; /* of GSocket: listening ones */
	GPtrArray *sources; /* of GSource: accepting ones, by socket */
	guint leaving;      /* of those that are open */
	guint sweep_id, retry_id;
};

static void start_accepting(AshConnections *connections);

static void
source_free(gpointer data)
{
	g_source_destroy(data);
	g_source_unref(data);
}

/* The stream is gone, whoever let it go. */
static void
connection_closed(gpointer data, GObject *stream)
{
	Connection *connection = data;

	if (connection->connections != NULL) {
		g_queue_unlink(&connection->connections->open, &connection->link);
		connection->connections->leaving -= connection->leaving ? 1 : 0;
	}
	g_object_unref(connection->socket);
	g_free(connection);
}

static void
cut(Connection *connection)
{
	g_socket_shutdown(connection->socket, TRUE, TRUE, NULL);
}

static Connection *
find(GSocketAddress *remote)
{
	GWeakRef *ref = g_object_get_data(G_OBJECT(remote), QDATA);
	g_autoptr(GObject) stream = ref != NULL ? g_weak_ref_get(ref) : NULL;

	return stream != NULL ? g_object_get_data(stream, QDATA) : NULL;
}

void
ash_connections_touch(GSocketAddress *remote)
{
	Connection *connection = find(remote);

	if (connection != NULL)
		connection->touched = g_get_monotonic_time();
}

void
ash_connections_keep(GSocketAddress *remote)
{
	Connection *connection = find(remote);

	if (connection != NULL)
		connection->keep = true;
}

void
ash_connections_cut(GSocketAddress *remote)
{
	Connection *connection = find(remote);

	if (connection != NULL)
		cut(connection);
}

static gboolean
sweep(gpointer data)
{
	AshConnections *connections = data;
	const gint64 limit = g_get_monotonic_time() - (gint64) connections->options.idle_seconds * G_USEC_PER_SEC;

	for (GList *i = connections->open.head; i != NULL; i = i->next) {
		Connection *connection = i->data;
		if (connection->touched < limit)
			cut(connection);
	}
	return G_SOURCE_CONTINUE;
}

AshConnections *
ash_connections_new(const AshConnectionsOptions *options)
{
	AshConnections *connections = g_new0(AshConnections, 1);

	connections->options = *options;
	g_queue_init(&connections->open);
	connections->sockets = g_ptr_array_new_with_free_func(g_object_unref);
	connections->sources = g_ptr_array_new_with_free_func(source_free);
	connections->sweep_id = g_timeout_add_seconds(1, sweep, connections);
	return connections;
}

void
ash_connections_stop(AshConnections *connections)
{
	if (connections->retry_id != 0)
		g_source_remove(connections->retry_id);
	connections->retry_id = 0;
	g_ptr_array_set_size(connections->sources, 0);
	g_ptr_array_set_size(connections->sockets, 0);
}

void
ash_connections_free(AshConnections *connections)
{
	if (connections == NULL)
		return;
	ash_connections_stop(connections);
	g_source_remove(connections->sweep_id);
	for (GList *i = connections->open.head; i != NULL; i = i->next) {
		Connection *connection = i->data;
		cut(connection);
		connection->connections = NULL;
	}
	g_ptr_array_unref(connections->sockets);
	g_ptr_array_unref(connections->sources);
	g_free(connections);
}

guint
ash_connections_count(const AshConnections *connections)
{
	return g_queue_get_length((GQueue *) &connections->open);
}

/* The address object is how requests find their connection. */
static void
weak_ref_free(gpointer data)
{
	g_weak_ref_clear(data);
	g_free(data);
}

static void turn_closed(AshKeptStream *turn, gpointer data);

/* Gives @stream, or what lies over its socket, one turn. */
static void
hand_over(Connection *connection, GIOStream *stream, GBytes *ahead)
{
	const AshConnectionsOptions *options = &connection->connections->options;
	g_autoptr(GSocketAddress) local = g_socket_get_local_address(connection->socket, NULL);
	g_autoptr(GSocketAddress) remote = g_socket_get_remote_address(connection->socket, NULL);

	/* It was reset in the meantime. */
	if (local == NULL || remote == NULL)
		return;
	g_autoptr(AshKeptStream) turn = ash_kept_stream_new(stream, ahead, turn_closed, connection);
	g_object_set_data(G_OBJECT(turn), QDATA, connection);
	connection->turn = turn;
	connection->keep = connection->asked = false;
	GWeakRef *ref = g_new0(GWeakRef, 1);
	g_weak_ref_init(ref, turn);
	g_object_set_data_full(G_OBJECT(remote), QDATA, ref, weak_ref_free);
	options->take(G_IO_STREAM(turn), local, remote, options->user_data);
}

/** A turn that will follow, once libsoup has let go of the one before. */
typedef struct {
	Connection *connection;
	GIOStream *base; /* keeps it */
	GBytes *ahead;
} NextTurn;

static gboolean
begin_next(gpointer data)
{
	NextTurn *next = data;

	next->connection->was_kept = true;
	if (next->connection->connections != NULL)
		hand_over(next->connection, next->base, next->ahead);
	return G_SOURCE_REMOVE;
}

static void
next_turn_free(gpointer data)
{
	NextTurn *next = data;

	g_object_unref(next->base);
	g_clear_pointer(&next->ahead, g_bytes_unref);
	g_free(next);
}

static void
turn_closed(AshKeptStream *turn, gpointer data)
{
	Connection *connection = data;
	GIOStream *base = ash_kept_stream_get_base(turn);
	GBytes *ahead = NULL;

	connection->turn = NULL;
	if (connection->keep && !connection->leaving && connection->connections != NULL && ash_kept_stream_can_follow(turn, &ahead)) {
		NextTurn next = { connection, g_object_ref(base), ahead };
		connection->asked = ahead != NULL;
		g_idle_add_full(G_PRIORITY_DEFAULT, begin_next, g_memdup2(&next, sizeof(next)), next_turn_free);
		return;
	}
	g_io_stream_close(base, NULL, NULL);
}

/* Counts @base, what is below TLS: it lives as long as the stream that is handed over. */
static Connection *
enter(AshConnections *connections, GIOStream *base, GSocket *socket)
{
	Connection *connection = g_new0(Connection, 1);

	*connection = (Connection){ .connections = connections, .socket = g_object_ref(socket), .touched = g_get_monotonic_time() };
	connection->link.data = connection;
	g_queue_push_tail_link(&connections->open, &connection->link);
	g_object_weak_ref(G_OBJECT(base), connection_closed, connection);
	return connection;
}

static void
handshake_done(GObject *object, GAsyncResult *result, gpointer data)
{
	Connection *connection = g_object_get_data(object, QDATA);

	if (g_tls_connection_handshake_finish(G_TLS_CONNECTION(object), result, NULL) && connection->connections != NULL)
		hand_over(connection, G_IO_STREAM(object), NULL);
}

/*
 * As g_tls_server_connection_new(), but without a database: clients show no certificates, and glib-networking parses all the authorities of the
 * system for each connection that has one (15 ms), which it does before a database could be taken away.
 */
static GIOStream *
new_tls_stream(GIOStream *base, GTlsCertificate *certificate)
{
	const GType type = g_tls_backend_get_server_connection_type(g_tls_backend_get_default());

	return g_initable_new(type, NULL, NULL, "base-io-stream", base, "certificate", certificate, "database", NULL, "require-close-notify",
			      FALSE, NULL);
}

static void
begin_tls(AshConnections *connections, GIOStream *base, Connection *connection)
{
	static const char *const protocols[] = { "http/1.1", NULL };
	g_autoptr(GIOStream) tls = new_tls_stream(base, connections->options.certificate);

	if (tls == NULL)
		return;
	g_tls_connection_set_advertised_protocols(G_TLS_CONNECTION(tls), protocols);
	g_object_set_data(G_OBJECT(tls), QDATA, connection);
	/* The operation holds a reference. */
	g_tls_connection_handshake_async(G_TLS_CONNECTION(tls), G_PRIORITY_DEFAULT, NULL, handshake_done, NULL);
}

/*
 * Waits for another request: the turn of one is over, be the next begun or not, and nothing came since. What the kernel holds counts, as it may be that
 * we have not come to read it yet.
 */
static bool
waits(const Connection *connection)
{
	if (connection->leaving || g_socket_get_available_bytes(connection->socket) > 0)
		return false;
	if (connection->turn == NULL)
		return connection->keep && !connection->asked;
	return connection->was_kept && ash_kept_stream_is_idle(connection->turn);
}

/* Room for one more: those that wait for another request go first, the longest waiting of them. */
static bool
make_room(AshConnections *connections)
{
	Connection *oldest = NULL;

	if (connections->open.length - connections->leaving < connections->options.max)
		return true;
	for (GList *i = connections->open.head; i != NULL; i = i->next) {
		Connection *connection = i->data;
		if (waits(connection) && (oldest == NULL || connection->touched < oldest->touched))
			oldest = connection;
	}
	if (oldest == NULL)
		return false;
	oldest->leaving = true;
	connections->leaving++;
	cut(oldest);
	return true;
}

static void
begin(AshConnections *connections, GSocket *socket)
{
	g_autoptr(GIOStream) base = NULL;

	if (!make_room(connections)) {
		connections->options.refused(connections->options.user_data);
		g_socket_close(socket, NULL);
		return;
	}
	g_socket_set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
	base = G_IO_STREAM(g_socket_connection_factory_create_connection(socket));
	Connection *connection = enter(connections, base, socket);
	g_object_set_data(G_OBJECT(base), QDATA, connection);
	if (connections->options.certificate != NULL)
		begin_tls(connections, base, connection);
	else
		hand_over(connection, base, NULL);
}

static gboolean
retry(gpointer data)
{
	AshConnections *connections = data;

	connections->retry_id = 0;
	start_accepting(connections);
	return G_SOURCE_REMOVE;
}

static gboolean
on_incoming(GSocket *listening, GIOCondition condition, gpointer data)
{
	AshConnections *connections = data;

	for (guint i = 0; i < ACCEPT_AT_ONCE; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GSocket) socket = g_socket_accept(listening, NULL, &error);
		if (socket != NULL) {
			begin(connections, socket);
			continue;
		}
		if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK) || connections->retry_id != 0)
			return G_SOURCE_CONTINUE;
		/* Not asked again at once: the socket stays readable. */
		g_ptr_array_set_size(connections->sources, 0);
		connections->retry_id = g_timeout_add(RETRY_MILLIS, retry, connections);
		return G_SOURCE_REMOVE;
	}
	return G_SOURCE_CONTINUE;
}

static void
start_accepting(AshConnections *connections)
{
	g_ptr_array_set_size(connections->sources, 0);
	for (guint i = 0; i < connections->sockets->len; i++) {
		GSource *source = g_socket_create_source(connections->sockets->pdata[i], G_IO_IN, NULL);
		g_source_set_callback(source, G_SOURCE_FUNC(on_incoming), connections, NULL);
		g_source_attach(source, NULL);
		g_ptr_array_add(connections->sources, source);
	}
}

void
ash_connections_listen(AshConnections *connections, GSocket *socket)
{
	g_socket_set_blocking(socket, FALSE);
	g_ptr_array_add(connections->sockets, g_object_ref(socket));
	start_accepting(connections);
}

/* "127.0.0.1:8080" taken apart. NULL: it is none. */
static GSocketAddress *
parse_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	guint64 port;

	if (colon == NULL || colon == text || !g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT16, &port, NULL))
		return NULL;
	g_autofree char *host = g_strndup(text, (gsize) (colon - text));
	const gsize length = strlen(host);
	if (strcmp(host, "*") == 0) {
		g_autoptr(GInetAddress) any = g_inet_address_new_any(G_SOCKET_FAMILY_IPV6);
		return g_inet_socket_address_new(any, (guint16) port);
	}
	if (host[0] == '[' && host[length - 1] == ']') {
		memmove(host, host + 1, length - 2);
		host[length - 2] = '\0';
	} else if (strchr(host, ':') != NULL) {
		return NULL;
	}
	return g_inet_socket_address_new_from_string(host, (guint) port);
}

GSocket *
ash_connections_bind(const char *text, GError **error)
{
	g_autoptr(GSocketAddress) address = parse_address(text);

	if (address == NULL)
		return ash_throw_null(error, ASH_ERROR_USAGE, "--listen \"%s\" is not ADDRESS:PORT, as 127.0.0.1:8080, [::1]:8080 or *:8080", text);
	g_autoptr(GSocket) socket = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
	if (socket == NULL)
		return NULL;
	g_socket_set_listen_backlog(socket, 1024);
	if (!g_socket_bind(socket, address, TRUE, error) || !g_socket_listen(socket, error)) {
		ash_prefix(error, "cannot listen at \"%s\"", text);
		return NULL;
	}
	return g_steal_pointer(&socket);
}
