/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fuzz target as a plain program: runs over the files given, or over the corpus, each file as it
 * is, cut short everywhere, and with single bytes changed. The same bytes every time; TAP on
 * standard output.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#ifndef ASH_LIBFUZZER /* which brings a main() of its own */

#define CUTS    64
#define CHANGES 64

static void
run_variants(const char *data, gsize size)
{
	g_autofree uint8_t *copy = g_memdup2(data, size + 1);
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);

	LLVMFuzzerTestOneInput(copy, size);
	for (guint i = 0; i < CUTS; i++) {
		/* A block of its own, so that a read past its end is seen by the sanitizer. */
		gsize length = size * i / CUTS;
		g_autofree uint8_t *cut = g_malloc(MAX(length, 1));

		memcpy(cut, data, length);
		LLVMFuzzerTestOneInput(cut, length);
	}
	for (guint i = 0; i < CHANGES && size > 0; i++) {
		gsize at = g_rand_int_range(rand, 0, MIN(size, G_MAXINT));
		uint8_t kept = copy[at];

		copy[at] = "\"'\\#=%\n -[]{}$\0\xff"[g_rand_int_range(rand, 0, 17)];
		LLVMFuzzerTestOneInput(copy, size);
		copy[at] = kept;
	}
}

static guint
run_file(const char *path)
{
	g_autofree char *data = NULL;
	gsize size = 0;

	if (!g_file_test(path, G_FILE_TEST_IS_REGULAR) ||
	    !g_file_get_contents(path, &data, &size, NULL))
		return 0;
	run_variants(data, size);
	return 1;
}

static guint
run_folder(const char *folder)
{
	const char *top = g_getenv("top_srcdir") != NULL ? g_getenv("top_srcdir") : ".";
	g_autofree char *path = g_build_filename(top, "tests", folder, NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name = NULL;
	guint n = 0;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *file = g_build_filename(path, name, NULL);

		n += run_file(file);
	}
	return n;
}

int
main(int argc, char **argv)
{
	guint n = 0;

	for (int i = 1; i < argc; i++)
		n += run_file(argv[i]);
	for (guint i = 0; argc == 1 && fuzz_corpora[i] != NULL; i++)
		n += run_folder(fuzz_corpora[i]);
	printf("1..1\n%s 1 - %u files\n", n > 0 ? "ok" : "not ok", n);
	return n > 0 ? 0 : 1;
}

#endif
