/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "disk/io/reread.h"

/**
 * Writes the first @disk_bytes (whole sectors) of the disk @raw as Google Compute Engine imports it into the empty file @fd: a gzip member (RFC 1952)
 * with a tar archive in the format of old GNU tar, whose only file "disk.raw" is sparse. @epoch: its time, seconds. *@ret_sha256 is the
 * digest of the file, owned hex. Holes are neither read nor compressed; it is not synced.
 */
gboolean ash_gce_write(AshContext *ctx, AshReread *raw, guint64 disk_bytes, guint64 epoch, int fd, char **ret_sha256, GError **error);
