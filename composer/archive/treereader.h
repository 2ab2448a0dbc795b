/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

#include <stdbool.h>

/** True if the file @path begins as a tar file does, or as one compressed with gzip, Zstandard, xz or bzip2. */
bool ash_treereader_detect(const char *path);

/**
 * The file tree in an archive: a tar of a root (a WSL distribution, too), or an OCI image layout in a tar ("oci-archive", OCI image
 * specification 1.1), of which it is the first image, its layers put on one another. Contents are in a nameless temporary file as long
 * as the tree is there; of extended attributes there is security.capability only. Owned; NULL and ASH_ERROR_CONFIG if there is none,
 * it is damaged, or a name leads out of it.
 */
AshFsTree *ash_treereader_load(AshContext *ctx, const char *path, GError **error);

/** The members of the tar file @path themselves, also where it is an OCI image layout. Owned; else as ash_treereader_load(). */
AshFsTree *ash_treereader_load_members(AshContext *ctx, const char *path, GError **error);
