/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "publish/objects.h"
#include "tuf/repository.h"

/**
 * AshReleaseDir: a release directory (model/release.h) from its publisher's side: objects, releases and channels as TUF targets, metadata. Only
 * ash_release_dir_commit() makes changes visible, by its last rename; whatever this is killed at, readers have what was there before. One
 * publisher at a time: the others wait.
 */
typedef struct AshReleaseDir AshReleaseDir;

/**
 * Opens the directory @path, which must have metadata (ash_tuf_repository_create()). With @write it is locked for other publishers, and
 * what a killed one left in DIR/tmp is removed; without, it is only looked at. Owned; NULL on failure.
 */
AshReleaseDir *ash_release_dir_open(const char *path, bool write, GError **error);
void ash_release_dir_free(AshReleaseDir *dir);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshReleaseDir, ash_release_dir_free)

/** Borrowed; the objects only if it was opened with @write, else NULL. */
AshObjects *ash_release_dir_get_objects(AshReleaseDir *dir);
AshTufRepository *ash_release_dir_get_tuf(AshReleaseDir *dir);
int ash_release_dir_get_fd(const AshReleaseDir *dir);
const char *ash_release_dir_get_path(const AshReleaseDir *dir);

/** Sorted; owned vectors: all refs that have a release or a channel, versions of a ref (oldest first), channels of a ref. */
char **ash_release_dir_list_refs(AshReleaseDir *dir);
char **ash_release_dir_list_versions(AshReleaseDir *dir, const char *ref);
char **ash_release_dir_list_channels(AshReleaseDir *dir, const char *ref);

/** *@ret is NULL if there is none; owned. ASH_ERROR_TRUST if its file is damaged. */
gboolean ash_release_dir_load_release(AshReleaseDir *dir, const char *ref, const char *version, AshRelease **ret, GError **error);
gboolean ash_release_dir_load_channel(AshReleaseDir *dir, const char *ref, const char *name, AshChannel **ret, GError **error);

/** The file of the target @path, checked, and where it is: *@ret_path, below the directory. Both owned. ASH_ERROR_USAGE if there is none, _TRUST. */
gboolean ash_release_dir_load_file(AshReleaseDir *dir, const char *path, char **ret_path, GBytes **ret, GError **error);

/** Writes the file of a release or channel and makes it a target. ASH_ERROR_CONFIG if it is not what a reader accepts. */
gboolean ash_release_dir_set_release(AshReleaseDir *dir, const AshRelease *release, GError **error);
gboolean ash_release_dir_set_channel(AshReleaseDir *dir, const AshChannel *channel, GError **error);

/** Signs and publishes: see ash_tuf_repository_commit(). All that was written is synced before. */
gboolean ash_release_dir_commit(AshReleaseDir *dir, GPtrArray *keys, const AshTufValidity *validity, gint64 now, bool renew,
				AshTufCommitted *ret, GError **error);
