/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"

/** AshDirWalk: work on each directory of a tree, on several threads, parents before what is below them. */
typedef struct AshDirWalk AshDirWalk;

/** Called for the directory @path below the root, "." for itself. From any thread, in no order. */
typedef gboolean (*AshDirWalkFunc)(AshDirWalk *walk, const char *path, gpointer user_data, GError **error);

/** Calls @func for ".", and for all that ash_dir_walk_add() is given meanwhile, on ctx->jobs threads; ends at the first error. */
gboolean ash_dir_walk_run(AshContext *ctx, AshDirWalkFunc func, gpointer user_data, GError **error);

/** From a func: lets it be called for the directory @name in @path too. */
void ash_dir_walk_add(AshDirWalk *walk, const char *path, const char *name);
