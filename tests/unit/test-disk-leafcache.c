/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/verity/leafcache.h"
#include "test-disk-common.h"

#include <string.h>

#define BLOCKS 3

static const guint8 salt[4] = { 1, 2, 3, 4 };

static AshFsNode *
make_node(AshFsTree *tree, const char *name, guint64 size)
{
	AshFsNode *node = tree_file(tree->root, name, "x");

	g_free(node->content);
	node->content = ash_sha256_hex(name, -1);
	node->size = size;
	return node;
}

static void
fill(const char *name, guint8 leaves[BLOCKS * ASH_SHA256_SIZE])
{
	memset(leaves, name[0], BLOCKS * ASH_SHA256_SIZE);
}

static void
add(AshLeafCache *cache, const AshFsNode *node)
{
	guint8 leaves[BLOCKS * ASH_SHA256_SIZE];

	fill(node->name, leaves);
	ash_leaf_cache_add(cache, node, leaves);
}

static void
assert_known(AshLeafCache *cache, const AshFsNode *node)
{
	guint8 leaves[BLOCKS * ASH_SHA256_SIZE];
	const guint8 *found = ash_leaf_cache_find(cache, node);

	fill(node->name, leaves);
	g_assert_nonnull(found);
	g_assert_cmpmem(found, sizeof(leaves), leaves, sizeof(leaves));
}

static void
test_kept(Fixture *fixture, gconstpointer data)
{
	static const guint8 other_salt[4] = { 1, 2, 3, 5 };
	g_autoptr(AshFsTree) tree = tree_new();
	g_autofree char *dir = fixture_path(fixture, "leaves");
	AshFsNode *a = make_node(tree, "a", BLOCKS * 4096), *b = make_node(tree, "b", 2 * 4096 + 1);

	for (guint round = 0; round < 3; round++) {
		g_autoptr(AshLeafCache) cache = ash_leaf_cache_open(dir, salt, sizeof(salt));
		g_autoptr(AshLeafCache) other = ash_leaf_cache_open(dir, other_salt, sizeof(other_salt));
		g_assert_null(ash_leaf_cache_find(other, a));
		if (round > 0)
			assert_known(cache, a);
		else
			add(cache, a);
		if (round > 1)
			assert_known(cache, b);
		else
			g_assert_null(ash_leaf_cache_find(cache, b));
		if (round == 1)
			add(cache, b);
		ash_leaf_cache_save(cache);
	}
	/* Not those of a file that has another length, whatever its digest says. */
	g_autoptr(AshLeafCache) cache = ash_leaf_cache_open(dir, salt, sizeof(salt));
	a->size++;
	g_assert_null(ash_leaf_cache_find(cache, a));
	g_autoptr(AshLeafCache) nowhere = ash_leaf_cache_open(NULL, salt, sizeof(salt));
	add(nowhere, b);
	ash_leaf_cache_save(nowhere);
	g_assert_null(ash_leaf_cache_find(nowhere, b));
}

/* Every byte of it, and every length: unknown, never wrong. */
static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = tree_new();
	g_autofree char *dir = fixture_path(fixture, "leaves"), *path = fixture_path(fixture, "leaves/01020304");
	g_autofree char *whole = NULL;
	gsize length;
	AshFsNode *a = make_node(tree, "a", BLOCKS * 4096);
	g_autoptr(AshLeafCache) first = ash_leaf_cache_open(dir, salt, sizeof(salt));

	add(first, a);
	ash_leaf_cache_save(first);
	whole = ash_file_load(AT_FDCWD, path, 0, &length, NULL);
	g_assert_nonnull(whole);
	for (gsize i = 0; i < 2 * length; i++) {
		bool is_flip = i < length;

		if (is_flip)
			whole[i] ^= 4;
		g_assert_true(ash_file_write(AT_FDCWD, path, whole, (gssize) (is_flip ? length : i - length), 0644, NULL));
		g_autoptr(AshLeafCache) cache = ash_leaf_cache_open(dir, salt, sizeof(salt));
		g_assert_null(ash_leaf_cache_find(cache, a));
		if (is_flip)
			whole[i] ^= 4;
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/disk/leafcache/kept", Fixture, NULL, fixture_set_up, test_kept, fixture_tear_down);
	g_test_add("/disk/leafcache/damaged", Fixture, NULL, fixture_set_up, test_damaged, fixture_tear_down);
	return g_test_run();
}
