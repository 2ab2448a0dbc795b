/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/ext4/ext4.h"
#include "test-disk-common.h"

#include <sys/sysmacros.h>

#define MIB ((guint64) 1024 * 1024)

static const AshExt4Options options = {
    .uuid = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    .hash_seed = {{16}},
    .label = "sixteen-bytes-xx",
    .epoch = TEST_EPOCH,
};

static int
write_image(Fixture *fixture, const AshFsTree *tree, const char *name, guint64 offset,
	    guint64 bytes)
{
	g_autoptr(GError) error = NULL;
	int fd = fixture_create(fixture, name, offset + bytes + MIB);

	ash_ext4_write(fixture->ctx, tree, &options, fd, offset, bytes, &error);
	g_assert_no_error(error);
	return fd;
}

/* As getxattr(2) has it (acl(5)): user::rw-, user:1000:r--, group::r--, mask::r--, other::---. */
static const guint8 acl[] = {
	2, 0, 0, 0, 1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 4, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
	0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
};

static AshFsTree *
make_tree(void)
{
	AshFsTree *tree = tree_new();
	AshFsNode *lib = tree_dir(tree->root, "lib");
	AshFsNode *many = tree_dir(lib, "many");
	g_autofree char *long_name = g_strnfill(255, 'n');
	g_autofree char *long_target = g_strnfill(4000, 't');
	g_autofree char *large = g_strnfill(3000000, 'l');
	g_autoptr(GBytes) zeros = g_bytes_new_take(g_malloc0(8 * MIB), 8 * MIB);
	AshFsNode *node;

	ash_fs_node_set_bytes(tree_file(lib, "holes", ""), zeros);
	tree->root->mode = S_IFDIR | 0711;
	for (guint i = 0; i < 3000; i++) {
		g_autofree char *name = g_strdup_printf("an-entry-with-a-name-%u", i);

		if (i % 3 == 0)
			tree_dir(many, name);
		else
			tree_file(many, name, i % 3 == 1 ? "" : "x");
	}
	tree_file(lib, "large", large);
	node = tree_file(lib, long_name, "long");
	node->uid = 70000;
	node->gid = 3000000000u;
	node->mode = S_IFREG | 04750;
	tree_link(lib, "short-link", "../run");
	tree_link(lib, "long-link", long_target);
	node = tree_file(lib, "linked", "two names");
	tree_hardlink(lib, "again", node);
	node = tree_file(lib, "future", "f");
	node->mtime = ((gint64) 1 << 32) + 5;
	node = tree_dir(lib, "attributes");
	node->mode = S_IFDIR | 02755;
	ash_fs_node_add_xattr(node, "security.selinux", "system_u:object_r:var_t:s0", 27);
	ash_fs_node_add_xattr(node, "user.text", "hello", 5);
	ash_fs_node_add_xattr(tree_file(lib, "acl", "x"), "system.posix_acl_access", acl, sizeof(acl));
	node = ash_fs_node_new(lib, "null", S_IFCHR | 0666);
	node->rdev = makedev(1, 3);
	node->gid = 5;
	node = ash_fs_node_new(lib, "partition", S_IFBLK | 0660);
	node->rdev = makedev(259, 70000);
	ash_fs_node_new(lib, "fifo", S_IFIFO | 0600);
	node = ash_fs_node_new(lib, "socket", S_IFSOCK | 0755);
	ash_fs_node_add_xattr(node, "security.selinux", "system_u:object_r:var_run_t:s0", 31);
	ash_fs_node_add_xattr(tree_dir(tree->root, "lost+found"), "user.text", "lost", 4);
	ash_fs_tree_finish(tree);
	return tree;
}

static char *
debugfs(Fixture *fixture, const char *request)
{
	return run_command(0, "debugfs -R '%s' '%s/part'", request, fixture->dir);
}

static void
check_details(Fixture *fixture)
{
	static const struct {
		const char *request, *expected;
	} details[] = {
	    {"stat /", "Mode:  0711"},
	    {"stat /lib/again", "Links: 2"},
	    {"stat /lib/future", "mtime: 0x00000005:00000001"},
	    {"stat /lib/attributes", "Mode:  02755"},
	    {"stat /lib/attributes", "user.text (5) = \"hello\""},
	    {"stat /lib/short-link", "Fast link dest: \"../run\""},
	    {"ea_list /lib/acl", "system.posix_acl_access (28) = 01 00 00 00 01 00 06 00 02 00 04 00 e8 03 00 00 04 00 04 00 10 00 04 00 20 00 00 00"},
	    {"stat /lib/null", "Type: character special    Mode:  0666"},
	    {"stat /lib/null", "Device major/minor number: 01:03"},
	    {"stat /lib/partition", "Type: block special    Mode:  0660"},
	    {"stat /lib/partition", "(New-style) Device major/minor number: 259:70000"},
	    {"stat /lib/fifo", "Type: FIFO"},
	    {"stat /lib/socket", "Type: socket"},
	    {"stat /lib/socket", "Links: 1"},
	    {"ea_list /lib/socket", "var_run_t"},
	    {"stat /lib/many", "Flags: 0x81000"},
	    {"htree_dump /lib/many", "Indirect levels: 0"},
	    {"stat /lib/many/an-entry-with-a-name-2999", "Size: 1"},
	    {"stat /lib/holes", "Size: 8388608"},
	    {"stat /lib/holes", "Blockcount: 0"},
	    {"stat /lost+found", "Mode:  0700"},
	    {"stat /lost+found", "user.text (4) = \"lost\""},
	    {"stat /lib/linked", "mtime: 0x6553f0fe"},
	    {"cat /lib/linked", "two names"},
	    {"stats -h", "Filesystem volume name:   sixteen-bytes-xx"},
	    {"stats -h", "Filesystem UUID:          01020304-0506-0708-090a-0b0c0d0e0f10"},
	    {"stats -h", "metadata_csum"},
	    {"stats -h", "has_journal"},
	};

	for (guint i = 0; i < G_N_ELEMENTS(details); i++) {
		g_autofree char *output = debugfs(fixture, details[i].request);

		if (strstr(output, details[i].expected) == NULL)
			g_error("%s: no \"%s\" in %s", details[i].request, details[i].expected,
				output);
	}
}

