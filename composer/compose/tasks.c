/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/tasks.h"

#include <stdbool.h>

typedef struct {
	AshTaskFunc func;
	gpointer data;
	guint weight;
} Task;

struct AshTasks {
	AshContext *ctx;           /* borrowed */
	GCancellable *cancellable; /* fires with the caller's, and at the first failure */
	gulong cancelled_handler;
	GThreadPool *pool;
	GMutex lock;
	GCond idle;
	guint pending;  /* pushed and not done; under lock */
	GError *error;  /* the first; under lock */
};

static gboolean
run_task(AshTasks *tasks, const Task *task, GError **error)
{
	AshContext ctx = *tasks->ctx;

	ctx.cancellable = tasks->cancellable;
	if (!ash_context_check(&ctx, error))
		return FALSE;
	ctx.progress = ash_progress_branch(tasks->ctx->progress, task->weight);
	gboolean done = task->func(&ctx, task->data, error);
	ash_progress_free(ctx.progress);
	return done;
}

static void
run_in_pool(gpointer data, gpointer user_data)
{
	g_autofree Task *task = data;
	AshTasks *tasks = user_data;
	GError *error = NULL;
	bool done = run_task(tasks, task, &error), first = false;

	g_mutex_lock(&tasks->lock);
	if (!done && tasks->error == NULL) {
		tasks->error = g_steal_pointer(&error);
		first = true;
	}
	g_mutex_unlock(&tasks->lock);
	if (first)
		g_cancellable_cancel(tasks->cancellable);
	g_clear_error(&error);
	g_mutex_lock(&tasks->lock);
	if (--tasks->pending == 0)
		g_cond_broadcast(&tasks->idle);
	g_mutex_unlock(&tasks->lock);
}

static void
on_cancelled(GCancellable *cancellable, gpointer data)
{
	g_cancellable_cancel(data);
}

AshTasks *
ash_tasks_new(AshContext *ctx)
{
	AshTasks *tasks = g_new0(AshTasks, 1);

	tasks->ctx = ctx;
	tasks->cancellable = g_cancellable_new();
	if (ctx->cancellable != NULL)
		tasks->cancelled_handler = g_cancellable_connect(ctx->cancellable, G_CALLBACK(on_cancelled),
								 tasks->cancellable, NULL);
	g_mutex_init(&tasks->lock);
	g_cond_init(&tasks->idle);
	/* Threads of its own: a worker dies with the thread that started it. */
	tasks->pool = g_thread_pool_new(run_in_pool, tasks, (int) MAX(1, ctx->jobs), TRUE, NULL);
	return tasks;
}

void
ash_tasks_free(AshTasks *tasks)
{
	if (tasks == NULL)
		return;
	g_thread_pool_free(tasks->pool, FALSE, TRUE);
	if (tasks->cancelled_handler != 0)
		g_cancellable_disconnect(tasks->ctx->cancellable, tasks->cancelled_handler);
	g_object_unref(tasks->cancellable);
	g_clear_error(&tasks->error);
	g_mutex_clear(&tasks->lock);
	g_cond_clear(&tasks->idle);
	g_free(tasks);
}

void
ash_tasks_push(AshTasks *tasks, AshTaskFunc func, gpointer data, guint weight)
{
	Task *task = g_new0(Task, 1);

	*task = (Task) { func, data, weight };
	g_mutex_lock(&tasks->lock);
	tasks->pending++;
	g_mutex_unlock(&tasks->lock);
	g_thread_pool_push(tasks->pool, task, NULL);
}

gboolean
ash_tasks_wait(AshTasks *tasks, GError **error)
{
	g_mutex_lock(&tasks->lock);
	while (tasks->pending > 0)
		g_cond_wait(&tasks->idle, &tasks->lock);
	GError *first = g_steal_pointer(&tasks->error);
	g_mutex_unlock(&tasks->lock);
	if (first == NULL)
		return TRUE;
	g_propagate_error(error, first);
	return FALSE;
}
