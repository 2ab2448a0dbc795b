/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/dirwalk.h"

#include <stdbool.h>
#include <string.h>

struct AshDirWalk {
	AshContext *ctx;
	AshDirWalkFunc func;
	gpointer user_data;
	GMutex lock;     /* for all below */
	GCond changed;
	GQueue waiting;  /* of paths, owned */
	guint busy;      /* threads that may still add some */
	bool failed;
	GError *error;   /* the first one */
};

void
ash_dir_walk_add(AshDirWalk *walk, const char *path, const char *name)
{
	char *child = strcmp(path, ".") == 0 ? g_strdup(name) : g_strconcat(path, "/", name, NULL);

	g_mutex_lock(&walk->lock);
	g_queue_push_tail(&walk->waiting, child);
	g_cond_signal(&walk->changed);
	g_mutex_unlock(&walk->lock);
}

/* The next directory, owned; NULL when there will be no more. */
static char *
take_next(AshDirWalk *walk)
{
	char *path = NULL;

	g_mutex_lock(&walk->lock);
	while (!walk->failed && walk->busy > 0 && g_queue_is_empty(&walk->waiting))
		g_cond_wait(&walk->changed, &walk->lock);
	if (!walk->failed)
		path = g_queue_pop_head(&walk->waiting);
	if (path != NULL)
		walk->busy++;
	g_mutex_unlock(&walk->lock);
	return path;
}

/* Takes @error, NULL if all went well. */
static void
end_one(AshDirWalk *walk, GError *error)
{
	g_mutex_lock(&walk->lock);
	walk->busy--;
	if (error != NULL && !walk->failed) {
		walk->failed = true;
		walk->error = g_steal_pointer(&error);
	}
	g_cond_broadcast(&walk->changed);
	g_mutex_unlock(&walk->lock);
	g_clear_error(&error);
}

static gpointer
walk_thread(gpointer data)
{
	AshDirWalk *walk = data;

	for (;;) {
		g_autofree char *path = take_next(walk);
		GError *error = NULL;

		if (path == NULL)
			return NULL;
		if (ash_context_check(walk->ctx, &error))
			walk->func(walk, path, walk->user_data, &error);
		end_one(walk, error);
	}
}

gboolean
ash_dir_walk_run(AshContext *ctx, AshDirWalkFunc func, gpointer user_data, GError **error)
{
	AshDirWalk walk = { .ctx = ctx, .func = func, .user_data = user_data, .waiting = G_QUEUE_INIT };
	g_autoptr(GPtrArray) threads = g_ptr_array_new();

	g_mutex_init(&walk.lock);
	g_cond_init(&walk.changed);
	g_queue_push_tail(&walk.waiting, g_strdup("."));
	for (guint i = 1; i < ctx->jobs; i++)
		g_ptr_array_add(threads, g_thread_new("walk", walk_thread, &walk));
	walk_thread(&walk);
	for (guint i = 0; i < threads->len; i++)
		g_thread_join(g_ptr_array_index(threads, i));
	g_queue_clear_full(&walk.waiting, g_free);
	g_cond_clear(&walk.changed);
	g_mutex_clear(&walk.lock);
	if (walk.error == NULL)
		return TRUE;
	g_propagate_error(error, walk.error);
	return FALSE;
}
