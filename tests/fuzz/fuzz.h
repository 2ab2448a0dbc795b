/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** libFuzzer's entry point. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Folders below tests/ that the plain program reads if it is given no files; NULL-terminated. */
extern const char *const fuzz_corpora[];
