/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/progress.h"

#include <string.h>

typedef struct {
	AshProgress *progress;
	GString *log;    /* "KIND step depth" a line, without updates */
	double fraction; /* the last one told */
	guint updates, events;
} Fixture;

static const char *const kind_names[] = {
	[ASH_PROGRESS_STEP_BEGIN] = "begin",
	[ASH_PROGRESS_UPDATE] = "update",
	[ASH_PROGRESS_STEP_END] = "end",
	[ASH_PROGRESS_MESSAGE] = "message",
};

/* Every event of every test is checked here: the fraction stays in bounds and never goes back. */
static void
sink(const AshProgressEvent *event, gpointer user_data)
{
	Fixture *fixture = user_data;

	g_assert_cmpfloat(event->fraction, >=, fixture->fraction);
	g_assert_cmpfloat(event->fraction, <=, 1.0);
	fixture->fraction = event->fraction;
	fixture->events++;
	if (event->kind == ASH_PROGRESS_UPDATE)
		fixture->updates++;
	else
		g_string_append_printf(fixture->log, "%s %s %u\n", kind_names[event->kind],
				       event->kind == ASH_PROGRESS_MESSAGE ? event->text : event->step, event->depth);
	if (event->kind == ASH_PROGRESS_STEP_END)
		g_assert_cmpfloat(event->seconds, >=, 0);
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->progress = ash_progress_new(sink, fixture);
	fixture->log = g_string_new(NULL);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_progress_free(fixture->progress);
	g_string_free(fixture->log, TRUE);
}

static void
assert_fraction(Fixture *fixture, double wanted)
{
	g_assert_cmpfloat_with_epsilon(fixture->fraction, wanted, 1e-9);
}

static void
test_steps(Fixture *fixture, gconstpointer data)
{
	ash_progress_begin(fixture->progress, "One", 40);
	assert_fraction(fixture, 0);
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 0.4);
	ash_progress_begin(fixture->progress, "Two", 60);
	ash_progress_message(fixture->progress, "%d done", 1);
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 1);
	g_assert_cmpstr(fixture->log->str, ==, "begin One 0\nend One 0\nbegin Two 0\nmessage 1 done 0\nend Two 0\n");
}

typedef struct {
	AshProgress *branch;
	const char *name;
} Line;

static gpointer
work_in_branch(gpointer data)
{
	Line *line = data;

	ash_progress_begin(line->branch, line->name, 100);
	for (guint i = 0; i < 1000; i++)
		ash_progress_count(line->branch, i, 1000, "things");
	ash_progress_end(line->branch);
	return NULL;
}

/* Two lines of work at once: both reach the one sink, each counts as its weight says. */
static void
test_branches(Fixture *fixture, gconstpointer data)
{
	Line lines[] = { { NULL, "One" }, { NULL, "Two" } };
	GThread *threads[G_N_ELEMENTS(lines)];

	ash_progress_set_total_weight(fixture->progress, 4);
	lines[0].branch = ash_progress_branch(fixture->progress, 1);
	lines[1].branch = ash_progress_branch(fixture->progress, 3);
	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
		threads[i] = g_thread_new("line", work_in_branch, &lines[i]);
	g_thread_join(threads[0]);
	g_thread_join(threads[1]);
	assert_fraction(fixture, 1);
	g_assert_nonnull(strstr(fixture->log->str, "begin One 0\n"));
	g_assert_nonnull(strstr(fixture->log->str, "end One 0\n"));
	g_assert_nonnull(strstr(fixture->log->str, "end Two 0\n"));
	ash_progress_free(lines[0].branch);
	ash_progress_free(lines[1].branch);
	g_assert_null(ash_progress_branch(NULL, 1));
}

/* A line that ends early counts as done. */
static void
test_branch_given_up(Fixture *fixture, gconstpointer data)
{
	ash_progress_set_total_weight(fixture->progress, 4);
	AshProgress *branch = ash_progress_branch(fixture->progress, 2);
	ash_progress_begin(branch, "Half", 50);
	ash_progress_end(branch);
	assert_fraction(fixture, 0.25);
	ash_progress_free(branch);
	ash_progress_begin(fixture->progress, "Rest", 2);
	assert_fraction(fixture, 0.5);
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 1);
}

static void
test_nested(Fixture *fixture, gconstpointer data)
{
	ash_progress_set_total_weight(fixture->progress, 4);
	ash_progress_begin(fixture->progress, "Outer", 3);
	ash_progress_set_total_weight(fixture->progress, 3);
	ash_progress_begin(fixture->progress, "Inner", 1);
	ash_progress_count(fixture->progress, 5, 10, "packages");
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 0.25);
	ash_progress_begin(fixture->progress, "Inner", 2);
	ash_progress_end(fixture->progress);
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 0.75);
	ash_progress_begin(fixture->progress, "Last", 1);
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 1);
	g_assert_nonnull(strstr(fixture->log->str, "begin Inner 1\n"));
}

