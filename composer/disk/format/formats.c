/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/formats.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/size.h"
#include "disk/format/cosi.h"
#include "disk/format/gce.h"
#include "disk/format/qcow2.h"
#include "disk/format/qcow2z.h"
#include "disk/format/vhd.h"
#include "disk/format/vhdx.h"
#include "disk/format/vmdk.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define HASH_BYTES (256 * ASH_KIB)

bool
ash_formats_need_raw(const GArray *formats)
{
	for (guint i = 0; i < formats->len; i++) {
		AshDiskFormat format = g_array_index(formats, AshDiskFormat, i);

		if (format == ASH_DISK_RAW || format == ASH_DISK_VHD)
			return true;
	}
	return false;
}

char *
ash_formats_file_name(const char *stem, AshDiskFormat format)
{
	return g_strdup_printf("%s.%s", stem, ash_disk_format_to_extension(format));
}

/* Leaves out the holes; the new file @to_fd gets that length. */
static gboolean
copy_sparse(int from_fd, int to_fd, guint64 bytes, GError **error)
{
	guint64 start, end;

	if (ftruncate(to_fd, (off_t) bytes) < 0)
		return ash_throw_errno(error, "cannot set the size of a disk file");
	for (guint64 at = 0; at < bytes; at = end) {
		if (!ash_fd_find_data(from_fd, at, bytes, &start, &end, error) ||
		    !ash_fd_copy_range(from_fd, start, to_fd, start, end - start, error))
			return FALSE;
	}
	return TRUE;
}

/** The formats of one disk, each made by one thread. */
typedef struct {
	AshContext *ctx;
	const AshFormatsRequest *request;
	int dir_fd;
	AshDiskFormat taking_over; /* is made of the raw file itself; none of those wanted if that is not */
	char **digests;            /* by index in request->formats */
} Work;

static bool
wants(const AshFormatsRequest *request, AshDiskFormat format)
{
	for (guint i = 0; i < request->formats->len; i++) {
		if (g_array_index(request->formats, AshDiskFormat, i) == format)
			return true;
	}
	return false;
}

static AshDiskFormat
get_format(const AshFormatsRequest *request, guint index)
{
	return g_array_index(request->formats, AshDiskFormat, index);
}

/* The temporary name that a format's file has until all are complete. Owned. */
static char *
partial_name(const Work *work, AshDiskFormat format)
{
	g_autofree char *name = NULL;

	if (format == work->taking_over)
		return g_strdup(work->request->partial);
	name = ash_formats_file_name(work->request->stem, format);
	return g_strdup_printf(".%s.partial", name);
}

static int
create_partial(const Work *work, AshDiskFormat format, GError **error)
{
	g_autofree char *partial = partial_name(work, format);

	return ash_fd_open(work->dir_fd, partial, O_RDWR | O_CREAT | O_TRUNC, 0644, error);
}

/* The raw disk, of which most is holes. */
static gboolean
hash_disk(const AshFormatsRequest *request, AshDigest *digest, GError **error)
{
	g_autoptr(AshReread) content = ash_reread_dup(request->content);
	g_autofree guint8 *buffer = g_malloc(HASH_BYTES);
	guint64 start, end;

	for (guint64 at = 0; at < request->disk_bytes; at = end) {
		if (!ash_fd_find_data(request->fd, at, request->disk_bytes, &start, &end, error))
			return FALSE;
		ash_digest_update_zeros(digest, start - at);
		for (gsize part; start < end; start += part) {
			part = (gsize) MIN(HASH_BYTES, end - start);
			if (!ash_reread_read(content, buffer, part, start, error))
				return FALSE;
			ash_digest_update(digest, buffer, part);
		}
	}
	return TRUE;
}

static gboolean
append_footer(const AshFormatsRequest *request, int fd, GError **error)
{
	return ash_vhd_append_footer(fd, request->disk_bytes, &request->vhd_uuid, request->epoch, error);
}

/* The content of the raw disk, and of the VHD that has a footer behind it, is hashed once. */
static gboolean
write_raw(const Work *work, char **ret_digest, GError **error)
{
	bool wanted = work->request->checksums || work->request->formats->len == 1;
	g_autoptr(AshDigest) digest = ash_digest_new();

	if (!wanted || wants(work->request, ASH_DISK_VHD))
		return TRUE;
	if (!hash_disk(work->request, digest, error))
		return FALSE;
	*ret_digest = ash_digest_finish_hex(digest);
	return TRUE;
}

