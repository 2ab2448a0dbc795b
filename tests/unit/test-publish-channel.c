/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "publish/offer.h"
#include "publish/waves.h"

#include <string.h>

#define NOW 1700000000

typedef struct {
	const char *text;
	AshWave waves[4]; /* ended by 0 per cent; none at all: must fail */
} WavesCase;

static const WavesCase waves_cases[] = {
	{ "5@now", { { NOW, 5 } } },
	{ "5%@now, 25%@+6h,100@+2d", { { NOW, 5 }, { NOW + 6 * 3600, 25 }, { NOW + 2 * 86400, 100 } } },
	{ "1@+0m,2@+90m,3@+1w", { { NOW, 1 }, { NOW + 5400, 2 }, { NOW + 604800, 3 } } },
	{ "50@2024-01-01T00:00:00Z,100@2024-01-01T02:30+02:00", { { 1704067200, 50 }, { 1704069000, 100 } } },
	{ "", { { 0 } } },
	{ "now", { { 0 } } },
	{ "5", { { 0 } } },
	{ "5@", { { 0 } } },
	{ "@now", { { 0 } } },
	{ "0@now", { { 0 } } },
	{ "101@now", { { 0 } } },
	{ "4294967301@now", { { 0 } } },
	{ "-5@now", { { 0 } } },
	{ "5.5@now", { { 0 } } },
	{ "5@now,", { { 0 } } },
	{ "5@now,5@+1h", { { 0 } } },
	{ "50@now,5@+1h", { { 0 } } },
	{ "5@+2h,50@+1h", { { 0 } } },
	{ "5@6h", { { 0 } } },
	{ "5@+6", { { 0 } } },
	{ "5@+6y", { { 0 } } },
	{ "5@+6hours", { { 0 } } },
	{ "5@+-6h", { { 0 } } },
	{ "5@+99999999999999999999h", { { 0 } } },
	{ "5@+9999w", { { 0 } } },
	{ "5@2024-01-01T00:00:00", { { 0 } } },
	{ "5@1969-12-31T00:00:00Z", { { 0 } } },
	{ "5@2999-01-01T00:00:00Z", { { 0 } } },
	{ "5@2024-13-01T00:00Z", { { 0 } } },
	{ "5@tomorrow", { { 0 } } },
	{ "all,5@now", { { 0 } } },
};

static void
test_waves(gconstpointer data)
{
	const WavesCase *c = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) waves = ash_waves_parse(c->text, NOW, &error);

	if (c->waves[0].percent == 0) {
		g_assert_null(waves);
		g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
		return;
	}
	g_assert_no_error(error);
	guint n = 0;
	for (; c->waves[n].percent != 0; n++) {
		g_assert_cmpuint(n, <, waves->len);
		const AshWave *wave = g_ptr_array_index(waves, n);
		g_assert_cmpuint(wave->start, ==, c->waves[n].start);
		g_assert_cmpuint(wave->percent, ==, c->waves[n].percent);
	}
	g_assert_cmpuint(n, ==, waves->len);
}

static void
test_all(void)
{
	g_autoptr(GPtrArray) waves = ash_waves_parse("all", NOW, NULL);
	g_autofree char *text = ash_waves_describe(waves);
	g_autoptr(GPtrArray) two = ash_waves_parse("5@now,100@+1h", NOW, NULL);
	g_autofree char *described = ash_waves_describe(two);

	g_assert_cmpuint(waves->len, ==, 0);
	g_assert_cmpstr(text, ==, "all nodes");
	g_assert_cmpstr(described, ==, "5 % from 2023-11-14 22:13Z, 100 % from 2023-11-14 23:13Z");
}

static void
assert_order(const AshChannel *channel, const char *versions)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < channel->entries->len; i++)
		g_string_append_printf(text, "%s%s", i > 0 ? " " : "", ((AshChannelEntry *) channel->entries->pdata[i])->version);
	g_assert_cmpstr(text->str, ==, versions);
}

static void
test_offer(void)
{
	g_autoptr(AshChannel) channel = ash_channel_new();
	g_autoptr(GPtrArray) waves = ash_waves_parse("5@now", NOW, NULL), none = ash_waves_parse("all", NOW, NULL);
	g_autoptr(GError) error = NULL;
	const AshOffer plain = { .barrier = -1, .now = 7 }, slow = { .waves = waves, .barrier = 1, .now = 9 },
		       open = { .waves = none, .barrier = 0, .now = 11 };
	bool changed;

	g_assert_null(ash_offer_newest(channel));
	g_assert_true(ash_offer_set(channel, "1.10", &plain));
	g_assert_true(ash_offer_set(channel, "1.9", &slow));
	g_assert_true(ash_offer_set(channel, "1.11", &plain));
	assert_order(channel, "1.9 1.10 1.11");
	g_assert_false(ash_offer_set(channel, "1.9", &plain));
	g_assert_false(ash_offer_set(channel, "1.9", &slow));
	const AshChannelEntry *entry = ash_offer_find(channel, "1.9");
	g_assert_true(entry->barrier);
	g_assert_cmpuint(entry->waves->len, ==, 1);
	g_assert_cmpuint(entry->published, ==, 9);
	g_assert_true(ash_offer_set(channel, "1.9", &open));
	g_assert_false(entry->barrier);
	g_assert_cmpuint(entry->waves->len, ==, 0);
	g_assert_cmpuint(entry->published, ==, 9);
	g_assert_cmpstr(ash_offer_newest(channel)->version, ==, "1.11");
	g_assert_true(ash_offer_withdraw(channel, "1.11", &changed, &error));
	g_assert_true(changed);
	g_assert_true(ash_offer_withdraw(channel, "1.11", &changed, &error));
	g_assert_false(changed);
	g_assert_cmpstr(ash_offer_newest(channel)->version, ==, "1.10");
	g_assert_true(ash_offer_set(channel, "1.11", &plain));
	g_assert_cmpstr(ash_offer_newest(channel)->version, ==, "1.11");
	g_assert_false(ash_offer_withdraw(channel, "2", &changed, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_USAGE);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(waves_cases); i++) {
		g_autofree char *path = g_strdup_printf("/publish/waves/%" G_GSIZE_FORMAT, i);
		g_test_add_data_func(path, &waves_cases[i], test_waves);
	}
	g_test_add_func("/publish/waves/all", test_all);
	g_test_add_func("/publish/offer", test_offer);
	return g_test_run();
}
