/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/tasks.h"

#include "base/error.h"

#include <stdbool.h>

typedef struct {
	AshTasks *tasks;
	int running, most, done; /* atomic */
	int depth;
	bool fails;
} Work;

static gboolean
count(AshContext *ctx, gpointer data, GError **error)
{
	Work *work = data;
	int running = g_atomic_int_add(&work->running, 1) + 1;

	while (running > g_atomic_int_get(&work->most))
		g_atomic_int_set(&work->most, running);
	g_usleep(2000);
	g_atomic_int_add(&work->running, -1);
	g_atomic_int_inc(&work->done);
	return TRUE;
}

static void
test_side_by_side(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	Work work = { 0 };
	g_autoptr(GError) error = NULL;

	ctx->jobs = 3;
	g_autoptr(AshTasks) tasks = ash_tasks_new(ctx);
	for (guint i = 0; i < 30; i++)
		ash_tasks_push(tasks, count, &work, 1);
	g_assert_true(ash_tasks_wait(tasks, &error));
	g_assert_no_error(error);
	g_assert_cmpint(work.done, ==, 30);
	g_assert_cmpint(work.most, >, 1);
	g_assert_cmpint(work.most, <=, 3);
}

/* A task may push others: the wait is for them, too. */
static gboolean
push_more(AshContext *ctx, gpointer data, GError **error)
{
	Work *work = data;

	if (g_atomic_int_add(&work->depth, 1) < 5)
		ash_tasks_push(work->tasks, push_more, work, 1);
	g_usleep(1000);
	g_atomic_int_inc(&work->done);
	return TRUE;
}

static void
test_pushed_by_tasks(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	Work work = { 0 };

	ctx->jobs = 2;
	g_autoptr(AshTasks) tasks = ash_tasks_new(ctx);
	work.tasks = tasks;
	ash_tasks_push(tasks, push_more, &work, 1);
	g_assert_true(ash_tasks_wait(tasks, NULL));
	g_assert_cmpint(work.done, ==, 6);
}

static gboolean
wait_or_fail(AshContext *ctx, gpointer data, GError **error)
{
	Work *work = data;

	if (work->fails)
		return ash_throw(error, ASH_ERROR_CONFIG, "this one is bad");
	for (guint i = 0; i < 5000; i++) {
		if (!ash_context_check(ctx, error))
			return FALSE;
		g_usleep(1000);
	}
	g_assert_not_reached();
}

/* The first failure is the one that is told, and ends the others. */
static void
test_failure(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	Work waits = { 0 }, fails = { .fails = true };
	g_autoptr(GError) error = NULL;

	ctx->jobs = 2;
	g_autoptr(AshTasks) tasks = ash_tasks_new(ctx);
	ash_tasks_push(tasks, wait_or_fail, &waits, 1);
	ash_tasks_push(tasks, wait_or_fail, &fails, 1);
	for (guint i = 0; i < 10; i++)
		ash_tasks_push(tasks, wait_or_fail, &waits, 1);
	g_assert_false(ash_tasks_wait(tasks, &error));
	g_assert_cmpstr(error->message, ==, "this one is bad");
	g_assert_cmpint(ash_error_code(error), ==, ASH_ERROR_CONFIG);
}

static gpointer
cancel_soon(gpointer data)
{
	g_usleep(20000);
	g_cancellable_cancel(data);
	return NULL;
}

static void
test_cancel(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	Work waits = { 0 };
	g_autoptr(GError) error = NULL;

	if (ctx->cancellable == NULL)
		ctx->cancellable = g_cancellable_new();
	GThread *thread = g_thread_new("cancel", cancel_soon, ctx->cancellable);
	g_autoptr(AshTasks) tasks = ash_tasks_new(ctx);
	ash_tasks_push(tasks, wait_or_fail, &waits, 1);
	g_assert_false(ash_tasks_wait(tasks, &error));
	g_assert_cmpint(ash_error_code(error), ==, ASH_ERROR_CANCELLED);
	g_thread_join(thread);
}

/* Freed with work undone, as after a failure elsewhere: nothing runs on. */
static void
test_free(void)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	Work work = { 0 };
	AshTasks *tasks = ash_tasks_new(ctx);

	for (guint i = 0; i < 5; i++)
		ash_tasks_push(tasks, count, &work, 1);
	ash_tasks_free(tasks);
	g_assert_cmpint(work.running, ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/compose/tasks/side-by-side", test_side_by_side);
	g_test_add_func("/compose/tasks/pushed-by-tasks", test_pushed_by_tasks);
	g_test_add_func("/compose/tasks/failure", test_failure);
	g_test_add_func("/compose/tasks/cancel", test_cancel);
	g_test_add_func("/compose/tasks/free", test_free);
	return g_test_run();
}
