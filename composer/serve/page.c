/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serve/page.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>

#define MAX_BYTES (1024 * 1024)

static const struct {
	const char *target, *file, *type;
} files[] = {
	{ "/", "index.html", "text/html; charset=utf-8" },
	{ "/ui/serve.css", "serve.css", "text/css; charset=utf-8" },
	{ "/ui/serve.js", "serve.js", "text/javascript; charset=utf-8" },
	{ "/ui/icon.svg", "icon.svg", "image/svg+xml" },
};

struct AshPage {
	GBytes *bytes[G_N_ELEMENTS(files)];
};

AshPage *
ash_page_load(const char *data_dir, GError **error)
{
	g_autoptr(AshPage) page = g_new0(AshPage, 1);

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(data_dir, "serve", files[i].file, NULL);
		gsize length;
		char *text = ash_file_load(AT_FDCWD, path, MAX_BYTES, &length, error);
		if (text == NULL)
			return NULL;
		page->bytes[i] = g_bytes_new_take(text, length);
	}
	return g_steal_pointer(&page);
}

void
ash_page_free(AshPage *page)
{
	if (page == NULL)
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
		g_clear_pointer(&page->bytes[i], g_bytes_unref);
	g_free(page);
}

GBytes *
ash_page_find(const AshPage *page, const char *target, const char **ret_type)
{
	for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
		if (strcmp(target, files[i].target) == 0) {
			*ret_type = files[i].type;
			return page->bytes[i];
		}
	return NULL;
}
