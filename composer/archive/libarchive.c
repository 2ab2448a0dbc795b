/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/libarchive.h"

#include "base/error.h"

#include <errno.h>

static la_ssize_t
write_block(struct archive *archive, void *user_data, const void *data, size_t length)
{
	AshArchiveSink *sink = user_data;

	if (sink->discarded)
		return (la_ssize_t) length;
	/* After a failure libarchive still closes what it has: that must not overwrite the cause. */
	if (sink->error == NULL && sink->func(sink->user_data, data, length, &sink->error))
		return (la_ssize_t) length;
	archive_set_error(archive, EIO, "cannot write");
	return -1;
}

gboolean
ash_archive_open(struct archive *archive, AshArchiveSink *sink, int block_size, GError **error)
{
	archive_write_set_bytes_per_block(archive, block_size);
	/* No padding behind the end: a file is no tape. */
	archive_write_set_bytes_in_last_block(archive, 1);
	if (archive_write_open(archive, sink, NULL, write_block, NULL) == ARCHIVE_OK)
		return TRUE;
	return ash_archive_throw(archive, sink, error);
}

gboolean
ash_archive_throw(struct archive *archive, AshArchiveSink *sink, GError **error)
{
	if (sink->error != NULL) {
		g_propagate_error(error, g_steal_pointer(&sink->error));
		return FALSE;
	}
	return ash_throw(error, ASH_ERROR_INTERNAL, "libarchive: %s", archive_error_string(archive));
}

void
ash_archive_discard(struct archive *archive, AshArchiveSink *sink)
{
	/* Not archive_write_fail(), which saves the last writes but leaks the buffers. */
	sink->discarded = true;
	if (archive != NULL)
		archive_write_free(archive);
	g_clear_error(&sink->error);
}