static gboolean
write_qcow2(const Work *work, char **ret_digest, GError **error)
{
	const AshFormatsRequest *request = work->request;
	ash_autofd int fd = create_partial(work, ASH_DISK_QCOW2, error);
	g_autoptr(AshReread) content = ash_reread_dup(request->content);

	return fd >= 0 && ash_qcow2_write(work->ctx, content, request->disk_bytes, fd, ret_digest, error);
}

static gboolean
finish_vhd(const Work *work, int fd, char **ret_digest, GError **error)
{
	const AshFormatsRequest *request = work->request;
	g_autoptr(AshDigest) digest = ash_digest_new();
	guint8 footer[ASH_VHD_FOOTER_BYTES];

	if (!hash_disk(request, digest, error) ||
	    !ash_fd_read_exact(fd, footer, sizeof(footer), request->disk_bytes, error))
		return FALSE;
	for (guint i = 0; request->checksums && i < request->formats->len; i++) {
		g_autoptr(AshDigest) raw = ash_digest_copy(digest);

		if (get_format(request, i) == ASH_DISK_RAW)
			work->digests[i] = ash_digest_finish_hex(raw);
	}
	ash_digest_update(digest, footer, sizeof(footer));
	*ret_digest = ash_digest_finish_hex(digest);
	return TRUE;
}

static gboolean
write_vhd(const Work *work, char **ret_digest, GError **error)
{
	const AshFormatsRequest *request = work->request;
	ash_autofd int fd = -1;

	if (work->taking_over == ASH_DISK_VHD)
		return append_footer(request, request->fd, error) &&
		       finish_vhd(work, request->fd, ret_digest, error);
	fd = create_partial(work, ASH_DISK_VHD, error);
	if (fd < 0 || !copy_sparse(request->fd, fd, request->disk_bytes, error) ||
	    !append_footer(request, fd, error))
		return FALSE;
	ash_fd_start_write_back(fd, 0, request->disk_bytes);
	return finish_vhd(work, fd, ret_digest, error);
}

static gboolean
write_cosi(const Work *work, char **ret_digest, GError **error)
{
	const AshFormatsRequest *request = work->request;
	ash_autofd int fd = create_partial(work, ASH_DISK_COSI, error);
	g_autoptr(AshReread) content = ash_reread_dup(request->content);
	AshCosiSource source = *request->system;

	source.id = ash_uuid_derive(&request->vhd_uuid, "cosi");
	return fd >= 0 && ash_cosi_write(work->ctx, content, request->disk_bytes, &source, fd, ret_digest, error);
}

static gboolean
write_vmdk(const Work *work, char **ret_digest, GError **error)
{
	const AshFormatsRequest *request = work->request;
	g_autofree char *name = ash_formats_file_name(request->stem, ASH_DISK_VMDK);
	ash_autofd int fd = create_partial(work, ASH_DISK_VMDK, error);
	g_autoptr(AshReread) content = ash_reread_dup(request->content);
	const AshUuid uuid = ash_uuid_derive(&request->vhd_uuid, "vmdk");

	return fd >= 0 && ash_vmdk_write(work->ctx, content, request->disk_bytes, name, &uuid, fd, ret_digest, error);
}

static gboolean
write_gce(const Work *work, char **ret_digest, GError **error)
{
	const AshFormatsRequest *request = work->request;
	ash_autofd int fd = create_partial(work, ASH_DISK_GCE, error);
	g_autoptr(AshReread) content = ash_reread_dup(request->content);

	return fd >= 0 && ash_gce_write(work->ctx, content, request->disk_bytes, request->epoch, fd, ret_digest, error);
}

static gboolean
write_qcow2z(const Work *work, AshDiskFormat format, AshQcow2Compression compression, char **ret_digest, GError **error)
{
	const AshFormatsRequest *request = work->request;
	ash_autofd int fd = create_partial(work, format, error);
	g_autoptr(AshReread) content = ash_reread_dup(request->content);

	return fd >= 0 && ash_qcow2z_write(work->ctx, content, request->disk_bytes, compression, fd, ret_digest, error);
}

