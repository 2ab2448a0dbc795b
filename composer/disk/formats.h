/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "model/imagetype.h"

/** A finished raw disk under a temporary name, to be given its final names and formats. */
typedef struct {
	const char *output_dir;
	const char *stem;
	const char *partial; /* name of the raw file in output_dir */
	int fd;              /* of the raw file */
	guint64 disk_bytes;
	AshUuid vhd_uuid;
	guint64 epoch;
	const GArray *formats; /* of AshDiskFormat, not empty */
} AshFormatsRequest;

/**
 * Makes every format: qcow2 by qemu-img, VHD by a footer; the last that can use the raw file itself
 * takes it over by rename, so that nothing is written twice if it need not be. The partial file is
 * gone on success.
 */
gboolean ash_formats_write(AshContext *ctx, const AshFormatsRequest *request, GError **error);

/** "STEM.raw" and so on. Owned. */
char *ash_formats_file_name(const char *stem, AshDiskFormat format);

/** Copies @bytes of @from_fd, leaving out its holes, to the new file @to_fd, which gets that
 * length. */
gboolean ash_formats_copy_sparse(int from_fd, int to_fd, guint64 bytes, GError **error);
