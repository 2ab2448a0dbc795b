/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/kernel.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "node-fixture.h"
#include "pack/delta.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROOT_BYTES ((guint64) 800 * ASH_RELEASE_BLOCK_BYTES)
/* Not whole blocks, and more than one segment of a delta. */
#define KERNEL_BYTES ((gsize) 2 * 1024 * 1024 + 1234)

/* A release directory with a kernel image and its recipe; a root file system somewhere in a file, as in a partition of a disk. */
typedef struct {
	char *dir, *url;
	AshContext *ctx;
	AshSource *source;
	AshRelease *release;
	AshSlotPart root;
	guint8 *kernel;
	int recipe_fd, fd; /* fd: what the node writes */
} Case;

static void
put_object(const Case *c, const void *data, gsize length, AshObjectRef *ref)
{
	g_free(ref->sha256);
	*ref = (AshObjectRef) { ash_sha256_hex(data, (gssize) length), length };
	g_autofree char *below = ash_object_ref_path(ref), *path = g_build_filename(c->dir, below, NULL), *parent = g_path_get_dirname(path);
	g_assert_true(ash_file_mkdirs(AT_FDCWD, parent, 0755, NULL));
	g_assert_true(g_file_set_contents(path, data, (gssize) length, NULL));
}

static void
remove_object(const Case *c, const AshObjectRef *ref)
{
	g_autofree char *below = ash_object_ref_path(ref), *path = g_build_filename(c->dir, below, NULL);

	g_assert_cmpint(unlink(path), ==, 0);
}

/* Two files of the root at odd places, and some bytes that it does not have. */
static void
make_kernel(Case *c, const guint8 *image)
{
	c->kernel = g_malloc0(KERNEL_BYTES);
	memcpy(c->kernel, "MZ and what else is new", 23);
	memcpy(c->kernel + 512, image + 100 * ASH_RELEASE_BLOCK_BYTES, 1024 * 1024);
	memcpy(c->kernel + 1024 * 1024 + 1024, image + 500 * ASH_RELEASE_BLOCK_BYTES, 1024 * 1024);
	memcpy(c->kernel + KERNEL_BYTES - 3, "end", 3);
}

static void
make_recipe(Case *c)
{
	ash_autofd int kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	AshDeltaStats stats;

	g_assert_true(ash_fd_write_all(kernel_fd, c->kernel, KERNEL_BYTES, 0, NULL));
	const AshDeltaImage from = { c->root.fd, c->root.offset, c->root.bytes, NULL }, to = { kernel_fd, 0, KERNEL_BYTES, NULL };
	g_assert_true(ash_delta_write(c->ctx, &from, &to, 3, c->recipe_fd, &stats, NULL));
	g_assert_cmpuint(stats.delta_bytes, <, 1000);
	g_autofree guint8 *recipe = g_malloc(stats.delta_bytes);
	g_assert_true(ash_fd_read_exact(c->recipe_fd, recipe, stats.delta_bytes, 0, NULL));
	put_object(c, recipe, stats.delta_bytes, &c->release->uki_recipe);
}

static void
case_set_up(Case *c, gconstpointer data)
{
	g_autofree guint8 *image = node_image_new(1, ROOT_BYTES);

	c->dir = g_dir_make_tmp("ash-kernel-XXXXXX", NULL);
	c->url = g_filename_to_uri(c->dir, NULL, NULL);
	c->ctx = ash_context_new();
	const char *urls[] = { c->url, NULL };
	const AshSourceOptions options = { .urls = urls, .pause = 1, .attempts = 2 };
	c->source = ash_source_new(&options, NULL);
	c->release = ash_release_new();
	c->release->root_bytes = ROOT_BYTES;
	c->root = (AshSlotPart) { memfd_create("disk", MFD_CLOEXEC), 3 * 512, ROOT_BYTES };
	g_assert_true(ash_fd_write_all(c->root.fd, image, ROOT_BYTES, c->root.offset, NULL));
	c->recipe_fd = memfd_create("recipe", MFD_CLOEXEC);
	c->fd = memfd_create("part", MFD_CLOEXEC);
	make_kernel(c, image);
	put_object(c, c->kernel, KERNEL_BYTES, &c->release->uki);
	make_recipe(c);
}

static void
case_tear_down(Case *c, gconstpointer data)
{
	ash_source_free(c->source);
	ash_context_free(c->ctx);
	ash_release_free(c->release);
	ash_file_remove_tree(AT_FDCWD, c->dir, NULL);
	ash_fd_clear(&c->root.fd);
	ash_fd_clear(&c->recipe_fd);
	ash_fd_clear(&c->fd);
	g_free(c->kernel);
	g_free(c->dir);
	g_free(c->url);
}

