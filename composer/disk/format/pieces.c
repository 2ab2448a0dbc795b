/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/pieces.h"

#include "base/parallel.h"

/* Enough that pieces which take longer than others rarely make a thread wait for the end of a round. */
#define PIECES_PER_JOB 4
#define MAX_PIECES     64

/** The pieces that are made at the same time. */
typedef struct {
	const AshPieceFuncs *funcs;
	guint64 first;
	AshReread *readers[MAX_PIECES]; /* each for one thread at a time */
	gpointer made[MAX_PIECES];
} Round;

static gboolean
make_piece(guint index, gpointer user_data, GError **error)
{
	Round *round = user_data;

	round->made[index] = round->funcs->make(round->first + index, round->readers[index], round->funcs->user_data, error);
	return round->made[index] != NULL;
}

static void
drop_pieces(Round *round)
{
	for (guint i = 0; i < MAX_PIECES; i++)
		g_clear_pointer(&round->made[i], round->funcs->free);
}

static gboolean
run_round(AshContext *ctx, Round *round, guint n, GError **error)
{
	if (!ash_context_check(ctx, error) || !ash_parallel_run(ctx, n, make_piece, round, error))
		return FALSE;
	for (guint i = 0; i < n; i++) {
		if (!round->funcs->put(round->first + i, round->made[i], round->funcs->user_data, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_pieces_run(AshContext *ctx, AshReread *raw, guint64 n, const AshPieceFuncs *funcs, GError **error)
{
	guint at_once = (guint) MIN(MIN((guint64) MAX(ctx->jobs, 1) * PIECES_PER_JOB, MAX_PIECES), n);
	Round round = { .funcs = funcs };
	gboolean ok = TRUE;

	for (guint i = 0; i < at_once; i++)
		round.readers[i] = ash_reread_dup(raw);
	for (; ok && round.first < n; round.first += at_once) {
		ok = run_round(ctx, &round, (guint) MIN(at_once, n - round.first), error);
		drop_pieces(&round);
	}
	for (guint i = 0; i < at_once; i++)
		ash_reread_free(round.readers[i]);
	return ok;
}
