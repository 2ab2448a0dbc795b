/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "compose/imageoptions.h"
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
} AshImageNotes;

#define ASH_IMAGE_NOTES_KEY "ashlar.image"

/** Metadata key under which a commit keeps the key of its tree (compose/stages.h). */
#define ASH_TREE_KEY "ashlar.tree-key"

/** Owned JSON text. */
char *ash_image_notes_format(const AshImageNotes *notes);

/**
 * Writes the files of @type from @commit into @out_dir and adds an AshArtifact for each to @artifacts.
 */
gboolean ash_artifact_write(AshContext *ctx, AshStore *store, const char *commit, const AshImageType *type,
			    const char *out_dir, const AshImageOptions *options, GPtrArray *artifacts, GError **error);
