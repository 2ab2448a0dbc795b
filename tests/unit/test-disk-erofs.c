/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/erofs.h"
#include "test-disk-trees.h"

static const AshErofsOptions options = {
    .uuid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    .label = "test",
    .epoch = TEST_EPOCH,
};

static int
write_image(Fixture *fixture, const AshFsTree *tree, const char *name, guint64 offset)
{
	g_autoptr(GError) error = NULL;
	int fd = fixture_create(fixture, name, 0);
	g_autoptr(AshErofs) erofs = ash_erofs_new(fixture->ctx, tree, &options, &error);

	g_assert_no_error(error);
	ash_erofs_write(fixture->ctx, erofs, fd, offset, NULL, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(ash_erofs_get_bytes(erofs) % 4096, ==, 0);
	return fd;
}

static void
test_fsck(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_odd_tree();
	g_autofree char *path = fixture_path(fixture, "odd.erofs");
	g_autofree char *output = NULL;

	close(write_image(fixture, tree, "odd.erofs", 0));
	if (!have_program("fsck.erofs"))
		return;
	output = run_command(0, "fsck.erofs '%s'", path);
	g_assert_cmpstr(output, ==, "");
	g_clear_pointer(&output, g_free);
	output = run_command(0, "dump.erofs -s '%s'", path);
	g_assert_nonnull(strstr(output, "01020304-0506-0708-090a-0b0c0d0e0f10"));
	g_assert_nonnull(strstr(output, "sb_csum mtime"));
}

static void
compare_node(const AshFsNode *node, const char *root)
{
	g_autofree char *relative = ash_fs_node_dup_path(node);
	g_autofree char *path = g_build_filename(root, relative, NULL);
	struct stat st;

	if (lstat(path, &st) < 0)
		g_error("%s is missing", path);
	g_assert_cmpuint(st.st_mode & S_IFMT, ==, node->mode & S_IFMT);
	if (!S_ISLNK(node->mode) && getuid() == 0)
		/* fsck.erofs sets the owner after the mode, which clears set-user-id. */
		g_assert_cmpuint(st.st_mode & ~06000u, ==, node->mode & ~06000u);
	if (getuid() == 0) {
		const AshFsNode *first = node->hardlink != NULL ? node->hardlink : node;

		g_assert_cmpuint(st.st_uid, ==, first->uid);
		g_assert_cmpuint(st.st_gid, ==, first->gid);
	}
	if (S_ISLNK(node->mode)) {
		g_autofree char *target = g_malloc0(node->size + 1);

		g_assert_cmpint(readlink(path, target, node->size + 1), ==, (gssize) node->size);
		g_assert_cmpstr(target, ==, node->target);
	}
	if (S_ISREG(node->mode)) {
		g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);

		g_assert_cmpuint(g_mapped_file_get_length(file), ==, node->size);
		g_assert_cmpint(st.st_mtime, ==, node->mtime);
		if (node->content != NULL && node->content[0] != '@' && node->content[0] != '/')
			g_assert_cmpint(
			    memcmp(g_mapped_file_get_contents(file), node->content, node->size), ==,
			    0);
	}
	for (guint i = 0; node->children != NULL && i < node->children->len; i++)
		compare_node(node->children->pdata[i], root);
}

static void
test_extract(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_odd_tree();
	g_autofree char *path = fixture_path(fixture, "odd.erofs");
	g_autofree char *out = fixture_path(fixture, "out");
	g_autofree char *output = NULL;

	close(write_image(fixture, tree, "odd.erofs", 0));
	if (!have_program("fsck.erofs"))
		return;
	output = run_command(0, "fsck.erofs --extract='%s' '%s'", out, path);
	compare_node(tree->root, out);
}

/* The kernel's own reader, where file-backed mounts are allowed; never required. */
static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) one = make_odd_tree();
	g_autoptr(AshFsTree) two = make_odd_tree();
	ash_autofd int first = write_image(fixture, one, "one", 0);
	ash_autofd int second = write_image(fixture, two, "two", 0);
	g_autofree char *first_digest = digest_of(first);
	g_autofree char *second_digest = digest_of(second);

	g_assert_cmpstr(first_digest, ==, second_digest);
}

static void
test_at_offset(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_odd_tree();
	g_autofree char *path = fixture_path(fixture, "at-offset");
	g_autofree char *plain = fixture_path(fixture, "plain");
	g_autofree char *output = NULL;

	close(write_image(fixture, tree, "at-offset", 1024 * 1024));
	close(write_image(fixture, tree, "plain", 0));
	output = run_command(0, "tail -c +1048577 '%s' | cmp - '%s'", path, plain);
}

static void
test_real_tree(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = tree_from_environment();
	g_autofree char *path = fixture_path(fixture, "real.erofs");
	g_autofree char *out = fixture_path(fixture, "out");
	g_autofree char *output = NULL;
	g_autoptr(GTimer) timer = g_timer_new();
	ash_autofd int fd = write_image(fixture, tree, "real.erofs", 0);
	double seconds = g_timer_elapsed(timer, NULL);

	g_test_message("%.1f MiB in %.2f s", (double) lseek(fd, 0, SEEK_END) / 1048576, seconds);
	if (!have_program("fsck.erofs"))
		return;
	output = run_command(0, "fsck.erofs --extract='%s' '%s'", out, path);
	compare_node(tree->root, out);
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) long_name = tree_new();
	g_autoptr(AshFsTree) namespace = tree_new();
	g_autoptr(AshFsTree) device = tree_new();
	g_autofree char *name = g_strnfill(256, 'n');
	g_autoptr(GError) error = NULL;

	tree_file(long_name->root, name, "x");
	ash_fs_tree_finish(long_name);
	g_assert_null(ash_erofs_new(fixture->ctx, long_name, &options, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	ash_fs_node_add_xattr(tree_file(namespace->root, "f", "x"), "btrfs.compression", "x", 1);
	ash_fs_tree_finish(namespace);
	g_assert_null(ash_erofs_new(fixture->ctx, namespace, &options, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "\"/f\""));
	g_clear_error(&error);
	ash_fs_node_new(device->root, "door", 0150000 | 0666);
	ash_fs_tree_finish(device);
	g_assert_null(ash_erofs_new(fixture->ctx, device, &options, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

/* A content that is not what the tree says must not end up in an image. */
static void
test_short_content(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = tree_new();
	g_autofree char *path = fixture_path(fixture, "content");
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = fixture_create(fixture, "image", 0);
	AshFsNode *node = tree_file(tree->root, "f", path);
	g_autoptr(AshErofs) erofs = NULL;

	close(fixture_create(fixture, "content", 10));
	node->size = 11;
	ash_fs_tree_finish(tree);
	erofs = ash_erofs_new(fixture->ctx, tree, &options, &error);
	g_assert_no_error(error);
	g_assert_false(ash_erofs_write(fixture->ctx, erofs, fd, 0, NULL, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

#define ADD(name, func)                                                                            \
	g_test_add("/disk/erofs/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("fsck", test_fsck);
	ADD("extract", test_extract);
	ADD("same-bytes", test_same_bytes);
	ADD("at-offset", test_at_offset);
	ADD("real-tree", test_real_tree);
	ADD("refusals", test_refusals);
	ADD("short-content", test_short_content);
	return g_test_run();
}
