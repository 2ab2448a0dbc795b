/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "base/shared.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* A directory with "a" (content with a hole, an attribute, an odd time), marked if the file system can. */

typedef struct {
	char *dir;
	int fd;
	bool able;
} Fixture;

#define HOLE_END (1024 * 1024)

static void
setup(Fixture *fixture, gconstpointer data)
{
	struct timespec times[2] = { { 1000000001, 123456789 }, { 1000000002, 987654321 } };

	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	fixture->fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL);
	int fd = openat(fixture->fd, "a", O_RDWR | O_CREAT | O_EXCL, 0600);
	g_assert_cmpint(pwrite(fd, "begin", 5, 0), ==, 5);
	g_assert_cmpint(pwrite(fd, "end", 3, HOLE_END), ==, 3);
	g_assert_cmpint(fchmod(fd, 0754), ==, 0);
	fixture->able = fsetxattr(fd, "user.other", "value", 5, 0) == 0;
	if (fixture->able)
		g_assert_cmpint(fsetxattr(fd, ASH_SHARED_OBJECT_XATTR, "meta", 4, 0), ==, 0);
	g_assert_cmpint(futimens(fd, times), ==, 0);
	if (fixture->able)
		g_assert_true(ash_shared_mark(fd, NULL));
	close(fd);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	close(fixture->fd);
	g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL));
	g_free(fixture->dir);
}

static struct stat
look(Fixture *fixture, const char *name)
{
	struct stat info;

	g_assert_cmpint(fstatat(fixture->fd, name, &info, AT_SYMLINK_NOFOLLOW), ==, 0);
	return info;
}

static bool
has_xattr(Fixture *fixture, const char *name, const char *attribute)
{
	g_autofree char *path = g_build_filename(fixture->dir, name, NULL);

	return lgetxattr(path, attribute, NULL, 0) >= 0;
}

static void
assert_copy(Fixture *fixture, const char *name)
{
	struct stat a = look(fixture, "a"), b = look(fixture, name);
	gsize a_length, b_length;
	g_autofree char *a_data = ash_file_load(fixture->fd, "a", 0, &a_length, NULL);
	g_autofree char *b_data = ash_file_load(fixture->fd, name, 0, &b_length, NULL);

	g_assert_cmpmem(a_data, a_length, b_data, b_length);
	g_assert_cmpuint(a.st_ino, !=, b.st_ino);
	g_assert_cmpuint(a.st_mode, ==, b.st_mode);
	g_assert_cmpuint(a.st_uid, ==, b.st_uid);
	g_assert_cmpint(a.st_mtim.tv_sec, ==, b.st_mtim.tv_sec);
	g_assert_cmpint(a.st_mtim.tv_nsec, ==, b.st_mtim.tv_nsec);
	g_assert_cmpint(b.st_blocks, <=, a.st_blocks);
	g_assert_cmpint(b.st_nlink, ==, 1);
	g_assert_false(ash_shared_is_marked(fixture->fd, name));
	g_assert_false(has_xattr(fixture, name, ASH_SHARED_OBJECT_XATTR));
	g_assert_true(has_xattr(fixture, name, "user.other") == fixture->able);
}

static void
assert_count(Fixture *fixture, guint expected)
{
	g_autoptr(GDir) dir = g_dir_open(fixture->dir, 0, NULL);
	guint count = 0;

	while (g_dir_read_name(dir) != NULL)
		count++;
	g_assert_cmpuint(count, ==, expected);
}

