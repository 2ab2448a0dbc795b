/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "config/imgtype.h"

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/imgtype", "golden/imgtype/must-fail",
				     "../imgtypes", NULL };

/* Any bytes give an image type that fits together, or an error of ours. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshImageType) type = ash_imgtype_parse(
		(const char *) data, size, "/nonexistent/fuzz.toml", "/nonexistent", &error);
	g_autoptr(AshPackageRequest) request = ash_package_request_new();
	g_autoptr(AshPackageRequest) result = NULL;

	if (type == NULL) {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		return 0;
	}
	result = ash_image_type_dup_request(type, request);
	g_assert_true((type->kind == ASH_IMAGE_DISK) == (type->layout != NULL));
	g_assert_true(type->kind != ASH_IMAGE_DISK || type->formats->len > 0);
	return 0;
}
