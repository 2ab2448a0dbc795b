/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/repoconf.h"

#include <solv/bitmap.h>
#include <solv/pool.h>
#include <solv/queue.h>
#include <solv/repo.h>
#include <stdbool.h>

/* Private to solve/. */

/** A libsolv pool with the repositories of one resolution. */
typedef struct {
	AshContext *ctx;
	Pool *pool;
	GPtrArray *repos; /* of AshPoolRepo */
	Map considered;   /* bit p: package p is not hidden */
	GError *load_error; /* what a load on demand failed with */
} AshPool;

typedef struct {
	AshPool *owner;
	const AshRepoMetadata *metadata; /* borrowed */
	Repo *repo;
	bool cached; /* loaded from its .solv file, so that it may be written back */
} AshPoolRepo;

/**
 * Loads @metadata (array of AshRepoMetadata, which must outlive the pool), from .solv caches where there are. The
 * absolute paths among @specs become provides of the packages that have these files, as those in dependencies do. Owned.
 */
AshPool *ash_pool_new(AshContext *ctx, GPtrArray *metadata, const char *arch, char **specs, GError **error);
void ash_pool_free(AshPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPool, ash_pool_free)

/** Hides one package, or everything but @keep (indices of packages), from the solver and from selections. */
void ash_pool_hide(AshPool *pool, Id package);
void ash_pool_hide_all_but(AshPool *pool, const Map *keep);

/** A libsolv queue that is freed with its scope. */
#define ash_auto_queue __attribute__((cleanup(queue_free))) Queue
/** A libsolv bitmap that is freed with its scope. */
#define ash_auto_map __attribute__((cleanup(map_free))) Map
