/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/digest.h"

#define ASH_VHD_FOOTER_BYTES 512

/**
 * Appends the footer of a fixed VHD (Virtual Hard Disk Image Format Specification 1.0, "Hard Disk
 * Footer Format") to the raw disk @fd of @disk_bytes, which is whole MiB as Azure wants it. @epoch
 * is the creation time in seconds since 1970 (times before 2000 become 2000), @uuid the unique
 * identifier. The virtual size is exactly @disk_bytes.
 */
gboolean ash_vhd_append_footer(int fd, guint64 disk_bytes, const AshUuid *uuid, guint64 epoch,
			       GError **error);

/**
 * Tells whether the last 512 bytes of @fd are a valid footer of a fixed VHD. If so,
 * *@ret_disk_bytes is the size of the raw disk before it. A footer that contradicts the file is no
 * footer.
 */
gboolean ash_vhd_detect(int fd, guint64 *ret_disk_bytes);
