/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/elf.h"
#include "base/error.h"

#include <string.h>

#include "fuzz.h"

const char *const fuzz_corpora[] = { "fuzz/corpus/elf", NULL };

/* Any bytes give protections, or an error of ours. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_auto(AshElf) elf = { 0 };

	if (!ash_elf_read(data, size, &elf, &error)) {
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		return 0;
	}
	g_assert_nonnull(ash_elf_kind_to_string(elf.kind));
	/* Every symbol takes 16 bytes at least. */
	g_assert_cmpuint(elf.imports, <=, size / 16);
	g_assert_true(elf.runpath == NULL || strlen(elf.runpath) < size);
	return 0;
}
