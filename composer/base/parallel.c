/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/parallel.h"

#include <stdbool.h>

#define MAX_THREADS 64

typedef struct {
	AshParallelFunc func;
	gpointer user_data;
	guint n;
	GMutex lock;
	guint next;    /* under lock */
	GError *error; /* the first one, under lock */
} Work;

static bool
take_index(Work *work, guint *ret_index)
{
	bool taken;

	g_mutex_lock(&work->lock);
	taken = work->error == NULL && work->next < work->n;
	if (taken)
		*ret_index = work->next++;
	g_mutex_unlock(&work->lock);
	return taken;
}

static void
keep_error(Work *work, GError *error)
{
	g_mutex_lock(&work->lock);
	if (work->error == NULL)
		work->error = error;
	else
		g_error_free(error);
	g_mutex_unlock(&work->lock);
}

static gpointer
run_thread(gpointer data)
{
	Work *work = data;
	guint index = 0;

	while (take_index(work, &index)) {
		GError *error = NULL;

		if (!work->func(index, work->user_data, &error))
			keep_error(work, error);
	}
	return NULL;
}

gboolean
ash_parallel_run(AshContext *ctx, guint n, AshParallelFunc func, gpointer user_data, GError **error)
{
	Work work = { .func = func, .user_data = user_data, .n = n };
	guint n_threads = MIN(CLAMP(ctx->jobs, 1, MAX_THREADS), n);
	GThread *threads[MAX_THREADS] = { NULL };

	g_mutex_init(&work.lock);
	/* A thread that cannot be had only makes it slower. */
	for (guint i = 1; i < n_threads; i++)
		threads[i] = g_thread_try_new("parallel", run_thread, &work, NULL);
	run_thread(&work);
	for (guint i = 1; i < n_threads; i++) {
		if (threads[i] != NULL)
			g_thread_join(threads[i]);
	}
	g_mutex_clear(&work.lock);
	if (work.error == NULL)
		return TRUE;
	g_propagate_error(error, work.error);
	return FALSE;
}
