/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/plan.h"

#include "base/error.h"
#include "base/fd.h"
#include "node/deltafetch.h"
#include "node/steps.h"
#include "node/writer.h"
#include "pack/ranges.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK	     ASH_RELEASE_BLOCK_BYTES
#define MAX_THREADS  4
/* Frames that wait to be unpacked: 4 MiB at most. */
#define MAX_QUEUE    64
/* A frame that is wrong is asked for this often in all, from other copies where there are any. */
#define MAX_ROUNDS   4
/* The slot is read back, and what is wrong written again, this often. */
#define MAX_READINGS 3

#define KIND(kind) (1U << ASH_STEP_##kind)

typedef struct {
	guint64 frame;
	guint32 length;
	guint8 data[];
} Frame;

/** What a frame in the making is made of, for each range under way. */
typedef struct {
	guint64 next;   /* frame that begins at or behind the next byte */
	Frame *frame;   /* the one that the next byte is of; NULL: none that is wanted */
	guint32 filled;
} Stream;

typedef struct Apply Apply;

/* Does the @n blocks from @first on. */
typedef gboolean (*ChunkFunc)(AshWriter *writer, guint64 first, guint n, GError **error);

/* Blocks being dealt with by several threads: chunk after chunk, frames as they come in between. */
struct Apply {
	AshContext *ctx;
	AshPlan *plan;
	GMutex lock;
	GCond changed;
	ChunkFunc func;
	guint64 next;    /* first block that no thread has */
	GQueue frames;   /* of Frame */
	bool complete;   /* no more frames come */
	guint64 late;    /* blocks that could not be had */
	guint64 done, total; /* bytes, for the progress */
	GError *error;

	guint8 **ret_made; /* NULL: no delta is used */
	const guint8 *wanted; /* frames to be taken */
	const GArray *ranges; /* that they are in */
	Stream *streams;      /* one for each */
};

static void
count_done(Apply *apply, guint64 bytes)
{
	apply->done += bytes;
	ash_progress_count(apply->ctx->progress, MIN(apply->done, apply->total), apply->total, "B");
}

static bool
has_failed(Apply *apply)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&apply->lock);

	return locker != NULL && apply->error != NULL;
}

/* The lock is held, and again on return. */
static void
do_frame(Apply *apply, AshWriter *writer)
{
	g_autofree Frame *frame = g_queue_pop_head(&apply->frames);
	guint64 before = writer->done;
	GError *error = NULL;
	bool good = false;

	g_cond_broadcast(&apply->changed);
	g_mutex_unlock(&apply->lock);
	gboolean ok = ash_writer_unpack(writer, frame->frame, frame->data, frame->length, &good, &error);
	g_mutex_lock(&apply->lock);
	if (!good)
		ash_plan_want(apply->plan, frame->frame);
	if (!ok && apply->error == NULL)
		apply->error = g_steal_pointer(&error);
	g_clear_error(&error);
	count_done(apply, writer->done - before);
}

static void
do_chunk(Apply *apply, AshWriter *writer)
{
	guint64 first = apply->next;
	guint n = (guint) MIN(ASH_WRITER_BLOCKS, apply->plan->n - first);
	guint64 before = writer->done;
	GError *error = NULL;

	apply->next += n;
	g_mutex_unlock(&apply->lock);
	gboolean ok = ash_context_check(apply->ctx, &error) && apply->func(writer, first, n, &error);
	g_mutex_lock(&apply->lock);
	if (!ok && apply->error == NULL)
		apply->error = g_steal_pointer(&error);
	g_clear_error(&error);
	count_done(apply, writer->done - before);
}

static gpointer
work(gpointer data)
{
	Apply *apply = data;
	g_auto(AshWriter) writer = { NULL };

	ash_writer_init(&writer, apply->plan);
	g_mutex_lock(&apply->lock);
	while (apply->error == NULL) {
		if (!g_queue_is_empty(&apply->frames))
			do_frame(apply, &writer);
		else if (apply->next < apply->plan->n)
			do_chunk(apply, &writer);
		else if (apply->complete)
			break;
		else
			g_cond_wait(&apply->changed, &apply->lock);
	}
	apply->late += writer.late;
	g_cond_broadcast(&apply->changed);
	g_mutex_unlock(&apply->lock);
	return NULL;
}

/* Gives a whole frame to the threads; waits while they have enough. */
static gboolean
push_frame(Apply *apply, Frame *frame, GError **error)
{
	g_mutex_lock(&apply->lock);
	while (apply->error == NULL && apply->frames.length >= MAX_QUEUE)
		g_cond_wait(&apply->changed, &apply->lock);
	g_queue_push_tail(&apply->frames, frame);
	bool failed = apply->error != NULL;
	g_cond_broadcast(&apply->changed);
	g_mutex_unlock(&apply->lock);
	return !failed || ash_throw(error, ASH_ERROR_INTERNAL, "writing has failed");
}

