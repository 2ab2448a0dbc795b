/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "node/plan.h"

/**
 * Writes the kernel image of @release into @fd: made of its root file system, which @root has and which was verified, by the release's recipe if it has
 * one; whatever is wrong with that, fetched whole. Its size and digest are right then; it is not synced. Memory: the recipe, and 40 MiB.
 */
gboolean ash_node_kernel_save(AshContext *ctx, AshSource *source, const AshRelease *release, const AshSlotPart *root, int fd, GError **error);
