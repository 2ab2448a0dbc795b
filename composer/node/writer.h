/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/steps.h"

/**
 * Writes blocks of a plan into its target: each one only if it has its hash. What cannot be had from where the plan says becomes wanted from the
 * frames. One for each thread, on blocks of its own.
 */
typedef struct {
	AshPlan *plan;
	AshDigest *digest;
	guint8 *buffer;       /* ASH_WRITER_BLOCKS blocks */
	bool *good;           /* of each block in @buffer: it is to be written */
	guint64 late;         /* blocks that became wanted */
	guint64 done;         /* bytes written, or read back */
} AshWriter;

/** Blocks that are dealt with together: 1 MiB. */
#define ASH_WRITER_BLOCKS 256

/** Ready for blocks of @plan, which is borrowed. */
void ash_writer_init(AshWriter *writer, AshPlan *plan);
void ash_writer_clear(AshWriter *writer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshWriter, ash_writer_clear)

/** Copies those of the @n blocks from @first on whose step is of a kind in @kinds (bits: 1 << AshStepKind). Errors: of writing only. */
gboolean ash_writer_copy(AshWriter *writer, guint64 first, guint n, guint kinds, GError **error);

/** Unpacks frame @frame and writes those of its blocks that are to come from it; *@ret_good false: it is not what it should be. */
gboolean ash_writer_unpack(AshWriter *writer, guint64 frame, const void *data, gsize length, bool *ret_good, GError **error);

/** Hashes the @n blocks from @first on as they are in the target; those that are wrong become wanted. */
gboolean ash_writer_check(AshWriter *writer, guint64 first, guint n, GError **error);
