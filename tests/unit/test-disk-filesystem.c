/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/size.h"
#include "disk/filesystem/filesystem.h"
#include "test-disk-common.h"

#define OFFSET ((guint64) ASH_MIB)
#define BYTES  ((guint64) 40 * ASH_MIB)

static const AshFilesystemOptions options = {
	.uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
	.label = "a-label",
	.epoch = TEST_EPOCH,
	.scratch_dir = "/nonexistent",
};

/* The file system is in the file "part", too. */
static void
write_image(Fixture *fixture, AshFsKind kind, const AshFsTree *tree)
{
	ash_autofd int fd = fixture_create(fixture, "disk", OFFSET + BYTES);
	g_autoptr(GError) error = NULL;

	ash_filesystem_write(fixture->ctx, kind, tree, &options, fd, OFFSET, BYTES, &error);
	g_assert_no_error(error);
	g_free(run_command(0, "cd '%s' && dd if=disk of=part bs=1M skip=1 conv=sparse status=none && truncate -s 40M part", fixture->dir));
}

static void
test_swap(Fixture *fixture, gconstpointer data)
{
	if (!have_program("swaplabel") || !have_program("blkid"))
		return;
	write_image(fixture, ASH_FS_SWAP, NULL);
	g_free(run_command(0, "cd '%s' && swaplabel part | tr -s ' ' | grep -qx 'LABEL: a-label'", fixture->dir));
	g_free(run_command(0, "cd '%s' && swaplabel part | tr -s ' ' | grep -qx 'UUID: 01020304-0506-0708-090a-0b0c0d0e0f10'", fixture->dir));
	/* As mkswap makes it. */
	g_free(run_command(0,
			   "cd '%s' && truncate -s 40M other && chmod 600 other && mkswap -q -L a-label -U 01020304-0506-0708-090a-0b0c0d0e0f10 "
			   "-p 4096 other && cmp part other",
			   fixture->dir));
}

static void
test_vfat(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = tree_new(), links = tree_new();
	AshFsNode *dir = tree_dir(tree->root, "dir");
	g_autoptr(GError) error = NULL;

	tree_file(dir, "a file.txt", "text");
	ash_fs_tree_finish(tree);
	tree_link(links->root, "l", "x");
	ash_fs_tree_finish(links);
	g_assert_false(ash_filesystem_check(ASH_FS_VFAT, links, &error));
	g_assert_nonnull(strstr(error->message, "\"/l\" is a link or a device, which FAT does not have"));
	if (!have_program("fsck.fat") || !have_program("mtype"))
		return;
	write_image(fixture, ASH_FS_VFAT, tree);
	g_free(run_command(0, "cd '%s' && fsck.fat -n part && test \"$(mtype -i part '::dir/a file.txt')\" = text", fixture->dir));
}

/* What is made whole has its own writers. */
static void
test_kinds(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	for (AshFsKind kind = 0; kind < _ASH_FS_KIND_COUNT; kind++) {
		const AshFsTraits *traits = ash_fs_kind_get_traits(kind);

		g_assert_cmpuint(ash_filesystem_estimate(kind, NULL), >=, traits->read_only ? 0 : traits->min_bytes);
		g_assert_true(traits->read_only || kind == ASH_FS_NONE || ash_filesystem_estimate(kind, NULL) > 0);
	}
	g_assert_false(ash_filesystem_write(fixture->ctx, ASH_FS_EROFS, NULL, &options, -1, 0, BYTES, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_false(ash_filesystem_write(fixture->ctx, ASH_FS_SWAP, NULL, &options, -1, 0, 4096, &error));
	g_assert_nonnull(strstr(error->message, "needs at least 1"));
}

#define ADD(name, func) g_test_add("/disk/filesystem/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("swap", test_swap);
	ADD("vfat", test_vfat);
	ADD("kinds", test_kinds);
	return g_test_run();
}
