/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writers of formats that QEMU reads: on small disks of awkward shapes, against QEMU. */
#include "disk/format/gce.h"
#include "disk/format/qcow2z.h"
#include "disk/format/vhdx.h"
#include "disk/format/vmdk.h"

#include "base/size.h"
#include "test-disk-common.h"

#define CLUSTER ((guint64) 64 * ASH_KIB)

/** Bytes of a disk that are not zero. */
typedef struct {
	guint64 offset, bytes;
	bool random; /* cannot be compressed */
} Piece;

typedef struct {
	const char *name;
	guint64 disk_bytes;
	Piece pieces[4]; /* up to the first of no bytes */
} Disk;

static const Disk disks[] = {
	{ "all-zero", 10 * ASH_MIB, { { 0 } } },
	{ "one-cluster", CLUSTER, { { 0, CLUSTER, false } } },
	{ "random", 3 * ASH_MIB, { { CLUSTER, 7 * CLUSTER, true }, { 2 * ASH_MIB, 40, false } } },
	{ "mixed", 40 * ASH_MIB, { { 0, 20 * CLUSTER, false }, { 20 * CLUSTER, 3 * CLUSTER, true }, { 39 * ASH_MIB, CLUSTER, false } } },
	/* Over the border of what a table of VMDK (32 MiB) and one of qcow2 (512 MiB) map, and the disk's end. */
	{ "many-tables", 1100 * ASH_MIB, { { 32 * ASH_MIB - 2 * CLUSTER, 4 * CLUSTER, true }, { 512 * ASH_MIB - CLUSTER, 2 * CLUSTER, false },
	  { 1100 * ASH_MIB - 1, 1, false } } },
	/* Over the border of a chunk of VHDX (4 GiB). */
	{ "two-chunks", 4100 * ASH_MIB, { { 4095 * ASH_MIB, 2 * ASH_MIB, false }, { 4099 * ASH_MIB, 512, true } } },
};

static int
make_raw(Fixture *fixture, const Disk *disk)
{
	int fd = fixture_create(fixture, "raw", disk->disk_bytes);
	g_autoptr(GRand) random = g_rand_new_with_seed(7);

	for (guint i = 0; i < G_N_ELEMENTS(disk->pieces) && disk->pieces[i].bytes > 0; i++) {
		const Piece *piece = &disk->pieces[i];
		g_autofree guint8 *data = g_malloc(piece->bytes);

		for (guint64 j = 0; j < piece->bytes; j++)
			data[j] = piece->random ? (guint8) g_rand_int(random) : (guint8) (1 + j / 512 % 200);
		g_assert_cmpint(pwrite(fd, data, piece->bytes, (off_t) piece->offset), ==, (gssize) piece->bytes);
	}
	return fd;
}

typedef gboolean (*WriteFunc)(Fixture *fixture, AshReread *raw, guint64 disk_bytes, int fd, char **ret_sha256, GError **error);

static const AshUuid uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static gboolean
write_vmdk(Fixture *fixture, AshReread *raw, guint64 disk_bytes, int fd, char **ret_sha256, GError **error)
{
	return ash_vmdk_write(fixture->ctx, raw, disk_bytes, "image", &uuid, fd, ret_sha256, error);
}

static gboolean
write_vhdx(Fixture *fixture, AshReread *raw, guint64 disk_bytes, int fd, char **ret_sha256, GError **error)
{
	return ash_vhdx_write(fixture->ctx, raw, disk_bytes, &uuid, fd, ret_sha256, error);
}

static gboolean
write_zlib(Fixture *fixture, AshReread *raw, guint64 disk_bytes, int fd, char **ret_sha256, GError **error)
{
	return ash_qcow2z_write(fixture->ctx, raw, disk_bytes, ASH_QCOW2_ZLIB, fd, ret_sha256, error);
}

static gboolean
write_zstd(Fixture *fixture, AshReread *raw, guint64 disk_bytes, int fd, char **ret_sha256, GError **error)
{
	return ash_qcow2z_write(fixture->ctx, raw, disk_bytes, ASH_QCOW2_ZSTD, fd, ret_sha256, error);
}

static gboolean
write_gce(Fixture *fixture, AshReread *raw, guint64 disk_bytes, int fd, char **ret_sha256, GError **error)
{
	return ash_gce_write(fixture->ctx, raw, disk_bytes, TEST_EPOCH, fd, ret_sha256, error);
}

typedef struct {
	const char *name;
	WriteFunc write;
	guint64 wrong_bytes; /* no disk can have this size */
	const char *check;   /* in the directory that has "raw" and "image" */
} Format;

