/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "disk/io/reread.h"

/** Makes piece number @index of a file, from what @raw has; on any thread, several at the same time. Owned; NULL on failure. */
typedef gpointer (*AshPieceMakeFunc)(guint64 index, AshReread *raw, gpointer user_data, GError **error);
/** Puts @piece, whose turn it is, into the file; on the caller's thread, in order. */
typedef gboolean (*AshPiecePutFunc)(guint64 index, gconstpointer piece, gpointer user_data, GError **error);

typedef struct {
	AshPieceMakeFunc make;
	AshPiecePutFunc put;
	GDestroyNotify free; /* of a piece */
	gpointer user_data;
} AshPieceFuncs;

/**
 * Makes @n pieces by ctx->jobs threads and puts them one behind the other: what comes out does not depend on the threads. Some
 * pieces for each thread are in memory at a time, and no more.
 */
gboolean ash_pieces_run(AshContext *ctx, AshReread *raw, guint64 n, const AshPieceFuncs *funcs, GError **error);
