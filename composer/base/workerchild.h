/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/** What both sides of a worker (worker.c, workerchild.c) agree on; of no use to others. */

/** argv[1] of a worker; argv[2] is its name. */
#define ASH_WORKER_MARK "--ashlar-worker"

/** Descriptors that a worker starts with. */
enum {
	ASH_WORKER_FD_INPUT,
	ASH_WORKER_FD_OUTPUT,
	ASH_WORKER_FD_ERRORS,
	ASH_WORKER_FD_REQUEST, /* a memfd: the request, one JSON object */
	ASH_WORKER_FD_REPLY,   /* a pipe: JSON lines */
	ASH_WORKER_FD_SYNC,    /* a socket, gone once the ids are mapped */
	_ASH_WORKER_FD_COUNT,
};

/** Bytes on the socket. */
#define ASH_WORKER_SYNC_READY 'r'
#define ASH_WORKER_SYNC_MAPPED 'm'

/** Exit status of a worker that could not be set up. */
#define ASH_WORKER_EXIT_SETUP 125
