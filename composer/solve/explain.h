/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "solve/pool.h"

#include <solv/solver.h>

/* Private to solve/: why there is no set. Both return FALSE with ASH_ERROR_UNSOLVABLE. */

/**
 * All problems of @solver: the rules that contradict each other and the solutions that libsolv offers. @labels says
 * for each job, in order, what people called it.
 */
gboolean ash_explain_problems(Solver *solver, GPtrArray *labels, GError **error);

/** @spec matches nothing: says whether it is hidden, and which names look like it. @origin ("file:line") may be NULL. */
gboolean ash_explain_unknown(AshPool *pool, const char *spec, const char *origin, GError **error);
