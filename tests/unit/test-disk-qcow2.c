/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/qcow2.h"

#include "base/size.h"
#include "test-disk-common.h"

#define CLUSTER ASH_QCOW2_CLUSTER_BYTES

/** Bytes of a disk that are not zero. */
typedef struct {
	guint64 offset, bytes;
} Piece;

typedef struct {
	const char *name;
	guint64 disk_bytes;
	Piece pieces[4];        /* up to the first of no bytes */
	guint64 image_clusters; /* that the image is to have, all tables included */
} Disk;

/* Header, one refcount table, one refcount block, one L1 table: four clusters are always there. */
static const Disk disks[] = {
	{ "all-zero", 10 * ASH_MIB, { { 0 } }, 4 },
	{ "one-sector", 512, { { 0, 512 } }, 4 + 1 + 1 },
	{ "one-sector-zero", 512, { { 0 } }, 4 },
	{ "less-than-a-cluster", CLUSTER - 512, { { CLUSTER - 1024, 1 } }, 4 + 1 + 1 },
	{ "one-cluster", CLUSTER, { { 0, CLUSTER } }, 4 + 1 + 1 },
	{ "all-data", 40 * CLUSTER, { { 0, 40 * CLUSTER } }, 4 + 1 + 40 },
	{ "partial-end", 21 * CLUSTER + 512, { { 3 * CLUSTER - 1, 2 }, { 21 * CLUSTER + 511, 1 } }, 4 + 1 + 3 },
	{ "partial-end-zero", 21 * CLUSTER + 4096, { { CLUSTER, CLUSTER } }, 4 + 1 + 1 },
	{ "last-byte-of-a-cluster", 8 * CLUSTER, { { 5 * CLUSTER - 1, 1 } }, 4 + 1 + 1 },
	/* Data over the border of what the first table maps, a table's range without data, and the disk's end. */
	{ "many-tables", 2560 * ASH_MIB + 3 * ASH_MIB, { { 512 * ASH_MIB - 3 * CLUSTER, 7 * CLUSTER },
	  { 1100 * ASH_MIB, 1 }, { 2563 * ASH_MIB - 1, 1 } }, 4 + 4 + 9 },
	/* More entries of L1 than one cluster holds. */
	{ "huge", 5000 * 1024 * ASH_MIB, { { 4000 * 1024 * ASH_MIB, 3 * CLUSTER } }, 4 + 1 + 1 + 3 },
};

static void
put_piece(int fd, const Piece *piece)
{
	g_autofree guint8 *data = g_malloc(piece->bytes);

	for (guint64 i = 0; i < piece->bytes; i++)
		data[i] = (guint8) (1 + (piece->offset + i) % 251);
	g_assert_cmpint(pwrite(fd, data, piece->bytes, (off_t) piece->offset), ==, (gssize) piece->bytes);
}

static int
make_raw(Fixture *fixture, const Disk *disk)
{
	int fd = fixture_create(fixture, "raw", disk->disk_bytes);

	for (guint i = 0; i < G_N_ELEMENTS(disk->pieces) && disk->pieces[i].bytes > 0; i++)
		put_piece(fd, &disk->pieces[i]);
	return fd;
}

/* The image's digest as returned, which must be that of the file. Owned. */
static char *
write_image(Fixture *fixture, int raw_fd, guint64 disk_bytes, const AshUsedMap *used, const char *name)
{
	ash_autofd int fd = fixture_create(fixture, name, 0);
	g_autoptr(GError) error = NULL;
	g_autofree char *path = fixture_path(fixture, name);
	g_autofree char *sum = NULL;
	g_autoptr(AshReread) raw = ash_reread_new(raw_fd, used);
	char *sha256 = NULL;

	ash_qcow2_write(fixture->ctx, raw, disk_bytes, fd, &sha256, &error);
	g_assert_no_error(error);
	sum = run_command(0, "sha256sum <'%s'", path);
	g_assert_true(g_str_has_prefix(sum, sha256));
	return sha256;
}

static void
check_image(Fixture *fixture, const Disk *disk)
{
	ash_autofd int raw_fd = make_raw(fixture, disk);
	g_autofree char *sha256 = write_image(fixture, raw_fd, disk->disk_bytes, NULL, "image");
	g_autofree char *path = fixture_path(fixture, "image");
	g_autofree char *size = g_strdup_printf("\"virtual-size\": %" G_GUINT64_FORMAT ",", disk->disk_bytes);
	g_autofree char *info = NULL;
	struct stat st;

	g_test_message("%s", disk->name);
	g_free(run_command(0, "cd '%s' && qemu-img check -q -f qcow2 image", fixture->dir));
	g_free(run_command(0, "cd '%s' && qemu-img compare -q -f raw -F qcow2 raw image", fixture->dir));
	info = run_command(0, "cd '%s' && qemu-img info -f qcow2 --output=json image", fixture->dir);
	g_assert_nonnull(strstr(info, size));
	g_assert_nonnull(strstr(info, "\"compat\": \"1.1\""));
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpuint((guint64) st.st_size, ==, disk->image_clusters * CLUSTER);
}

