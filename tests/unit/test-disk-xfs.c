/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/size.h"
#include "disk/filesystem/filesystem.h"
#include "test-disk-read.h"

#include <sys/sysmacros.h>

#define OFFSET ((guint64) ASH_MIB)
#define BYTES  ((guint64) 300 * ASH_MIB)

static const char label[] = "system_u:object_r:user_home_t:s0";

static int
write_image(Fixture *fixture, const AshFsTree *tree, const char *name)
{
	const AshFilesystemOptions options = {
		.uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
		.label = "twelve-bytes-and-more",
		.epoch = TEST_EPOCH,
		.scratch_dir = fixture->dir,
	};
	int fd = fixture_create(fixture, name, OFFSET + BYTES);
	g_autoptr(GError) error = NULL;

	ash_filesystem_write(fixture->ctx, ASH_FS_XFS, tree, &options, fd, OFFSET, BYTES, &error);
	g_assert_no_error(error);
	return fd;
}

/* Directories and files of every shape that an inode can have, with labels and without. */
static AshFsTree *
make_home(void)
{
	AshFsTree *tree = tree_new();
	AshFsNode *home = tree_dir(tree->root, "user"), *many = tree_dir(tree->root, "many"), *node;
	g_autofree char *large = g_strnfill(3000001, 'l'), *target = g_strnfill(300, 't');

	tree->root->mode = S_IFDIR | 01777;
	ash_fs_node_add_xattr(tree->root, "security.selinux", label, sizeof(label));
	home->uid = 70000;
	home->gid = 3000000000u;
	tree_file(home, "empty", "");
	node = tree_file(home, "large", large);
	node->mode = S_IFREG | 06755;
	ash_fs_node_add_xattr(node, "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	ash_fs_node_add_xattr(node, "user.text", "hello", 5);
	tree_file(home, "sparse", "@50000001");
	ash_fs_node_add_xattr(tree_link(home, "link", "../many"), "security.selinux", label, sizeof(label));
	tree_link(home, "long-link", target);
	node = ash_fs_node_new(home, "null", S_IFCHR | 0666);
	node->rdev = makedev(1, 300);
	ash_fs_node_add_xattr(node, "security.selinux", label, sizeof(label));
	ash_fs_node_new(home, "fifo", S_IFIFO | 0600)->mtime = (gint64) 1 << 33;
	for (guint i = 0; i < 700; i++) {
		g_autofree char *name = g_strdup_printf("entry-%u", i);

		ash_fs_node_add_xattr(i % 7 == 0 ? tree_dir(many, name) : tree_file(many, name, i % 2 == 0 ? "" : "x"), "security.selinux", label,
				      sizeof(label));
	}
	ash_fs_tree_finish(tree);
	return tree;
}

static void
cut_out(Fixture *fixture, const char *name)
{
	g_free(run_command(0, "cd '%s' && dd if='%s' of=part bs=1M skip=1 conv=sparse status=none && truncate -s 300M part", fixture->dir, name));
}

static void
check_inode(Fixture *fixture, const char *path, const char *expected)
{
	g_autofree char *output = run_command(0, "cd '%s' && xfs_db -r -c 'path %s' -c print part", fixture->dir, path);

	if (strstr(output, expected) == NULL)
		g_error("%s: no \"%s\" in %s", path, expected, output);
}

static void
test_repair(Fixture *fixture, gconstpointer data)
{
	static const char *const details[][2] = {
		{ "/", "core.mode = 041777" },
		{ "/", "a.sfattr.list[0].secure = 1" },
		{ "/", "a.sfattr.list[0].name = \"selinux\"" },
		{ "/", "core.mtime.sec = Tue Nov 14 22:13:13 2023" },
		{ "/user", "core.uid = 70000" },
		{ "/user", "core.gid = 3000000000" },
		{ "/user", "v3.crtime.sec = Tue Nov 14 22:13:20 2023" },
		{ "/user/large", "core.mode = 0106755" },
		{ "/user/large", "core.size = 3000001" },
		{ "/user/large", "a.sfattr.list[1].value = \"hello\"" },
		{ "/user/link", "u3.symlink = \"../many\"" },
		{ "/user/link", "a.sfattr.list[0].name = \"selinux\"" },
		{ "/user/null", "a.sfattr.list[0].name = \"selinux\"" },
		{ "/user/fifo", "core.mode = 010600" },
		{ "/many/entry-699", "a.sfattr.list[0].name = \"selinux\"" },
	};
	g_autoptr(AshFsTree) tree = make_home();

	if (!have_program("mkfs.xfs") || !have_program("xfs_repair") || !have_program("xfs_db"))
		return;
	close(write_image(fixture, tree, "disk"));
	cut_out(fixture, "disk");
	g_free(run_command(0, "cd '%s' && xfs_repair -n -f part", fixture->dir));
	for (guint i = 0; i < G_N_ELEMENTS(details); i++)
		check_inode(fixture, details[i][0], details[i][1]);
	g_free(run_command(0, "cd '%s' && blkid -p part | grep 'LABEL=\"twelve-bytes\" UUID=\"01020304-0506-0708-090a-0b0c0d0e0f10\"'", fixture->dir));
}

static void
test_empty(Fixture *fixture, gconstpointer data)
{
	if (!have_program("mkfs.xfs") || !have_program("xfs_repair"))
		return;
	close(write_image(fixture, NULL, "disk"));
	cut_out(fixture, "disk");
	g_free(run_command(0, "cd '%s' && xfs_repair -n -f part && ! ls -d .xfs-*", fixture->dir));
}

static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_home();
	ash_autofd int one = -1, two = -1;

	if (!have_program("mkfs.xfs"))
		return;
	one = write_image(fixture, tree, "one");
	g_usleep(1100 * 1000);
	two = write_image(fixture, tree, "two");
	g_autofree char *first = digest_of(one), *second = digest_of(two);
	g_assert_cmpstr(first, ==, second);
}

