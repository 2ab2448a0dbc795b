/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/format/vhd.h"
#include "test-disk-common.h"

static const AshUuid uuid = {{9, 8, 7}};

/* QEMU sees a fixed VHD of exactly this size, whatever geometry would round it to. */
static void
test_qemu(Fixture *fixture, gconstpointer data)
{
	static const guint64 mibs[] = {1, 3, 40, 511, 1025, 8193, 200 * 1024};
	g_autofree char *path = fixture_path(fixture, "disk.vhd");

	if (!have_program("qemu-img"))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(mibs); i++) {
		guint64 bytes = mibs[i] << 20;
		ash_autofd int fd = fixture_create(fixture, "disk.vhd", bytes);
		g_autofree char *expected =
		    g_strdup_printf("\"virtual-size\": %" G_GUINT64_FORMAT ",", bytes);
		g_autofree char *output = NULL;
		g_autoptr(GError) error = NULL;
		guint64 found = 0;

		ash_vhd_append_footer(fd, bytes, &uuid, TEST_EPOCH, &error);
		g_assert_no_error(error);
		output = run_command(0, "qemu-img info -f vpc --output=json '%s'", path);
		g_assert_nonnull(strstr(output, expected));
		g_assert_true(ash_vhd_detect(fd, &found));
		g_assert_cmpuint(found, ==, bytes);
	}
}

/* The bytes of a footer, to be seen if they ever change: sums of fields by hand. */
static void
test_footer(Fixture *fixture, gconstpointer data)
{
	guint8 footer[ASH_VHD_FOOTER_BYTES];
	guint32 sum = 0;
	guint64 found = 0;
	ash_autofd int fd = fixture_create(fixture, "disk.vhd", 2 << 20);

	g_assert_true(ash_vhd_append_footer(fd, 2 << 20, &uuid, TEST_EPOCH, NULL));
	g_assert_cmpint(pread(fd, footer, sizeof(footer), 2 << 20), ==, sizeof(footer));
	g_assert_cmpmem(footer, 16, "conectix\0\0\0\2\0\1\0\0", 16);
	g_assert_cmpmem(footer + 24, 4, "\x2c\xe6\xad\x80", 4); /* 1700000000 - 946684800 */
	g_assert_cmpmem(footer + 60, 4, "\0\0\0\2", 4);
	g_assert_cmpmem(footer + 68, 3, "\x09\x08\x07", 3);
	for (guint i = 0; i < sizeof(footer); i++)
		sum += i >= 64 && i < 68 ? 0 : footer[i];
	sum = ~sum;
	g_assert_cmpuint(footer[67], ==, sum & 0xff);
	footer[100] ^= 1;
	g_assert_cmpint(pwrite(fd, footer, sizeof(footer), 2 << 20), ==, sizeof(footer));
	g_assert_false(ash_vhd_detect(fd, &found));
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	ash_autofd int fd = fixture_create(fixture, "disk.vhd", 1000);
	g_autoptr(GError) error = NULL;
	guint64 found = 0;

	g_assert_false(ash_vhd_append_footer(fd, (1 << 20) + 512, &uuid, 0, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_false(ash_vhd_detect(fd, &found));
}

#define ADD(name, func)                                                                            \
	g_test_add("/disk/vhd/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("qemu", test_qemu);
	ADD("footer", test_footer);
	ADD("refusals", test_refusals);
	return g_test_run();
}
