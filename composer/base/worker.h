/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>

/**
 * Workers: our own program, run again as a child in namespaces of its own, for everything that touches a
 * staging root. A worker is PID 1 of a new PID namespace, root of a new user namespace (ids 0 to 65535:
 * identity when we are root, else from /etc/subuid and /etc/subgid through newuidmap/newgidmap) and has private
 * mount, IPC, UTS and (empty) network namespaces. It dies with us (PR_SET_PDEATHSIG), and everything it
 * started or mounted goes with it.
 *
 * Request and reply are JSON objects. Progress events and errors (with their code) pass through unchanged.
 */
typedef JsonObject *(*AshWorkerFunc)(AshContext *ctx, JsonObject *request, GError **error);

typedef struct {
	const char *name;
	AshWorkerFunc run;
} AshWorkerEntry;

/** Runs worker @name with @request. Returns its reply (owned), or NULL with the worker's own error. */
JsonObject *ash_worker_call(AshContext *ctx, const char *name, JsonObject *request, GError **error);

/** In main(): if argv says that this process is a worker, runs it and returns true with its exit status. */
bool ash_worker_main(int argc, char **argv, const AshWorkerEntry *table, int *ret_status);

/** FALSE and ASH_ERROR_CONFIG with the remedy if this user cannot have the 65,536 ids that a worker needs. */
gboolean ash_worker_check(GError **error);