static gboolean
write_qcow2_zlib(const Work *work, char **ret_digest, GError **error)
{
	return write_qcow2z(work, ASH_DISK_QCOW2_ZLIB, ASH_QCOW2_ZLIB, ret_digest, error);
}

static gboolean
write_qcow2_zstd(const Work *work, char **ret_digest, GError **error)
{
	return write_qcow2z(work, ASH_DISK_QCOW2_ZSTD, ASH_QCOW2_ZSTD, ret_digest, error);
}

static gboolean
write_vhdx(const Work *work, char **ret_digest, GError **error)
{
	const AshFormatsRequest *request = work->request;
	ash_autofd int fd = create_partial(work, ASH_DISK_VHDX, error);
	g_autoptr(AshReread) content = ash_reread_dup(request->content);
	const AshUuid uuid = ash_uuid_derive(&request->vhd_uuid, "vhdx");

	return fd >= 0 && ash_vhdx_write(work->ctx, content, request->disk_bytes, &uuid, fd, ret_digest, error);
}

/* By AshDiskFormat. */
static gboolean (*const writers[])(const Work *work, char **ret_digest, GError **error) = {
	[ASH_DISK_RAW] = write_raw,
	[ASH_DISK_QCOW2] = write_qcow2,
	[ASH_DISK_VHD] = write_vhd,
	[ASH_DISK_COSI] = write_cosi,
	[ASH_DISK_VMDK] = write_vmdk,
	[ASH_DISK_GCE] = write_gce,
	[ASH_DISK_QCOW2_ZLIB] = write_qcow2_zlib,
	[ASH_DISK_QCOW2_ZSTD] = write_qcow2_zstd,
	[ASH_DISK_VHDX] = write_vhdx,
};

G_STATIC_ASSERT(G_N_ELEMENTS(writers) == _ASH_DISK_FORMAT_COUNT);

static gboolean
write_format(guint index, gpointer user_data, GError **error)
{
	const Work *work = user_data;

	AshDiskFormat format = get_format(work->request, index);

	return writers[format](work, &work->digests[index], error) ||
	       ash_prefix(error, "format \"%s\"", ash_disk_format_to_string(format));
}

static gboolean
rename_all(const Work *work, GError **error)
{
	for (guint i = 0; i < work->request->formats->len; i++) {
		AshDiskFormat format = get_format(work->request, i);
		g_autofree char *partial = partial_name(work, format);
		g_autofree char *name = ash_formats_file_name(work->request->stem, format);

		if (renameat(work->dir_fd, partial, work->dir_fd, name) < 0)
			return ash_throw_errno(error, "cannot rename \"%s\" to \"%s\"", partial, name);
	}
	if (!wants(work->request, work->taking_over) && unlinkat(work->dir_fd, work->request->partial, 0) < 0)
		return ash_throw_errno(error, "cannot remove \"%s\"", work->request->partial);
	return TRUE;
}

static void
remove_all(const Work *work)
{
	for (guint i = 0; i < work->request->formats->len; i++) {
		g_autofree char *partial = partial_name(work, get_format(work->request, i));

		(void) unlinkat(work->dir_fd, partial, 0);
	}
}

gboolean
ash_formats_write(AshContext *ctx, const AshFormatsRequest *request, GPtrArray **ret_digests, GError **error)
{
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, request->output_dir, false, error);
	g_autoptr(GPtrArray) digests = g_ptr_array_new_with_free_func(g_free);
	Work work = {
		.ctx = ctx,
		.request = request,
		.dir_fd = dir_fd,
		.taking_over = wants(request, ASH_DISK_RAW) ? ASH_DISK_RAW : ASH_DISK_VHD,
	};

	if (dir_fd < 0)
		return FALSE;
	g_ptr_array_set_size(digests, (gint) request->formats->len);
	work.digests = (char **) digests->pdata;
	if (!ash_parallel_run(ctx, request->formats->len, write_format, &work, error) || !rename_all(&work, error)) {
		remove_all(&work);
		return FALSE;
	}
	*ret_digests = g_steal_pointer(&digests);
	return TRUE;
}
