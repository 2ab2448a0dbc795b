/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/worker.h"
#include "disk/filesystem/rootfile.h"
#include "store/store.h"

/*
 * The root file system of an image type with root_writer "mkfs.erofs"; private to compose/. A program that reads tar streams is
 * given one; an older one gets a copy of the tree in a directory of the store, in a worker, where files can have their owners.
 */

/** For ash_mkfs_root_make(). Both borrowed. */
typedef struct {
	AshStore *store;
	const char *commit; /* checksum */
} AshMkfsRoot;

/** An AshRootFileMaker; @mkfs_root is an AshMkfsRoot. */
gboolean ash_mkfs_root_make(AshContext *ctx, const AshRootFile *root, gpointer mkfs_root, GError **error);

/** The worker of the latter way; an AshWorkerFunc. */
#define ASH_MKFS_ROOT_WORKER "mkfs-erofs"
JsonObject *ash_mkfs_root_worker(AshContext *ctx, JsonObject *request, GError **error);
