/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/** A file that a build wrote. */
typedef struct {
	char *type;      /* image type */
	char *path;      /* absolute */
	char *format;    /* of a disk (model/imagetype.h), or oci-archive, wsl, wsl-manifest, tar */
	guint64 size;    /* apparent bytes */
	char *sha256;    /* hex; NULL: it was not asked for, and another artifact has the same content */
	char *root_hash; /* dm-verity root hash in hex, NULL if the artifact has none */
	char *commit;    /* it was written from */
	gboolean test_keys; /* encrypted, but by keys that a test seed gives: not secret */
} AshArtifact;

void ash_artifact_free(AshArtifact *artifact);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshArtifact, ash_artifact_free)

/** What a commit says of itself; all strings owned, may be NULL where unknown. */
typedef struct {
	char *checksum, *ref, *version, *lock_digest, *input_digest, *subject;
	guint64 timestamp;    /* seconds: SOURCE_DATE_EPOCH of the build */
	GPtrArray *packages;  /* of char *: NEVRAs, sorted */
} AshCommitInfo;

void ash_commit_info_free(AshCommitInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshCommitInfo, ash_commit_info_free)
