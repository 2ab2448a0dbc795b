/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/lock.h"
#include "model/package.h"
#include "model/spec.h"

/** What a lock means for a resolution. */
typedef enum {
	ASH_LOCK_FAVOUR, /* prefer the versions it names, where they are still there and fit */
	ASH_LOCK_EXACT,  /* nothing else is to be had, and all of it must be needed */
} AshLockMode;

/** What is asked for. Everything is borrowed. */
typedef struct {
	const AshPackageRequest *packages;
	const char *arch;     /* base architecture; NULL: "x86_64" */
	const AshLock *lock;  /* may be NULL: the newest of everything */
	AshLockMode lock_mode;
	GHashTable *origins;  /* spec as in packages->names -> "file:line" (char *), for errors; may be NULL */
} AshSolveRequest;

/**
 * The set of packages that satisfies @request from @metadata (array of AshRepoMetadata), nothing being installed
 * before: the set that "dnf --installroot install" with best=True chooses. Sorted; reasons, digests, sizes
 * and locations are filled in; paths are not. Owned.
 *
 * - A name is, in this order, a name, name.arch, a NEVRA (or its beginning), what a package provides (with
 *   a version relation too), a file path; globs are allowed in each. Each package name that a glob matches is installed.
 * - excludes are hidden from everything, as is what a repository's excludes and includes hide.
 * - Groups give their mandatory, default and conditional members, found by id or name; "core" is implied if
 *   comps has it. Environments give their mandatory groups.
 *
 * Parsed metadata is kept in .solv files in metadata->cache_dir.
 *
 * Errors: UNSOLVABLE (all problems in libsolv's words with the solutions it offers; an unknown name with its
 * origin and the nearest names; an exact lock that does not fit, with the differences), FETCH (metadata cannot be read), TRUST (a package without
 * SHA-256), CANCELLED.
 */
AshPackageSet *ash_solve(AshContext *ctx, GPtrArray *metadata, const AshSolveRequest *request, GError **error);
