/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/erofs.h"
#include "test-disk-check.h"
#include "test-disk-trees.h"

/* Trees that change from generation to generation, each written with the layout of the one before. */

#define BLOCK 4096

/* An item that nothing depends on. */
static bool
is_free(GPtrArray *items, const Item *item)
{
	g_autofree char *prefix = g_strconcat(item->path, "/", NULL);

	for (guint i = 0; i < items->len; i++) {
		const Item *other = items->pdata[i];
		if (g_str_has_prefix(other->path, prefix) || g_strcmp0(other->first, item->path) == 0)
			return false;
	}
	return true;
}

static void
change(GRand *rand, GPtrArray *items)
{
	guint index = (guint) g_rand_int_range(rand, 0, (gint32) items->len);
	Item *item = items->pdata[index];

	switch (g_rand_int_range(rand, 0, 6)) {
	case 0:
		add_random(rand, items);
		break;
	case 1:
		if (is_free(items, item))
			g_ptr_array_remove_index(items, index);
		break;
	case 2:
		item->size = S_ISREG(item->mode) && item->first == NULL ? random_size(rand) : item->size;
		break;
	case 3:
		item->xattrs = item->first == NULL ? (guint) g_rand_int_range(rand, 0, 100) : 0;
		break;
	case 4:
		item->mtime = random_mtime(rand);
		break;
	default:
		item->seed = g_rand_int(rand);
		break;
	}
}

/* Writes @tree as NAME, checks it with our reader and (if wanted) with fsck.erofs, and returns its layout. */
static AshErofsLayout *
write_packed(Fixture *fixture, const AshFsTree *tree, AshRootCompression compression, const AshErofsLayout *previous,
	     const char *name, bool fsck)
{
	const AshErofsOptions options = { .epoch = TEST_EPOCH, .compression = compression, .previous = previous };
	g_autoptr(GError) error = NULL;
	g_autoptr(AshErofs) erofs = ash_erofs_new(fixture->ctx, tree, &options, &error);
	g_autoptr(AshErofsReader) reader = NULL;
	g_autofree char *path = fixture_path(fixture, name);
	g_autofree char *program = g_find_program_in_path("fsck.erofs");
	ash_autofd int fd = fixture_create(fixture, name, 0);

	g_assert_no_error(error);
	ash_erofs_write(fixture->ctx, erofs, fd, 0, NULL, NULL, &error);
	g_assert_no_error(error);
	reader = ash_erofs_open(fd, 0, ash_erofs_get_bytes(erofs), &error);
	g_assert_no_error(error);
	check_node(reader, tree, tree->root);
	if (fsck && program != NULL) {
		g_autofree char *output = run_command(0, "fsck.erofs --extract '%s'", path);
		g_assert_null(strstr(output, "<E>"));
	}
	return ash_erofs_dup_layout(erofs);
}

static AshErofsLayout *
write_and_check(Fixture *fixture, const AshFsTree *tree, const AshErofsLayout *previous, const char *name, bool fsck)
{
	return write_packed(fixture, tree, ASH_ROOT_COMPRESSION_NONE, previous, name, fsck);
}

/* Blocks of 4 KiB in which the two files differ; the longer one's end counts. */
static guint64
count_differing(Fixture *fixture, const char *one, const char *two, guint64 *ret_blocks)
{
	g_autofree char *first_path = fixture_path(fixture, one), *second_path = fixture_path(fixture, two);
	g_autofree char *first = NULL, *second = NULL;
	gsize first_length = 0, second_length = 0;
	guint64 n = 0;

	g_assert_true(g_file_get_contents(first_path, &first, &first_length, NULL));
	g_assert_true(g_file_get_contents(second_path, &second, &second_length, NULL));
	*ret_blocks = MAX(first_length, second_length) / BLOCK;
	for (gsize at = 0; at < MAX(first_length, second_length); at += BLOCK)
		n += at >= MIN(first_length, second_length) || memcmp(first + at, second + at, BLOCK) != 0;
	return n;
}

/* Two hundred directories of ten files each. */
static GPtrArray *
make_system(void)
{
	GPtrArray *items = g_ptr_array_new_with_free_func((GDestroyNotify) item_free);

	for (guint i = 0; i < 200; i++) {
		g_autofree char *dir = g_strdup_printf("package-%03u", i);
		Item *item = add_file(items, dir, 0, 0);

		item->mode = S_IFDIR | 0755;
		for (guint j = 0; j < 10; j++) {
			g_autofree char *path = g_strdup_printf("%s/file-%u", dir, j);
			add_file(items, path, 3000 + 977 * j * (i % 13), i * 10 + j + 1)->xattrs = 2;
		}
	}
	return items;
}

