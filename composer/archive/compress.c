/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/compress.h"

#include "archive/gzip.h"
#include "archive/libarchive.h"
#include "base/error.h"

struct AshCompressor {
	AshGzip *gzip;           /* gzip only: libarchive does it on one thread */
	struct archive *archive; /* zstd only */
	AshArchiveSink sink;
};

/* By AshCompression. The level of gzip is its own default; zstd's 6 gives less in half the time. */
static const int default_levels[] = {
	[ASH_COMPRESS_NONE] = 0,
	[ASH_COMPRESS_GZIP] = 6,
	[ASH_COMPRESS_ZSTD] = 6,
};

/* libarchive's "raw" format is one stream through a filter, and no more. */
static gboolean
open_zstd(AshCompressor *compressor, int level, guint jobs, GError **error)
{
	g_autofree char *level_text = g_strdup_printf("%d", level);
	/* zstd gives the same bytes for all numbers of threads but for 0. */
	g_autofree char *threads = g_strdup_printf("%u", MAX(jobs, 1));
	struct archive *archive = compressor->archive;
	struct archive_entry *entry;
	int status;

	archive_write_set_format_raw(archive);
	archive_write_add_filter_zstd(archive);
	if (archive_write_set_filter_option(archive, "zstd", "compression-level", level_text) != ARCHIVE_OK ||
	    archive_write_set_filter_option(archive, "zstd", "threads", threads) != ARCHIVE_OK)
		return ash_archive_throw(archive, &compressor->sink, error);
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
	if (level <= 0)
		level = default_levels[compression];
	if (compression == ASH_COMPRESS_GZIP)
		compressor->gzip = ash_gzip_new(MIN(level, 9), MAX(jobs, 1), sink, user_data);
	if (compression != ASH_COMPRESS_ZSTD)
		return g_steal_pointer(&compressor);
	compressor->archive = archive_write_new();
	if (!open_zstd(compressor, level, jobs, error))
		return ash_prefix(error, "cannot compress"), NULL;
	return g_steal_pointer(&compressor);
}

void
ash_compressor_free(AshCompressor *compressor)
{
	if (compressor == NULL)
		return;
	ash_gzip_free(compressor->gzip);
	ash_archive_discard(compressor->archive, &compressor->sink);
	g_free(compressor);
}

gboolean
ash_compressor_write(gpointer data, const void *bytes, gsize length, GError **error)
{
	AshCompressor *compressor = data;

	if (compressor->gzip != NULL)
		return ash_gzip_write(compressor->gzip, bytes, length, error);
	if (compressor->archive == NULL)
		return compressor->sink.func(compressor->sink.user_data, bytes, length, error);
	if (archive_write_data(compressor->archive, bytes, length) == (gssize) length)
		return TRUE;
	return ash_archive_throw(compressor->archive, &compressor->sink, error);
}

gboolean
ash_compressor_finish(AshCompressor *compressor, GError **error)
{
	if (compressor->gzip != NULL)
		return ash_gzip_finish(compressor->gzip, error);
	if (compressor->archive == NULL || archive_write_close(compressor->archive) == ARCHIVE_OK)
		return TRUE;
	return ash_archive_throw(compressor->archive, &compressor->sink, error);
}
