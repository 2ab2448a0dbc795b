/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "publish/releasedir.h"

/** The OSTree repository below a release directory. */
#define ASH_OSTREE_DIR "ostree"

/** Which other updaters shall be able to read a release directory. Strings are borrowed. */
typedef struct {
	bool sysupdate;      /* compose/sysupdate.h */
	bool ostree;         /* DIR/ostree: a repository of mode archive with static deltas (store/archive.h) */
	const char *gpg_key; /* signs for sysupdate; may be NULL */
	const char *store;   /* directory of the store, for ostree */
} AshViews;

/** Writes them for @release, whose objects are complete. */
gboolean ash_views_write(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, const AshViews *views, GError **error);
