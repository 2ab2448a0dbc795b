/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "store/store.h"

/**
 * Roots: DIR/roots/KEY is an installed root that is kept, so that the next build starts with a clone of it instead of an
 * installation. KEY is the digest of all that went in. A kept root is never written to.
 *
 * The order of calls, each in a worker: install into a staging root A; ash_store_mark_root(A); ash_store_clone_root(A, B);
 * make the tree in B and commit it, which syncs the file system, A included; ash_store_keep_root(A).
 */

/** DIR/roots/@key, owned. */
char *ash_store_root_path(const AshStore *store, const char *key);

/** True if there is DIR/roots/@key. */
bool ash_store_has_root(AshStore *store, const char *key);

/**
 * Marks as shared every plain file below the directory @path that has one name and no extended attributes, so that clones
 * have links to them. Whoever writes to one of them afterwards, without being in the sandbox, must break it first.
 */
gboolean ash_store_mark_root(AshContext *ctx, const char *path, GError **error);

/**
 * Renames the staging root @staging_path, a directory on the file system of the store whose files are marked, to DIR/roots/@key; if there is
 * one, that wins and @staging_path stays. What is not on the disk by now may be lost by a power cut, though the name be
 * there: call ash_store_sync() before, or ash_store_commit() since it was last written to. The descriptor that keeps the
 * staging root may be closed afterwards.
 */
gboolean ash_store_keep_root(AshStore *store, const char *key, const char *staging_path, GError **error);

/** Begins to write to the disk what the file system of the store holds in memory, so that the sync at the end is short. */
void ash_store_start_sync(AshStore *store);

/** Waits until everything written before is on the disk: one syncfs(2). */
gboolean ash_store_sync(AshStore *store, GError **error);