/* What a change of the system costs, in blocks, with the layout of the one before. */
static guint64
measure(Fixture *fixture, void (*change_items)(GPtrArray *items), guint64 *ret_blocks)
{
	g_autoptr(GPtrArray) items = make_system();
	g_autoptr(AshFsTree) before = make_tree(items), after = NULL;
	g_autoptr(AshErofsLayout) layout = write_and_check(fixture, before, NULL, "before", true), next = NULL;

	change_items(items);
	after = make_tree(items);
	next = write_and_check(fixture, after, layout, "after", true);
	return count_differing(fixture, "before", "after", ret_blocks);
}

static void
no_change(GPtrArray *items)
{
}

static void
change_content(GPtrArray *items)
{
	find_item(items, "package-005/file-3")->seed++;
}

static void
grow_file(GPtrArray *items)
{
	Item *item = find_item(items, "package-005/file-3");

	item->size += 9000;
	item->mtime++;
}

static void
shrink_file(GPtrArray *items)
{
	find_item(items, "package-005/file-9")->size = 100;
}

static void
remove_file(GPtrArray *items)
{
	g_ptr_array_remove(items, find_item(items, "package-005/file-3"));
}

static void
rename_file(GPtrArray *items)
{
	Item *item = find_item(items, "package-005/file-9");

	g_free(item->path);
	item->path = g_strdup("package-005/file-new");
}

static void
add_files(GPtrArray *items)
{
	for (guint i = 0; i < 5; i++) {
		g_autofree char *path = g_strdup_printf("package-100/added-%u", i);
		add_file(items, path, 5000, 77777 + i);
	}
}

static void
test_one_change(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *what;
		void (*change)(GPtrArray *items);
		guint64 max; /* blocks that may differ */
	} cases[] = {
		/* The file's blocks; its inode where that says more; the superblock has the number of inodes and blocks. */
		{ "nothing", no_change, 0 },
		{ "content", change_content, 5 },
		{ "grow", grow_file, 14 },
		{ "shrink", shrink_file, 14 },
		{ "remove", remove_file, 10 },
		{ "rename", rename_file, 3 },
		{ "add", add_files, 16 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		guint64 blocks = 0, differing = measure(fixture, cases[i].change, &blocks);

		g_test_message("%s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " blocks", cases[i].what, differing, blocks);
		g_assert_cmpuint(differing, <=, cases[i].max);
		g_assert_cmpuint(differing * 100, <, blocks);
	}
}

/* Same tree and previous layout, same layout; and a layout survives being a file. */
static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	g_autoptr(GPtrArray) items = make_items(rand, 500);
	g_autoptr(AshFsTree) tree = make_tree(items);
	g_autoptr(AshErofsLayout) first = write_and_check(fixture, tree, NULL, "one", false);
	g_autoptr(GBytes) saved = ash_erofs_layout_save(first);
	g_autoptr(GError) error = NULL;
	g_autoptr(AshErofsLayout) parsed = ash_erofs_layout_parse(saved, &error), second = NULL;
	g_autoptr(GBytes) again = ash_erofs_layout_save(parsed), third = NULL;
	guint64 blocks = 0;

	g_assert_no_error(error);
	g_assert_true(g_bytes_equal(saved, again));
	second = write_and_check(fixture, tree, parsed, "two", false);
	third = ash_erofs_layout_save(second);
	g_assert_true(g_bytes_equal(saved, third));
	g_assert_cmpuint(count_differing(fixture, "one", "two", &blocks), ==, 0);
}

static void
test_generations(Fixture *fixture, gconstpointer data)
{
	for (guint32 seed = 1; seed <= 3; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		g_autoptr(GPtrArray) items = make_items(rand, 400);
		g_autoptr(AshErofsLayout) layout = NULL;

		for (guint generation = 0; generation < 30; generation++) {
			g_autoptr(AshFsTree) tree = make_tree(items);
			g_autoptr(AshErofsLayout) next =
				write_and_check(fixture, tree, layout, "image", generation % 10 == 9);
			const AshErofsZones *zones = ash_erofs_layout_get_zones(next);

			/* Holes are used again, and what is at the end moves into them: they stay few, however long it goes on. */
			g_assert_cmpuint(zones->free_blocks * 3, <, zones->n_blocks);
			g_clear_pointer(&layout, ash_erofs_layout_free);
			layout = g_steal_pointer(&next);
			for (guint i = 0; i < 60; i++)
				change(rand, items);
		}
		g_test_message("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " blocks are free",
			       ash_erofs_layout_get_zones(layout)->free_blocks, ash_erofs_layout_get_zones(layout)->n_blocks);
	}
}

/* Odd trees, each on its own; devices and all by what others extract. */
static void
test_odd_trees(Fixture *fixture, gconstpointer data)
{
	for (guint32 seed = 100; seed < 130; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		g_autoptr(GPtrArray) items = make_items(rand, 1 + seed % 7 * 60);
		g_autoptr(AshFsTree) tree = make_tree(items);
		g_autoptr(AshErofsLayout) layout = write_and_check(fixture, tree, NULL, "image", true);
	}
}