static void
test_others(Fixture *fixture, gconstpointer data)
{
	if (!have_program("qemu-img"))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(disks); i++)
		check_image(fixture, &disks[i]);
}

/* Zeros that are written are as good as holes, and parts of clusters as good as whole ones. */
static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	static const Disk sparse = { "sparse", 64 * CLUSTER, { { 3 * CLUSTER + 100, 50 }, { 40 * CLUSTER, 5000 } }, 0 };
	ash_autofd int raw_fd = make_raw(fixture, &sparse);
	g_autofree char *first = write_image(fixture, raw_fd, sparse.disk_bytes, NULL, "first");
	g_autofree char *path = fixture_path(fixture, "raw");
	g_autofree char *second = NULL;

	g_free(run_command(0, "cd '%s' && cp --sparse=never raw full && mv full raw", fixture->dir));
	close(ash_fd_steal(&raw_fd));
	raw_fd = open(path, O_RDONLY | O_CLOEXEC);
	second = write_image(fixture, raw_fd, sparse.disk_bytes, NULL, "second");
	g_assert_cmpstr(first, ==, second);
}

/* Shown the clusters while they were written, the writer need not read them to find the same. */
static void
test_used(Fixture *fixture, gconstpointer data)
{
	static const Disk disk = { "used", 64 * CLUSTER, { { 3 * CLUSTER + 100, 50 }, { 7 * CLUSTER - 1, 2 }, { 40 * CLUSTER, 9000 } }, 0 };
	ash_autofd int raw_fd = make_raw(fixture, &disk);
	g_autoptr(AshUsedMap) used = ash_used_map_new(disk.disk_bytes);
	g_autofree guint8 *all = g_malloc(disk.disk_bytes);
	g_autofree char *first = write_image(fixture, raw_fd, disk.disk_bytes, NULL, "first");
	g_autofree char *second = NULL;

	g_assert_true(ash_fd_read_exact(raw_fd, all, disk.disk_bytes, 0, NULL));
	/* In parts that are not clusters. */
	for (guint64 at = 0; at < disk.disk_bytes; at += 5 * 4096)
		ash_used_map_add(used, at, all + at, (gsize) MIN(5 * 4096, disk.disk_bytes - at));
	for (guint64 i = 0; i < disk.disk_bytes / CLUSTER; i++)
		g_assert_cmpint(ash_used_map_knows(used, i), ==, i == 3 || i == 6 || i == 7 || i == 40);
	g_assert_false(ash_used_map_knows(used, disk.disk_bytes / CLUSTER));
	second = write_image(fixture, raw_fd, disk.disk_bytes, used, "second");
	g_assert_cmpstr(first, ==, second);
}

/* A guest may write: the counts must allow it. */
static void
test_writable(Fixture *fixture, gconstpointer data)
{
	static const Disk disk = { "writable", 600 * ASH_MIB, { { 0, 3 * CLUSTER } }, 0 };
	ash_autofd int raw_fd = make_raw(fixture, &disk);

	if (!have_program("qemu-io"))
		return;
	g_free(write_image(fixture, raw_fd, disk.disk_bytes, NULL, "image"));
	g_free(run_command(0, "cd '%s' && for at in 0 1M 599M; do qemu-io -f qcow2 -c \"write -P 7 $at 100k\" image && "
			   "qemu-io -f raw -c \"write -P 7 $at 100k\" raw; done", fixture->dir));
	g_free(run_command(0, "cd '%s' && qemu-img check -q -f qcow2 image && "
			   "qemu-img compare -q -f raw -F qcow2 raw image", fixture->dir));
}

static void
test_wrong_size(Fixture *fixture, gconstpointer data)
{
	static const guint64 wrong[] = { 0, 511, 513, (guint64) 1 << 60 };
	ash_autofd int raw_fd = fixture_create(fixture, "raw", 1024);

	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		ash_autofd int fd = fixture_create(fixture, "image", 0);
		g_autoptr(GError) error = NULL;
		g_autoptr(AshReread) raw = ash_reread_new(raw_fd, NULL);
		char *sha256 = NULL;

		g_assert_false(ash_qcow2_write(fixture->ctx, raw, wrong[i], fd, &sha256, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		g_assert_null(sha256);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/disk/qcow2/others", Fixture, NULL, fixture_set_up, test_others, fixture_tear_down);
	g_test_add("/disk/qcow2/same-bytes", Fixture, NULL, fixture_set_up, test_same_bytes, fixture_tear_down);
	g_test_add("/disk/qcow2/used", Fixture, NULL, fixture_set_up, test_used, fixture_tear_down);
	g_test_add("/disk/qcow2/writable", Fixture, NULL, fixture_set_up, test_writable, fixture_tear_down);
	g_test_add("/disk/qcow2/wrong-size", Fixture, NULL, fixture_set_up, test_wrong_size, fixture_tear_down);
	return g_test_run();
}
