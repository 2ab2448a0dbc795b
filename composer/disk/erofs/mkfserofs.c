/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/mkfserofs.h"

#include "base/error.h"

#include <string.h>

/* Bytes of a compressed cluster, at most: with larger ones an update has more to fetch. */
#define CLUSTER_BYTES 65536

/* As much as disk/erofs/pack.c asks of the same libraries. */
static const char *const compressors[] = {
	[ASH_ROOT_COMPRESSION_NONE] = NULL,
	[ASH_ROOT_COMPRESSION_LZ4HC] = "-zlz4hc,9",
	[ASH_ROOT_COMPRESSION_ZSTD] = "-zzstd,level=12",
};

gboolean
ash_mkfs_erofs_probe(AshContext *ctx, AshMkfsErofs *ret_mkfs, GError **error)
{
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_MKFS_EROFS, error);
	g_autoptr(GBytes) help = NULL;

	if (run == NULL)
		return FALSE;
	ash_run_arg(run, "--help");
	if (!ash_run_sync(run, ctx, &help, error))
		return FALSE;
	/* To 1.7 it goes to standard error. */
	const char *text = g_bytes_get_data(help, NULL);
	*ret_mkfs = (AshMkfsErofs) {
		.reads_tar = text != NULL && strstr(text, "--tar=") != NULL,
		.has_label = text != NULL && strstr(text, "-L volume-label") != NULL,
		.has_zone = text != NULL && strstr(text, "--MZ") != NULL,
		.has_zstd = text != NULL && strstr(text, "zstd") != NULL,
	};
	return TRUE;
}

/* Everything but the source. */
static AshRun *
new_run(const AshMkfsErofs *mkfs, const AshErofsOptions *options, GError **error)
{
	g_autofree char *epoch = g_strdup_printf("%" G_GUINT64_FORMAT, options->epoch);
	char uuid[ASH_UUID_STRING_SIZE];

	if (options->compression == ASH_ROOT_COMPRESSION_ZSTD && !mkfs->has_zstd)
		return ash_throw_null(error, ASH_ERROR_CONFIG,
				      "the program \"mkfs.erofs\" cannot compress with zstd: install erofs-utils 1.8 or newer, or set "
				      "\"root_compression\" to \"lz4hc\"");
	AshRun *run = ash_run_new(ASH_TOOL_MKFS_EROFS, error);
	if (run == NULL)
		return NULL;
	ash_uuid_format(&options->uuid, uuid);
	/* The build time; files keep theirs, if it is earlier. */
	ash_run_setenv(run, "SOURCE_DATE_EPOCH", epoch);
	ash_run_args(run, "--quiet", "-Enoinline_data", "-U", uuid, NULL);
	if (mkfs->has_label)
		ash_run_argf(run, "-L%.15s", options->label);
	if (mkfs->has_zone)
		ash_run_arg(run, "--MZ=id");
	if (compressors[options->compression] != NULL) {
		ash_run_arg(run, compressors[options->compression]);
		ash_run_argf(run, "-C%d", CLUSTER_BYTES);
	}
	return run;
}

gboolean
ash_mkfs_erofs_from_tar(AshContext *ctx, const AshMkfsErofs *mkfs, const AshErofsOptions *options, const char *path, AshRunFeed feed,
			gpointer user_data, GError **error)
{
	g_autoptr(AshRun) run = new_run(mkfs, options, error);

	if (run == NULL)
		return FALSE;
	ash_run_args(run, "--tar=f", path, NULL);
	ash_run_stdin(run, feed, user_data);
	return ash_run_sync(run, ctx, NULL, error);
}

gboolean
ash_mkfs_erofs_from_dir(AshContext *ctx, const AshMkfsErofs *mkfs, const AshErofsOptions *options, const char *path, const char *dir,
			const char *labels, GError **error)
{
	g_autoptr(AshRun) run = new_run(mkfs, options, error);

	if (run == NULL)
		return FALSE;
	if (labels != NULL)
		ash_run_argf(run, "--file-contexts=%s", labels);
	ash_run_args(run, path, dir, NULL);
	return ash_run_sync(run, ctx, NULL, error);
}
