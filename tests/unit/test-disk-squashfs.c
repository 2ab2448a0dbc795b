/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/squashfs/squashfs.h"
#include "test-disk-read.h"
#include "test-disk-trees.h"

static const AshRootCompression compressions[] = {
	ASH_ROOT_COMPRESSION_NONE, ASH_ROOT_COMPRESSION_LZ4HC, ASH_ROOT_COMPRESSION_ZSTD, ASH_ROOT_COMPRESSION_GZIP, ASH_ROOT_COMPRESSION_XZ,
};

static char *
write_image(Fixture *fixture, AshFsTree *tree, AshRootCompression compression, int jobs)
{
	g_autofree char *path = g_strdup_printf("%s/image-%d-%d", fixture->dir, compression, jobs);
	const AshRootFile root = { .tree = tree, .path = path, .options = { .epoch = TEST_EPOCH, .compression = compression } };
	g_autoptr(GError) error = NULL;

	fixture->ctx->jobs = jobs;
	ash_squashfs_make(fixture->ctx, &root, NULL, &error);
	g_assert_no_error(error);
	return g_steal_pointer(&path);
}

static AshFsTree *
make_small_tree(void)
{
	AshFsTree *tree = tree_new();
	AshFsNode *dir = tree_dir(tree->root, "dir"), *node;
	g_autofree char *large = g_strnfill(300001, 'l');

	tree->root->mode = S_IFDIR | 0711;
	tree_file(dir, "empty", "");
	tree_file(dir, "large", large);
	tree_file(dir, "sparse", "@3000000");
	node = tree_file(dir, "linked", "two names");
	node->uid = 70000;
	node->mode = S_IFREG | 04750;
	tree_hardlink(dir, "linked-too", node);
	tree_link(dir, "link", "../run");
	node = ash_fs_node_new(dir, "null", S_IFCHR | 0666);
	node->rdev = makedev(1, 3);
	node->gid = 5;
	node = tree_dir(dir, "labelled");
	ash_fs_node_add_xattr(node, "security.selinux", "system_u:object_r:usr_t:s0", 27);
	ash_fs_node_add_xattr(node, "user.text", "hello", 5);
	ash_fs_tree_finish(tree);
	return tree;
}

/* Another's reader: names, modes, owners, times. Sizes of directories are its own affair. */
static void
test_listing(Fixture *fixture, gconstpointer data)
{
	static const char expected[] =
		"drwx--x--x 0/0 SIZE 2023-11-14 22:13 \n"
		"drwxr-xr-x 0/0 SIZE 2023-11-14 22:13 /dir\n"
		"-rw-r--r-- 0/0 0 2023-11-14 22:13 /dir/empty\n"
		"drwxr-xr-x 0/0 SIZE 2023-11-14 22:13 /dir/labelled\n"
		"-rw-r--r-- 0/0 300001 2023-11-14 22:13 /dir/large\n"
		"lrwxrwxrwx 0/0 6 2023-11-14 22:13 /dir/link -> ../run\n"
		"-rwsr-x--- 70000/0 9 2023-11-14 22:13 /dir/linked\n"
		"-rwsr-x--- 70000/0 9 2023-11-14 22:13 /dir/linked-too\n"
		"crw-rw-rw- 0/5 1,3 1970-01-01 00:00 /dir/null\n"
		"-rw-r--r-- 0/0 3000000 2023-11-14 22:13 /dir/sparse\n";
	g_autoptr(AshFsTree) tree = make_small_tree();

	if (!have_program("unsquashfs"))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(compressions); i++) {
		g_autofree char *path = write_image(fixture, tree, compressions[i], 2);
		g_autofree char *listing = run_command(0,
						       "unsquashfs -UTC -lln -d '' '%s' | sed -E 's/, +/,/; s/ +/ /g; "
						       "/^d/s/^([^ ]+ [^ ]+) [0-9]+/\\1 SIZE/'",
						       path);

		g_assert_cmpstr(listing, ==, expected);
	}
}

static void
compare_content(const char *dir, const AshFsTree *tree, const AshFsNode *node)
{
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autofree char *found_path = g_build_filename(dir, path, NULL);
	g_autofree char *found = NULL;
	g_autofree char *expected = g_malloc0(node->size + 1);
	ash_autofd int fd = node->size > 0 ? ash_fs_tree_open(tree, node, NULL) : -1;
	gsize length = 0;

	g_assert_true(node->size == 0 || ash_fd_read_exact(fd, expected, node->size, 0, NULL));
	g_assert_true(g_file_get_contents(found_path, &found, &length, NULL));
	g_assert_cmpmem(found, length, expected, node->size);
}

static gboolean
check_extracted(AshFsNode *node, gpointer dir, GError **error)
{
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autofree char *found = g_build_filename(dir, path, NULL);
	struct stat st;

	if (node->hardlink != NULL || !S_ISREG(node->mode))
		return TRUE;
	g_assert_cmpint(lstat(found, &st), ==, 0);
	g_assert_cmpuint(st.st_nlink, ==, node->nlink);
	g_assert_cmpint(st.st_mtime, ==, node->mtime);
	return TRUE;
}

