/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/**
 * Connections of clients: accepted here and not by SoupServer, which stops to listen for good when accept(2) fails once (no descriptors left), and
 * has neither limits nor time-outs.
 */
typedef struct AshConnections AshConnections;

/** Takes over a connection (TLS included) whose ends are these, for one request. */
typedef void (*AshConnectionsTake)(GIOStream *stream, GSocketAddress *local, GSocketAddress *remote, gpointer user_data);

typedef struct {
	guint max;             /* open at once; one more is closed at once, if none waits for another request */
	guint idle_seconds;    /* without a request, in the middle of one, or without progress of a reply: closed then */
	GTlsCertificate *certificate; /* borrowed; NULL: no TLS */
	AshConnectionsTake take;
	void (*refused)(gpointer user_data); /* one too many came */
	gpointer user_data;
} AshConnectionsOptions;

AshConnections *ash_connections_new(const AshConnectionsOptions *options);
/** Closes all. */
void ash_connections_free(AshConnections *connections);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshConnections, ash_connections_free)

/** A listening socket for "127.0.0.1:8080", "[::1]:8080" or "*:8080" (port 0: any that is free). ASH_ERROR_USAGE. Owned; NULL on failure. */
GSocket *ash_connections_bind(const char *address, GError **error);

/** Accepts what comes in at @socket, from the default main context. */
void ash_connections_listen(AshConnections *connections, GSocket *socket);
/** Accepts no more. */
void ash_connections_stop(AshConnections *connections);

/** How many are open. */
guint ash_connections_count(const AshConnections *connections);

/** The connection with this remote address (the very object) is alive: its time begins anew. */
void ash_connections_touch(GSocketAddress *remote);
/** It may have another request, once the one under way has been answered. */
void ash_connections_keep(GSocketAddress *remote);
/** Cuts it. */
void ash_connections_cut(GSocketAddress *remote);
