/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"

/**
 * Writes @tree as a WSL distribution, which is a gzip-compressed tar of its root ("Build a Custom Linux Distribution
 * for WSL"). etc/wsl.conf and etc/wsl-distribution.conf are the tree's business. WSL's
 * kernel has no SELinux: labels are left out.
 */
gboolean ash_wsl_write_file(AshContext *ctx, AshFsTree *tree, const char *path, GError **error);
