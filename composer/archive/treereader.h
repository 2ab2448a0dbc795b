/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

#include <json-glib/json-glib.h>
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

/** The members of the OCI image layout (image-layout.md) in @path, a directory or a tar file, each blob checked against its digest. Owned; NULL and
 * ASH_ERROR_CONFIG if it is none, ASH_ERROR_TRUST if a blob is not what its name says. */
AshFsTree *ash_treereader_load_layout(AshContext *ctx, const char *path, GError **error);

/** The layers of the first image among such @members, put on one another; whatever is in them. Owned; else as ash_treereader_load(). */
AshFsTree *ash_treereader_load_layers(AshContext *ctx, const AshFsTree *members, GError **error);
