/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/gzip.h"
#include "base/error.h"

#include <gio/gio.h>
#include <string.h>

/* Of AshGzip. */
#define BLOCK_SIZE ((gsize) 256 * 1024)

static gboolean
append(gpointer data, const void *bytes, gsize length, GError **error)
{
	g_byte_array_append(data, bytes, (guint) length);
	return TRUE;
}

/* Text of @length bytes that refers back across blocks. */
static GBytes *
make_text(gsize length)
{
	GString *text = g_string_sized_new(length + 32);

	for (guint i = 0; text->len < length; i++)
		g_string_append_printf(text, "%u %u\n", i % 5000, i * 2654435761u >> 20);
	g_string_truncate(text, length);
	return g_string_free_to_bytes(text);
}

static GByteArray *
compress(GBytes *text, guint jobs, gsize part)
{
	GByteArray *output = g_byte_array_new();
	g_autoptr(AshGzip) gzip = ash_gzip_new(6, jobs, append, output);
	gsize length;
	const guint8 *data = g_bytes_get_data(text, &length);
	GError *error = NULL;

	for (gsize at = 0; at < length; at += part) {
		ash_gzip_write(gzip, data + at, MIN(part, length - at), &error);
		g_assert_no_error(error);
	}
	ash_gzip_finish(gzip, &error);
	g_assert_no_error(error);
	return output;
}

static void
assert_expands(GByteArray *packed, GBytes *text)
{
	g_autoptr(GZlibDecompressor) zlib = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP);
	gsize length, got = 0, used = 0, taken, put;
	const void *data = g_bytes_get_data(text, &length);
	g_autofree char *output = g_malloc(length + 1);
	GConverterResult result = G_CONVERTER_CONVERTED;
	GError *error = NULL;

	while (result != G_CONVERTER_FINISHED) {
		result = g_converter_convert(G_CONVERTER(zlib), packed->data + used, packed->len - used, output + got,
					     length + 1 - got, G_CONVERTER_INPUT_AT_END, &taken, &put, &error);
		g_assert_no_error(error);
		used += taken;
		got += put;
	}
	g_assert_cmpuint(used, ==, packed->len);
	g_assert_cmpmem(output, got, data, length);
}

static void
test_sizes(void)
{
	const gsize sizes[] = { 0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 9 * BLOCK_SIZE, 9 * BLOCK_SIZE + 7 };

	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autoptr(GBytes) text = make_text(sizes[i]);
		g_autoptr(GByteArray) one = compress(text, 1, 1000000);
		g_autoptr(GByteArray) many = compress(text, 7, 12345);

		g_assert_cmpmem(one->data, one->len, many->data, many->len);
		assert_expands(one, text);
		g_assert_cmpuint(one->len, <, sizes[i] / 2 + 100);
	}
}

static gboolean
fail_after_header(gpointer data, const void *bytes, gsize length, GError **error)
{
	return length <= 10 || ash_throw(error, ASH_ERROR_NO_SPACE, "full");
}

static void
test_failure(void)
{
	g_autoptr(GBytes) text = make_text(20 * BLOCK_SIZE);
	g_autoptr(AshGzip) gzip = ash_gzip_new(1, 3, fail_after_header, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_gzip_write(gzip, g_bytes_get_data(text, NULL), g_bytes_get_size(text), &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_NO_SPACE);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/archive/gzip/sizes", test_sizes);
	g_test_add_func("/archive/gzip/failure", test_failure);
	return g_test_run();
}