static void
test_contents(Fixture *fixture, gconstpointer data)
{
	static const char *const paths[] = { "dir/large", "dir/sparse", "dir/linked", "dir/empty" };
	g_autoptr(AshFsTree) tree = make_small_tree();
	g_autofree char *out = fixture_path(fixture, "out");

	if (!have_program("unsquashfs"))
		return;
	/* Nobody but root may make devices. */
	g_ptr_array_remove_index(ash_fs_tree_lookup(tree, "dir")->children, 6);
	for (guint i = 0; i < G_N_ELEMENTS(compressions); i++) {
		g_autofree char *path = write_image(fixture, tree, compressions[i], 2);

		g_free(run_command(0, "rm -rf '%s'; unsquashfs -no-xattrs -quiet -no-progress -d '%s' '%s'", out, out, path));
		ash_fs_tree_walk(tree, check_extracted, out, NULL);
		for (guint j = 0; j < G_N_ELEMENTS(paths); j++)
			compare_content(out, tree, ash_fs_tree_lookup(tree, paths[j]));
	}
}

static gboolean
drop_acls(AshFsNode *node, gpointer user_data, GError **error)
{
	for (guint i = node->xattrs != NULL ? node->xattrs->len : 0; i > 0; i--)
		if (g_str_has_prefix(g_array_index(node->xattrs, AshFsXattr, i - 1).name, "system."))
			g_array_remove_index(node->xattrs, i - 1);
	return TRUE;
}

/* A thousand odd entries; what they are, kernels tell in tests/vm/test-mount.sh. */
static AshFsTree *
make_large_tree(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(3);
	g_autoptr(GPtrArray) items = make_items(rand, 1000);
	AshFsTree *tree = make_tree(items);

	ash_fs_tree_walk(tree, drop_acls, NULL, NULL);
	return tree;
}

/* Threads and time make no difference. */
static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_large_tree();
	g_autofree char *first = write_image(fixture, tree, ASH_ROOT_COMPRESSION_ZSTD, 1);

	g_usleep(1100 * 1000);
	for (int jobs = 2; jobs < 6; jobs++) {
		g_autofree char *other = write_image(fixture, tree, ASH_ROOT_COMPRESSION_ZSTD, jobs);

		g_free(run_command(0, "cmp '%s' '%s'", first, other));
	}
	g_free(run_command(0, "test $(($(stat -c %%s '%s') %% 4096)) = 0", first));
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_small_tree();
	g_autofree char *path = fixture_path(fixture, "image");
	const AshRootFile root = { .tree = tree, .path = path, .options = { .epoch = TEST_EPOCH, .compression = ASH_ROOT_COMPRESSION_GZIP } };
	g_autoptr(GError) error = NULL;

	ash_fs_node_add_xattr(ash_fs_tree_lookup(tree, "dir/labelled"), "system.posix_acl_access", "x", 1);
	g_assert_false(ash_squashfs_make(fixture->ctx, &root, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "\"/dir/labelled\": squashfs has no place for the attribute \"system.posix_acl_access\""));
}

/* In the middle of a file, as in a partition. */
static int
write_disk(Fixture *fixture, AshFsTree *tree, AshRootCompression compression, guint64 *ret_bytes)
{
	g_autofree char *path = write_image(fixture, tree, compression, 2);
	g_autoptr(GError) error = NULL;
	g_autofree char *content = NULL;
	gsize length = 0;
	int fd = fixture_create(fixture, "disk", 0);

	g_file_get_contents(path, &content, &length, &error);
	g_assert_no_error(error);
	g_assert_true(ash_fd_write_all(fd, content, length, 8192, NULL));
	*ret_bytes = length;
	return fd;
}

static void
test_reader(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_large_tree();
	AshFsNode *capable = ash_fs_node_new(tree->root, "capable", S_IFREG | 0755);
	g_autoptr(GError) error = NULL;

	capable->size = 100;
	capable->content = g_strdup("7:100");
	ash_fs_node_add_xattr(capable, "security.capability", "as it is", 8);
	ash_fs_tree_finish(tree);
	for (guint i = 0; i < G_N_ELEMENTS(compressions); i++) {
		guint64 bytes = 0;
		ash_autofd int fd = write_disk(fixture, tree, compressions[i], &bytes);
		g_autoptr(AshFsTree) found = ash_image_load_filesystem(fd, 8192, bytes, &error);

		g_assert_no_error(error);
		compare_trees(tree, found);
		g_assert_cmpuint(ash_fs_node_get_xattr(ash_fs_tree_lookup(found, "capable"), "security.capability")->length, ==, 8);
	}
}

static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_small_tree();
	guint64 bytes = 0;
	ash_autofd int fd = write_disk(fixture, tree, ASH_ROOT_COMPRESSION_GZIP, &bytes);

	damage_and_read(fd, 8192, bytes);
}

#define ADD(name, func) g_test_add("/disk/squashfs/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("listing", test_listing);
	ADD("contents", test_contents);
	ADD("same-bytes", test_same_bytes);
	ADD("reader", test_reader);
	ADD("damaged", test_damaged);
	ADD("refusals", test_refusals);
	return g_test_run();
}
