/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/gpt/gpt.h"
#include "disk/gpt/place.h"
#include "test-disk-common.h"

#define MIB ((guint64) 1024 * 1024)

static AshLayout *
make_layout(void)
{
	g_autoptr(AshLayout) layout = ash_layout_new();
	static const char *const labels[] = {"esp", "demo_1",
					     "exactly-thirty-six-characters-long-x", "\xc3\xbc"};
	guint64 content[G_N_ELEMENTS(labels)] = {0};

	g_assert_true(ash_uuid_parse("11111111-2222-3333-4444-555555555555", &layout->disk_uuid));
	for (guint i = 0; i < G_N_ELEMENTS(labels); i++) {
		AshPartition *partition = ash_partition_new((AshPartitionRole) i);

		partition->label = g_strdup(labels[i]);
		partition->size = (i + 1) * MIB;
		partition->uuid.bytes[0] = (guint8) (0x10 + i);
		partition->uuid.bytes[15] = 0xff;
		partition->flags = i == 1 ? ASH_GPT_FLAG_READ_ONLY | ASH_GPT_FLAG_GROW : 0;
		g_ptr_array_add(layout->partitions, partition);
	}
	g_assert_true(ash_place_layout(layout, content, NULL));
	return g_steal_pointer(&layout);
}

static int
write_table(Fixture *fixture, const AshLayout *layout, const char *name)
{
	g_autoptr(GError) error = NULL;
	int fd = fixture_create(fixture, name, layout->size);

	ash_gpt_write(fd, layout, &error);
	g_assert_no_error(error);
	return fd;
}

static void
check_same(const AshLayout *read, const AshLayout *written)
{
	g_assert_cmpmem(&read->disk_uuid, 16, &written->disk_uuid, 16);
	g_assert_cmpuint(read->size, ==, written->size);
	g_assert_cmpuint(read->partitions->len, ==, written->partitions->len);
	for (guint i = 0; i < read->partitions->len; i++) {
		const AshPartition *one = read->partitions->pdata[i];
		const AshPartition *two = written->partitions->pdata[i];

		g_assert_cmpstr(one->label, ==, two->label);
		g_assert_cmpuint(one->offset, ==, two->offset);
		g_assert_cmpuint(one->size, ==, two->size);
		g_assert_cmpuint(one->flags, ==, two->flags);
		g_assert_cmpint(one->role, ==, two->role);
		g_assert_cmpmem(&one->uuid, 16, &two->uuid, 16);
		g_assert_cmpmem(&one->type_guid, 16, &two->type_guid, 16);
	}
}

static void
test_round_trip(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshLayout) layout = make_layout();
	g_autoptr(AshLayout) read = NULL;
	g_autoptr(AshLayout) backup = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree guint8 *zeros = g_malloc0(34 * 512);
	ash_autofd int fd = write_table(fixture, layout, "disk");

	read = ash_gpt_read(fd, &error);
	g_assert_no_error(error);
	check_same(read, layout);
	/* With the first header gone the backup is read: only the protective MBR is left in front.
	 */
	g_assert_cmpint(pwrite(fd, zeros, 33 * 512, 512), ==, 33 * 512);
	backup = ash_gpt_read(fd, &error);
	g_assert_no_error(error);
	check_same(backup, layout);
}

static void
test_sfdisk(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshLayout) layout = make_layout();
	g_autofree char *path = fixture_path(fixture, "disk");
	g_autofree char *output = NULL;

	close(write_table(fixture, layout, "disk"));
	if (!have_program("sfdisk"))
		return;
	g_free(run_command(0, "sfdisk --verify '%s' | grep -q 'No errors detected'", path));
	output = run_command(0, "sfdisk --dump '%s'", path);
	g_assert_nonnull(strstr(output, "label-id: 11111111-2222-3333-4444-555555555555"));
	g_assert_nonnull(strstr(
	    output,
	    "start=        2048, size=        2048, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, "
	    "uuid=10000000-0000-0000-0000-0000000000FF, name=\"esp\""));
	g_assert_nonnull(strstr(output, "name=\"demo_1\", attrs=\"GUID:59,60\""));
	g_assert_nonnull(strstr(output, "name=\"exactly-thirty-six-characters-long-x\""));
}

static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshLayout) layout = make_layout();
	ash_autofd int one = write_table(fixture, layout, "one");
	ash_autofd int two = write_table(fixture, layout, "two");
	g_autofree char *first = digest_of(one);
	g_autofree char *second = digest_of(two);

	g_assert_cmpstr(first, ==, second);
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshLayout) layout = make_layout();
	g_autoptr(GError) error = NULL;
	AshPartition *partition = layout->partitions->pdata[1];
	ash_autofd int fd = fixture_create(fixture, "disk", layout->size);

	g_assert_null(ash_gpt_read(fd, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_free(partition->label);
	partition->label = g_strnfill(37, 'x');
	g_assert_false(ash_gpt_write(fd, layout, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_free(partition->label);
	partition->label = g_strdup("x");
	partition->offset -= 512;
	g_assert_false(ash_gpt_write(fd, layout, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

#define ADD(name, func)                                                                            \
	g_test_add("/disk/gpt/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("round-trip", test_round_trip);
	ADD("sfdisk", test_sfdisk);
	ADD("same-bytes", test_same_bytes);
	ADD("refusals", test_refusals);
	return g_test_run();
}
