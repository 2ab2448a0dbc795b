/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "publish/releasedir.h"

/** What a release directory consists of, as the metadata in force has it: for those who copy it or tidy it up. */
typedef struct {
	char *ref, *version;
	char *path;         /* its own file, "targets/..." */
	AshObjectRef file;  /* of that */
	GPtrArray *objects; /* of AshObjectRef *, each once, in the order of the file */
} AshInventoryRelease;

typedef struct {
	GPtrArray *releases; /* of AshInventoryRelease, by ref and version */
	GPtrArray *channels; /* of char *: paths of channels' files, "targets/..." */
	GPtrArray *metadata; /* of char *: files of metadata that a client may ask for: all roots, the newest of the others; timestamp.json last */
} AshInventory;

/** Reads all releases. ASH_ERROR_TRUST if one is damaged. Owned. */
AshInventory *ash_inventory_new(AshReleaseDir *dir, GError **error);
void ash_inventory_free(AshInventory *inventory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AshInventory, ash_inventory_free)
