/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/worker.h"
#include "compose/buildvariant.h"

/** The workers of this program, for ash_worker_main(). */
extern const AshWorkerEntry ash_compose_workers[];

/*
 * The caller's side, private to compose/: each runs one worker and waits for it.
 */

/**
 * Starts the worker of ash_workers_install(), or of ash_workers_commit(), ahead of its time; which would start it by itself. One that
 * cannot be started is told by these.
 */
void ash_workers_expect_install(AshVariantBuild *build);
void ash_workers_expect_commit(AshVariantBuild *build);

/**
 * Installs variant->set (prepared: compose/prepare.h) into the empty directory @root; with @import the files come out of the
 * store's import cache. What the scriptlets said is kept in the store's directory, logs/REF.scriptlets.
 */
gboolean ash_workers_install(AshContext *ctx, AshVariantBuild *build, const char *root, bool import, GError **error);

/**
 * Makes a copy of the root @installed (the key of one in the store, or a path) in the empty directory @staging, turns it into a
 * tree and commits it; @staging is used up. Sets variant->commit and what is said of the initramfs.
 */
gboolean ash_workers_commit(AshContext *ctx, AshVariantBuild *build, const char *installed, const char *staging,
			    GError **error);

/**
 * Keeps the installed root @installed, a path in the store's tmp, as the result of its stage. @synced: it is on the disk already,
 * as it is after a commit.
 */
gboolean ash_workers_keep(AshContext *ctx, const AshVariantBuild *build, const char *installed, bool synced, GError **error);

/** A commit of the tree that variant->tree_commit has. Sets variant->commit. (No worker: no file of the tree is touched.) */
gboolean ash_workers_recommit(AshContext *ctx, AshVariantBuild *build, GError **error);

/** Removes @path, whatever ids its files belong to, and what is stale in @store. */
gboolean ash_workers_remove(AshContext *ctx, const AshStore *store, const char *path, GError **error);