static void
test_fsck(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = make_tree();
	ash_autofd int fd = -1;

	if (!have_program("e2fsck") || !have_program("debugfs"))
		return;
	fd = write_image(fixture, tree, "disk", 3 * MIB, 128 * MIB);
	g_free(run_command(
	    0,
	    "cd '%s' && dd if=disk of=part bs=1M skip=3 count=128 conv=sparse status=none && "
	    "truncate -s 128M part && e2fsck -fn part",
	    fixture->dir));
	check_details(fixture);
	/* Nothing outside of it. */
	g_free(run_command(
	    0,
	    "cd '%s' && test -z \"$(head -c 3145728 disk | tr -d '\\0' | head -c 1)\" && "
	    "test -z \"$(tail -c 1048576 disk | tr -d '\\0' | head -c 1)\"",
	    fixture->dir));
}

/* Names enough for an index of two levels. */
static void
test_large_directories(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = tree_new();
	AshFsNode *many = tree_dir(tree->root, "many");
	g_autofree char *said = NULL;
	ash_autofd int fd = -1;

	if (!have_program("e2fsck") || !have_program("debugfs"))
		return;
	for (guint i = 0; i < 20000; i++) {
		g_autofree char *name = g_strdup_printf("%0*u", i % 2 == 0 ? 250 : 5, i);
		tree_file(many, name, "");
	}
	ash_fs_tree_finish(tree);
	fd = write_image(fixture, tree, "part", 0, 96 * MIB);
	g_free(run_command(0, "cd '%s' && truncate -s 96M part && e2fsck -fn part", fixture->dir));
	said = debugfs(fixture, "htree_dump /many");
	g_assert_nonnull(strstr(said, "Indirect levels: 1"));
	g_clear_pointer(&said, g_free);
	said = run_command(0, "debugfs -R 'ls -p /many' '%s/part' 2>/dev/null | grep -c '^/[0-9]*/100644/'", fixture->dir);
	g_assert_cmpint(atoi(said), ==, 20000);
}

/* As systemd-growfs will do at first boot. */
static void
test_grow(Fixture *fixture, gconstpointer data)
{
	ash_autofd int fd = -1;

	if (!have_program("resize2fs") || !have_program("e2fsck"))
		return;
	fd = write_image(fixture, NULL, "disk", 0, 32 * MIB);
	g_free(run_command(0,
			   "cd '%s' && truncate -s 32M disk && e2fsck -fn disk && truncate -s 3G "
			   "disk && resize2fs disk && "
			   "e2fsck -fn disk",
			   fixture->dir));
}

static void
test_sizes(Fixture *fixture, gconstpointer data)
{
	static const guint mibs[] = {16, 17, 64, 129, 500, 1024, 5000};

	if (!have_program("e2fsck"))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(mibs); i++) {
		close(write_image(fixture, NULL, "disk", 0, mibs[i] * MIB));
		g_free(run_command(0, "cd '%s' && truncate -s %uM disk && e2fsck -fn disk",
				   fixture->dir, mibs[i]));
	}
}

static void
test_same_bytes(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) one_tree = make_tree();
	g_autoptr(AshFsTree) two_tree = make_tree();
	ash_autofd int one = write_image(fixture, one_tree, "one", MIB, 64 * MIB);
	ash_autofd int two = -1;
	g_autofree char *first = digest_of(one);
	g_autofree char *second = NULL;

	g_usleep(1100 * 1000);
	two = write_image(fixture, two_tree, "two", MIB, 64 * MIB);
	second = digest_of(two);
	g_assert_cmpstr(first, ==, second);
}

static void
test_real_tree(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = tree_from_environment();
	guint64 bytes = (ash_ext4_estimate(tree) + MIB - 1) / MIB * MIB;
	ash_autofd int fd = -1;

	if (!have_program("e2fsck"))
		return;
	fd = write_image(fixture, tree, "disk", 0, bytes);
	g_free(run_command(0,
			   "cd '%s' && truncate -s %" G_GUINT64_FORMAT " disk && e2fsck -fn disk",
			   fixture->dir, bytes));
}

static void
test_refusals(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshFsTree) tree = tree_new();
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = fixture_create(fixture, "disk", 20 * MIB);

	tree_file(tree->root, "large", "@30000000");
	g_assert_false(ash_ext4_write(fixture->ctx, NULL, &options, fd, 0, 8 * MIB, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_free(((AshFsNode *) tree->root->children->pdata[0])->content);
	((AshFsNode *) tree->root->children->pdata[0])->content = g_strdup("/dev/urandom");
	ash_fs_tree_finish(tree);
	g_assert_false(ash_ext4_write(fixture->ctx, tree, &options, fd, 0, 20 * MIB, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "too small"));
}

#define ADD(name, func)                                                                            \
	g_test_add("/disk/ext4/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("fsck", test_fsck);
	ADD("large-directories", test_large_directories);
	ADD("grow", test_grow);
	ADD("sizes", test_sizes);
	ADD("same-bytes", test_same_bytes);
	ADD("real-tree", test_real_tree);
	ADD("refusals", test_refusals);
	return g_test_run();
}
