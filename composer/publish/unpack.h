/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "publish/releasedir.h"

/**
 * Makes the root file system of @release again from the frames in @dir: a file without a name there, from its byte 0 on, with holes for frames of
 * zeros. Each block is checked by the hash tree, and that by the root hash: ASH_ERROR_TRUST if an object is damaged. -1 on failure.
 */
int ash_publish_unpack_root(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, GError **error);
