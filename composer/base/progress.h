/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * AshProgress: weighted steps, declared up front, each of which may have a child with steps of its own.
 *
 * A stage calls ash_progress_begin() once per step; a sink (terminal bar, plain lines, JSON lines, or the
 * pipe of a worker process) is told of every change. Without a sink all calls are cheap no-ops.
 * All calls may come from any thread.
 */
typedef struct AshProgress AshProgress;

typedef enum {
	ASH_PROGRESS_STEP_BEGIN, /* a step began: @step, @path */
	ASH_PROGRESS_UPDATE,     /* fraction, item or counters changed */
	ASH_PROGRESS_STEP_END,   /* a step ended: @seconds */
	ASH_PROGRESS_MESSAGE,    /* one line for the user: @text (a notice or a warning) */
} AshProgressKind;

typedef struct {
	AshProgressKind kind;
	const char *step;   /* name of the innermost step, e.g. "Install" */
	guint depth;        /* 0 for a step of the root progress */
	double fraction;    /* 0.0 to 1.0 of the whole */
	const char *item;   /* what is worked on, e.g. a package; may be NULL */
	guint64 done, total; /* of the innermost step, in @unit; total 0 if unknown */
	const char *unit;   /* "B" for bytes, or a plural noun such as "packages"; may be NULL */
	double seconds;     /* STEP_END: wall time of the step */
	const char *text;   /* MESSAGE */
} AshProgressEvent;

typedef void (*AshProgressSink)(const AshProgressEvent *event, gpointer user_data);

AshProgress *ash_progress_new(AshProgressSink sink, gpointer user_data);
void ash_progress_free(AshProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshProgress, ash_progress_free)

/* All calls below accept NULL for @progress. */

/** Declares the sum of the weights of the steps about to begin inside the innermost one (default 100). */
void ash_progress_set_total_weight(AshProgress *progress, guint weight);
/** Begins a step that is @weight of that sum, inside the innermost one. */
void ash_progress_begin(AshProgress *progress, const char *step, guint weight);
/** Ends the innermost step. */
void ash_progress_end(AshProgress *progress);
/** Counters of the innermost step; rate and time left are the sink's business. */
void ash_progress_count(AshProgress *progress, guint64 done, guint64 total, const char *unit);
/** The item being worked on in the innermost step. */
void ash_progress_item(AshProgress *progress, const char *item);
/** A line for the user, shown in every mode but "none". */
void ash_progress_message(AshProgress *progress, const char *format, ...) G_GNUC_PRINTF(2, 3);
/**
 * A line of work beside others, for another thread: a progress of its own, which is @weight of the innermost step of
 * @parent and tells @parent's sink. That step must not end before ash_progress_free() of all its branches. NULL for NULL.
 */
AshProgress *ash_progress_branch(AshProgress *parent, guint weight);

/** Passes an event of a worker process on to the sink, nested under the innermost step. */
void ash_progress_forward(AshProgress *progress, const AshProgressEvent *event);
