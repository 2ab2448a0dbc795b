/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/erofs/erofs.h"
#include "disk/erofs/format.h"
#include "disk/erofs/reader.h"
#include "test-disk-common.h"

#define OFFSET (1024 * 1024)

static const AshErofsOptions options = {
    .uuid = {{7}}, .label = "sixteen-bytes-xx", .epoch = TEST_EPOCH};

static AshFsTree *
make_tree(void)
{
	AshFsTree *tree = tree_new();
	AshFsNode *usr = tree_dir(tree->root, "usr");
	AshFsNode *lib = tree_dir(usr, "lib");
	AshFsNode *many = tree_dir(lib, "many");
	g_autofree char *target = g_strnfill(4000, 't');
	AshFsNode *node;

	tree_link(tree->root, "lib", "usr/lib");
	tree_link(tree->root, "etc", "/usr/lib/../lib");
	tree_link(tree->root, "loop", "loop");
	tree_link(tree->root, "out", "../../../lib/os-release");
	tree_link(tree->root, "long", target);
	node = tree_file(lib, "os-release", "ID=demo\n");
	node->uid = 70000;
	node->mode = S_IFREG | 04711;
	ash_fs_node_add_xattr(node, "security.selinux", "label", 6);
	ash_fs_node_add_xattr(node, "user.x", "y", 1);
	tree_hardlink(lib, "same", node);
	tree_file(lib, "large", "@5000000");
	for (guint i = 0; i < 2000; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);

		tree_file(many, name, name);
	}
	ash_fs_tree_finish(tree);
	return tree;
}

static int
write_image(Fixture *fixture, guint64 *ret_bytes)
{
	g_autoptr(AshFsTree) tree = make_tree();
	g_autoptr(GError) error = NULL;
	int fd = fixture_create(fixture, "image", 0);
	g_autoptr(AshErofs) erofs = ash_erofs_new(fixture->ctx, tree, &options, &error);

	g_assert_no_error(error);
	*ret_bytes = ash_erofs_get_bytes(erofs);
	ash_erofs_write(fixture->ctx, erofs, fd, OFFSET, NULL, NULL, &error);
	g_assert_no_error(error);
	return fd;
}

static void
check_text(AshErofsReader *reader, const char *path, const char *expected)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) bytes = ash_erofs_load(reader, path, 10000, &error);

	g_assert_no_error(error);
	g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), expected,
			strlen(expected));
}

