/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/progress.h"

#include <string.h>

typedef struct {
	char *name;
	char *item;
	char *unit;
	guint weight;       /* within its parent */
	guint total_weight; /* of its children */
	double done_weight; /* of its finished children, and of its branches so far */
	guint64 done, total;
	gint64 begun_at;
	gboolean finished;
} Step;

struct AshProgress {
	GMutex lock;
	AshProgressSink sink;
	gpointer user_data;
	GPtrArray *steps;  /* innermost last; the first is the whole */
	gint64 told_at;    /* the last UPDATE: a sink is not called more often than it can draw */
	double forwarded;  /* fraction of the innermost step that a worker reported */
	double reached;    /* the highest fraction told: it never goes back */
	AshProgress *parent;  /* of a branch: borrowed */
	guint branch_weight;  /* within the parent's innermost step */
	double branch_told;   /* the fraction of ours that the parent knows */
};

#define UPDATE_INTERVAL (50 * G_TIME_SPAN_MILLISECOND)

static void
step_free(gpointer data)
{
	Step *step = data;

	g_free(step->name);
	g_free(step->item);
	g_free(step->unit);
	g_free(step);
}

static Step *
step_push(AshProgress *progress, const char *name, guint weight)
{
	Step *step = g_new0(Step, 1);

	step->name = g_strdup(name);
	step->weight = weight;
	step->total_weight = 100;
	step->begun_at = g_get_monotonic_time();
	g_ptr_array_add(progress->steps, step);
	return step;
}

static Step *
innermost(AshProgress *progress)
{
	return g_ptr_array_index(progress->steps, progress->steps->len - 1);
}

AshProgress *
ash_progress_new(AshProgressSink sink, gpointer user_data)
{
	AshProgress *progress = g_new0(AshProgress, 1);

	g_mutex_init(&progress->lock);
	progress->sink = sink;
	progress->user_data = user_data;
	progress->steps = g_ptr_array_new_with_free_func(step_free);
	step_push(progress, "", 0);
	return progress;
}

/* Lets the parent know how far its branch is; the parent's lock is held. */
static void
count_branch(AshProgress *parent, AshProgress *branch, double fraction)
{
	innermost(parent)->done_weight += branch->branch_weight * MAX(fraction - branch->branch_told, 0);
	branch->branch_told = MAX(fraction, branch->branch_told);
}

void
ash_progress_free(AshProgress *progress)
{
	if (progress == NULL)
		return;
	if (progress->parent != NULL) {
		g_mutex_lock(&progress->parent->lock);
		count_branch(progress->parent, progress, 1.0);
		g_mutex_unlock(&progress->parent->lock);
	}
	g_ptr_array_unref(progress->steps);
	g_mutex_clear(&progress->lock);
	g_free(progress);
}

/* How much of a step is done by itself: by its finished children, its counters or a worker's word. */
static double
own_fraction(const AshProgress *progress, const Step *step, gboolean is_innermost)
{
	double part = step->done_weight / MAX(step->total_weight, 1);

	if (step->finished)
		return 1.0;
	if (is_innermost && step->total > 0)
		part = MAX(part, (double) step->done / (double) step->total);
	if (is_innermost)
		part = MAX(part, progress->forwarded);
	return MIN(part, 1.0);
}

/*
 * How much of the whole is done: each level adds its part of what the level above leaves to it. Weights that do not
 * add up and counters that start again hold the fraction where it is, but never turn it back.
 */
static double
whole_fraction(AshProgress *progress)
{
	double fraction = 0, share = 1;

	for (guint i = 0; i < progress->steps->len; i++) {
		const Step *step = g_ptr_array_index(progress->steps, i);
		gboolean is_innermost = i + 1 == progress->steps->len;
		double part = own_fraction(progress, step, is_innermost);
		fraction += share * part;
		if (!is_innermost) {
			const Step *child = g_ptr_array_index(progress->steps, i + 1);
			share *= MIN((double) child->weight / MAX(step->total_weight, 1), 1.0 - part);
		}
	}
	progress->reached = MAX(progress->reached, MIN(fraction, 1.0));
	return progress->reached;
}

