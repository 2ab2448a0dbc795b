/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "disk/secureboot/authenticode.h"
#include "disk/uki/uki.h"

#include <string.h>

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/uki", NULL };

/* As a stub: what is made of it can be taken apart again. */
static void
build_on(GBytes *stub)
{
	g_autoptr(GBytes) kernel = g_bytes_new_static("kernel", 6);
	g_autoptr(AshContent) linux_ = ash_content_new_from_bytes(kernel);
	AshUkiParts parts = { .stub = stub, .linux_ = linux_, .cmdline = "quiet" };
	g_autoptr(AshContent) content = ash_uki_build(&parts, NULL);
	g_autoptr(GBytes) uki = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GArray) sections = NULL;

	if (content == NULL)
		return;
	uki = ash_content_load(content, &error);
	g_assert_no_error(error);
	sections = ash_uki_list(uki, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(g_array_index(sections, AshUkiSection, sections->len - 1).name, ==,
			".linux");
}

/* Where they can be listed, there is a digest that they are compared with. */
static void
look_for_signatures(GBytes *image)
{
	g_autoptr(AshContent) content = ash_content_new_from_bytes(image);
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) signatures = ash_authenticode_list(content, &error);
	guint8 digest[ASH_SHA256_SIZE];

	if (signatures == NULL)
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	else
		g_assert_true(ash_authenticode_digest(content, digest, NULL));
}

/* Any bytes give sections that lie in the file, or an error of ours. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GBytes) image = g_bytes_new_static(data, size);
	g_autoptr(GError) error = NULL;
	g_autoptr(GArray) sections = ash_uki_list(image, &error);

	if (sections == NULL) {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		return 0;
	}
	for (guint i = 0; i < sections->len; i++) {
		const char *name = g_array_index(sections, AshUkiSection, i).name;
		g_autoptr(GBytes) content = ash_uki_get(image, sections, name);
		g_autofree char *text = ash_uki_get_text(image, sections, name);

		g_assert_true(g_bytes_get_size(content) <= size);
		g_assert_true(text == NULL || g_utf8_validate(text, -1, NULL));
	}
	build_on(image);
	look_for_signatures(image);
	return 0;
}
