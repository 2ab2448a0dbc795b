/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "compose/imageoptions.h"
#include "disk/image/parts.h"
#include "model/imagetype.h"
#include "model/manifest.h"
#include "store/store.h"

/**
 * What a commit says of the images made from it beside its tree: kept as JSON under the metadata key
 * "ashlar.image", so that "ashlar image" needs nothing but the commit.
 */
typedef struct {
	char *name;          /* of the system */
	char *kernel_append; /* may be NULL */
	int boot_timeout;    /* seconds, -1: as the type says */
	char *disks;         /* what the kickstart says about partitions, in its own language; NULL: nothing */
} AshImageNotes;

#define ASH_IMAGE_NOTES_KEY "ashlar.image"

/** How much of a checksum stands for the version of a commit that has none. */
#define ASH_COMMIT_SHORT_LENGTH 12

/** Metadata key under which a commit keeps the key of its tree (compose/stages.h). */
#define ASH_TREE_KEY "ashlar.tree-key"

/** Owned JSON text. */
char *ash_image_notes_format(const AshImageNotes *notes);

/** Carries out in @type what the kickstart of @commit says about its partitions (config/kslayout.h), as its build did. */
gboolean ash_artifact_apply_disks(AshStore *store, const char *commit, AshImageType *type, GError **error);

/**
 * Writes the files of @type from @commit into @out_dir and adds an AshArtifact for each to @artifacts.
 */
gboolean ash_artifact_write(AshContext *ctx, AshStore *store, const char *commit, const AshImageType *type,
			    const char *out_dir, const AshImageOptions *options, GPtrArray *artifacts, GError **error);

/** What a commit is called in releases and images; all owned. */
typedef struct {
	char *commit, *ref, *name, *version, *architecture;
	guint64 timestamp; /* SOURCE_DATE_EPOCH, seconds */
} AshArtifactIdentity;

void ash_artifact_identity_clear(AshArtifactIdentity *identity);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshArtifactIdentity, ash_artifact_identity_clear)

/**
 * Makes what an updater needs of a disk @type from @commit, in @out_dir: see disk/image/parts.h. The same bytes as in the disk image that
 * ash_artifact_write() makes with these @options. Both results are cleared by the caller.
 */
gboolean ash_artifact_write_parts(AshContext *ctx, AshStore *store, const char *commit, const AshImageType *type, const char *out_dir,
				  const AshImageOptions *options, AshDiskParts *ret_parts, AshArtifactIdentity *ret_identity, GError **error);
