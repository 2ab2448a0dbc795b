/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/direct.h"

#include "base/error.h"
#include "base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BYTES (1024 * 1024)

static int
make_file(int flags)
{
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("ashlar-direct-XXXXXX", &path, NULL);
	int again;

	g_assert_cmpint(fd, >=, 0);
	again = open(path, flags | O_CLOEXEC);
	g_assert_cmpint(unlink(path), ==, 0);
	close(fd);
	return again;
}

static guint8 *
make_content(void)
{
	guint8 *content = ash_direct_alloc(BYTES);

	for (gsize i = 0; i < BYTES; i++)
		content[i] = (guint8) (i * 7 + i / 4096);
	return content;
}

/* Through the cache and past it there is one file, whatever is written by which. */
static void
test_coherent(void)
{
	static const struct {
		gsize offset, length, shift; /* of the memory that is written */
	} parts[] = { { 0, BYTES, 0 }, { 4096, 8192, 0 }, { 1, 4096, 0 }, { 4096, 100, 0 }, { 8192, 4096, 8 }, { BYTES - 4096, 4096, 0 } };
	ash_autofd int fd = make_file(O_RDWR);
	g_auto(AshDirect) direct;
	guint8 *content = make_content(), *back = g_malloc(BYTES), *from_memory = ash_direct_alloc(BYTES + 64);

	ash_direct_init(&direct, fd);
	for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
		gsize from = parts[i].offset;

		g_assert_cmpint(ftruncate(fd, 0), ==, 0);
		memcpy(from_memory + parts[i].shift, content + from, parts[i].length);
		g_assert_true(ash_direct_write(&direct, from_memory + parts[i].shift, parts[i].length, from, NULL));
		memset(back, 0xee, BYTES);
		g_assert_true(ash_fd_read_exact(fd, back, parts[i].length, from, NULL));
		g_assert_cmpmem(back, parts[i].length, content + from, parts[i].length);
	}
	ash_direct_free(content);
	ash_direct_free(from_memory);
	g_free(back);
}

static void
test_errors(void)
{
	ash_autofd int fd = make_file(O_RDWR), null_fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	g_auto(AshDirect) direct, full;
	g_autoptr(GError) error = NULL;
	guint8 *content = make_content();

	ash_direct_init(&direct, fd);
	g_assert_true(ash_direct_write(&direct, content, 8192 + 100, 0, NULL));
	ash_direct_init(&full, null_fd);
	g_assert_false(ash_direct_write(&full, content, 4096, 0, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_NO_SPACE);
	ash_direct_free(content);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/direct/coherent", test_coherent);
	g_test_add_func("/base/direct/errors", test_errors);
	return g_test_run();
}