/* Bytes of a range are frames, wanted ones and others, one behind the other, none across a segment's end. */
static gboolean
take_frame_bytes(guint index, guint64 position, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
	Apply *apply = user_data;
	Stream *stream = &apply->streams[index];
	guint64 at = g_array_index(apply->ranges, AshRange, index).offset + position;

	while (length > 0) {
		guint segment;
		guint64 offset;
		guint32 bytes;

		ash_frame_table_locate(apply->plan->frames, stream->next, &segment, &offset, &bytes);
		if (offset + bytes <= at) { /* one of zeros */
			stream->next++;
			continue;
		}
		gsize n = (gsize) MIN(length, offset + bytes - at);
		if (at == offset && apply->wanted[stream->next]) {
			stream->frame = g_malloc(sizeof(Frame) + bytes);
			*stream->frame = (Frame){ .frame = stream->next, .length = bytes };
			stream->filled = 0;
		}
		if (stream->frame != NULL)
			memcpy(stream->frame->data + (at - offset), data, n);
		at += n;
		data += n;
		length -= n;
		if (at < offset + bytes)
			continue;
		stream->next++;
		if (stream->frame != NULL && !push_frame(apply, g_steal_pointer(&stream->frame), error))
			return FALSE;
	}
	return TRUE;
}

/* The first frame of each range. */
static void
set_up_streams(Apply *apply)
{
	const AshPlan *plan = apply->plan;
	guint range = 0;

	for (guint64 frame = 0; frame < plan->n_frames && range < apply->ranges->len; frame++) {
		const AshRange *wanted = &g_array_index(apply->ranges, AshRange, range);
		guint segment;
		guint64 offset;
		guint32 length;

		ash_frame_table_locate(plan->frames, frame, &segment, &offset, &length);
		if (length > 0 && segment == wanted->object && offset == wanted->offset)
			apply->streams[range++].next = frame;
	}
}