/* Called with the lock held. */
static void
tell(AshProgress *progress, AshProgressKind kind, const char *text)
{
	const Step *step = innermost(progress);
	AshProgressEvent event = {
		.kind = kind,
		.step = step->name,
		.depth = progress->steps->len > 1 ? progress->steps->len - 2 : 0,
		.fraction = whole_fraction(progress),
		.item = step->item,
		.done = step->done,
		.total = step->total,
		.unit = step->unit,
		.seconds = (double) (g_get_monotonic_time() - step->begun_at) / G_TIME_SPAN_SECOND,
		.text = text,
	};

	if (progress->sink != NULL)
		progress->sink(&event, progress->user_data);
}

static void
tell_update(AshProgress *progress)
{
	gint64 now = g_get_monotonic_time();

	if (now - progress->told_at < UPDATE_INTERVAL)
		return;
	progress->told_at = now;
	tell(progress, ASH_PROGRESS_UPDATE, NULL);
}

/* The sink of a branch. */
static void
tell_parent(const AshProgressEvent *event, gpointer user_data)
{
	AshProgress *branch = user_data, *parent = branch->parent;
	AshProgressEvent nested = *event;

	g_mutex_lock(&parent->lock);
	count_branch(parent, branch, event->fraction);
	nested.depth += parent->steps->len - 1;
	nested.fraction = whole_fraction(parent);
	if (parent->sink != NULL)
		parent->sink(&nested, parent->user_data);
	g_mutex_unlock(&parent->lock);
}

AshProgress *
ash_progress_branch(AshProgress *parent, guint weight)
{
	if (parent == NULL)
		return NULL;
	AshProgress *branch = ash_progress_new(NULL, NULL);
	branch->sink = tell_parent;
	branch->user_data = branch;
	branch->parent = parent;
	branch->branch_weight = weight;
	return branch;
}

void
ash_progress_set_total_weight(AshProgress *progress, guint weight)
{
	if (progress == NULL)
		return;
	g_mutex_lock(&progress->lock);
	innermost(progress)->total_weight = MAX(weight, 1);
	innermost(progress)->done_weight = 0;
	g_mutex_unlock(&progress->lock);
}

void
ash_progress_begin(AshProgress *progress, const char *step, guint weight)
{
	if (progress == NULL)
		return;
	g_mutex_lock(&progress->lock);
	progress->forwarded = 0;
	step_push(progress, step, weight);
	tell(progress, ASH_PROGRESS_STEP_BEGIN, NULL);
	g_mutex_unlock(&progress->lock);
}

void
ash_progress_end(AshProgress *progress)
{
	if (progress == NULL)
		return;
	g_mutex_lock(&progress->lock);
	if (progress->steps->len > 1) {
		guint weight = innermost(progress)->weight;
		innermost(progress)->finished = TRUE;
		tell(progress, ASH_PROGRESS_STEP_END, NULL);
		g_ptr_array_remove_index(progress->steps, progress->steps->len - 1);
		innermost(progress)->done_weight += weight;
		progress->forwarded = 0;
	}
	g_mutex_unlock(&progress->lock);
}

void
ash_progress_count(AshProgress *progress, guint64 done, guint64 total, const char *unit)
{
	if (progress == NULL)
		return;
	g_mutex_lock(&progress->lock);
	Step *step = innermost(progress);
	step->done = done;
	step->total = total;
	if (g_strcmp0(step->unit, unit) != 0) {
		g_free(step->unit);
		step->unit = g_strdup(unit);
	}
	tell_update(progress);
	g_mutex_unlock(&progress->lock);
}

void
ash_progress_item(AshProgress *progress, const char *item)
{
	if (progress == NULL)
		return;
	g_mutex_lock(&progress->lock);
	Step *step = innermost(progress);
	g_free(step->item);
	step->item = g_strdup(item);
	tell_update(progress);
	g_mutex_unlock(&progress->lock);
}

void
ash_progress_message(AshProgress *progress, const char *format, ...)
{
	va_list args;

	if (progress == NULL)
		return;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_mutex_lock(&progress->lock);
	tell(progress, ASH_PROGRESS_MESSAGE, text);
	g_mutex_unlock(&progress->lock);
}

void
ash_progress_forward(AshProgress *progress, const AshProgressEvent *event)
{
	if (progress == NULL)
		return;
	g_mutex_lock(&progress->lock);
	progress->forwarded = event->fraction;
	AshProgressEvent nested = *event;
	nested.depth += progress->steps->len - 1;
	nested.fraction = whole_fraction(progress);
	if (progress->sink != NULL)
		progress->sink(&nested, progress->user_data);
	g_mutex_unlock(&progress->lock);
}
