/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/artifact.h"

/** What an updater puts into a slot, made in a directory of the store that is gone afterwards. */
typedef struct {
	AshDiskParts parts;
	AshArtifactIdentity identity;
	AshImageType *type;
	char *scratch; /* path; removed with it */
	int scratch_fd;
} AshSlotParts;

/** Zero-initialise with this, so that clearing is safe. */
#define ASH_SLOT_PARTS_INIT { .parts = ASH_DISK_PARTS_INIT, .scratch_fd = -1 }

void ash_slot_parts_clear(AshSlotParts *slot);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshSlotParts, ash_slot_parts_clear)

/** As ash_artifact_write_parts() for the image type called @type; the disks are those of the kickstart of @commit. ASH_ERROR_USAGE if a key is missing. */
gboolean ash_slot_parts_make(AshContext *ctx, AshStore *store, const char *commit, const char *type, const AshImageOptions *options,
			     AshSlotParts *ret_slot, GError **error);
