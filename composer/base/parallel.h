/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

/** Does part @index of some work, at the same time as others. */
typedef gboolean (*AshParallelFunc)(guint index, gpointer user_data, GError **error);

/**
 * Calls @func for every index below @n, on at most ctx->jobs threads, the caller's own among them, lower indices first.
 * After a failure no further index is begun, those under way are waited for, and the first error is returned.
 */
gboolean ash_parallel_run(AshContext *ctx, guint n, AshParallelFunc func, gpointer user_data, GError **error);