/* Steps that together weigh more or less than was declared, counters that run over or start again. */
static void
test_wrong_figures(Fixture *fixture, gconstpointer data)
{
	ash_progress_begin(fixture->progress, "Heavy", 90);
	ash_progress_count(fixture->progress, 30, 20, "B");
	ash_progress_message(fixture->progress, "x");
	ash_progress_begin(fixture->progress, "Child after counters", 100);
	ash_progress_count(fixture->progress, 9, 10, "B");
	ash_progress_message(fixture->progress, "x");
	ash_progress_count(fixture->progress, 0, 10, "B");
	ash_progress_message(fixture->progress, "x");
	ash_progress_end(fixture->progress);
	ash_progress_set_total_weight(fixture->progress, 0);
	ash_progress_end(fixture->progress);
	ash_progress_begin(fixture->progress, "Too much", 90);
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 1);
	/* One end too many does no harm. */
	ash_progress_end(fixture->progress);
	ash_progress_message(fixture->progress, "still here");
}

/* A worker's events count inside our step. */
static void
test_forward(Fixture *fixture, gconstpointer data)
{
	AshProgressEvent event = { .kind = ASH_PROGRESS_STEP_BEGIN, .step = "Theirs", .fraction = 0.5 };

	ash_progress_begin(fixture->progress, "Ours", 50);
	ash_progress_forward(fixture->progress, &event);
	assert_fraction(fixture, 0.25);
	event.fraction = 1;
	event.depth = 1;
	event.kind = ASH_PROGRESS_STEP_END;
	ash_progress_forward(fixture->progress, &event);
	assert_fraction(fixture, 0.5);
	/* What the next step in the same parent starts from must not be less. */
	ash_progress_begin(fixture->progress, "Child", 100);
	ash_progress_end(fixture->progress);
	ash_progress_end(fixture->progress);
	ash_progress_begin(fixture->progress, "Next", 50);
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 1);
	g_assert_nonnull(strstr(fixture->log->str, "begin Theirs 1\nend Theirs 2\n"));
}

/* A sink that draws is not called for every one of a million files. */
static void
test_updates_are_few(Fixture *fixture, gconstpointer data)
{
	gint64 begun = g_get_monotonic_time();

	ash_progress_begin(fixture->progress, "Count", 100);
	for (guint i = 0; i < 20000; i++) {
		ash_progress_count(fixture->progress, i, 20000, "files");
		ash_progress_item(fixture->progress, "x");
	}
	guint most = 2 + (guint) ((g_get_monotonic_time() - begun) / (50 * G_TIME_SPAN_MILLISECOND));
	g_assert_cmpuint(fixture->updates, >=, 1);
	g_assert_cmpuint(fixture->updates, <=, most);
}

static gpointer
count_in_thread(gpointer data)
{
	for (guint i = 0; i < 2000; i++) {
		ash_progress_item(data, i % 2 == 0 ? "even" : NULL);
		ash_progress_count(data, i, 2000, i % 3 == 0 ? "B" : "files");
		if (i % 500 == 0)
			ash_progress_message(data, "%u", i);
	}
	return NULL;
}

static void
test_threads(Fixture *fixture, gconstpointer data)
{
	GThread *threads[4];

	ash_progress_begin(fixture->progress, "Threads", 100);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("count", count_in_thread, fixture->progress);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	ash_progress_end(fixture->progress);
	assert_fraction(fixture, 1);
	g_assert_cmpuint(fixture->events - fixture->updates, ==, 2 + 4 * G_N_ELEMENTS(threads));
}

/* Neither a progress nor a sink is needed. */
static void
test_nobody_listens(void)
{
	AshProgressEvent event = { .kind = ASH_PROGRESS_UPDATE };
	AshProgress *progresses[] = { NULL, ash_progress_new(NULL, NULL) };

	for (gsize i = 0; i < G_N_ELEMENTS(progresses); i++) {
		ash_progress_set_total_weight(progresses[i], 1);
		ash_progress_begin(progresses[i], "x", 1);
		ash_progress_count(progresses[i], 1, 2, NULL);
		ash_progress_item(progresses[i], NULL);
		ash_progress_message(progresses[i], "x");
		ash_progress_forward(progresses[i], &event);
		ash_progress_end(progresses[i]);
		ash_progress_free(progresses[i]);
	}
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/base/progress/steps", test_steps);
	ADD("/base/progress/nested", test_nested);
	ADD("/base/progress/branches", test_branches);
	ADD("/base/progress/branch-given-up", test_branch_given_up);
	ADD("/base/progress/wrong-figures", test_wrong_figures);
	ADD("/base/progress/forward", test_forward);
	ADD("/base/progress/updates-are-few", test_updates_are_few);
	ADD("/base/progress/threads", test_threads);
	g_test_add_func("/base/progress/nobody-listens", test_nobody_listens);
	return g_test_run();
}
