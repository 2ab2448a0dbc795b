/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "disk/verity/verity.h"
#include "model/hashlevels.h"
#include "pack/hashtree.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK ASH_RELEASE_BLOCK_BYTES

/** An image with its tree, made by disk/verity/. */
typedef struct {
	AshHashSpec spec;
	GBytes *area;
} Image;

static void
image_clear(Image *image)
{
	g_clear_pointer(&image->area, g_bytes_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Image, image_clear)

/* Block i says @base + i, but block @changed (-1: none), which says something else. */
static void
make_image(Image *image, guint64 blocks, guint32 base, gint64 changed)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = memfd_create("image", MFD_CLOEXEC);
	const AshUuid uuid = { { 1 } };
	const guint64 bytes = blocks * BLOCK, area_bytes = ash_hash_area_bytes(bytes);
	const AshVerityPlace place = { fd, 0, bytes, bytes, area_bytes };
	guint8 *area = g_malloc(area_bytes);

	g_assert_cmpint(ftruncate(fd, (off_t) bytes), ==, 0);
	for (guint64 i = 0; i < blocks; i++) {
		guint32 number[2] = { base + (guint32) i, changed >= 0 && (guint64) changed == i };
		g_assert_true(ash_fd_write_all(fd, number, sizeof(number), i * BLOCK, NULL));
	}
	memset(image->spec.salt, 7, sizeof(image->spec.salt));
	image->spec.data_bytes = bytes;
	g_assert_true(ash_verity_format(ctx, &place, image->spec.salt, &uuid, image->spec.root_hash, &error));
	g_assert_true(ash_fd_read_exact(fd, area, area_bytes, bytes, &error));
	image->area = g_bytes_new_take(area, area_bytes);
}

static void
test_levels(void)
{
	static const guint64 cases[] = { 1, 2, 127, 128, 129, 16384, 16385, 200000, 2097152, 2097153 };

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		const AshHashLevels levels = ash_hash_levels_compute(cases[i] * BLOCK);
		g_assert_cmpuint(levels.total * BLOCK, ==, ash_hash_area_bytes(cases[i] * BLOCK));
		g_assert_true(levels.n == 0 || levels.blocks[levels.n - 1] == 1);
		g_assert_true(levels.n == 0 || levels.first[levels.n - 1] == 1);
	}
}

static void
test_view(void)
{
	g_auto(Image) image = { 0 };
	g_autoptr(GError) error = NULL;

	make_image(&image, 20000, 0, -1);
	g_autoptr(AshTreeView) view = ash_tree_view_new(image.area, &image.spec, &error);
	g_assert_no_error(error);
	const AshHashLevels levels = ash_hash_levels_compute(image.spec.data_bytes);
	const guint8 *area = g_bytes_get_data(image.area, NULL), *leaves = area + levels.first[0] * BLOCK;
	guint8 other[ASH_SHA256_SIZE] = { 1, 2, 3 }, zero[ASH_SHA256_SIZE] = { 0 };
	for (guint64 i = 0; i < 20000; i += 37) {
		guint64 block;
		g_assert_true(ash_tree_view_find_data(view, leaves + i * ASH_SHA256_SIZE, &block));
		g_assert_cmpuint(block, ==, i);
	}
	g_assert_true(ash_tree_view_find_block(view, image.spec.root_hash) == area + BLOCK);
	g_assert_true(ash_tree_view_find_block(view, area + BLOCK) == area + 2 * BLOCK);
	g_assert_null(ash_tree_view_find_block(view, other));
	g_assert_null(ash_tree_view_find_block(view, zero));
}

