/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "disk/gpt/place.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"

#include <string.h>

#define MIB ((guint64) 1024 * 1024)

static AshPartition *
add(AshLayout *layout, AshPartitionRole role, char slot, guint64 size)
{
	AshPartition *partition = ash_partition_new(role);

	partition->slot = slot;
	partition->size = size;
	partition->label = g_strdup("p");
	g_ptr_array_add(layout->partitions, partition);
	return partition;
}

static AshPartition *
nth(AshLayout *layout, guint index)
{
	return layout->partitions->pdata[index];
}

/* Two slots: the empty one is as large as the full one, hash partitions follow the whole root
 * partition. */
static void
test_slots(void)
{
	g_autoptr(AshLayout) layout = ash_layout_new();
	g_autoptr(GError) error = NULL;
	const guint64 content[] = {40 * MIB, 600 * MIB + 1, 0, 0, 0, 0};

	add(layout, ASH_PARTITION_ESP, 0, 256 * MIB);
	add(layout, ASH_PARTITION_ROOT, 'a', 0)->headroom_percent = 20;
	add(layout, ASH_PARTITION_ROOT_VERITY, 'a', 0);
	add(layout, ASH_PARTITION_ROOT, 'b', 0)->empty = true;
	add(layout, ASH_PARTITION_ROOT_VERITY, 'b', 0)->empty = true;
	add(layout, ASH_PARTITION_VAR, 0, 0)->min_size = 512 * MIB;
	ash_place_layout(layout, content, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(nth(layout, 0)->offset, ==, MIB);
	g_assert_cmpuint(nth(layout, 1)->offset, ==, 257 * MIB);
	g_assert_cmpuint(nth(layout, 1)->size, ==, 721 * MIB);
	g_assert_cmpuint(nth(layout, 3)->size, ==, 721 * MIB);
	g_assert_cmpuint(nth(layout, 2)->size, >=, ash_hash_area_bytes(721 * MIB));
	g_assert_cmpuint(nth(layout, 2)->size, ==, 6 * MIB);
	g_assert_cmpuint(nth(layout, 4)->size, ==, nth(layout, 2)->size);
	g_assert_cmpuint(nth(layout, 5)->size, ==, 512 * MIB);
	for (guint i = 1; i < layout->partitions->len; i++)
		g_assert_cmpuint(nth(layout, i)->offset, ==,
				 nth(layout, i - 1)->offset + nth(layout, i - 1)->size);
	g_assert_cmpuint(layout->size, ==, nth(layout, 5)->offset + 513 * MIB);
}

/* A fixed root decides its hash partition just the same. */
static void
test_fixed_root(void)
{
	g_autoptr(AshLayout) layout = ash_layout_new();
	g_autoptr(GError) error = NULL;
	const guint64 content[] = {5000, 0};

	add(layout, ASH_PARTITION_ROOT, 'a', 2 * 1024 * MIB);
	add(layout, ASH_PARTITION_ROOT_VERITY, 'a', 0);
	ash_place_layout(layout, content, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(nth(layout, 1)->size, ==, 17 * MIB);
}

typedef struct {
	const char *name;
	guint64 size, min_size, headroom, content, disk_size;
	const char *message;
} Refusal;

static const Refusal refusals[] = {
    {"nothing", 0, 0, 0, 0, 0, "neither a size nor content"},
    {"too-small", 10 * MIB, 0, 0, 10 * MIB + 1, 0, "raise its \"size\""},
    {"too-large", G_MAXUINT64 - 5, 0, 0, 0, 0, "too large"},
    {"content-too-large", 0, 0, 0, G_MAXUINT64, 0, "too large"},
    {"headroom", 0, 0, 100000, 5, 0, "too large"},
    {"disk-too-small", 10 * MIB, 0, 0, 5, 11 * MIB, "does not lie"},
};

static void
test_refusal(gconstpointer data)
{
	const Refusal *refusal = data;
	g_autoptr(AshLayout) layout = ash_layout_new();
	g_autoptr(GError) error = NULL;
	AshPartition *partition = add(layout, ASH_PARTITION_LINUX, 0, refusal->size);

	partition->min_size = refusal->min_size;
	partition->headroom_percent = refusal->headroom;
	layout->size = refusal->disk_size;
	g_assert_false(ash_place_layout(layout, &refusal->content, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, refusal->message));
}

static void
test_check(void)
{
	g_autoptr(AshLayout) layout = ash_layout_new();
	g_autoptr(GError) error = NULL;

	add(layout, ASH_PARTITION_LINUX, 0, 2 * MIB)->offset = MIB;
	add(layout, ASH_PARTITION_LINUX, 0, 2 * MIB)->offset = 3 * MIB;
	layout->size = 6 * MIB;
	g_assert_true(ash_place_check(layout, &error));
	nth(layout, 1)->offset = 3 * MIB - 512;
	g_assert_false(ash_place_check(layout, &error));
	g_assert_nonnull(strstr(error->message, "overlaps"));
	g_clear_error(&error);
	nth(layout, 1)->offset = 4 * MIB;
	g_assert_false(ash_place_check(layout, &error));
	g_clear_error(&error);
	nth(layout, 1)->offset = G_MAXUINT64 - 511;
	g_assert_false(ash_place_check(layout, &error));
	g_clear_error(&error);
	nth(layout, 1)->offset = 1024;
	g_assert_false(ash_place_check(layout, &error));
}

/* Type GUIDs are the specification's, written here once more. */
static void
test_roles(void)
{
	AshUuid root = ash_partition_role_type_guid(ASH_PARTITION_ROOT);
	g_autofree char *text = ash_uuid_to_string(&root);
	AshPartitionRole role;
	AshFsKind kind;
	AshUuid unknown = {{1}};

	g_assert_cmpstr(text, ==, "4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
	for (guint i = 0; i < _ASH_PARTITION_ROLE_COUNT; i++) {
		AshUuid guid = ash_partition_role_type_guid(i);

		g_assert_true(ash_partition_role_from_guid(&guid, &role));
		g_assert_cmpint(role, ==, i);
		/* A volume group is for kickstarts to say. */
		g_assert_cmpint(ash_partition_role_parse(ash_partition_role_to_string(i), &role), ==, i != ASH_PARTITION_LVM);
		g_assert_cmpint(role, ==, i);
	}
	g_assert_false(ash_partition_role_from_guid(&unknown, &role));
	g_assert_false(ash_partition_role_parse("nothing", &role));
	g_assert_true(ash_fs_kind_parse("erofs", &kind));
	g_assert_cmpint(kind, ==, ASH_FS_EROFS);
	g_assert_false(ash_fs_kind_parse("zfs", &kind));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disk/place/slots", test_slots);
	g_test_add_func("/disk/place/fixed-root", test_fixed_root);
	g_test_add_func("/disk/place/check", test_check);
	g_test_add_func("/disk/place/roles", test_roles);
	for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_autofree char *path = g_strdup_printf("/disk/place/refuses/%s", refusals[i].name);

		g_test_add_data_func(path, &refusals[i], test_refusal);
	}
	return g_test_run();
}
