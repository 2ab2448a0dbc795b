/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/ranges.h"

#define GAP ASH_RANGE_GAP_BYTES
#define MOST ASH_RANGE_MAX_BYTES

typedef struct {
	const char *name;
	AshRange pieces[8];   /* ended by one of object 99 */
	AshRange expected[8];
} Case;

#define END { 99, 0, 0 }

static const Case cases[] = {
	{ "none", { END }, { END } },
	{ "one", { { 0, 5, 10 }, END }, { { 0, 5, 10 }, END } },
	{ "adjacent", { { 0, 0, 10 }, { 0, 10, 20 }, { 0, 30, 1 }, END }, { { 0, 0, 31 }, END } },
	{ "gap-exact", { { 0, 0, 10 }, { 0, 10 + GAP, 20 }, END }, { { 0, 0, 30 + GAP }, END } },
	{ "gap-over", { { 0, 0, 10 }, { 0, 11 + GAP, 20 }, END }, { { 0, 0, 10 }, { 0, 11 + GAP, 20 }, END } },
	{ "other-object", { { 0, 0, 10 }, { 1, 10, 20 }, { 1, 30, 5 }, END }, { { 0, 0, 10 }, { 1, 10, 25 }, END } },
	{ "nothing", { { 0, 0, 10 }, { 0, 500, 0 }, { 1, 0, 0 }, END }, { { 0, 0, 10 }, END } },
	{ "full", { { 0, 0, MOST - 10 }, { 0, MOST - 10, 10 }, END }, { { 0, 0, MOST }, END } },
	{ "over-full", { { 0, 0, MOST - 10 }, { 0, MOST - 10, 11 }, END }, { { 0, 0, MOST - 10 }, { 0, MOST - 10, 11 }, END } },
	{ "gap-counts", { { 0, 0, MOST - 10 }, { 0, MOST, 1 }, END }, { { 0, 0, MOST - 10 }, { 0, MOST, 1 }, END } },
	{ "long-piece", { { 0, 0, 3 * (guint64) MOST }, { 0, 3 * (guint64) MOST, 1 }, END },
	  { { 0, 0, 3 * (guint64) MOST }, { 0, 3 * (guint64) MOST, 1 }, END } },
};

static void
test_case(gconstpointer data)
{
	const Case *c = data;
	g_autoptr(GArray) ranges = ash_ranges_new();
	guint64 sum = 0;
	guint n = 0;

	for (const AshRange *piece = c->pieces; piece->object != 99; piece++)
		ash_ranges_add(ranges, piece->object, piece->offset, piece->bytes);
	for (; c->expected[n].object != 99; n++) {
		g_assert_cmpuint(n, <, ranges->len);
		const AshRange *range = &g_array_index(ranges, AshRange, n);
		g_assert_cmpuint(range->object, ==, c->expected[n].object);
		g_assert_cmpuint(range->offset, ==, c->expected[n].offset);
		g_assert_cmpuint(range->bytes, ==, c->expected[n].bytes);
		sum += c->expected[n].bytes;
	}
	g_assert_cmpuint(ranges->len, ==, n);
	g_assert_cmpuint(ash_ranges_sum(ranges), ==, sum);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = g_strdup_printf("/pack/ranges/%s", cases[i].name);
		g_test_add_data_func(path, &cases[i], test_case);
	}
	return g_test_run();
}
