/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/inspect/inspect.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"
#include "base/size.h"
#include "disk/format/vhd.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Two partition tables and something between them; also more than any header read here. */
#define LEAST_DISK_BYTES (128 * 512)
#define HEADER_BYTES     512
#define MAX_DESCRIPTOR_BYTES (1 * ASH_MIB)

/* A nameless file that is gone when it is closed. */
static int
make_temporary(AshContext *ctx, GError **error)
{
	const char *dir = ctx->cache_dir != NULL && ash_file_exists(AT_FDCWD, ctx->cache_dir) ? ctx->cache_dir : g_get_tmp_dir();
	g_autofree char *path = g_build_filename(dir, ".inspect-XXXXXX", NULL);
	int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		ash_throw_errno(error, "cannot make a temporary file in \"%s\"", dir);
	else
		(void) unlink(path);
	return fd;
}

static gboolean
throw_refers(GError **error, const char *format)
{
	return ash_throw(error, ASH_ERROR_CONFIG, "a %s file that refers to another file is not a disk image of its own", format);
}

/*
 * An image to be looked at must not make us read other files (QEMU docs/interop/qcow2.txt,
 * "Header"): no backing file at bytes 8 to 19, and no external data file, bit 2 of the 8 bytes at
 * 72 that version 3 has.
 */
static gboolean
check_qcow2(int fd, const guint8 *header, GError **error)
{
	bool refers = false;

	for (guint i = 8; i < 20; i++)
		refers = refers || header[i] != 0;
	return (!refers && (header[7] < 3 || (header[79] & 4) == 0)) || throw_refers(error, "qcow2");
}

static guint64
get64(const guint8 *at)
{
	guint64 value;

	memcpy(&value, at, sizeof(value));
	return GUINT64_FROM_LE(value);
}

/*
 * Virtual Disk Format 5.0, "Hosted Sparse Extents": one without a capacity (at 12) is described by its text alone, which names other files; one with a
 * parent names that in its text, whose place and length in sectors are at 28 and 36.
 */
static gboolean
check_vmdk(int fd, const guint8 *header, GError **error)
{
	guint64 at = get64(header + 28), sectors = get64(header + 36), length = sectors * HEADER_BYTES;
	g_autofree char *text = NULL;

	if (get64(header + 12) == 0 || sectors > MAX_DESCRIPTOR_BYTES / HEADER_BYTES || at > ((guint64) 1 << 40))
		return throw_refers(error, "VMDK");
	text = g_malloc0(length + 1);
	if (!ash_fd_read_exact(fd, text, length, at * HEADER_BYTES, error))
		return FALSE;
	return memmem(text, length, "parentFileNameHint", strlen("parentFileNameHint")) == NULL || throw_refers(error, "VMDK");
}

/* By their first bytes. Those without a name for qemu-img are archives, out of which a disk has to be taken first. */
static const struct {
	const char *magic;
	gsize length;
	AshDiskFormat format;
	const char *driver;
	gboolean (*check)(int fd, const guint8 *header, GError **error); /* that it refers to no other file; NULL: it cannot */
	const char *remedy;
} formats[] = {
	{ "QFI\xfb", 4, ASH_DISK_QCOW2, "qcow2", check_qcow2, NULL },
	{ "KDMV", 4, ASH_DISK_VMDK, "vmdk", check_vmdk, NULL },
	/* QEMU opens none that has a parent. */
	{ "vhdxfile", 8, ASH_DISK_VHDX, "vhdx", NULL, NULL },
	{ "cosi-marker", 11, ASH_DISK_COSI, NULL, NULL, "it is a COSI file, whose partitions are compressed one by one: look at the disk in another format (-f raw)" },
	{ "\x1f\x8b", 2, ASH_DISK_GCE, NULL, NULL, "it is compressed; of an archive for Compute Engine take the disk out first (tar -xzf)" },
};

static int
convert(AshContext *ctx, int fd, const char *driver, GError **error)
{
	ash_autofd int raw_fd = make_temporary(ctx, error);
	g_autoptr(AshRun) run = raw_fd >= 0 ? ash_run_new(ASH_TOOL_QEMU_IMG, error) : NULL;

	if (run == NULL)
		return -1;
	ash_run_args(run, "convert", "-f", driver, "-O", "raw", NULL);
	ash_run_argf(run, "/proc/self/fd/%d", fd);
	ash_run_argf(run, "/proc/self/fd/%d", raw_fd);
	ash_run_inherit_fd(run, fd);
	ash_run_inherit_fd(run, raw_fd);
	return ash_run_sync(run, ctx, NULL, error) ? ash_fd_steal(&raw_fd) : -1;
}

int
ash_disk_open_raw(AshContext *ctx, const char *path, AshDiskFormat *ret_format, guint64 *ret_bytes, GError **error)
{
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, error);
	guint8 header[HEADER_BYTES] = { 0 };
	struct stat st;

	if (fd < 0 || !ash_fd_stat(fd, path, &st, error))
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_size < LEAST_DISK_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" is not a disk image: no file, or too small", path), -1;
	if (!ash_fd_read_exact(fd, header, sizeof(header), 0, error))
		return -1;
	for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
		if (memcmp(header, formats[i].magic, formats[i].length) != 0)
			continue;
		if (formats[i].driver == NULL)
			return ash_throw(error, ASH_ERROR_CONFIG, "cannot look into \"%s\": %s", path, formats[i].remedy), -1;
		ash_autofd int raw_fd = formats[i].check == NULL || formats[i].check(fd, header, error) ? convert(ctx, fd, formats[i].driver, error) : -1;
		if (raw_fd < 0 || !ash_fd_stat(raw_fd, path, &st, error))
			return -1;
		*ret_format = formats[i].format;
		*ret_bytes = (guint64) st.st_size;
		return ash_fd_steal(&raw_fd);
	}
	*ret_format = ASH_DISK_RAW;
	*ret_bytes = (guint64) st.st_size;
	if (ash_vhd_detect(fd, ret_bytes))
		*ret_format = ASH_DISK_VHD;
	return ash_fd_steal(&fd);
}
