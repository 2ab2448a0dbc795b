/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the files of archive/ write with libarchive into an AshSinkFunc. Nobody else includes this. */

#include "archive/output.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>

/* Where the bytes go. Zero-initialize, set func and user_data; must outlive the archive. */
typedef struct {
	AshSinkFunc func;
	gpointer user_data;
	GError *error;  /* what func said, until ash_archive_throw() takes it */
	bool discarded; /* func is called no more */
} AshArchiveSink;

/* A good size of the pieces that a sink of much data gets. */
#define ASH_ARCHIVE_BLOCK_SIZE (256 * 1024)

/* Opens @archive, whose format and filters are set, to write into @sink in pieces of @block_size; 0: as they come. */
gboolean ash_archive_open(struct archive *archive, AshArchiveSink *sink, int block_size, GError **error);
/* Sets @error to what failed last, the sink's own error first, and returns FALSE. */
gboolean ash_archive_throw(struct archive *archive, AshArchiveSink *sink, GError **error);
/* Frees both without writing what is left in buffers; NULL is fine. */
void ash_archive_discard(struct archive *archive, AshArchiveSink *sink);
