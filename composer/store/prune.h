/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/record.h"
#include "store/store.h"

/** What may stay. */
typedef struct {
	char *ref;          /* prune only this one; NULL: all */
	guint64 keep;       /* commits of each ref's history; what a ref points to stays in any case */
	guint64 keep_days;  /* what was made or used last before so many days goes; 0: no limit */
	guint64 keep_roots; /* installed roots, as many initramfs images, and what as many runs of scriptlets did as these may need */
	guint64 max_bytes;  /* of the whole store: the oldest of the rest goes until it is under it; 0: no limit */
	bool dry_run;
} AshPruneOptions;

#define ASH_PRUNE_KEEP 3
#define ASH_PRUNE_KEEP_ROOTS 4

/** One thing that went, or would go. */
typedef struct {
	char *kind;    /* "commit", "objects", "import", "root", "initramfs", "memo", "leaves", "record", "log" or "staging" */
	char *name;    /* a checksum, ref or path below the store */
	char *why;
	guint64 bytes; /* really freed: 0 if all of its files have other names still */
} AshPruneItem;

typedef struct {
	GPtrArray *items;    /* of AshPruneItem, in the order in which they went */
	guint64 freed_bytes;
	guint64 store_bytes; /* what the store takes now, or would take */
	bool dry_run;
} AshPruneReport;

extern const AshField ash_prune_options_fields[];
extern const AshField ash_prune_report_fields[];

AshPruneReport *ash_prune_report_new(void);
void ash_prune_report_free(AshPruneReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPruneReport, ash_prune_report_free)

/**
 * Removes what @options do not keep: lines of histories, commits that no kept history and no ref names, objects that
 * no kept commit needs, imported packages that no kept commit's lock names, old roots and initramfs images, logs and
 * records of refs that are gone, and what killed processes left. Killed at any moment, the repository is whole and the
 * next run does the rest. To be called where files of other ids may be removed, that is in a worker. ASH_ERROR_USAGE
 * if somebody uses the store. Owned; NULL on failure.
 */
AshPruneReport *ash_store_prune(AshContext *ctx, AshStore *store, const AshPruneOptions *options, GError **error);
