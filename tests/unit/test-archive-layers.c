/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/layers.h"

#include <sys/stat.h>

#define N 200

/* Sources of falling sizes. */
static void
make_sources(AshLayerSource *sources, char names[][16])
{
	for (guint i = 0; i < N; i++) {
		g_snprintf(names[i], sizeof names[i], "source-%03u", i);
		sources[i] = (AshLayerSource){ names[i], 1000000 / (i + 1) };
	}
}

static void
test_deal(void)
{
	static char names[N][16];
	AshLayerSource sources[N];
	g_autofree guint *layers = NULL;
	guint counts[20] = { 0 };

	make_sources(sources, names);
	layers = ash_layers_deal(sources, N, 20);
	for (guint i = 0; i < N; i++) {
		/* The last is for what belongs to nobody. */
		g_assert_cmpuint(layers[i], <, 19);
		counts[layers[i]]++;
	}
	for (guint i = 0; i < 9; i++) {
		g_assert_cmpuint(counts[i], ==, 1);
		g_assert_cmpuint(layers[i], ==, i);
	}
	for (guint i = 9; i < 19; i++)
		g_assert_cmpuint(counts[i], >, 1);
}

/* Neither the order, nor another package, nor other sizes of small ones move anything. */
static void
test_stable(void)
{
	static char names[N][16];
	AshLayerSource sources[N], others[N];
	g_autofree guint *layers = NULL, *other_layers = NULL;

	make_sources(sources, names);
	for (guint i = 0; i < N; i++)
		others[N - 1 - i] = sources[i];
	others[0].source = "another";
	others[1].size = 7;
	layers = ash_layers_deal(sources, N, 32);
	other_layers = ash_layers_deal(others, N, 32);
	for (guint i = 0; i < N - 1; i++)
		g_assert_cmpuint(layers[i], ==, other_layers[N - 1 - i]);
}

/* Fixed for ever: another answer would send everybody all layers anew. */
static void
test_fixed(void)
{
	static const AshLayerSource sources[] = {
		{ "big", 100 }, { "glibc", 10 }, { "openssl", 10 }, { "bash", 10 }, { "zlib", 10 }, { "tzdata", 10 },
	};
	static const guint expected[] = { 0, 3, 2, 1, 2, 3 };
	g_autofree guint *layers = ash_layers_deal(sources, G_N_ELEMENTS(sources), 5);

	for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
		g_assert_cmpuint(layers[i], ==, expected[i]);
}

static void
test_two(void)
{
	static const AshLayerSource sources[] = { { "a", 1 }, { "b", 2 } };
	g_autofree guint *layers = ash_layers_deal(sources, 2, 2);

	g_assert_cmpuint(layers[0], ==, 0);
	g_assert_cmpuint(layers[1], ==, 0);
}

static guint
layer_by_name(const AshFsNode *node, gpointer data)
{
	return node->name[0] == 'x' ? G_MAXUINT : (guint) (node->name[0] - '0');
}

static void
test_map(void)
{
	g_autoptr(AshFsTree) tree = ash_fs_tree_new();
	g_autoptr(AshLayers) layers = NULL;
	AshFsNode *dir, *below, *empty, *first, *second;

	dir = ash_fs_node_new(tree->root, "dir", S_IFDIR | 0755);
	below = ash_fs_node_new(dir, "below", S_IFDIR | 0755);
	empty = ash_fs_node_new(tree->root, "empty", S_IFDIR | 0755);
	first = ash_fs_node_new(below, "2", S_IFREG | 0644);
	/* After "dir" in walk order: the first name of its inode says where it goes. */
	second = ash_fs_node_new(tree->root, "z", S_IFREG | 0644);
	second->hardlink = first;
	ash_fs_node_new(dir, "0", S_IFLNK | 0777);
	ash_fs_node_new(tree->root, "x", S_IFREG | 0644);
	ash_fs_tree_finish(tree);
	layers = ash_layers_new(tree, 5, layer_by_name, NULL);
	g_assert_true(ash_layers_has(layers, first, 2));
	g_assert_true(ash_layers_has(layers, second, 2));
	g_assert_false(ash_layers_has(layers, second, 3));
	g_assert_true(ash_layers_has(layers, below, 2));
	g_assert_false(ash_layers_has(layers, below, 0));
	g_assert_true(ash_layers_has(layers, dir, 0));
	g_assert_true(ash_layers_has(layers, dir, 2));
	g_assert_false(ash_layers_has(layers, dir, 1));
	g_assert_false(ash_layers_has(layers, empty, 2));
	/* All directories are in the last. */
	g_assert_true(ash_layers_has(layers, empty, 4));
	g_assert_true(ash_layers_has(layers, below, 4));
	g_assert_true(ash_layers_is_empty(layers, 1));
	g_assert_true(ash_layers_is_empty(layers, 3));
	g_assert_false(ash_layers_is_empty(layers, 0));
	g_assert_false(ash_layers_is_empty(layers, 4));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/archive/layers/deal", test_deal);
	g_test_add_func("/archive/layers/stable", test_stable);
	g_test_add_func("/archive/layers/fixed", test_fixed);
	g_test_add_func("/archive/layers/two", test_two);
	g_test_add_func("/archive/layers/map", test_map);
	return g_test_run();
}