/* What is written is right, whatever came; returns how many bytes that took. */
static guint64
save(Case *c)
{
	g_autofree guint8 *found = g_malloc(KERNEL_BYTES);
	const guint64 before = ash_source_get_received(c->source);
	GError *error = NULL;
	struct stat st;

	ash_node_kernel_save(c->ctx, c->source, c->release, &c->root, c->fd, &error);
	g_assert_no_error(error);
	g_assert_cmpint(fstat(c->fd, &st), ==, 0);
	g_assert_cmpuint((guint64) st.st_size, ==, KERNEL_BYTES);
	g_assert_true(ash_fd_read_exact(c->fd, found, KERNEL_BYTES, 0, NULL));
	g_assert_cmpmem(found, KERNEL_BYTES, c->kernel, KERNEL_BYTES);
	return ash_source_get_received(c->source) - before;
}

static void
test_recipe(Case *c, gconstpointer data)
{
	g_assert_cmpuint(save(c), ==, c->release->uki_recipe.size);
	/* A repetition finds it. */
	g_assert_cmpuint(save(c), ==, 0);
}

/* What an interrupted attempt has left, more or less than there should be. */
static void
test_leftovers(Case *c, gconstpointer data)
{
	static const gsize lengths[] = { 100, KERNEL_BYTES, KERNEL_BYTES + 5000 };

	for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
		g_autofree guint8 *junk = g_malloc0(lengths[i]);
		g_assert_cmpint(ftruncate(c->fd, 0), ==, 0);
		g_assert_true(ash_fd_write_all(c->fd, junk, lengths[i], 0, NULL));
		g_assert_cmpuint(save(c), ==, c->release->uki_recipe.size);
	}
}

static void
test_no_recipe(Case *c, gconstpointer data)
{
	g_clear_pointer(&c->release->uki_recipe.sha256, g_free);
	g_assert_cmpuint(save(c), ==, KERNEL_BYTES);
}

static void
test_missing(Case *c, gconstpointer data)
{
	remove_object(c, &c->release->uki_recipe);
	g_assert_cmpuint(save(c), ==, KERNEL_BYTES);
}

/* Published damaged: at each place another check finds it. */
static void
test_damaged(Case *c, gconstpointer data)
{
	const gsize length = c->release->uki_recipe.size;
	g_autofree guint8 *recipe = g_malloc(length), *bad = g_malloc(length + 1);

	g_assert_true(ash_fd_read_exact(c->recipe_fd, recipe, length, 0, NULL));
	for (gsize at = 0; at <= length + 1; at += 5) {
		memcpy(bad, recipe, length);
		if (at < length)
			bad[at] ^= 0x41;
		put_object(c, bad, at < length ? length : length - 1, &c->release->uki_recipe);
		g_assert_cmpint(ftruncate(c->fd, 0), ==, 0);
		g_assert_cmpuint(save(c), >=, c->release->uki_recipe.size);
	}
}

/* It does make an image, but another one. */
static void
test_other_image(Case *c, gconstpointer data)
{
	c->kernel[5] ^= 1;
	put_object(c, c->kernel, KERNEL_BYTES, &c->release->uki);
	g_assert_cmpuint(save(c), ==, c->release->uki_recipe.size + KERNEL_BYTES);
}

/* The root has rotted since it was checked. */
static void
test_rotten_root(Case *c, gconstpointer data)
{
	g_assert_true(ash_fd_write_all(c->root.fd, "rotten", 6, c->root.offset + 120 * ASH_RELEASE_BLOCK_BYTES, NULL));
	g_assert_cmpuint(save(c), ==, c->release->uki_recipe.size + KERNEL_BYTES);
	g_assert_cmpint(ftruncate(c->fd, 0), ==, 0);
	g_assert_cmpint(ftruncate(c->root.fd, 4096), ==, 0);
	g_assert_cmpuint(save(c), ==, c->release->uki_recipe.size + KERNEL_BYTES);
}

static void
test_nothing_right(Case *c, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	remove_object(c, &c->release->uki_recipe);
	remove_object(c, &c->release->uki);
	g_assert_false(ash_node_kernel_save(c->ctx, c->source, c->release, &c->root, c->fd, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
}

#define ADD(name, test) g_test_add("/node/kernel/" name, Case, NULL, case_set_up, test, case_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("recipe", test_recipe);
	ADD("leftovers", test_leftovers);
	ADD("no-recipe", test_no_recipe);
	ADD("missing", test_missing);
	ADD("damaged", test_damaged);
	ADD("other-image", test_other_image);
	ADD("rotten-root", test_rotten_root);
	ADD("nothing-right", test_nothing_right);
	return g_test_run();
}
