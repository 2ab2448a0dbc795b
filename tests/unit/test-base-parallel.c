/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/parallel.h"

#define N 200

typedef struct {
	gint calls[N];  /* of each index */
	gint running;   /* now */
	gint most;      /* at once */
	guint fails_at; /* N: never */
} Work;

static gboolean
count_call(guint index, gpointer user_data, GError **error)
{
	Work *work = user_data;
	gint running = g_atomic_int_add(&work->running, 1) + 1;

	g_atomic_int_inc(&work->calls[index]);
	if (running > g_atomic_int_get(&work->most))
		g_atomic_int_set(&work->most, running);
	g_usleep(200);
	g_atomic_int_add(&work->running, -1);
	return index != work->fails_at || ash_throw(error, ASH_ERROR_CONFIG, "part %u", index);
}

static void
test_all(gconstpointer data)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	Work work = { .fails_at = N };

	ctx->jobs = GPOINTER_TO_UINT(data);
	g_assert_true(ash_parallel_run(ctx, N, count_call, &work, &error));
	g_assert_no_error(error);
	for (guint i = 0; i < N; i++)
		g_assert_cmpint(work.calls[i], ==, 1);
	g_assert_cmpint(work.most, <=, MAX(1, (gint) ctx->jobs));
	g_assert_true(ash_parallel_run(ctx, 0, count_call, NULL, &error));
}

static void
test_failure(gconstpointer data)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	Work work = { .fails_at = 7 };

	ctx->jobs = GPOINTER_TO_UINT(data);
	g_assert_false(ash_parallel_run(ctx, N, count_call, &work, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_cmpstr(error->message, ==, "part 7");
	g_assert_cmpint(work.calls[7], ==, 1);
	g_assert_cmpint(work.calls[N - 1], ==, 0);
	g_assert_cmpint(work.running, ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/base/parallel/one", GUINT_TO_POINTER(1), test_all);
	g_test_add_data_func("/base/parallel/four", GUINT_TO_POINTER(4), test_all);
	g_test_add_data_func("/base/parallel/too-many", GUINT_TO_POINTER(1000), test_all);
	g_test_add_data_func("/base/parallel/failure-one", GUINT_TO_POINTER(1), test_failure);
	g_test_add_data_func("/base/parallel/failure-four", GUINT_TO_POINTER(4), test_failure);
	return g_test_run();
}
