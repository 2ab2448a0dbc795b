/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/xts.h"

#include <string.h>

/* IEEE 1619-2007, annex B: vectors 4 and 5 are one sector of 512 bytes, numbers 0 and 1; the second encrypts what the first gave. */
static const char key_hex[] = "2718281828459045235360287471352631415926535897932384626433832795";
static const char *const begins[] = {
	"27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c",
	"264d3ca8512194fec312c8c9891f279fefdd608d0c027b60483a3fa811d65ee5",
};

static void
fill(guint8 *sector)
{
	for (guint i = 0; i < 512; i++)
		sector[i] = (guint8) i;
}

static void
test_vectors(void)
{
	g_autoptr(GError) error = NULL;
	guint8 key[32], sector[512], plain[512];

	g_assert_true(ash_hex_decode(key_hex, key, sizeof(key)));
	g_autoptr(AshXts) xts = ash_xts_new(key, sizeof(key), &error);
	g_assert_no_error(error);
	fill(sector);
	memcpy(plain, sector, sizeof(plain));
	for (guint i = 0; i < G_N_ELEMENTS(begins); i++) {
		g_assert_true(ash_xts_encrypt(xts, i * 512, 512, sector, 512, &error));
		g_autofree char *hex = ash_hex_encode(sector, 32);
		g_assert_cmpstr(hex, ==, begins[i]);
	}
	for (guint i = G_N_ELEMENTS(begins); i > 0; i--)
		g_assert_true(ash_xts_decrypt(xts, (i - 1) * 512, 512, sector, 512, &error));
	g_assert_cmpmem(sector, sizeof(sector), plain, sizeof(plain));
}

/* A large sector is one unit with the number of its first 512 bytes; sectors do not depend on what is encrypted with them. */
static void
test_sectors(void)
{
	g_autoptr(GError) error = NULL;
	guint8 key[64], together[16384] = { 0 }, alone[4096] = { 0 };

	for (guint i = 0; i < sizeof(key); i++)
		key[i] = (guint8) i;
	g_autoptr(AshXts) xts = ash_xts_new(key, sizeof(key), &error);
	g_assert_no_error(error);
	g_assert_true(ash_xts_encrypt(xts, 8192, 4096, together, sizeof(together), &error));
	g_assert_true(ash_xts_encrypt(xts, 8192 + 2 * 4096, 4096, alone, sizeof(alone), &error));
	g_assert_cmpmem(together + 2 * 4096, 4096, alone, sizeof(alone));
	g_assert_cmpint(memcmp(together, together + 4096, 4096), !=, 0);
	memset(alone, 0, sizeof(alone));
	g_assert_true(ash_xts_encrypt(xts, 8192, 512, alone, sizeof(alone), &error));
	g_assert_cmpmem(together, 512, alone, 512);
	g_assert_cmpint(memcmp(together + 512, alone + 512, 512), !=, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/xts/vectors", test_vectors);
	g_test_add_func("/base/xts/sectors", test_sectors);
	return g_test_run();
}
