/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/compress.h"

#include "archive/libarchive.h"
#include "base/error.h"

#include <string.h>

struct AshCompressor {
	struct archive *archive; /* NULL: not compressed */
	AshArchiveSink sink;
};

/* By AshCompression. The level of gzip is its own default; that of zstd is as fast and as small as gzip at 9. */
static const struct {
	int default_level;
	int (*add_filter)(struct archive *archive);
} compressions[] = {
	[ASH_COMPRESS_NONE] = { 0, NULL },
	[ASH_COMPRESS_GZIP] = { 6, archive_write_add_filter_gzip },
	[ASH_COMPRESS_ZSTD] = { 6, archive_write_add_filter_zstd },
};

/* libarchive's "raw" format is one stream through a filter, and no more. */
static gboolean
open_filter(AshCompressor *compressor, AshCompression compression, int level, guint jobs, GError **error)
{
	g_autofree char *level_text =
		g_strdup_printf("%d", level > 0 ? level : compressions[compression].default_level);
	/* zstd gives the same bytes for all numbers of threads but for 0. */
	g_autofree char *threads = g_strdup_printf("%u", MAX(jobs, 1));
	struct archive *archive = compressor->archive;
	struct archive_entry *entry;
	int status;

	archive_write_set_format_raw(archive);
	compressions[compression].add_filter(archive);
	archive_write_set_filter_option(archive, NULL, "compression-level", level_text);
	if (compression == ASH_COMPRESS_GZIP)
		archive_write_set_filter_option(archive, "gzip", "timestamp", NULL);
	else
		archive_write_set_filter_option(archive, "zstd", "threads", threads);
	if (!ash_archive_open(archive, &compressor->sink, ASH_ARCHIVE_BLOCK_SIZE, error))
		return FALSE;
	entry = archive_entry_new();
	archive_entry_set_filetype(entry, AE_IFREG);
	status = archive_write_header(archive, entry);
	archive_entry_free(entry);
	return status == ARCHIVE_OK || ash_archive_throw(archive, &compressor->sink, error);
}

AshCompressor *
ash_compressor_new(AshCompression compression, int level, guint jobs, AshSinkFunc sink, gpointer user_data,
		   GError **error)
{
	g_autoptr(AshCompressor) compressor = g_new0(AshCompressor, 1);

	compressor->sink.func = sink;
	compressor->sink.user_data = user_data;
	if (compression == ASH_COMPRESS_NONE)
		return g_steal_pointer(&compressor);
	compressor->archive = archive_write_new();
	if (!open_filter(compressor, compression, level, jobs, error))
		return ash_prefix(error, "cannot compress"), NULL;
	return g_steal_pointer(&compressor);
}

void
ash_compressor_free(AshCompressor *compressor)
{
	if (compressor == NULL)
		return;
	ash_archive_discard(compressor->archive, &compressor->sink);
	g_free(compressor);
}

gboolean
ash_compressor_write(gpointer data, const void *bytes, gsize length, GError **error)
{
	AshCompressor *compressor = data;

	if (compressor->archive == NULL)
		return compressor->sink.func(compressor->sink.user_data, bytes, length, error);
	if (archive_write_data(compressor->archive, bytes, length) == (gssize) length)
		return TRUE;
	return ash_archive_throw(compressor->archive, &compressor->sink, error);
}

gboolean
ash_compressor_finish(AshCompressor *compressor, GError **error)
{
	if (compressor->archive == NULL || archive_write_close(compressor->archive) == ARCHIVE_OK)
		return TRUE;
	return ash_archive_throw(compressor->archive, &compressor->sink, error);
}
