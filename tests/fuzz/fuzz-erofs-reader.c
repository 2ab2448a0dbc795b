/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "disk/erofs/format.h"
#include "disk/erofs/reader.h"
#include "disk/io/crc32c.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fuzz.h"

#define MAX_DEPTH 6
#define MAX_NAMES 200

const char *const fuzz_corpora[] = { "fuzz/corpus/erofs", NULL };

/* The checksum is put right: otherwise nothing behind it would be reached. */
static void
fix_checksum(uint8_t *image)
{
	uint8_t *super = image + EROFS_SUPER_OFFSET;
	guint32 sum;

	memset(super + 4, 0, 4);
	sum = GUINT32_TO_LE(ash_crc32c(~0u, super, EROFS_BLOCK - EROFS_SUPER_OFFSET));
	memcpy(super + 4, &sum, 4);
}

/* Looks at everything below @path, as far as a patient person would. */
static void
visit(AshErofsReader *reader, const char *path, guint depth, guint *left)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) names = ash_erofs_list(reader, path, &error);

	for (guint i = 0; names != NULL && names[i] != NULL && *left > 0; i++) {
		g_autofree char *child = g_strdup_printf("%s/%s", path, names[i]);
		G_GNUC_UNUSED g_autofree char *target = ash_erofs_read_link(reader, child, NULL);
		G_GNUC_UNUSED g_autoptr(GBytes) value =
			ash_erofs_get_xattr(reader, child, "security.selinux", NULL);
		G_GNUC_UNUSED g_autoptr(GBytes) content = ash_erofs_load(reader, child, 1 << 20, NULL);
		AshErofsStat st;

		(*left)--;
		if (depth < MAX_DEPTH && ash_erofs_stat(reader, child, false, &st, NULL) &&
		    S_ISDIR(st.mode))
			visit(reader, child, depth + 1, left);
	}
	g_assert_true(names != NULL || (error != NULL && error->domain == ASH_ERROR));
}

/* Any bytes can be looked through in bounded time and memory. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ash_autofd int fd = memfd_create("image", MFD_CLOEXEC);
	gsize padded = MAX(size, EROFS_BLOCK);
	g_autofree uint8_t *image = g_malloc0(padded);
	g_autoptr(AshErofsReader) reader = NULL;
	g_autoptr(GError) error = NULL;
	guint left = MAX_NAMES;

	memcpy(image, data, size);
	fix_checksum(image);
	if (fd < 0 || !ash_fd_write_all(fd, image, padded, 0, NULL))
		return 0;
	reader = ash_erofs_open(fd, 0, padded, &error);
	if (reader != NULL)
		visit(reader, "", 0, &left);
	else
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	return 0;
}