/* Frames of zeros need no bytes. */
static gboolean
push_zero_frames(Apply *apply, GError **error)
{
	for (guint64 frame = 0; frame < apply->plan->n_frames; frame++) {
		guint segment;
		guint64 offset;
		guint32 length;

		if (!apply->wanted[frame])
			continue;
		ash_frame_table_locate(apply->plan->frames, frame, &segment, &offset, &length);
		if (length > 0)
			continue;
		Frame *zeros = g_new0(Frame, 1);

		zeros->frame = frame;
		if (!push_frame(apply, zeros, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
fetch_frames(Apply *apply, guint round, GError **error)
{
	AshPlan *plan = apply->plan;
	g_autofree AshSourceRange *ranges = g_new(AshSourceRange, apply->ranges->len);
	gboolean ok;

	if (!push_zero_frames(apply, error))
		return FALSE;
	apply->streams = g_new0(Stream, apply->ranges->len);
	set_up_streams(apply);
	for (guint i = 0; i < apply->ranges->len; i++) {
		const AshRange *range = &g_array_index(apply->ranges, AshRange, i);
		const AshPackSegment *segment = g_ptr_array_index(plan->release->segments, range->object);

		ranges[i] = (AshSourceRange){ .object = &segment->object, .offset = range->offset, .length = range->bytes };
	}
	ok = ash_source_fetch_ranges(apply->ctx, plan->source, ranges, apply->ranges->len, 0, round, take_frame_bytes, apply, error);
	for (guint i = 0; i < apply->ranges->len; i++)
		g_free(apply->streams[i].frame);
	g_clear_pointer(&apply->streams, g_free);
	return ok;
}

static bool
count_made(guint64 bytes, gpointer user_data)
{
	Apply *apply = user_data;
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&apply->lock);

	count_done(apply, bytes);
	return locker != NULL && apply->error == NULL;
}

/* This thread's part: what comes over the network. */
static gboolean
fetch_all(Apply *apply, guint round, GError **error)
{
	if (apply->ret_made != NULL)
		return ash_delta_fetch(apply->ctx, apply->plan, count_made, apply, apply->ret_made, error);
	return apply->ranges == NULL || fetch_frames(apply, round, error);
}

static guint
start_threads(Apply *apply, GThread **threads)
{
	guint n = CLAMP(apply->ctx->jobs, 1, MAX_THREADS), started = 0;

	for (guint i = 0; i < n; i++) {
		threads[started] = g_thread_try_new("apply", work, apply, NULL);
		if (threads[started] != NULL)
			started++;
	}
	return started;
}

/** What is done at once. */
typedef struct {
	ChunkFunc func;       /* with all chunks; NULL: nothing */
	const guint8 *wanted; /* frames that are fetched; NULL: none */
	guint round;          /* how often they were before */
	guint8 **ret_made;    /* the delta is fetched: see ash_delta_fetch(); NULL: it is not */
	guint64 total;        /* bytes, for the progress */
} Batch;

/* *@ret_late: blocks that became wanted. */
static gboolean
run_batch(AshContext *ctx, AshPlan *plan, const Batch *batch, guint64 *ret_late, GError **error)
{
	const ChunkFunc func = batch->func;
	const guint8 *wanted = batch->wanted;
	g_autoptr(GArray) ranges = wanted != NULL ? ash_plan_make_ranges(plan, wanted) : NULL;
	Apply apply = { .ctx = ctx, .plan = plan, .func = func, .next = func != NULL ? 0 : plan->n, .total = batch->total,
			.ret_made = batch->ret_made };
	GThread *threads[MAX_THREADS];
	GError *fetch_error = NULL;
	guint n;

	apply.wanted = wanted;
	apply.ranges = ranges;
	g_mutex_init(&apply.lock);
	g_cond_init(&apply.changed);
	g_queue_init(&apply.frames);
	n = start_threads(&apply, threads);
	if (n == 0)
		ash_throw(&apply.error, ASH_ERROR_INTERNAL, "no thread can be started");
	else if (!fetch_all(&apply, batch->round, &fetch_error) && !has_failed(&apply)) {
		g_mutex_lock(&apply.lock);
		apply.error = g_steal_pointer(&fetch_error);
		g_mutex_unlock(&apply.lock);
	}
	g_clear_error(&fetch_error);
	g_mutex_lock(&apply.lock);
	apply.complete = true;
	g_cond_broadcast(&apply.changed);
	g_mutex_unlock(&apply.lock);
	for (guint i = 0; i < n; i++)
		g_thread_join(threads[i]);
	g_queue_clear_full(&apply.frames, g_free);
	g_cond_clear(&apply.changed);
	g_mutex_clear(&apply.lock);
	*ret_late = apply.late;
	if (apply.error == NULL)
		return TRUE;
	g_propagate_error(error, apply.error);
	return FALSE;
}

static gboolean
copy_moved(AshContext *ctx, AshPlan *plan, GError **error)
{
	g_auto(AshWriter) writer = { NULL };

	ash_writer_init(&writer, plan);
	for (guint64 i = 0; i < plan->n; i += ASH_WRITER_BLOCKS) {
		if (!ash_context_check(ctx, error) ||
		    !ash_writer_copy(&writer, i, (guint) MIN(ASH_WRITER_BLOCKS, plan->n - i), KIND(MOVE), error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
copy_active(AshWriter *writer, guint64 first, guint n, GError **error)
{
	return ash_writer_copy(writer, first, n, KIND(ZERO) | KIND(ACTIVE), error);
}

static gboolean
copy_same(AshWriter *writer, guint64 first, guint n, GError **error)
{
	return ash_writer_copy(writer, first, n, KIND(SAME), error);
}

static gboolean
run(AshContext *ctx, AshPlan *plan, ChunkFunc func, const guint8 *wanted, guint round, guint64 total, guint64 *ret_late, GError **error)
{
	const Batch batch = { .func = func, .wanted = wanted, .round = round, .total = total };

	return run_batch(ctx, plan, &batch, ret_late, error);
}

static bool
wants_frames(const AshPlan *plan)
{
	return memchr(plan->wanted, 1, plan->n_frames) != NULL;
}

/* What the delta did not make is a download that nobody has agreed to yet. */
static gboolean
may_fetch_more(AshContext *ctx, AshPlan *plan, GError **error)
{
	if (plan->more == NULL || !wants_frames(plan))
		return TRUE;
	if (!ash_plan_load_frames(ctx, plan, error))
		return FALSE;
	g_autoptr(GArray) ranges = ash_plan_make_ranges(plan, plan->wanted);
	return plan->more(ash_ranges_sum(ranges), plan->more_data, error);
}

/* By the delta, while what stays is copied; what it did not make becomes wanted. */
static gboolean
run_delta(AshContext *ctx, AshPlan *plan, guint64 total, GError **error)
{
	g_autofree guint8 *made = NULL;
	const Batch batch = { .func = copy_active, .ret_made = &made, .total = total };
	guint64 late;

	if (!run_batch(ctx, plan, &batch, &late, error))
		return FALSE;
	ash_delta_settle(plan, made);
	return may_fetch_more(ctx, plan, error);
}

/* Fetches all wanted frames, those that turned out wrong again, while @func does the blocks. */
static gboolean
fetch(AshContext *ctx, AshPlan *plan, ChunkFunc func, guint64 total, GError **error)
{
	guint64 late;

	for (guint round = 0; func != NULL || wants_frames(plan); round++) {
		g_autofree guint8 *wanted = NULL;

		if (round == MAX_ROUNDS)
			return ash_throw(error, ASH_ERROR_TRUST, "frames of \"%s\" are not what its hash tree says, wherever they were fetched from",
					 plan->release->version);
		if (wants_frames(plan)) {
			if (!ash_plan_load_frames(ctx, plan, error))
				return FALSE;
			wanted = g_steal_pointer(&plan->wanted);
			plan->wanted = g_malloc0(plan->n_frames);
		}
		if (!run(ctx, plan, func, wanted, round, total, &late, error))
			return FALSE;
		func = NULL;
	}
	return TRUE;
}

static gboolean
write_data(AshContext *ctx, AshPlan *plan, GError **error)
{
	guint64 total = plan->n * BLOCK - plan->cost.kept_bytes, late = 0;

	if (!copy_moved(ctx, plan, error) || (plan->delta != NULL && !run_delta(ctx, plan, total, error)))
		return FALSE;
	return fetch(ctx, plan, plan->delta != NULL ? NULL : copy_active, total, error) &&
	       run(ctx, plan, copy_same, NULL, 0, total, &late, error) && fetch(ctx, plan, NULL, total, error);
}

/* So that what is read back comes from the disk. */
static gboolean
flush(const AshSlotPart *part, const char *what, GError **error)
{
	if (fdatasync(part->fd) < 0)
		return ash_throw_errno(error, "the %s of the target slot cannot be synced", what);
	posix_fadvise(part->fd, (off_t) part->offset, (off_t) part->bytes, POSIX_FADV_DONTNEED);
	return TRUE;
}

/*
 * From now on the slot is not what its superblock says, and has none until it is the release's. The tree's other blocks are written first: if
 * this ends early, the next plan need not fetch them.
 */
static gboolean
begin_tree(const AshPlan *plan, GError **error)
{
	const AshSlotPart *part = &plan->target->hash;
	g_autofree guint8 *zeros = g_malloc0(BLOCK);

	return ash_fd_write_all(part->fd, zeros, BLOCK, part->offset, error) && flush(part, "hash area", error) &&
	       ash_fd_write_all(part->fd, plan->tree + BLOCK, (plan->levels.total - 1) * BLOCK, part->offset + BLOCK, error);
}

static gboolean
end_tree(const AshPlan *plan, GError **error)
{
	const AshSlotPart *part = &plan->target->hash;

	return ash_fd_write_all(part->fd, plan->tree, BLOCK, part->offset, error) && flush(part, "hash area", error);
}

static gboolean
check_tree(const AshPlan *plan, GError **error)
{
	const AshSlotPart *part = &plan->target->hash;
	g_autofree guint8 *buffer = g_malloc(ASH_WRITER_BLOCKS * BLOCK);
	guint64 total = plan->levels.total * BLOCK;

	for (guint64 done = 0, n; done < total; done += n) {
		n = MIN(total - done, ASH_WRITER_BLOCKS * BLOCK);
		if (!ash_fd_read_exact(part->fd, buffer, n, part->offset + done, error))
			return FALSE;
		if (memcmp(buffer, plan->tree + done, n) != 0)
			return ash_throw(error, ASH_ERROR_TRUST, "the target slot does not keep what is written to its hash area");
	}
	return TRUE;
}

/* Reads all back; blocks that are wrong, kept ones that were not what they seemed among them, are fetched. */
static gboolean
check_data(AshContext *ctx, AshPlan *plan, GError **error)
{
	for (guint reading = 0; reading < MAX_READINGS; reading++) {
		guint64 late = 0;

		if (!flush(&plan->target->data, "data", error) ||
		    !run(ctx, plan, ash_writer_check, NULL, 0, plan->n * BLOCK, &late, error))
			return FALSE;
		if (late == 0)
			return TRUE;
		if (!fetch(ctx, plan, NULL, plan->n * BLOCK, error))
			return FALSE;
	}
	return ash_throw(error, ASH_ERROR_TRUST, "the target slot does not keep what is written to it");
}

gboolean
ash_plan_apply(AshContext *ctx, AshPlan *plan, GError **error)
{
	gboolean ok;

	ash_progress_begin(ctx->progress, "Write", 70);
	ok = begin_tree(plan, error) && write_data(ctx, plan, error);
	ash_progress_end(ctx->progress);
	if (!ok)
		return FALSE;
	ash_progress_begin(ctx->progress, "Verify", 30);
	ok = check_data(ctx, plan, error) && end_tree(plan, error) && check_tree(plan, error);
	ash_progress_end(ctx->progress);
	return ok;
}
