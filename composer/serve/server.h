/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

/**
 * AshServer: a release directory over HTTP/1.1 (RFC 9110, 9112), by libsoup. One thread; nothing in the directory is written.
 *
 *     GET /metadata/... /targets/... /objects/... /ostree/... /sysupdate/...   files
 *     GET / /ui/...                                                            the page for people
 *     GET /api/v1/releases /api/v1/nodes                                       what it shows, as JSON
 *     GET /metrics                                                             for Prometheus
 *     POST /report                                                             of nodes (model/report.h), if there is a database
 */
typedef struct AshServer AshServer;

/** What a person asked for; all borrowed. */
typedef struct {
	const char *dir;                  /* the release directory */
	const char *const *listen;        /* ADDRESS:PORT, NULL-terminated; empty: the default, or what systemd gave */
	const char *tls_certificate, *tls_key; /* PEM files; both or none */
	const char *access_log;           /* file or "-"; NULL: none */
	const char *database;             /* SQLite file for reports; NULL: none are taken */
	guint report_rate;                /* reports a minute from one address */
	guint keep_days;                  /* after which a silent node is forgotten */
	guint max_nodes, max_connections;
	guint timeout;                    /* seconds without progress */
} AshServerOptions;

#define ASH_SERVER_LISTEN          "127.0.0.1:8080"
#define ASH_SERVER_REPORT_RATE     60
#define ASH_SERVER_KEEP_DAYS       90
#define ASH_SERVER_MAX_NODES       200000
#define ASH_SERVER_MAX_CONNECTIONS 1000
#define ASH_SERVER_TIMEOUT         60

/** Opens everything and listens. The page's files are those of ctx->data_dir. Owned; NULL on failure. */
AshServer *ash_server_new(AshContext *ctx, const AshServerOptions *options, GError **error);
void ash_server_free(AshServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshServer, ash_server_free)

/** Where it listens: "http://127.0.0.1:8080/". Borrowed, NULL-terminated. */
const char *const *ash_server_get_urls(const AshServer *server);

/** Serves until ctx->cancellable fires, then lets replies under way go on for at most ten seconds. */
void ash_server_run(AshServer *server);