static void
test_read(Fixture *fixture, gconstpointer data)
{
	guint64 bytes = 0;
	ash_autofd int fd = write_image(fixture, &bytes);
	g_autoptr(GError) error = NULL;
	g_autoptr(AshErofsReader) reader = ash_erofs_open(fd, OFFSET, bytes, &error);
	g_auto(GStrv) names = NULL;
	g_autofree char *target = NULL;
	g_autoptr(GBytes) label = NULL;
	AshErofsStat st;

	g_assert_no_error(error);
	g_assert_cmpstr(ash_erofs_get_info(reader)->label, ==, "sixteen-bytes-xx");
	g_assert_cmpuint(ash_erofs_get_info(reader)->bytes, ==, bytes);
	check_text(reader, "/usr/lib/os-release", "ID=demo\n");
	check_text(reader, "lib/same", "ID=demo\n");
	check_text(reader, "etc/os-release", "ID=demo\n");
	check_text(reader, "out", "ID=demo\n");
	check_text(reader, "usr/./lib/../lib/many/1999", "1999");
	g_assert_true(ash_erofs_stat(reader, "lib/os-release", true, &st, &error));
	g_assert_cmpuint(st.mode, ==, S_IFREG | 04711);
	g_assert_cmpuint(st.uid, ==, 70000);
	g_assert_cmpuint(st.nlink, ==, 2);
	g_assert_cmpint(st.mtime, ==, TEST_EPOCH - 2);
	names = ash_erofs_list(reader, "lib/many", &error);
	g_assert_cmpuint(g_strv_length(names), ==, 2000);
	target = ash_erofs_read_link(reader, "long", &error);
	g_assert_cmpuint(strlen(target), ==, 4000);
	label = ash_erofs_get_xattr(reader, "usr/lib/os-release", "security.selinux", &error);
	g_assert_cmpmem(g_bytes_get_data(label, NULL), g_bytes_get_size(label), "label", 6);
	g_assert_null(ash_erofs_get_xattr(reader, "usr/lib/os-release", "security.ima", &error));
	g_assert_no_error(error);
	g_assert_false(ash_erofs_has(reader, "loop"));
	g_assert_false(ash_erofs_has(reader, "usr/lib/os-release/x"));
	g_assert_null(ash_erofs_load(reader, "lib/large", 4999999, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_null(ash_erofs_open(fd, OFFSET, bytes - 4096, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

/* A file whose data is said to lie far behind the end: every way to it says so. */
static void
test_outside(Fixture *fixture, gconstpointer data)
{
	guint64 bytes = 0, at;
	ash_autofd int fd = write_image(fixture, &bytes);
	g_autoptr(GError) error = NULL;
	g_autoptr(AshErofsReader) reader = ash_erofs_open(fd, OFFSET, bytes, &error);
	const guint32 block = GUINT32_TO_LE(0xfffffff0);
	ErofsSuperblock sb;
	guint8 buffer[16];
	AshErofsStat st;

	g_assert_no_error(error);
	g_assert_true(ash_erofs_stat(reader, "usr/lib/large", true, &st, &error));
	g_assert_cmpint(pread(fd, &sb, sizeof(sb), OFFSET + EROFS_SUPER_OFFSET), ==, (gssize) sizeof(sb));
	/* The field is at the same place in both kinds of inodes. */
	at = OFFSET + (guint64) GUINT32_FROM_LE(sb.meta_block) * EROFS_BLOCK + st.nid * EROFS_SLOT + G_STRUCT_OFFSET(ErofsInodeExtended, block);
	g_assert_cmpint(pwrite(fd, &block, sizeof(block), (off_t) at), ==, sizeof(block));
	g_assert_false(ash_erofs_read_nid(reader, st.nid, 0, buffer, sizeof(buffer), &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_null(ash_erofs_load(reader, "usr/lib/large", st.size, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_false(ash_erofs_read_nid(reader, st.nid, st.size, buffer, 1, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
}

/* Images of the tool that everybody uses: plain ones are read, compressed files refused by name. */
static void
test_mkfs(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = fixture_path(fixture, "image");
	g_autoptr(GError) error = NULL;
	g_autoptr(AshErofsReader) plain = NULL;
	g_autoptr(AshErofsReader) packed = NULL;
	ash_autofd int plain_fd = -1;
	ash_autofd int packed_fd = -1;

	if (!have_program("mkfs.erofs"))
		return;
	g_free(run_command(0,
			   "cd '%s' && mkdir -p t/d && echo text > t/d/f && ln -s d/f t/l && seq "
			   "100000 > t/seq && "
			   "mkfs.erofs image t && mkfs.erofs -zlz4 packed t",
			   fixture->dir));
	plain_fd = open(path, O_RDONLY | O_CLOEXEC);
	plain = ash_erofs_open(plain_fd, 0, 100 << 20, &error);
	g_assert_no_error(error);
	check_text(plain, "l", "text\n");
	g_free(path);
	path = fixture_path(fixture, "packed");
	packed_fd = open(path, O_RDONLY | O_CLOEXEC);
	packed = ash_erofs_open(packed_fd, 0, 100 << 20, &error);
	g_assert_no_error(error);
	g_assert_null(ash_erofs_load(packed, "seq", 100 << 20, &error));
	g_assert_nonnull(strstr(error->message, "compressed"));
}

/* Scribbles over the metadata: any answer but a crash or a hang. */
static void
test_damage(Fixture *fixture, gconstpointer data)
{
	guint64 bytes = 0;
	ash_autofd int fd = write_image(fixture, &bytes);

	for (guint i = 0; i < 3000; i++) {
		guint64 at = OFFSET + (guint64) g_test_rand_int_range(i % 2 == 0 ? 1024 : 4096,
								      i % 2 == 0 ? 1152 : 8192);
		guint8 byte = (guint8) g_test_rand_int();
		guint8 old;
		g_autoptr(AshErofsReader) reader = NULL;

		g_assert_cmpint(pread(fd, &old, 1, (off_t) at), ==, 1);
		g_assert_cmpint(pwrite(fd, &byte, 1, (off_t) at), ==, 1);
		reader = ash_erofs_open(fd, OFFSET, bytes, NULL);
		if (reader != NULL) {
			(void) ash_erofs_has(reader, "etc/many/7");
			g_strfreev(ash_erofs_list(reader, "", NULL));
		}
		if (i % 2 == 0)
			g_assert_cmpint(pwrite(fd, &old, 1, (off_t) at), ==, 1);
	}
}

#define ADD(name, func)                                                                            \
	g_test_add("/disk/erofs-reader/" name, Fixture, NULL, fixture_set_up, func,                \
		   fixture_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("read", test_read);
	ADD("outside", test_outside);
	ADD("mkfs", test_mkfs);
	ADD("damage", test_damage);
	return g_test_run();
}
