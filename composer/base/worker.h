/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

#include <json-glib/json-glib.h>
#include <stdbool.h>

/**
 * Workers: our own program, run again as a child in namespaces of its own, for everything that touches a
 * staging root. A worker is root of a new user namespace (ids 0 to 65535: identity when we are root, else from
 * /etc/subuid and /etc/subgid through newuidmap/newgidmap) and has private PID, mount, IPC, UTS and (empty)
 * network namespaces. PID 1 beside it only reaps. It dies with us (PR_SET_PDEATHSIG), and everything it
 * started or mounted goes with it. It has no controlling terminal, its umask is 022, its standard input is
 * empty, and what it writes to standard output and error is only seen if it dies without a reply.
 *
 * Request and reply are JSON objects. Progress events and errors (with their code) pass through unchanged.
 */
typedef JsonObject *(*AshWorkerFunc)(AshContext *ctx, JsonObject *request, GError **error);

typedef struct {
	const char *name;
	AshWorkerFunc run;
} AshWorkerEntry;

/**
 * Runs worker @name with @request and waits for it. Returns its reply (owned), or NULL with the worker's own
 * error; ASH_ERROR_CANCELLED if ctx->cancellable fired (the worker is killed then). May be called from any thread.
 */
JsonObject *ash_worker_call(AshContext *ctx, const char *name, JsonObject *request, GError **error);

/** A worker that has been started and waits for its request. */
typedef struct AshWorker AshWorker;

/**
 * Together with ash_worker_run() the same in two steps, for who knows early that there will be work: a process takes some 30 ms
 * from its start until it can do something. It ends with the thread that started it (PR_SET_PDEATHSIG), and with ash_worker_free().
 */
AshWorker *ash_worker_start(const char *name, GError **error);

/** As ash_worker_call(), once for each worker. */
JsonObject *ash_worker_run(AshWorker *worker, AshContext *ctx, JsonObject *request, GError **error);

/** Ends it, if it has not ended. */
void ash_worker_free(AshWorker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshWorker, ash_worker_free)

/**
 * In main(), before anything else: if argv says that this process is a worker, runs it and returns true with
 * its exit status. @table ends with a NULL name.
 */
bool ash_worker_main(int argc, char **argv, const AshWorkerEntry *table, int *ret_status);

/** In a worker, from any thread: reports @error as its outcome and ends the worker with everything it started. */
G_NORETURN void ash_worker_abort(const GError *error);

/** FALSE and ASH_ERROR_CONFIG with the remedy if this user cannot have the 65,536 ids that a worker needs. */
gboolean ash_worker_check(GError **error);
