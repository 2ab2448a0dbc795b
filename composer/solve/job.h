/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "solve/comps.h"
#include "solve/pool.h"
#include "solve/solve.h"

/* Private to solve/. */

/** What the solver is told, and for whose sake, so that results have reasons. */
typedef struct {
	AshPool *pool; /* borrowed */
	const AshSolveRequest *request; /* borrowed */
	Queue queue;   /* of libsolv jobs */
	GPtrArray *labels; /* of char *: for each job what people called it */
	Map user;      /* packages that a name in the request means */
	Map group;     /* packages that a group member means */
} AshJob;

/** An empty job; pool and request are borrowed until it is cleared. */
void ash_job_init(AshJob *job, AshPool *pool, const AshSolveRequest *request);
void ash_job_clear(AshJob *job);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshJob, ash_job_clear)

/** True if the result must be the request's lock. */
bool ash_job_is_exact(const AshSolveRequest *request);

/** Hides what repositories, the request and an exact lock leave out. */
gboolean ash_job_add_hidden(AshJob *job, GError **error);
/** Adds the names of the request. */
gboolean ash_job_add_names(AshJob *job, GError **error);
/** Adds the members of its groups and environments. */
gboolean ash_job_add_groups(AshJob *job, const AshComps *comps, GError **error);
/** Adds the preference for what a lock names (ASH_LOCK_FAVOUR). */
void ash_job_add_favours(AshJob *job);
