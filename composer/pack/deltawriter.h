/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pack/delta.h"
#include "pack/match.h"

/** AshDeltaWriter: steps, in the order of the new image, to the bytes of a delta (pack/delta.h). */
typedef struct AshDeltaWriter AshDeltaWriter;

/** @from and @to are whole images (offset 0), borrowed. Writes the header. */
AshDeltaWriter *ash_delta_writer_new(const AshMatchText *from, const AshMatchText *to, int level, int out_fd, GError **error);
void ash_delta_writer_free(AshDeltaWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshDeltaWriter, ash_delta_writer_free)

/** Adds a step. */
gboolean ash_delta_writer_add(AshDeltaWriter *writer, const AshDeltaOp *op, GError **error);

/** After the last step, which must end with the new image. */
gboolean ash_delta_writer_finish(AshDeltaWriter *writer, AshDeltaStats *ret_stats, GError **error);
