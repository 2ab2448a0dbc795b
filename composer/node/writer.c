/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/writer.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <string.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES
#define SUM   ASH_SHA256_SIZE

void
ash_writer_init(AshWriter *writer, AshPlan *plan)
{
	*writer = (AshWriter){ .plan = plan, .digest = ash_digest_new(), .buffer = g_malloc(ASH_WRITER_BLOCKS * BLOCK),
			       .good = g_new0(bool, ASH_WRITER_BLOCKS) };
}

void
ash_writer_clear(AshWriter *writer)
{
	g_clear_pointer(&writer->digest, ash_digest_free);
	g_clear_pointer(&writer->buffer, g_free);
	g_clear_pointer(&writer->good, g_free);
}

static bool
is_right(AshWriter *writer, guint64 block, const guint8 *data)
{
	guint8 sum[SUM];

	ash_hash_block(writer->digest, &writer->plan->spec, data, sum);
	return memcmp(sum, ash_plan_get_leaf(writer->plan, block), SUM) == 0;
}

/* No frame is in the chunks of two threads. */
G_STATIC_ASSERT(ASH_WRITER_BLOCKS % ASH_FRAME_BLOCKS == 0);

static void
want(AshWriter *writer, guint64 block)
{
	writer->plan->steps[block] = ash_step_make(ASH_STEP_FRAME, 0);
	ash_plan_want(writer->plan, block / ASH_FRAME_BLOCKS);
	writer->late++;
}

/* Writes the blocks of the buffer that are good, neighbours at once. */
static gboolean
write_good(AshWriter *writer, guint64 first, guint n, GError **error)
{
	const AshSlotPart *part = &writer->plan->target->data;

	for (guint i = 0, end; i < n; i = end) {
		guint64 offset = part->offset + (first + i) * BLOCK;

		for (end = i + 1; end < n && writer->good[end] == writer->good[i]; end++)
			;
		if (!writer->good[i])
			continue;
		if (!ash_fd_write_all(part->fd, writer->buffer + (gsize) i * BLOCK, (gsize) (end - i) * BLOCK, offset, error))
			return FALSE;
		ash_fd_start_write_back(part->fd, offset, (guint64) (end - i) * BLOCK);
		writer->done += (guint64) (end - i) * BLOCK;
	}
	return TRUE;
}

/* Blocks that lie one behind the other where they are copied from, too. */
static guint
count_run(const AshWriter *writer, guint64 first, guint n)
{
	guint32 step = writer->plan->steps[first];
	guint i = 1;

	while (i < n && writer->plan->steps[first + i] == step + (ash_step_kind(step) == ASH_STEP_ZERO ? 0 : i))
		i++;
	return i;
}

/* Loads a run into the buffer from block @at on; each block that has its hash is good, the others are wanted. */
static void
load_run(AshWriter *writer, guint64 first, guint at, guint n)
{
	const AshPlan *plan = writer->plan;
	guint32 step = plan->steps[first + at];
	AshStepKind kind = ash_step_kind(step);
	const AshSlotPart *from = kind == ASH_STEP_ACTIVE ? &plan->active->data : &plan->target->data;
	guint8 *place = writer->buffer + (gsize) at * BLOCK;
	guint64 offset = from->offset + ash_step_position(step) * BLOCK;
	bool read = true;

	if (kind == ASH_STEP_ZERO)
		memset(place, 0, (gsize) n * BLOCK);
	else
		read = ash_fd_read_exact(from->fd, place, (gsize) n * BLOCK, offset, NULL);
	if (!read && n > 1) { /* one of them cannot be read: which? */
		for (guint i = 0; i < n; i++)
			load_run(writer, first, at + i, 1);
		return;
	}
	if (kind == ASH_STEP_ACTIVE)
		posix_fadvise(from->fd, (off_t) offset, (off_t) n * BLOCK, POSIX_FADV_DONTNEED);
	for (guint i = 0; i < n; i++) {
		writer->good[at + i] = read && is_right(writer, first + at + i, place + (gsize) i * BLOCK);
		if (!writer->good[at + i])
			want(writer, first + at + i);
	}
}

gboolean
ash_writer_copy(AshWriter *writer, guint64 first, guint n, guint kinds, GError **error)
{
	for (guint i = 0, run; i < n; i += run) {
		run = 1;
		writer->good[i] = false;
		if ((kinds >> ash_step_kind(writer->plan->steps[first + i]) & 1) == 0)
			continue;
		run = count_run(writer, first + i, n - i);
		load_run(writer, first, i, run);
	}
	return write_good(writer, first, n, error);
}

gboolean
ash_writer_unpack(AshWriter *writer, guint64 frame, const void *data, gsize length, bool *ret_good, GError **error)
{
	const AshPlan *plan = writer->plan;
	guint64 first = frame * ASH_FRAME_BLOCKS;
	guint n = (guint) MIN(ASH_FRAME_BLOCKS, plan->n - first);
	bool good = ash_frame_decode(data, length, writer->buffer, (gsize) n * BLOCK, NULL);

	for (guint i = 0; i < n; i++) {
		bool needed = ash_step_kind(plan->steps[first + i]) == ASH_STEP_FRAME;

		writer->good[i] = good && needed && is_right(writer, first + i, writer->buffer + (gsize) i * BLOCK);
		*ret_good = writer->good[i] || !needed;
		good = good && *ret_good;
	}
	*ret_good = good;
	return write_good(writer, first, n, error);
}

gboolean
ash_writer_check(AshWriter *writer, guint64 first, guint n, GError **error)
{
	const AshSlotPart *part = &writer->plan->target->data;
	guint64 offset = part->offset + first * BLOCK;

	if (!ash_fd_read_exact(part->fd, writer->buffer, (gsize) n * BLOCK, offset, error))
		return FALSE;
	posix_fadvise(part->fd, (off_t) offset, (off_t) n * BLOCK, POSIX_FADV_DONTNEED);
	writer->done += (guint64) n * BLOCK;
	for (guint i = 0; i < n; i++) {
		if (!is_right(writer, first + i, writer->buffer + (gsize) i * BLOCK))
			want(writer, first + i);
	}
	return TRUE;
}
