/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/vfat.h"

#include "base/error.h"
#include "base/runner.h"
#include "base/size.h"

#include <string.h>

#define SECTOR_BYTES 512
/* Fewer clusters than 65,525 would be FAT16 to every reader, whatever the file system says; some
 * room for tables. */
#define LEAST_CLUSTERS      66000
#define MAX_CLUSTER_SECTORS 8

AshVfatFile *
ash_vfat_file_new(const char *path, AshContent *content)
{
	AshVfatFile *file = g_new0(AshVfatFile, 1);

	file->path = g_strdup(path);
	file->content = ash_content_ref(content);
	return file;
}

void
ash_vfat_file_free(AshVfatFile *file)
{
	if (file == NULL)
		return;
	g_free(file->path);
	ash_content_unref(file->content);
	g_free(file);
}

guint64
ash_vfat_estimate(GPtrArray *files)
{
	guint64 bytes = 0;

	for (guint i = 0; i < files->len; i++) {
		const AshVfatFile *file = files->pdata[i];

		bytes +=
		    ash_size_round_up(ash_content_get_size(file->content), 32 * ASH_KIB) + 32 * ASH_KIB;
	}
	/* Two tables of 4 bytes per cluster of at least 512 bytes. */
	return MAX(ASH_VFAT_MIN_BYTES, ash_size_round_up(bytes + bytes / 50 + ASH_MIB, ASH_MIB));
}

/* The largest clusters up to 4 KiB that leave enough of them; mkfs.vfat's own choice does not look.
 */
static guint
choose_cluster_sectors(guint64 bytes)
{
	guint sectors = 1;

	while (sectors < MAX_CLUSTER_SECTORS &&
	       bytes / SECTOR_BYTES / (sectors * 2) >= LEAST_CLUSTERS)
		sectors *= 2;
	return sectors;
}

static gboolean
run_mkfs(AshContext *ctx, const AshVfatOptions *options, int fd, guint64 offset, guint64 bytes,
	 GError **error)
{
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_MKFS_VFAT, error);

	if (run == NULL)
		return FALSE;
	ash_run_args(run, "-F", "32", "-S", "512", "--invariant", NULL);
	ash_run_args(run, "-s", NULL);
	ash_run_argf(run, "%u", choose_cluster_sectors(bytes));
	ash_run_args(run, "-i", NULL);
	ash_run_argf(run, "%08x", options->volume_id);
	ash_run_args(run, "-n", options->label, "--offset", NULL);
	ash_run_argf(run, "%" G_GUINT64_FORMAT, offset / SECTOR_BYTES);
	ash_run_argf(run, "/proc/self/fd/%d", fd);
	ash_run_argf(run, "%" G_GUINT64_FORMAT, bytes / ASH_KIB);
	ash_run_inherit_fd(run, fd);
	return ash_run_sync(run, ctx, NULL, error);
}

/* One of mtools on the file system inside the disk file. */
static AshRun *
new_mtool(AshTool tool, const AshVfatOptions *options, int fd, guint64 offset, GError **error)
{
	AshRun *run = ash_run_new(tool, error);
	g_autofree char *epoch = g_strdup_printf("%" G_GUINT64_FORMAT, options->epoch);

	if (run == NULL)
		return NULL;
	ash_run_setenv(run, "SOURCE_DATE_EPOCH", epoch);
	ash_run_setenv(run, "TZ", "UTC");
	ash_run_setenv(run, "MTOOLS_SKIP_CHECK", "1");
	ash_run_args(run, "-i", NULL);
	ash_run_argf(run, "/proc/self/fd/%d@@%" G_GUINT64_FORMAT, fd, offset);
	ash_run_inherit_fd(run, fd);
	return run;
}

/* Every directory of @files, parents first, each once. */
static GPtrArray *
list_directories(GPtrArray *files)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	GPtrArray *directories = g_ptr_array_new_with_free_func(g_free);

	for (guint i = 0; i < files->len; i++) {
		const AshVfatFile *file = files->pdata[i];

		for (const char *slash = strchr(file->path, '/'); slash != NULL;
		     slash = strchr(slash + 1, '/')) {
			g_autofree char *directory =
			    g_strndup(file->path, (gsize) (slash - file->path));

			if (g_hash_table_contains(seen, directory))
				continue;
			g_hash_table_add(seen, directory);
			g_ptr_array_add(directories, g_steal_pointer(&directory));
		}
	}
	return directories;
}

static gboolean
make_directories(AshContext *ctx, const AshVfatOptions *options, GPtrArray *files, int fd,
		 guint64 offset, GError **error)
{
	g_autoptr(GPtrArray) directories = list_directories(files);
	g_autoptr(AshRun) run = NULL;

	if (directories->len == 0)
		return TRUE;
	run = new_mtool(ASH_TOOL_MMD, options, fd, offset, error);
	if (run == NULL)
		return FALSE;
	for (guint i = 0; i < directories->len; i++)
		ash_run_argf(run, "::/%s", (const char *) directories->pdata[i]);
	return ash_run_sync(run, ctx, NULL, error);
}

static gboolean
feed_content(int fd, gpointer user_data, GError **error)
{
	return ash_content_write(user_data, fd, error);
}

static gboolean
copy_file(AshContext *ctx, const AshVfatOptions *options, const AshVfatFile *file, int fd,
	  guint64 offset, GError **error)
{
	g_autoptr(AshRun) run = new_mtool(ASH_TOOL_MCOPY, options, fd, offset, error);

	if (run == NULL)
		return FALSE;
	ash_run_args(run, "-", NULL);
	ash_run_argf(run, "::/%s", file->path);
	ash_run_stdin(run, feed_content, file->content);
	return ash_run_sync(run, ctx, NULL, error) || ash_prefix(error, "\"%s\"", file->path);
}

gboolean
ash_vfat_format(AshContext *ctx, const AshVfatOptions *options, int fd, guint64 offset, guint64 bytes, GError **error)
{
	if (bytes < ASH_VFAT_MIN_BYTES || bytes % ASH_MIB != 0 || offset % SECTOR_BYTES != 0)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "a FAT32 file system needs at least 34 MiB, in whole MiB");
	return run_mkfs(ctx, options, fd, offset, bytes, error);
}

gboolean
ash_vfat_fill(AshContext *ctx, const AshVfatOptions *options, GPtrArray *files, int fd, guint64 offset, guint64 bytes,
	      GError **error)
{
	if (bytes < ash_vfat_estimate(files))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "the EFI system partition has %" G_GUINT64_FORMAT
				 " MiB, its files need %" G_GUINT64_FORMAT ": raise its \"size\"",
				 bytes / ASH_MIB, ash_vfat_estimate(files) / ASH_MIB);
	if (!make_directories(ctx, options, files, fd, offset, error))
		return FALSE;
	for (guint i = 0; i < files->len; i++) {
		if (!copy_file(ctx, options, files->pdata[i], fd, offset, error))
			return FALSE;
	}
	return TRUE;
}
