/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/formats.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"
#include "disk/vhd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

char *
ash_formats_file_name(const char *stem, AshDiskFormat format)
{
	return g_strdup_printf("%s.%s", stem, ash_disk_format_to_extension(format));
}

gboolean
ash_formats_copy_sparse(int from_fd, int to_fd, guint64 bytes, GError **error)
{
	guint64 at = 0;

	if (ftruncate(to_fd, (off_t) bytes) < 0)
		return ash_throw_errno(error, "cannot set the size of a disk file");
	while (at < bytes) {
		off_t data = lseek(from_fd, (off_t) at, SEEK_DATA);
		off_t hole;

		if (data < 0 && errno == ENXIO)
			break;
		hole = data >= 0 ? lseek(from_fd, data, SEEK_HOLE) : -1;
		if (data < 0 || hole < 0)
			return ash_throw_errno(error, "cannot find the holes of a disk file");
		if ((guint64) data >= bytes)
			break;
		hole = MIN(hole, (off_t) bytes);
		if (!ash_fd_copy_range(from_fd, (guint64) data, to_fd, (guint64) data,
				       (guint64) (hole - data), error))
			return FALSE;
		at = (guint64) hole;
	}
	return TRUE;
}

static bool
wants(const AshFormatsRequest *request, AshDiskFormat format)
{
	for (guint i = 0; i < request->formats->len; i++) {
		if (g_array_index(request->formats, AshDiskFormat, i) == format)
			return true;
	}
	return false;
}

/* The temporary name that a format's file has until it is complete. */
static char *
partial_name(const AshFormatsRequest *request, AshDiskFormat format)
{
	g_autofree char *name = ash_formats_file_name(request->stem, format);

	return g_strdup_printf(".%s.partial", name);
}

static gboolean
finish_file(const AshFormatsRequest *request, int dir_fd, const char *partial, AshDiskFormat format,
	    GError **error)
{
	g_autofree char *name = ash_formats_file_name(request->stem, format);

	if (renameat(dir_fd, partial, dir_fd, name) < 0)
		return ash_throw_errno(error, "cannot rename \"%s\" to \"%s\"", partial, name);
	return TRUE;
}

static gboolean
sync_file(int fd, GError **error)
{
	return fsync(fd) == 0 || ash_throw_errno(error, "cannot write a disk file out");
}

/* One coroutine, in order: otherwise clusters would lie as they happened to be finished. */
static gboolean
run_qemu_img(AshContext *ctx, const char *from, const char *to, GError **error)
{
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_QEMU_IMG, error);

	if (run == NULL)
		return FALSE;
	ash_run_args(run, "convert", "-m", "1", "-f", "raw", "-O", "qcow2", "-o", "compat=1.1",
		     from, to, NULL);
	return ash_run_sync(run, ctx, NULL, error);
}

static gboolean
write_qcow2(AshContext *ctx, const AshFormatsRequest *request, int dir_fd, GError **error)
{
	g_autofree char *partial = partial_name(request, ASH_DISK_QCOW2);
	g_autofree char *from = g_build_filename(request->output_dir, request->partial, NULL);
	g_autofree char *to = g_build_filename(request->output_dir, partial, NULL);
	ash_autofd int fd = -1;

	if (!run_qemu_img(ctx, from, to, error)) {
		(void) unlinkat(dir_fd, partial, 0);
		return FALSE;
	}
	fd = ash_fd_open(dir_fd, partial, O_RDONLY, 0, error);
	return fd >= 0 && sync_file(fd, error) &&
	       finish_file(request, dir_fd, partial, ASH_DISK_QCOW2, error);
}

static gboolean
copy_vhd(const AshFormatsRequest *request, int dir_fd, const char *partial, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, partial, O_RDWR | O_CREAT | O_TRUNC, 0644, error);

	return fd >= 0 && ash_formats_copy_sparse(request->fd, fd, request->disk_bytes, error) &&
	       ash_vhd_append_footer(fd, request->disk_bytes, &request->vhd_uuid, request->epoch,
				     error) &&
	       sync_file(fd, error);
}

static gboolean
write_vhd(const AshFormatsRequest *request, int dir_fd, GError **error)
{
	g_autofree char *partial = partial_name(request, ASH_DISK_VHD);

	if (!copy_vhd(request, dir_fd, partial, error)) {
		(void) unlinkat(dir_fd, partial, 0);
		return FALSE;
	}
	return finish_file(request, dir_fd, partial, ASH_DISK_VHD, error);
}

/* The raw file becomes what it can become without being copied. */
static gboolean
take_over(const AshFormatsRequest *request, int dir_fd, GError **error)
{
	AshDiskFormat format = wants(request, ASH_DISK_RAW) ? ASH_DISK_RAW : ASH_DISK_VHD;

	if (!wants(request, format)) {
		if (unlinkat(dir_fd, request->partial, 0) < 0)
			return ash_throw_errno(error, "cannot remove \"%s\"", request->partial);
		return TRUE;
	}
	if (format == ASH_DISK_VHD &&
	    !ash_vhd_append_footer(request->fd, request->disk_bytes, &request->vhd_uuid,
				   request->epoch, error))
		return FALSE;
	return sync_file(request->fd, error) &&
	       finish_file(request, dir_fd, request->partial, format, error);
}

gboolean
ash_formats_write(AshContext *ctx, const AshFormatsRequest *request, GError **error)
{
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, request->output_dir, false, error);

	if (dir_fd < 0)
		return FALSE;
	if (wants(request, ASH_DISK_QCOW2) && !write_qcow2(ctx, request, dir_fd, error))
		return FALSE;
	if (wants(request, ASH_DISK_RAW) && wants(request, ASH_DISK_VHD) &&
	    !write_vhd(request, dir_fd, error))
		return FALSE;
	return take_over(request, dir_fd, error) && sync_file(dir_fd, error);
}