/* Debian 12's fsck.erofs knows lz4 only. */
static void
test_compressed(Fixture *fixture, gconstpointer data)
{
	AshRootCompression compression = GPOINTER_TO_INT(data);
	bool fsck = compression == ASH_ROOT_COMPRESSION_LZ4HC;

	for (guint32 seed = 200; seed < 203; seed++) {
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		g_autoptr(GPtrArray) items = make_items(rand, 100);
		g_autoptr(AshErofsLayout) layout = NULL;
		guint64 blocks = 0;

		add_file(items, "long", 5000000, seed);
		add_file(items, "with-hole", 2600001, 5);
		for (guint generation = 0; generation < 4; generation++) {
			g_autoptr(AshFsTree) tree = make_tree(items);
			g_autoptr(AshErofsLayout) next = write_packed(fixture, tree, compression, layout, "one", fsck), same = NULL;

			same = write_packed(fixture, tree, compression, layout, "two", false);
			g_assert_cmpuint(count_differing(fixture, "one", "two", &blocks), ==, 0);
			g_clear_pointer(&layout, ash_erofs_layout_free);
			layout = g_steal_pointer(&next);
			for (guint i = 0; i < 20; i++)
				change(rand, items);
		}
	}
}

/* Whatever a layout says, the file system is right: all places moved, doubled, out of bounds. */
static void
test_wrong_layouts(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(3);
	g_autoptr(GPtrArray) items = make_items(rand, 300);
	g_autoptr(AshFsTree) tree = make_tree(items);
	g_autoptr(AshErofsLayout) right = write_and_check(fixture, tree, NULL, "image", false);
	const GArray *places = ash_erofs_layout_get_places(right);

	for (guint round = 0; round < 30; round++) {
		AshErofsZones zones = *ash_erofs_layout_get_zones(right);
		g_autoptr(AshErofsLayout) wrong = NULL, result = NULL;

		if (round % 3 == 0)
			zones.meta_end = (guint64) g_rand_int_range(rand, 1, 400);
		if (round % 4 == 0)
			zones.shared_block = (guint64) g_rand_int_range(rand, 0, 400);
		wrong = ash_erofs_layout_new(&zones);
		for (guint i = 0; i < places->len; i++) {
			AshErofsPlace place = g_array_index(places, AshErofsPlace, i);

			/* The root must find room in front. */
			if (i > 0 && g_rand_int_range(rand, 0, 4) == 0)
				place.slot = (guint64) g_rand_int_range(rand, 0, 40000);
			if (g_rand_int_range(rand, 0, 4) == 0)
				place.block = (guint64) g_rand_int_range(rand, 0, 1000);
			if (g_rand_int_range(rand, 0, 8) == 0)
				place.n_slots = (guint32) g_rand_int_range(rand, 0, 1000);
			if (g_rand_int_range(rand, 0, 8) == 0)
				place.n_blocks = (guint32) g_rand_int_range(rand, 0, 1000);
			ash_erofs_layout_add(wrong, &place);
		}
		ash_erofs_layout_sort(wrong);
		result = write_and_check(fixture, tree, wrong, "image", round % 10 == 0);
	}
}

static void
test_damaged_files(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) items = make_system();
	g_autoptr(AshFsTree) tree = make_tree(items);
	g_autoptr(AshErofsLayout) layout = write_and_check(fixture, tree, NULL, "image", false);
	g_autoptr(GBytes) bytes = ash_erofs_layout_save(layout);
	gsize length = g_bytes_get_size(bytes);
	const guint8 *content = g_bytes_get_data(bytes, NULL);

	g_test_message("%" G_GSIZE_FORMAT " bytes for %u inodes", length, ash_erofs_layout_get_places(layout)->len);
	for (gsize i = 0; i < length; i += 97) {
		g_autofree guint8 *copy = g_memdup2(content, length);
		g_autoptr(GBytes) flipped = NULL, cut = g_bytes_new(copy, i);
		g_autoptr(GError) error = NULL, cut_error = NULL;

		copy[i] ^= 0x41;
		flipped = g_bytes_new(copy, length);
		g_assert_null(ash_erofs_layout_parse(flipped, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		g_assert_null(ash_erofs_layout_parse(cut, &cut_error));
		g_assert_error(cut_error, ASH_ERROR, ASH_ERROR_CONFIG);
	}
}

#define ADD(name, func)                                                                                                                \
	g_test_add("/disk/erofs-layout/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("one-change", test_one_change);
	ADD("same-bytes", test_same_bytes);
	ADD("generations", test_generations);
	ADD("odd-trees", test_odd_trees);
	ADD("wrong-layouts", test_wrong_layouts);
	ADD("damaged-files", test_damaged_files);
	g_test_add("/disk/erofs-layout/lz4hc", Fixture, GINT_TO_POINTER(ASH_ROOT_COMPRESSION_LZ4HC), fixture_set_up, test_compressed,
		   fixture_tear_down);
	g_test_add("/disk/erofs-layout/zstd", Fixture, GINT_TO_POINTER(ASH_ROOT_COMPRESSION_ZSTD), fixture_set_up, test_compressed,
		   fixture_tear_down);
	return g_test_run();
}
