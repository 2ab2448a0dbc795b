/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "base/digest.h"
#include "disk/format/cosimeta.h"
#include "disk/io/reread.h"
#include "model/imagetype.h"

#include <stdbool.h>

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
	bool checksums;        /* of raw disks, too: else only if that is the only format */
	AshReread *content;    /* of the raw file */
	const AshCosiSource *system; /* that is in it, but for its identifier */
} AshFormatsRequest;

/**
 * Makes every format, at the same time as far as ctx->jobs allows: a VHD by a footer, all others by our own writers; what can use
 * the raw file itself takes it over by rename, so that nothing is written twice if it need not be. *@ret_digests (owned)
 * are the SHA-256 of the files in the order of @request->formats: char *, hex, or NULL. A raw disk is mostly holes, and hashing
 * them takes longer than all else: what is in it has its digest by the other format, and the root by its root hash.
 *
 * All names appear only when all files are complete; the partial file is gone then. Nothing is synced: whoever shows the
 * files to others does that, once for all of them.
 */
gboolean ash_formats_write(AshContext *ctx, const AshFormatsRequest *request, GPtrArray **ret_digests, GError **error);

/** Whether any of @formats (of AshDiskFormat) is made of the raw file itself: else nobody needs in it what @content takes from elsewhere. */
bool ash_formats_need_raw(const GArray *formats);

/** "STEM.raw" and so on. Owned. */
char *ash_formats_file_name(const char *stem, AshDiskFormat format);