static void
test_view_damaged(void)
{
	g_auto(Image) image = { 0 };

	make_image(&image, 20000, 0, -1);
	gsize length;
	const guint8 *area = g_bytes_get_data(image.area, &length);
	for (gsize at = BLOCK; at < length; at += BLOCK * 11 + 5) {
		g_autofree guint8 *copy = g_memdup2(area, length);
		copy[at] ^= 1;
		g_autoptr(GBytes) bad = g_bytes_new_take(g_steal_pointer(&copy), length);
		g_autoptr(GError) error = NULL;
		g_assert_null(ash_tree_view_new(bad, &image.spec, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	}
	g_autoptr(GBytes) shorter = g_bytes_new(area, length - 1);
	g_assert_null(ash_tree_view_new(shorter, &image.spec, NULL));
}

/** A walk of @area, helped by @old. */
typedef struct {
	const guint8 *area;
	const AshTreeView *old;
	guint64 fetched, taken, damage; /* damage: the block of the area that comes with a wrong byte; 0: none */
	guint8 *got; /* a copy of the area, from what is taken */
	AshHashLevels levels;
} Walker;

static bool
find(const guint8 *sum, guint8 *ret_block, gpointer user_data)
{
	const Walker *walker = user_data;
	const guint8 *block = walker->old != NULL ? ash_tree_view_find_block(walker->old, sum) : NULL;

	if (block != NULL)
		memcpy(ret_block, block, BLOCK);
	return block != NULL;
}

static gboolean
fetch(const guint64 *blocks, gsize n, guint8 *ret_blocks, gpointer user_data, GError **error)
{
	Walker *walker = user_data;

	for (gsize i = 0; i < n; i++) {
		g_assert_true(i == 0 || blocks[i] > blocks[i - 1]);
		memcpy(ret_blocks + i * BLOCK, walker->area + blocks[i] * BLOCK, BLOCK);
		if (blocks[i] == walker->damage)
			ret_blocks[i * BLOCK + 9] ^= 4;
	}
	walker->fetched += n;
	return TRUE;
}

static gboolean
take(guint level, guint64 index, const guint8 *block, gpointer user_data, GError **error)
{
	Walker *walker = user_data;

	memcpy(walker->got + (walker->levels.first[level] + index) * BLOCK, block, BLOCK);
	walker->taken++;
	return TRUE;
}

static const AshTreeWalkOps walk_ops = { find, fetch, take };

static gboolean
walk(const Image *image, const AshTreeView *old, guint64 damage, guint64 *ret_fetched, GError **error)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	const gsize length = g_bytes_get_size(image->area);
	g_autofree guint8 *got = g_malloc0(length);
	Walker walker = { .area = g_bytes_get_data(image->area, NULL), .old = old, .damage = damage, .got = got,
			  .levels = ash_hash_levels_compute(image->spec.data_bytes) };

	if (!ash_tree_walk(ctx, &image->spec, &walk_ops, &walker, error))
		return FALSE;
	g_assert_cmpuint(walker.taken, ==, walker.levels.total - 1);
	g_assert_cmpmem(got + BLOCK, length - BLOCK, walker.area + BLOCK, length - BLOCK);
	*ret_fetched = walker.fetched;
	return TRUE;
}

static void
test_walk(void)
{
	g_auto(Image) old = { 0 }, same = { 0 }, changed = { 0 }, other = { 0 };
	g_autoptr(GError) error = NULL;
	guint64 fetched;

	make_image(&old, 300000, 0, -1);
	make_image(&same, 300000, 0, -1);
	make_image(&changed, 300000, 0, 177777);
	make_image(&other, 20000, 900000, -1);
	g_autoptr(AshTreeView) view = ash_tree_view_new(old.area, &old.spec, &error);
	g_assert_no_error(error);
	g_assert_true(walk(&same, view, 0, &fetched, &error));
	g_assert_cmpuint(fetched, ==, 0);
	/* The leaf and the two above it. */
	g_assert_true(walk(&changed, view, 0, &fetched, &error));
	g_assert_cmpuint(fetched, ==, 3);
	g_assert_true(walk(&other, view, 0, &fetched, &error));
	g_assert_cmpuint(fetched, ==, ash_hash_levels_compute(other.spec.data_bytes).total - 1);
	/* More leaves than one batch has. */
	g_assert_true(walk(&old, NULL, 0, &fetched, &error));
	g_assert_cmpuint(fetched, ==, ash_hash_levels_compute(old.spec.data_bytes).total - 1);
	g_assert_no_error(error);
}

static void
test_walk_damaged(void)
{
	g_auto(Image) image = { 0 };
	guint64 fetched;

	make_image(&image, 20000, 0, -1);
	for (guint64 block = 1; block < ash_hash_levels_compute(image.spec.data_bytes).total; block += 3) {
		g_autoptr(GError) error = NULL;
		g_assert_false(walk(&image, NULL, block, &fetched, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pack/hashtree/levels", test_levels);
	g_test_add_func("/pack/hashtree/view", test_view);
	g_test_add_func("/pack/hashtree/view-damaged", test_view_damaged);
	g_test_add_func("/pack/hashtree/walk", test_walk);
	g_test_add_func("/pack/hashtree/walk-damaged", test_walk_damaged);
	return g_test_run();
}
