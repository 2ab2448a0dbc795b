/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "disk/vfat/vfat.h"

#include <sys/mman.h>

#include "fuzz.h"

#define MAX_DEPTH 4
#define MAX_NAMES 200

const char *const fuzz_corpora[] = { "fuzz/corpus/vfat", NULL };

static void
visit(AshVfatReader *reader, const char *path, guint depth, guint *left)
{
	g_auto(GStrv) names = ash_vfat_list(reader, path, NULL);

	for (guint i = 0; names != NULL && names[i] != NULL && *left > 0; i++) {
		g_autofree char *child = g_strdup_printf("%s/%s", path, names[i]);
		G_GNUC_UNUSED g_autoptr(GBytes) content = ash_vfat_load(reader, child, NULL);

		(*left)--;
		g_assert_true(g_utf8_validate(names[i], -1, NULL));
		if (depth < MAX_DEPTH)
			visit(reader, child, depth + 1, left);
	}
}

/* Any bytes can be looked through in bounded time and memory. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ash_autofd int fd = memfd_create("image", MFD_CLOEXEC);
	g_autoptr(AshVfatReader) reader = NULL;
	g_autoptr(GError) error = NULL;
	guint left = MAX_NAMES;

	if (fd < 0 || !ash_fd_write_all(fd, data, size, 0, NULL))
		return 0;
	reader = ash_vfat_open(fd, 0, &error);
	if (reader != NULL)
		visit(reader, "", 0, &left);
	else
		g_assert_true(error != NULL && error->domain == ASH_ERROR);
	return 0;
}
