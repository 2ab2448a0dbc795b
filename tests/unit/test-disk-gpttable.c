/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/gpt/gpttable.h"

#include "base/error.h"
#include "base/fd.h"
#include "disk/gpt/gpt.h"
#include "disk/gpt/place.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define MIB        ((guint64) 1024 * 1024)
#define DISK_BYTES (8 * MIB)

static int
make_disk(void)
{
	g_autoptr(AshLayout) layout = ash_layout_new();
	g_autoptr(GError) error = NULL;
	FILE *file = tmpfile();
	const int fd = dup(fileno(file));

	fclose(file);
	for (guint i = 0; i < 4; i++) {
		AshPartition *partition = ash_partition_new(i % 2 == 0 ? ASH_PARTITION_ROOT_VERITY : ASH_PARTITION_ROOT);
		partition->type_guid = ash_partition_role_type_guid(partition->role);
		partition->uuid = (AshUuid){ { 1, (guint8) i } };
		partition->label = g_strdup_printf("label_%u", i);
		partition->offset = (1 + i) * MIB;
		partition->size = MIB;
		partition->flags = ASH_GPT_FLAG_READ_ONLY;
		g_ptr_array_add(layout->partitions, partition);
	}
	layout->size = DISK_BYTES;
	layout->disk_uuid = (AshUuid){ { 9 } };
	g_assert_cmpint(ftruncate(fd, (off_t) DISK_BYTES), ==, 0);
	ash_gpt_write(fd, layout, &error);
	g_assert_no_error(error);
	return fd;
}

/* libfdisk reads what was written, from the primary table and from the backup alone. */
static void
check_by_fdisk(int fd, guint index, const char *label, const AshUuid *uuid, guint64 flags)
{
	g_autofree guint8 *sector = g_malloc0(512), *zero = g_malloc0(512);
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_fd_read_exact(fd, sector, 512, 512, NULL));
	for (guint i = 0; i < 2; i++) {
		g_autoptr(AshLayout) layout = ash_gpt_read(fd, &error);
		g_assert_no_error(error);
		const AshPartition *partition = layout->partitions->pdata[index];
		g_assert_cmpuint(layout->partitions->len, ==, 4);
		g_assert_cmpstr(partition->label, ==, label);
		g_assert_cmpmem(&partition->uuid, sizeof(AshUuid), uuid, sizeof(AshUuid));
		g_assert_cmphex(partition->flags, ==, flags);
		g_assert_true(ash_fd_write_all(fd, zero, 512, 512, NULL));
	}
	g_assert_true(ash_fd_write_all(fd, sector, 512, 512, NULL));
}

static void
test_change(void)
{
	ash_autofd int fd = make_disk();
	const AshUuid uuid = { { 0xaa, 0xbb, 0xcc, 1, 2, 3, 4, 5, 6, 7, 8 } };

	/* More often than there are places for entries. */
	for (guint i = 0; i < 5; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(AshGptTable) table = ash_gpt_table_load(fd, &error);
		g_autofree char *label = g_strdup_printf("system \303\244 %u", i);
		g_assert_no_error(error);
		g_assert_true(ash_gpt_table_is_sound(table));
		g_assert_true(ash_gpt_table_set(table, 2, &uuid, label, ASH_GPT_FLAG_NO_AUTO, &error));
		g_assert_true(ash_gpt_table_store(table, fd, &error));
		g_assert_no_error(error);
		check_by_fdisk(fd, 2, label, &uuid, ASH_GPT_FLAG_NO_AUTO);
		check_by_fdisk(fd, 3, "label_3", &(AshUuid){ { 1, 3 } }, ASH_GPT_FLAG_READ_ONLY);
	}
}

/* The primary table is valid, and says the old or the new, after each sector of the writes. */
static void
test_prefixes(void)
{
	ash_autofd int before = make_disk(), after = make_disk();
	const AshUuid uuid = { { 0x77 } };
	g_autofree guint8 *old = g_malloc(DISK_BYTES), *new = g_malloc(DISK_BYTES);
	g_autoptr(AshGptTable) table = ash_gpt_table_load(after, NULL);

	g_assert_true(ash_gpt_table_set(table, 2, &uuid, "new", 0, NULL) && ash_gpt_table_store(table, after, NULL));
	g_assert_true(ash_fd_read_exact(before, old, DISK_BYTES, 0, NULL) && ash_fd_read_exact(after, new, DISK_BYTES, 0, NULL));
	/* What changed in front of the header's place: entries first, the header's sector last. */
	for (guint64 sector = 2; sector < 2048; sector++) {
		if (memcmp(old + sector * 512, new + sector * 512, 512) == 0)
			continue;
		g_autoptr(GError) error = NULL;
		g_assert_true(ash_fd_write_all(before, new + sector * 512, 512, sector * 512, NULL));
		g_autoptr(AshGptTable) torn = ash_gpt_table_load(before, &error);
		g_assert_no_error(error);
		g_assert_true(ash_gpt_table_is_sound(torn));
		g_assert_cmpstr(((AshGptEntry *) ash_gpt_table_get_entries(torn)->pdata[2])->label, ==, "label_2");
	}
	g_assert_true(ash_fd_write_all(before, new + 512, 512, 512, NULL));
	g_autoptr(AshGptTable) turned = ash_gpt_table_load(before, NULL);
	g_assert_cmpstr(((AshGptEntry *) ash_gpt_table_get_entries(turned)->pdata[2])->label, ==, "new");
	g_assert_false(ash_gpt_table_is_sound(turned));
	g_assert_true(ash_gpt_table_store(turned, before, NULL));
	check_by_fdisk(before, 2, "new", &uuid, 0);
}

static void
test_damaged(void)
{
	static const guint64 places[] = { 512 + 40, 1024 + 200, DISK_BYTES - 512 + 40, DISK_BYTES - 512 * 20 };
	const AshUuid uuid = { { 0x55 } };

	for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
		ash_autofd int fd = make_disk();
		g_autoptr(GError) error = NULL;
		g_assert_true(ash_fd_write_all(fd, "rotten", 6, places[i], NULL));
		g_autoptr(AshGptTable) table = ash_gpt_table_load(fd, &error);
		g_assert_no_error(error);
		g_assert_false(ash_gpt_table_is_sound(table));
		g_assert_true(ash_gpt_table_set(table, 1, &uuid, "mended", 0, NULL) && ash_gpt_table_store(table, fd, &error));
		g_assert_no_error(error);
		g_autoptr(AshGptTable) again = ash_gpt_table_load(fd, NULL);
		g_assert_true(ash_gpt_table_is_sound(again));
		check_by_fdisk(fd, 1, "mended", &uuid, 0);
	}
}

static void
test_refused(void)
{
	ash_autofd int fd = make_disk();
	g_autoptr(GError) error = NULL;
	g_autoptr(AshGptTable) table = ash_gpt_table_load(fd, NULL);
	const AshUuid uuid = { { 1 } };

	g_assert_false(ash_gpt_table_set(table, 0, &uuid, "a label of thirty-seven letters, sadly", 0, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_true(ash_fd_write_all(fd, "x", 1, 512, NULL) && ash_fd_write_all(fd, "x", 1, DISK_BYTES - 512, NULL));
	g_assert_null(ash_gpt_table_load(fd, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disk/gpttable/change", test_change);
	g_test_add_func("/disk/gpttable/prefixes", test_prefixes);
	g_test_add_func("/disk/gpttable/damaged", test_damaged);
	g_test_add_func("/disk/gpttable/refused", test_refused);
	return g_test_run();
}
