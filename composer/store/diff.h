/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.h"

typedef enum {
	ASH_CHANGE_ADDED,
	ASH_CHANGE_REMOVED,
	ASH_CHANGE_MODIFIED,
} AshChangeKind;

/** A package that is not the same in two commits. */
typedef struct {
	AshChangeKind kind;
	char *name, *arch;
	char *from, *to; /* [epoch:]version-release; NULL if it was added or removed */
} AshPackageChange;

/** A path whose content or metadata is not the same in two commits; mtimes do not count. */
typedef struct {
	AshChangeKind kind;
	char *path; /* absolute; directories end with "/" */
} AshFileChange;

typedef struct {
	GPtrArray *packages; /* of AshPackageChange, sorted by name and arch */
	GPtrArray *files;    /* of AshFileChange, in walk order */
} AshStoreDiff;

void ash_store_diff_free(AshStoreDiff *diff);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshStoreDiff, ash_store_diff_free)

/** "added", "removed", "modified". */
const char *ash_change_kind_to_string(AshChangeKind kind);

/**
 * What changed from one commit to another (see ash_store_resolve() for both). Of a directory that is in one of them
 * only, everything below is listed too. Owned; NULL on failure.
 */
AshStoreDiff *ash_store_diff(AshStore *store, const char *from, const char *to, GError **error);
