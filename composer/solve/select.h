/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "solve/pool.h"

/* Private to solve/: from what people write to packages. */

typedef enum {
	ASH_SELECT_NAMES = 1 << 0,    /* name, name.arch, NEVRA and its beginnings */
	ASH_SELECT_PROVIDES = 1 << 1, /* "perl(Foo)", "webserver >= 2" */
	ASH_SELECT_FILES = 1 << 2,    /* absolute paths */
	ASH_SELECT_HIDDEN = 1 << 3,   /* packages that ash_pool_hide() hides as well */
	ASH_SELECT_ANY = ASH_SELECT_NAMES | ASH_SELECT_PROVIDES | ASH_SELECT_FILES,
} AshSelectFlags;

/**
 * Appends the installable packages that @spec, a glob perhaps, means to @packages (sorted by Id). The first form of
 * @flags that matches anything is the one meant. Returns which (one of ASH_SELECT_*), or 0 for nothing.
 */
int ash_select(AshPool *pool, const char *spec, int flags, Queue *packages);

/** True if @spec has a glob's special characters. */
bool ash_select_is_glob(const char *spec);

/** Appends the installable packages whose Obsoletes match a package in @packages to it. */
void ash_select_add_obsoleters(AshPool *pool, Queue *packages);

/** Up to three package names that look like @name, best first. Owned array of owned strings. */
GPtrArray *ash_select_nearest(AshPool *pool, const char *name);
