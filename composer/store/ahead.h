/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/objectmap.h"
#include "store/scan.h"
#include "store/store.h"

/**
 * AshAhead: makes objects of the shared files (base/shared.h), the links and most directories of an installed root while a tree is
 * still made of its clone, so that the commit of that tree finds them. Only to be faster: what it could not do, the commit does; an object that no
 * commit needs in the end goes with the next prune.
 */
typedef struct AshAhead AshAhead;

/**
 * Begins, on ctx->jobs threads that give way to others. @scan: as the commit will be given; labels of other files than
 * the commit's only cost time. @least: if fewer bytes than these are new, it only learns which files are objects. @root and @store must live, and nothing may be written to @root, until ash_ahead_end(). Owned.
 */
AshAhead *ash_ahead_begin(AshContext *ctx, AshStore *store, const char *root, const AshScanOptions *scan, guint64 least);

/** What it knows of the repository's objects, for the commit: see AshCommitRequest. Borrowed; only after ash_ahead_end(). */
AshObjectMap *ash_ahead_get_objects(AshAhead *ahead);

/** Waits until all objects have their names, which they get once they are on the disk. */
void ash_ahead_end(AshAhead *ahead);

/** Gives up, if it has not ended, and waits until it is no longer at work. */
void ash_ahead_free(AshAhead *ahead);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshAhead, ash_ahead_free)
