/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/deltafetch.h"

#include "base/error.h"
#include "base/fd.h"
#include "pack/deltaapply.h"

#include <string.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES

/* Of a block. */
enum { NOT_OURS, TO_BE_MADE, MADE };

typedef struct {
	AshPlan *plan;
	AshDeltaApply *apply;
	guint64 fed;        /* bytes that it was given */
	AshDigest *digest;
	guint8 *states;     /* of each block */
	bool (*count)(guint64 bytes, gpointer user_data);
	gpointer user_data;
} Fetch;

static void
fetch_clear(Fetch *fetch)
{
	g_clear_pointer(&fetch->apply, ash_delta_apply_free);
	g_clear_pointer(&fetch->digest, ash_digest_free);
	g_clear_pointer(&fetch->states, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fetch, fetch_clear)

static bool
is_needed(gpointer user_data, guint64 offset, gsize length)
{
	const Fetch *fetch = user_data;
	const guint64 first = offset / BLOCK, end = (offset + length + BLOCK - 1) / BLOCK;

	return memchr(fetch->states + first, TO_BE_MADE, end - first) != NULL;
}

/* What cannot be read gives blocks that do not have their hashes. */
static gboolean
read_old(gpointer user_data, guint64 offset, gsize length, guint8 *buffer, GError **error)
{
	const AshSlotPart *part = &((const Fetch *) user_data)->plan->active->data;

	if (!ash_fd_read_exact(part->fd, buffer, length, part->offset + offset, NULL))
		memset(buffer, 0, length);
	return TRUE;
}

static bool
is_right(Fetch *fetch, guint64 block, const guint8 *data)
{
	guint8 sum[ASH_SHA256_SIZE];

	if (fetch->states[block] != TO_BE_MADE)
		return false;
	ash_hash_block(fetch->digest, &fetch->plan->spec, data, sum);
	return memcmp(sum, ash_plan_get_leaf(fetch->plan, block), sizeof(sum)) == 0;
}

static gboolean
write_new(gpointer user_data, guint64 offset, const guint8 *data, gsize length, GError **error)
{
	Fetch *fetch = user_data;
	const AshSlotPart *part = &fetch->plan->target->data;
	const guint64 first = offset / BLOCK, n = length / BLOCK;

	for (guint64 i = 0, end; i < n; i = end + 1) {
		for (end = i; end < n && is_right(fetch, first + end, data + end * BLOCK); end++)
			;
		if (end == i)
			continue;
		const guint64 bytes = (end - i) * BLOCK, place = part->offset + offset + i * BLOCK;
		if (!ash_fd_write_all(part->fd, data + i * BLOCK, bytes, place, error))
			return FALSE;
		ash_fd_start_write_back(part->fd, place, bytes);
		memset(fetch->states + first + i, MADE, end - i);
		fetch->count(bytes, fetch->user_data);
	}
	return TRUE;
}

static const AshDeltaTarget target = { .read_old = read_old, .write_new = write_new, .is_needed = is_needed };

/* After a complaint it comes again from its beginning, from another copy if there is one: blocks that were made stay. */
static gboolean
take_bytes(guint index, guint64 position, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
	Fetch *fetch = user_data;
	const AshPlan *plan = fetch->plan;

	if (position != fetch->fed || fetch->apply == NULL) {
		g_clear_pointer(&fetch->apply, ash_delta_apply_free);
		fetch->apply = ash_delta_apply_new(plan->old_bytes, plan->release->root_bytes, &target, fetch);
	}
	fetch->fed = position + length;
	if (!fetch->count(0, fetch->user_data))
		return ash_throw(error, ASH_ERROR_INTERNAL, "writing has failed");
	return ash_delta_apply_feed(fetch->apply, data, length, error) &&
	       (fetch->fed < plan->delta->object.size || ash_delta_apply_finish(fetch->apply, error));
}

gboolean
ash_delta_fetch(AshContext *ctx, AshPlan *plan, bool (*count)(guint64 bytes, gpointer user_data), gpointer user_data, guint8 **ret_made,
		GError **error)
{
	const AshSourceRange range = { .object = &plan->delta->object, .length = plan->delta->object.size };
	g_auto(Fetch) fetch = { .plan = plan, .digest = ash_digest_new(), .states = g_malloc0(plan->n), .count = count, .user_data = user_data };
	g_autoptr(GError) failure = NULL;

	for (guint64 i = 0; i < plan->n; i++) {
		if (ash_step_kind(plan->steps[i]) == ASH_STEP_DELTA)
			fetch.states[i] = TO_BE_MADE;
	}
	if (!ash_source_fetch_ranges(ctx, plan->source, &range, 1, 0, 0, take_bytes, &fetch, &failure)) {
		const AshErrorCode code = ash_error_code(failure);
		if (code != ASH_ERROR_FETCH && code != ASH_ERROR_TRUST) {
			g_propagate_error(error, g_steal_pointer(&failure));
			return FALSE;
		}
		ash_progress_message(ctx->progress, "the delta from \"%s\" is of no use, what is missing is fetched without it: %s",
				     plan->delta->from_version, failure->message);
	}
	for (guint64 i = 0; i < plan->n; i++)
		fetch.states[i] = fetch.states[i] == MADE;
	*ret_made = g_steal_pointer(&fetch.states);
	return TRUE;
}

void
ash_delta_settle(AshPlan *plan, const guint8 *made)
{
	for (guint64 i = 0; i < plan->n; i++) {
		if (ash_step_kind(plan->steps[i]) != ASH_STEP_DELTA)
			continue;
		plan->steps[i] = ash_step_make(made[i] ? ASH_STEP_KEEP : ASH_STEP_FRAME, 0);
		if (!made[i])
			ash_plan_want(plan, i / ASH_FRAME_BLOCKS);
	}
}
