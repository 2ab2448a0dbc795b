/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "publish/cost.h"
#include "publish/releasedir.h"

/** Costs are told from so many earlier releases. */
#define ASH_PUBLISH_COSTS 5

/** What a release is made of. Strings, bytes and descriptors are borrowed. */
typedef struct {
	/* see AshRelease */
	const char *ref, *name, *version, *architecture, *commit, *minimum;
	guint64 timestamp;
	/* of one file: the root file system and its hash area */
	int root_fd;
	guint64 root_offset, root_bytes, tree_offset, tree_bytes;
	const char *root_hash, *salt; /* hex */
	/* a whole file */
	int uki_fd;
	GBytes *etc, *sbom, *layout, *anchor, *verity_sig; /* may be NULL */
	int level;           /* of Zstandard; 0: the default */
	const char *channel; /* costs are from what it offers; NULL: from all releases of the ref */
} AshPublishRequest;

/** A cost and where from. */
typedef struct {
	char *from_version;
	AshCost cost;
} AshPublishCost;

typedef struct {
	AshRelease *release;
	GPtrArray *costs; /* of AshPublishCost, newest first */
	AshCost full;     /* for a node that has nothing */
	bool unchanged;   /* it was published already */
} AshPublishResult;

AshPublishResult *ash_publish_result_new(void);
void ash_publish_result_free(AshPublishResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshPublishResult, ash_publish_result_free)

/**
 * Writes the objects of a release into @dir and makes it a target: visible with the next ash_release_dir_commit(). If that version is there already
 * with the same content, what is missing or damaged of it is written again, the release stays as it is; with other content, ASH_ERROR_USAGE: versions are never
 * published twice. Owned; NULL on failure.
 */
AshPublishResult *ash_publish_release(AshContext *ctx, AshReleaseDir *dir, const AshPublishRequest *request, GError **error);

/**
 * The layout that @version of @ref is to be made with, so that it stays close to what nodes have: if that version is published, the one that it was made
 * with; else that of the newest older release, of @channel (NULL: of all). *@ret is owned; NULL if there is none.
 */
gboolean ash_publish_find_anchor(AshReleaseDir *dir, const char *ref, const char *version, const char *channel, GBytes **ret,
				 GError **error);

/**
 * Versions of @ref older than @version, newest first, at most @max: those that @channel offers or has withdrawn (NULL: all that are published). Owned
 * strings in an owned array; NULL on failure.
 */
GPtrArray *ash_publish_list_sources(AshReleaseDir *dir, const char *ref, const char *version, const char *channel, guint max,
				    GError **error);

/**
 * What an update to @release costs from each of the last ASH_PUBLISH_COSTS older ones, as AshPublishResult has it: of @channel, or all. Newest first; owned.
 */
GPtrArray *ash_publish_compute_costs(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, const char *channel, AshCost *ret_full,
				     GError **error);