static void
test_clone(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_shared_clone(fixture->fd, "a", fixture->fd, "copy", false, &error));
	g_assert_no_error(error);
	assert_copy(fixture, "copy");
	g_assert_true(ash_shared_clone(fixture->fd, "a", fixture->fd, "b", true, &error));
	g_assert_no_error(error);
	g_assert_true((look(fixture, "a").st_ino == look(fixture, "b").st_ino) == fixture->able);
	/* What has no mark is never linked. */
	g_assert_true(ash_shared_clone(fixture->fd, "copy", fixture->fd, "c", true, &error));
	assert_copy(fixture, "c");
	g_assert_false(ash_shared_clone(fixture->fd, "a", fixture->fd, "copy", false, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	g_assert_cmpint(symlinkat("a", fixture->fd, "link"), ==, 0);
	g_assert_false(ash_shared_clone(fixture->fd, "link", fixture->fd, "d", true, &error));
	assert_count(fixture, 5);
}

static void
test_break(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!fixture->able) {
		g_test_skip("the file system has no user attributes");
		return;
	}
	struct stat before = look(fixture, "a"), directory, after;
	g_assert_cmpint(linkat(fixture->fd, "a", fixture->fd, "b", 0), ==, 0);
	g_assert_cmpint(fstat(fixture->fd, &directory), ==, 0);
	g_assert_true(ash_shared_break(fixture->fd, "b", &error));
	g_assert_no_error(error);
	assert_copy(fixture, "b");
	g_assert_cmpuint(look(fixture, "a").st_ino, ==, before.st_ino);
	g_assert_true(ash_shared_is_marked(fixture->fd, "a"));
	g_assert_cmpint(fstat(fixture->fd, &after), ==, 0);
	g_assert_cmpint(memcmp(&directory.st_mtim, &after.st_mtim, sizeof after.st_mtim), ==, 0);
	/* Nothing to do: no mark, no file, a link, a directory. */
	guint64 inode = look(fixture, "b").st_ino;
	g_assert_cmpint(symlinkat("a", fixture->fd, "link"), ==, 0);
	g_assert_cmpint(mkdirat(fixture->fd, "dir", 0755), ==, 0);
	g_assert_true(ash_shared_break(fixture->fd, "b", &error));
	g_assert_true(ash_shared_break(fixture->fd, "missing", &error));
	g_assert_true(ash_shared_break(fixture->fd, "link", &error));
	g_assert_true(ash_shared_break(fixture->fd, "dir", &error));
	g_assert_cmpuint(look(fixture, "b").st_ino, ==, inode);
	g_assert_cmpuint(look(fixture, "a").st_ino, ==, before.st_ino);
	assert_count(fixture, 4);
	/* Its only name keeps the inode. */
	g_assert_true(ash_shared_break(fixture->fd, "a", &error));
	g_assert_cmpuint(look(fixture, "a").st_ino, ==, before.st_ino);
	g_assert_false(ash_shared_is_marked(fixture->fd, "a"));
	g_assert_false(has_xattr(fixture, "a", ASH_SHARED_OBJECT_XATTR));
	assert_count(fixture, 4);
}

static void
test_plain(void)
{
	static const struct {
		mode_t mode;
		uid_t owner;
		bool plain;
	} cases[] = {
		{ S_IFREG | 0644, 0, true },   { S_IFREG | 0755, 0, true },   { S_IFREG | 0400, 0, true },
		{ S_IFREG | 0775, 0, true },   { S_IFREG | 0666, 0, false },  { S_IFREG | 0200, 0, false },
		{ S_IFREG | 04755, 0, false }, { S_IFREG | 02755, 0, false }, { S_IFREG | 01644, 0, false },
		{ S_IFREG | 0644, 1, false },  { S_IFDIR | 0755, 0, false },  { S_IFLNK | 0777, 0, false },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct stat info = { .st_mode = cases[i].mode, .st_uid = cases[i].owner };
		g_assert_true(ash_shared_is_plain(&info) == cases[i].plain);
	}
	struct stat grouped = { .st_mode = S_IFREG | 0644, .st_gid = 5 };
	g_assert_false(ash_shared_is_plain(&grouped));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/shared/plain", test_plain);
	g_test_add("/base/shared/clone", Fixture, NULL, setup, test_clone, teardown);
	g_test_add("/base/shared/break", Fixture, NULL, setup, test_break, teardown);
	return g_test_run();
}
