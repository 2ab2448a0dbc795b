/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "publish/releasedir.h"

/**
 * Tidying up a release directory, in two steps so that no reader is told of what is not there: metadata first offers and names less, then files that it
 * does not name go - not at once: a node may be in the midst of fetching them. DIR/unused.json remembers since when a file is of no use; it is lost without
 * harm, then they wait anew.
 */
#define ASH_TIDY_UNUSED "unused.json"

typedef struct {
	const char *ref;      /* tidies up this one only; NULL: all */
	guint keep;           /* of each channel so many versions stay that all nodes may take, the newest */
	guint64 keep_seconds; /* and what was published in so many seconds before @now */
	guint64 grace_seconds; /* files go when nobody has been told of them for so long */
	guint64 now;          /* seconds since 1970 */
	bool dry_run;
} AshTidyOptions;

typedef struct {
	GPtrArray *releases;   /* of char *: "REF VERSION", no longer published */
	guint entries;         /* of channels that went */
	guint files, waiting;  /* removed; of no use, but not yet for long enough */
	guint64 bytes, waiting_bytes; /* of these */
	GHashTable *commits;   /* of releases whose file is still there: of those that are published, and that wait; a set of hex strings */
} AshTidyReport;

void ash_tidy_report_clear(AshTidyReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshTidyReport, ash_tidy_report_clear)

/**
 * Takes from channels what is older than what is kept, and what nodes need not be told: a barrier stays, and so do versions that are
 * newer than the oldest one kept. Then unpublishes releases that no channel offers. Nothing is committed. *@ret_changed: there is
 * something to be.
 */
gboolean ash_tidy_offers(AshReleaseDir *dir, const AshTidyOptions *options, AshTidyReport *report, bool *ret_changed, GError **error);

/**
 * Removes files that are of no use for long enough: objects, targets, old metadata (never a root), and below @view_dir (may not be there) all that
 * @view_files (a set of paths below the directory) does not have. To be called with the changes of ash_tidy_offers() committed.
 */
gboolean ash_tidy_files(AshContext *ctx, AshReleaseDir *dir, const AshTidyOptions *options, const char *view_dir, GHashTable *view_files,
			AshTidyReport *report, GError **error);