static const Format formats[] = {
	{ "vmdk", write_vmdk, 512, "qemu-img check -q -f vmdk image && qemu-img compare -q -f raw -F vmdk raw image" },
	{ "vhdx", write_vhdx, 511, "qemu-img check -q -f vhdx image && qemu-img compare -q -f raw -F vhdx raw image" },
	{ "qcow2-zlib", write_zlib, 511, "qemu-img check -q -f qcow2 image && qemu-img compare -q -f raw -F qcow2 raw image" },
	{ "qcow2-zstd", write_zstd, 511, "qemu-img check -q -f qcow2 image && qemu-img compare -q -f raw -F qcow2 raw image" },
	{ "gce", write_gce, 0, "tar xzf image && cmp raw disk.raw" },
};

/* The file's digest as returned, which must be that of the file. Owned. */
static char *
write_image(Fixture *fixture, const Format *format, int raw_fd, guint64 disk_bytes, guint jobs)
{
	ash_autofd int fd = fixture_create(fixture, "image", 0);
	g_autoptr(GError) error = NULL;
	g_autofree char *path = fixture_path(fixture, "image");
	g_autofree char *sum = NULL;
	g_autoptr(AshReread) raw = ash_reread_new(raw_fd, NULL);
	char *sha256 = NULL;

	fixture->ctx->jobs = jobs;
	format->write(fixture, raw, disk_bytes, fd, &sha256, &error);
	g_assert_no_error(error);
	sum = run_command(0, "sha256sum <'%s'", path);
	g_assert_true(g_str_has_prefix(sum, sha256));
	return sha256;
}

static void
test_others(Fixture *fixture, gconstpointer data)
{
	const Format *format = data;

	if (!have_program("qemu-img"))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(disks); i++) {
		if (disks[i].disk_bytes > 4096 * ASH_MIB && format->write != write_vhdx)
			continue;
		ash_autofd int raw_fd = make_raw(fixture, &disks[i]);
		g_autofree char *alone = write_image(fixture, format, raw_fd, disks[i].disk_bytes, 1);
		g_autofree char *together = write_image(fixture, format, raw_fd, disks[i].disk_bytes, 3);

		g_test_message("%s", disks[i].name);
		g_assert_cmpstr(alone, ==, together);
		g_free(run_command(0, "cd '%s' && %s", fixture->dir, format->check));
	}
}

static void
test_wrong_size(Fixture *fixture, gconstpointer data)
{
	const Format *format = data;
	const guint64 wrong[] = { 0, format->wrong_bytes };
	ash_autofd int raw_fd = fixture_create(fixture, "raw", CLUSTER);

	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		ash_autofd int fd = fixture_create(fixture, "image", 0);
		g_autoptr(GError) error = NULL;
		g_autoptr(AshReread) raw = ash_reread_new(raw_fd, NULL);
		char *sha256 = NULL;

		g_assert_false(format->write(fixture, raw, wrong[i], fd, &sha256, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		g_assert_null(sha256);
	}
}

/* A guest may write into what is compressed. */
static void
test_writable(Fixture *fixture, gconstpointer data)
{
	const Format *format = data;
	ash_autofd int raw_fd = make_raw(fixture, &disks[3]);

	if (!have_program("qemu-io"))
		return;
	g_free(write_image(fixture, format, raw_fd, disks[3].disk_bytes, 2));
	g_free(run_command(0, "cd '%s' && for at in 0 70k 1300k 30M; do qemu-io -f qcow2 -c \"write -P 7 $at 100k\" image && "
			   "qemu-io -f raw -c \"write -P 7 $at 100k\" raw; done && %s", fixture->dir, format->check));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
		g_autofree char *others = g_strdup_printf("/disk/formats/%s/others", formats[i].name);
		g_autofree char *wrong = g_strdup_printf("/disk/formats/%s/wrong-size", formats[i].name);
		g_autofree char *writable = g_strdup_printf("/disk/formats/%s/writable", formats[i].name);

		g_test_add(others, Fixture, &formats[i], fixture_set_up, test_others, fixture_tear_down);
		if (formats[i].wrong_bytes > 0)
			g_test_add(wrong, Fixture, &formats[i], fixture_set_up, test_wrong_size, fixture_tear_down);
		if (g_str_has_prefix(formats[i].name, "qcow2"))
			g_test_add(writable, Fixture, &formats[i], fixture_set_up, test_writable, fixture_tear_down);
	}
	return g_test_run();
}
