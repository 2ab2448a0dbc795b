/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

/**
 * AshTasks: pieces of work side by side, at most ctx->jobs at once, in the order they are pushed. A task may push others. The
 * first one that fails stops all: those that run are cancelled, those that wait are dropped.
 */
typedef struct AshTasks AshTasks;

/** @ctx is the task's own: its progress is a branch of the caller's, its cancellable also fires when another task failed. */
typedef gboolean (*AshTaskFunc)(AshContext *ctx, gpointer data, GError **error);

AshTasks *ash_tasks_new(AshContext *ctx);
/** Waits for what still runs. */
void ash_tasks_free(AshTasks *tasks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshTasks, ash_tasks_free)

/** Adds a task that is @weight of the caller's progress. @data must live until ash_tasks_wait() is back. From any thread. */
void ash_tasks_push(AshTasks *tasks, AshTaskFunc func, gpointer data, guint weight);

/** Waits until every task is done; the error of the first one that failed. */
gboolean ash_tasks_wait(AshTasks *tasks, GError **error);
