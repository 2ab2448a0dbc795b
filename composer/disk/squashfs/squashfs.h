/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "disk/filesystem/rootfile.h"

/**
 * An AshRootFileMaker: writes the root's tree as squashfs 4.0 (Linux, Documentation/filesystems/squashfs.rst) by libsquashfs of
 * squashfs-tools-ng, on ctx->jobs threads, in blocks of 128 KiB, compressed as root->options says; its UUID and label do not count, as there is
 * no place for them. Hard links, devices and attributes are kept, equal blocks are written once, times are whole seconds from 1970 to 2106.
 * Same tree, options and libraries, same bytes. @user_data is not used. ASH_ERROR_CONFIG for what squashfs cannot hold: attributes of other
 * namespaces than "user", "trusted" and "security" (so no access control lists), more than 65,536 owners.
 */
gboolean ash_squashfs_make(AshContext *ctx, const AshRootFile *root, gpointer user_data, GError **error);
