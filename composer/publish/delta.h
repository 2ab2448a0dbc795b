/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pack/delta.h"
#include "publish/releasedir.h"

/** What became of a pair of releases. */
typedef struct {
	char *from_version;
	AshDeltaStats stats;  /* only the length of the delta if @unchanged */
	guint64 other_bytes;  /* what an update takes without the delta: tree and frames */
	guint64 tree_bytes;   /* of those, what it takes with the delta, too */
	bool unchanged;       /* the delta was there */
} AshPublishedDelta;

void ash_published_delta_free(AshPublishedDelta *delta);

/** Reads where the files of a root file system are (of AshDeltaFile, by offset) from a release's layout object. Owned; NULL on failure. */
typedef GPtrArray *(*AshPublishReadLayout)(GBytes *layout, GError **error);

/** How deltas are made. */
typedef struct {
	AshPublishReadLayout read_layout;
	int level; /* of Zstandard; 0: the default */
} AshPublishDeltaOptions;

/**
 * Makes deltas to @release from each of @from_versions (NULL-terminated; releases of the same ref, older than it), whose root file systems are made again
 * from their frames, and puts them into @release: objects, list of deltas, costs. One that is there is left alone. Unless all were there, the release is
 * made a target again: visible with the next ash_release_dir_commit(). Returns an array of AshPublishedDelta, owned; NULL on failure. ASH_ERROR_USAGE for
 * versions that are not published, or not older.
 */
GPtrArray *ash_publish_add_deltas(AshContext *ctx, AshReleaseDir *dir, AshRelease *release, const char *const *from_versions,
				  const AshPublishDeltaOptions *options, GError **error);
