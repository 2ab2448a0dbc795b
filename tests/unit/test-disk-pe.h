/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The smallest PE32+ image that can be a UKI's stub: one section, headers of @headers_bytes. */

#include <glib.h>
#include <string.h>
#include <unistd.h>

static inline void
pe_put(guint8 *image, gsize at, guint64 value, guint bytes)
{
	for (guint i = 0; i < bytes; i++)
		image[at + i] = (guint8) (value >> (8 * i));
}

static inline GBytes *
pe_make_stub(const char *section, guint32 headers_bytes)
{
	gsize length = headers_bytes + 0x200;
	guint8 *image = g_malloc0(length);
	gsize pe = 0x80, optional = pe + 24, table = optional + 240;

	memcpy(image, "MZ", 2);
	pe_put(image, 0x3c, pe, 4);
	memcpy(image + pe, "PE\0\0", 4);
	pe_put(image, pe + 4, 0x8664, 2);
	pe_put(image, pe + 6, 1, 2);
	pe_put(image, pe + 20, 240, 2);
	pe_put(image, optional, 0x20b, 2);
	pe_put(image, optional + 32, 0x200, 4);
	pe_put(image, optional + 36, 0x200, 4);
	pe_put(image, optional + 56, 0x1100, 4);
	pe_put(image, optional + 60, headers_bytes, 4);
	pe_put(image, optional + 108, 16, 4);
	memcpy(image + table, section, strlen(section));
	pe_put(image, table + 8, 0x100, 4);
	pe_put(image, table + 12, 0x1000, 4);
	pe_put(image, table + 16, 0x200, 4);
	pe_put(image, table + 20, headers_bytes, 4);
	memset(image + headers_bytes, 's', 0x100);
	return g_bytes_new_take(image, length);
}

/* The same in a file, for trees whose contents are files; its path, owned. The file goes with the
 * directory @dir. */
static inline char *
pe_make_stub_file(const char *dir, guint32 headers_bytes)
{
	g_autoptr(GBytes) stub = pe_make_stub(".sbat", headers_bytes);
	char *path = g_build_filename(dir, "stub.efi", NULL);

	g_assert_true(g_file_set_contents(path, g_bytes_get_data(stub, NULL),
					  (gssize) g_bytes_get_size(stub), NULL));
	return path;
}
