/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/size.h"
#include "disk/lvm/lvm.h"
#include "test-disk-common.h"

#define MIB    ((guint64) ASH_MIB)
#define OFFSET (3 * MIB)
#define BYTES  (101 * MIB)

static const AshUuid seed = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static AshPartition *
add(GPtrArray *array, AshPartitionRole role, const char *group, const char *label, guint64 size)
{
	AshPartition *partition = ash_partition_new(role);

	partition->group = g_strdup(group);
	partition->label = g_strdup(label);
	partition->size = size;
	g_ptr_array_add(array, partition);
	return partition;
}

/* A group of 100 MiB in extents of 4 MiB. */
static AshLayout *
make_layout(void)
{
	AshLayout *layout = ash_layout_new();
	AshPartition *physical = add(layout->partitions, ASH_PARTITION_LVM, "data-1", "pv.01", BYTES);

	physical->offset = OFFSET;
	physical->extent_bytes = 4 * MIB;
	return layout;
}

static const AshPartition *
volume(const AshLayout *layout, guint index)
{
	return layout->volumes->pdata[index];
}

static void
test_place(void)
{
	g_autoptr(AshLayout) layout = make_layout();
	const guint64 content[] = { 5 * MIB, 3 * MIB, 0, 0, 0 };
	g_autoptr(GError) error = NULL;
	guint64 bytes = 0;

	add(layout->volumes, ASH_PARTITION_HOME, "data-1", "home", 0)->headroom_percent = 100;
	add(layout->volumes, ASH_PARTITION_SRV, "data-1", "srv", 0)->percent = 25;
	add(layout->volumes, ASH_PARTITION_LINUX, "data-1", "log", 17 * MIB);
	add(layout->volumes, ASH_PARTITION_LINUX, "data-1", "grows", MIB)->grow = true;
	AshPartition *limited = add(layout->volumes, ASH_PARTITION_LINUX, "data-1", "limited", MIB);
	limited->grow = true;
	limited->max_size = 9 * MIB;
	g_assert_true(ash_lvm_measure(layout, layout->partitions->pdata[0], content, &bytes, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(bytes, ==, MIB + (12 + 4 + 20 + 4 + 4) * MIB);
	g_assert_true(ash_lvm_place(layout, content, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(volume(layout, 0)->offset, ==, OFFSET + MIB);
	g_assert_cmpuint(volume(layout, 0)->size, ==, 12 * MIB);
	g_assert_cmpuint(volume(layout, 1)->size, ==, 24 * MIB);
	g_assert_cmpuint(volume(layout, 2)->size, ==, 20 * MIB);
	/* 36 MiB are left; one takes what its limit allows. */
	g_assert_cmpuint(volume(layout, 4)->size, ==, 8 * MIB);
	g_assert_cmpuint(volume(layout, 3)->size, ==, 36 * MIB);
	for (guint i = 1; i < layout->volumes->len; i++)
		g_assert_cmpuint(volume(layout, i)->offset, ==, volume(layout, i - 1)->offset + volume(layout, i - 1)->size);
	g_assert_cmpuint(volume(layout, 4)->offset + volume(layout, 4)->size, ==, OFFSET + BYTES);
}

static void
assert_refused(AshLayout *layout, const guint64 *content, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_lvm_place(layout, content, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	if (strstr(error->message, text) == NULL)
		g_error("\"%s\" is not in \"%s\"", text, error->message);
}

static void
test_too_small(void)
{
	g_autoptr(AshLayout) full = make_layout(), tight = make_layout(), tiny = make_layout(), huge = make_layout();
	const guint64 none[] = { 0, 0 }, much[] = { 9 * MIB };
	const guint64 no_disk[] = { G_MAXUINT64 };

	add(full->volumes, ASH_PARTITION_HOME, "data-1", "home", 60 * MIB);
	add(full->volumes, ASH_PARTITION_SRV, "data-1", "srv", 41 * MIB);
	assert_refused(full, none, "volume group \"data-1\" has 100 MiB, its logical volumes need 104 MiB: raise the size of \"pv.01\"");
	add(tight->volumes, ASH_PARTITION_HOME, "data-1", "home", 8 * MIB);
	assert_refused(tight, much, "logical volume \"data-1/home\" has 8.0 MiB, its content needs 9.0 MiB");
	((AshPartition *) tiny->partitions->pdata[0])->size = 4 * MIB;
	assert_refused(tiny, none, "has not the room for one extent");
	add(huge->volumes, ASH_PARTITION_HOME, "data-1", "home", 0);
	assert_refused(huge, no_disk, "is too large");
}

/* The file "part" is the physical volume. */
static void
write_group(Fixture *fixture, AshLayout *layout, const char *name)
{
	ash_autofd int fd = fixture_create(fixture, name, OFFSET + BYTES);
	const guint64 content[] = { 0, 0 };
	g_autoptr(GError) error = NULL;

	if (layout->volumes->len == 0) {
		add(layout->volumes, ASH_PARTITION_HOME, "data-1", "my-home", 60 * MIB);
		add(layout->volumes, ASH_PARTITION_SWAP, "data-1", "swap", 8 * MIB);
		g_assert_true(ash_lvm_place(layout, content, &error));
	}
	g_assert_true(ash_lvm_write(layout, layout->partitions->pdata[0], &seed, TEST_EPOCH, fd, &error));
	g_assert_no_error(error);
	g_free(run_command(0, "cd '%s' && dd if=%s of=part bs=1M skip=3 conv=sparse status=none && truncate -s 101M part", fixture->dir, name));
}

/* lvm2 reads it: headers and their checksums, and the text. */
static void
test_check(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshLayout) layout = make_layout();

	if (!have_program("pvck") || !have_program("blkid"))
		return;
	write_group(fixture, layout, "disk");
	g_free(run_command(0, "cd '%s' && pvck --dump headers part >headers 2>&1 && ! grep -Eiq 'error|bad|invalid|wrong|unknown|check:' headers", fixture->dir));
	g_free(run_command(0, "cd '%s' && grep -q 'label_header.type LVM2 001' headers && grep -q 'mda_header_1.version 1' headers", fixture->dir));
	g_free(run_command(0, "cd '%s' && grep -q 'pv_header.device_size 105906176' headers && grep -q 'metadata text at .* crc .* # vgname data-1 seqno 1' headers",
			   fixture->dir));
	g_free(run_command(0, "cd '%s' && pvck --dump metadata -f text part && grep -q 'extent_size = 8192' text && grep -q '\"pv0\", 15' text", fixture->dir));
	g_free(run_command(0, "cd '%s' && blkid -p part | grep -q 'TYPE=\"LVM2_member\"'", fixture->dir));
}

static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshLayout) layout = make_layout();

	write_group(fixture, layout, "one");
	write_group(fixture, layout, "two");
	g_free(run_command(0, "cd '%s' && cmp one two", fixture->dir));
}

/* As a machine finds it, where there are loop devices; lvm(8) is not asked to activate anything. */
static void
test_device(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshLayout) layout = make_layout();
	g_autofree char *device = NULL, *found = NULL;

	if (geteuid() != 0 || !have_program("lvm") || !have_program("losetup")) {
		g_test_skip("needs root, lvm(8) and losetup(8)");
		return;
	}
	write_group(fixture, layout, "disk");
	g_autofree char *command = g_strdup_printf("losetup --find --show '%s/part'", fixture->dir);
	int status = 1;
	if (!g_spawn_command_line_sync(command, &device, NULL, &status, NULL) || status != 0) {
		g_test_skip("there are no loop devices");
		return;
	}
	g_strchomp(device);
	found = run_command(0,
			    "export DM_DISABLE_UDEV=1; lvs --devices %s --noheadings --separator=' ' -o vg_name,lv_name,lv_size,lv_attr,seg_pe_ranges --units m data-1 2>/dev/null; "
			    "vgck --devices %s data-1 2>&1 | grep -v -e device-mapper -e /dev/mapper; losetup -d %s",
			    device, device, device);
	g_test_message("%s: %s", device, found);
	g_assert_nonnull(strstr(found, "data-1 my-home 60.00m -wi-"));
	g_assert_nonnull(strstr(found, "data-1 swap 8.00m -wi-"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disk/lvm/place", test_place);
	g_test_add_func("/disk/lvm/too-small", test_too_small);
	g_test_add("/disk/lvm/check", Fixture, NULL, fixture_set_up, test_check, fixture_tear_down);
	g_test_add("/disk/lvm/same-bytes", Fixture, NULL, fixture_set_up, test_same_bytes, fixture_tear_down);
	g_test_add("/disk/lvm/device", Fixture, NULL, fixture_set_up, test_device, fixture_tear_down);
	return g_test_run();
}