static AshFsTree *
read_image(int fd)
{
	g_autoptr(GError) error = NULL;
	AshFsTree *tree = ash_image_load_filesystem(fd, OFFSET, BYTES, &error);

	g_assert_no_error(error);
	g_assert_nonnull(tree);
	return tree;
}

/* A directory whose blocks lie among those of its files is in more pieces than an inode has room for. */
static void
test_reader(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) home = make_home(), pieces = tree_new();

	if (!have_program("mkfs.xfs"))
		return;
	for (guint i = 0; i < 2000; i++) {
		g_autofree char *name = g_strdup_printf("%0200u", i);
		tree_file(pieces->root, name, "some");
	}
	ash_fs_tree_finish(pieces);
	ash_autofd int home_fd = write_image(fixture, home, "home"), pieces_fd = write_image(fixture, pieces, "pieces");
	g_autoptr(AshFsTree) found_home = read_image(home_fd), found_pieces = read_image(pieces_fd);
	const AshFsXattr *capability = ash_fs_node_get_xattr(ash_fs_tree_lookup(found_home, "user/large"), "security.capability");
	compare_trees(home, found_home);
	compare_trees(pieces, found_pieces);
	g_assert_cmpuint(found_pieces->root->children->len, ==, 2000);
	g_assert_cmpmem(capability->value, capability->length, "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
}

static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_home();
	ash_autofd int fd = -1;

	if (!have_program("mkfs.xfs"))
		return;
	/* Time enough for the rest without it. */
	g_free(ash_fs_tree_lookup(tree, "user/sparse")->content);
	ash_fs_tree_lookup(tree, "user/sparse")->content = NULL;
	ash_fs_tree_lookup(tree, "user/sparse")->size = 0;
	fd = write_image(fixture, tree, "disk");
	damage_and_read(fd, OFFSET, BYTES);
}

static void
check_refusal(AshFsTree *tree, const char *expected)
{
	g_autoptr(GError) error = NULL;

	ash_fs_tree_finish(tree);
	g_assert_false(ash_filesystem_check(ASH_FS_XFS, tree, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	if (strstr(error->message, expected) == NULL)
		g_error("no \"%s\" in \"%s\"", expected, error->message);
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) links = tree_new(), blank = tree_new(), acl = tree_new(), far = tree_new(), large = tree_new();
	g_autofree char *value = g_strnfill(255, 'v'), *target = g_strnfill(337, 't');
	ash_autofd int fd = fixture_create(fixture, "disk", BYTES);
	const AshFilesystemOptions options = { .label = "", .epoch = TEST_EPOCH, .scratch_dir = fixture->dir };
	g_autoptr(GError) error = NULL;

	if (!have_program("mkfs.xfs"))
		return;
	tree_hardlink(links->root, "b", tree_file(links->root, "a", "x"));
	check_refusal(links, "\"/b\" is another name of a file (a hard link), which mkfs.xfs cannot be told of: take \"ext4\"");
	tree_file(blank->root, "a b", "");
	check_refusal(blank, "\"/a b\" has white space");
	tree_link(far->root, "a", target);
	check_refusal(far, "\"/a\" is a link with a long target");
	ash_fs_node_add_xattr(tree_file(acl->root, "a", ""), "system.posix_acl_access", "x", 1);
	check_refusal(acl, "\"/a\" has an access control list");
	ash_fs_node_add_xattr(tree_file(large->root, "a", ""), "user.a", value, 255);
	ash_fs_node_add_xattr(large->root->children->pdata[0], "user.b", value, 255);
	ash_fs_tree_finish(large);
	g_assert_false(ash_filesystem_write(fixture->ctx, ASH_FS_XFS, large, &options, fd, 0, BYTES, &error));
	g_assert_nonnull(strstr(error->message, "\"/a\": its attributes do not fit into an inode"));
	g_clear_error(&error);
	g_assert_false(ash_filesystem_write(fixture->ctx, ASH_FS_XFS, NULL, &options, fd, 0, 100 * ASH_MIB, &error));
	g_assert_nonnull(strstr(error->message, "a file system \"xfs\" needs at least 300 MiB"));
}

#define ADD(name, func) g_test_add("/disk/xfs/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("repair", test_repair);
	ADD("empty", test_empty);
	ADD("same-bytes", test_same_bytes);
	ADD("reader", test_reader);
	ADD("damaged", test_damaged);
	ADD("refusals", test_refusals);
	return g_test_run();
}
