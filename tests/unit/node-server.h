/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/** tests/faults/server.py on a directory; its first lines say what a script is. All of these fail the test instead of returning errors. */
typedef struct {
	char *script, *log;
	char *url; /* "http://127.0.0.1:PORT" */
	int in;    /* it ends when this is closed */
	GPid pid;
} NodeServer;

/** Serves @dir; NULL if there is no Python. @cert, @key: PEM files, for https; or NULL. The script is empty. */
NodeServer *node_server_new(const char *dir, const char *cert, const char *key);
void node_server_free(NodeServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NodeServer, node_server_free)

/** From now on. ' stands for ". */
void node_server_set_script(NodeServer *server, const char *script);
/** Requests since the last call. */
guint node_server_take_requests(NodeServer *server);
