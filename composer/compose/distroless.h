/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/imagetype.h"

/**
 * Takes out of the finished tree at @root (absolute), in a worker, what a container of one program has no use for: the packages that
 * type->packages_strip names, those that nothing needs any more which was asked for by name or group (@lock_text says what was), the
 * package database and the package manager's own files. Dependencies of scriptlets do not count. Files that no package owns
 * stay, and trusted certificates; links that lead nowhere now go. What is left is listed in var/lib/rpmmanifest, as Azure Linux does for
 * scanners. ASH_ERROR_CONFIG if nothing would be left.
 */
gboolean ash_distroless_apply(const char *root, const AshImageType *type, const char *lock_text, GError **error);
