/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/shared.h"
#include "store/commit.h"
#include "store/clone.h"
#include "store/inode.h"
#include "store/root.h"
#include "store/spare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define EPOCH 1700000000
#define REF "test/x86_64/base"
#define HOLE ((off_t) 4 << 20)

typedef struct {
	char *dir, *root, *clone, *store_dir;
	int root_fd, clone_fd;
	AshContext *ctx;
	AshStore *store;
} Fixture;

static void
write_file(int root_fd, const char *path, const char *content, mode_t mode)
{
	GError *error = NULL;

	ash_file_save(root_fd, path, content, -1, mode, &error);
	g_assert_no_error(error);
}

static void
set_mtime(int root_fd, const char *path, gint64 mtime)
{
	struct timespec times[2] = { { .tv_sec = mtime, .tv_nsec = 7 }, { .tv_sec = mtime, .tv_nsec = 123456789 } };

	g_assert_cmpint(utimensat(root_fd, path, times, AT_SYMLINK_NOFOLLOW), ==, 0);
}

static void
set_xattr(int root_fd, const char *path, const char *name, const char *value)
{
	ash_autofd int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);

	g_assert_cmpint(fsetxattr(fd, name, value, strlen(value), 0), ==, 0);
}

/* All that can be in a root. */
static void
make_root(int fd)
{
	ash_autofd int sparse = -1;

	for (guint i = 0; i < 40; i++) {
		g_autofree char *dir = g_strdup_printf("dir%u", i), *file = g_strdup_printf("dir%u/file", i);
		g_assert_cmpint(mkdirat(fd, dir, 0755), ==, 0);
		write_file(fd, file, file, 0644);
		set_mtime(fd, file, 1600000000 + i);
	}
	write_file(fd, "dir0/tool", "#!/bin/sh\n", 04755);
	g_assert_cmpint(linkat(fd, "dir0/tool", fd, "dir30/alias", 0), ==, 0);
	g_assert_cmpint(linkat(fd, "dir0/tool", fd, "dir31/alias", 0), ==, 0);
	write_file(fd, "dir1/attributes", "x", 0600);
	set_xattr(fd, "dir1/attributes", "user.pax.flags", "em");
	set_xattr(fd, "dir1", "user.of.directory", "value");
	write_file(fd, "dir1/empty", "", 0444);
	write_file(fd, "dir1/all", "for all", 0666);
	g_assert_cmpint(symlinkat("../nowhere", fd, "dir2/link"), ==, 0);
	set_mtime(fd, "dir2/link", 1400000000);
	g_assert_cmpint(mkfifoat(fd, "dir2/fifo", 0620), ==, 0);
	set_mtime(fd, "dir2/fifo", 1400000001);
	sparse = openat(fd, "dir3/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	g_assert_cmpint(ftruncate(sparse, HOLE), ==, 0);
	g_assert_cmpint(pwrite(sparse, "end", 3, HOLE - 3), ==, 3);
	g_assert_cmpint(mkdirat(fd, "dir3/closed", 0700), ==, 0);
	write_file(fd, "dir3/closed/inside", "inside", 0400);
	g_assert_cmpint(fchmodat(fd, "dir3/closed", 0555, 0), ==, 0);
	/* In a namespace of one id there are no others. */
	if (geteuid() == 0 && fchownat(fd, "dir2/link", 12, 34, AT_SYMLINK_NOFOLLOW) == 0) {
		g_assert_cmpint(fchownat(fd, "dir1/attributes", 56, 78, 0), ==, 0);
		g_assert_cmpint(fchownat(fd, "dir4", 90, 12, 0), ==, 0);
	}
	for (guint i = 0; i < 40; i++) {
		g_autofree char *dir = g_strdup_printf("dir%u", i);
		set_mtime(fd, dir, 1500000000 + i);
	}
	set_mtime(fd, "dir3/closed", 1300000000);
	g_assert_cmpint(fchmod(fd, 0751), ==, 0);
	set_mtime(fd, ".", 1200000000);
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	GError *error = NULL;

	fixture->dir = g_dir_make_tmp("ashlar-root-XXXXXX", &error);
	fixture->root = g_build_filename(fixture->dir, "root", NULL);
	fixture->clone = g_build_filename(fixture->dir, "clone", NULL);
	fixture->store_dir = g_build_filename(fixture->dir, "store", NULL);
	fixture->root_fd = ash_file_open_dir(AT_FDCWD, fixture->root, true, &error);
	fixture->clone_fd = ash_file_open_dir(AT_FDCWD, fixture->clone, true, &error);
	g_assert_no_error(error);
	fixture->ctx = ash_context_new();
	fixture->ctx->jobs = 4;
	fixture->store = ash_store_open(fixture->store_dir, true, &error);
	g_assert_no_error(error);
	make_root(fixture->root_fd);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_store_free(fixture->store);
	ash_context_free(fixture->ctx);
	ash_fd_clear(&fixture->root_fd);
	ash_fd_clear(&fixture->clone_fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_free(fixture->root);
	g_free(fixture->clone);
	g_free(fixture->store_dir);
}

/* Names and values of all extended attributes but ours, as text. */
static char *
format_xattrs(int dir_fd, const char *path)
{
	char names[4096], value[4096];
	ash_autofd int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t length = flistxattr(fd, names, sizeof(names));
	GString *text = g_string_new(NULL);

	g_assert_cmpint(length, >=, 0);
	for (const char *name = names; name < names + length; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(fd, name, value, sizeof(value));
		if (strcmp(name, ASH_SHARED_XATTR) != 0 && strcmp(name, ASH_SHARED_OBJECT_XATTR) != 0)
			g_string_append_printf(text, "%s=%.*s;", name, (int) size, value);
	}
	return g_string_free(text, FALSE);
}

static void
assert_same_content(int left_fd, int right_fd, const char *path)
{
	g_autoptr(GError) error = NULL;
	gsize left_length, right_length;
	g_autofree char *left = ash_file_load(left_fd, path, 0, &left_length, &error);
	g_autofree char *right = ash_file_load(right_fd, path, 0, &right_length, &error);

	g_assert_no_error(error);
	g_assert_cmpmem(left, left_length, right, right_length);
}

static void
assert_same_entry(int left_fd, int right_fd, const char *path)
{
	struct stat left, right;

	g_assert_cmpint(fstatat(left_fd, path, &left, AT_SYMLINK_NOFOLLOW), ==, 0);
	g_assert_cmpint(fstatat(right_fd, path, &right, AT_SYMLINK_NOFOLLOW), ==, 0);
	g_assert_cmpuint(left.st_mode, ==, right.st_mode);
	g_assert_cmpuint(left.st_uid, ==, right.st_uid);
	g_assert_cmpuint(left.st_gid, ==, right.st_gid);
	g_assert_cmpint(left.st_mtim.tv_sec, ==, right.st_mtim.tv_sec);
	g_assert_cmpint(left.st_mtim.tv_nsec, ==, right.st_mtim.tv_nsec);
	if (S_ISDIR(left.st_mode) || S_ISREG(left.st_mode)) {
		g_autofree char *left_xattrs = format_xattrs(left_fd, path), *right_xattrs = format_xattrs(right_fd, path);
		g_assert_cmpstr(left_xattrs, ==, right_xattrs);
	}
	if (S_ISREG(left.st_mode)) {
		assert_same_content(left_fd, right_fd, path);
		g_assert_cmpint(right.st_blocks, <=, left.st_blocks);
	}
	if (S_ISLNK(left.st_mode)) {
		char left_target[100] = "", right_target[100] = "";
		g_assert_cmpint(readlinkat(left_fd, path, left_target, 99), >, 0);
		g_assert_cmpint(readlinkat(right_fd, path, right_target, 99), >, 0);
		g_assert_cmpstr(left_target, ==, right_target);
	}
}

/* Entry by entry, both ways by their number; how many entries there are. */
static guint
assert_same_tree(int left_fd, int right_fd, const char *path)
{
	ash_autofd int fd = openat(left_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ash_autofd int other_fd = openat(right_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *left = fdopendir(dup(fd)), *right = fdopendir(dup(other_fd));
	struct dirent *entry;
	guint count = 0, other = 0, below = 0;

	assert_same_entry(left_fd, right_fd, path);
	while ((entry = readdir(left)) != NULL) {
		g_autofree char *child = g_build_filename(path, entry->d_name, NULL);
		count++;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type == DT_DIR)
			below += assert_same_tree(left_fd, right_fd, child);
		else
			assert_same_entry(left_fd, right_fd, child);
	}
	while (readdir(right) != NULL)
		other++;
	closedir(left);
	closedir(right);
	g_assert_cmpuint(count, ==, other);
	return count - 2 + below;
}

static ino_t
inode_of(int fd, const char *path)
{
	struct stat info;

	g_assert_cmpint(fstatat(fd, path, &info, AT_SYMLINK_NOFOLLOW), ==, 0);
	return info.st_ino;
}

static char *
commit(Fixture *fixture, const char *root, bool adopt)
{
	AshCommitRequest request = {
		.ref = REF,
		.adopt = adopt,
		.subject = "a test",
		.timestamp = EPOCH,
		.scan = { .skip_special = true },
	};
	GError *error = NULL;
	char *checksum = ash_store_commit(fixture->ctx, fixture->store, root, &request, &error);

	g_assert_no_error(error);
	return checksum;
}

static void
test_clone(Fixture *fixture, gconstpointer data)
{
	bool may_link = data != NULL;
	g_autofree char *first = NULL, *second = NULL;
	g_autoptr(GError) error = NULL;

	ash_store_mark_root(fixture->ctx, fixture->root, &error);
	g_assert_no_error(error);
	ash_store_clone_root(fixture->ctx, fixture->store, fixture->root, fixture->clone, may_link, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(assert_same_tree(fixture->root_fd, fixture->clone_fd, "."), ==, 40 + 40 + 10 + 1);
	g_assert_cmpuint(inode_of(fixture->clone_fd, "dir0/tool"), ==, inode_of(fixture->clone_fd, "dir30/alias"));
	g_assert_cmpuint(inode_of(fixture->clone_fd, "dir0/tool"), ==, inode_of(fixture->clone_fd, "dir31/alias"));
	g_assert_cmpuint(inode_of(fixture->clone_fd, "dir0/tool"), !=, inode_of(fixture->root_fd, "dir0/tool"));
	/* Only a plain file is one inode in both, and only with the guard. */
	g_assert_true((inode_of(fixture->clone_fd, "dir1/empty") == inode_of(fixture->root_fd, "dir1/empty")) ==
		      (may_link && geteuid() == 0));
	g_assert_cmpuint(inode_of(fixture->clone_fd, "dir1/attributes"), !=,
			 inode_of(fixture->root_fd, "dir1/attributes"));
	g_assert_cmpuint(inode_of(fixture->clone_fd, "dir1/all"), !=, inode_of(fixture->root_fd, "dir1/all"));
	g_assert_false(ash_shared_is_marked(fixture->clone_fd, "dir1/attributes"));
	first = commit(fixture, fixture->root, false);
	second = commit(fixture, fixture->clone, false);
	g_assert_cmpstr(first, ==, second);
}

static void
test_clone_errors(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_store_clone_root(fixture->ctx, fixture->store, "nokey", fixture->clone, true, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_INTERNAL);
	g_clear_error(&error);
	/* Not empty: the name is told. */
	write_file(fixture->clone_fd, "dir5", "in the way", 0644);
	g_assert_false(ash_store_clone_root(fixture->ctx, fixture->store, fixture->root, fixture->clone, false, &error));
	g_assert_nonnull(strstr(error->message, "\"dir5\""));
}

/* What a build may do to a clone, and what its commit does: every kind of entry is changed, gone, new or another kind. */
static void
spoil_clone(int fd)
{
	g_autoptr(GError) error = NULL;

	write_file(fd, "dir5/file", "replaced", 0644);
	g_assert_cmpint(unlinkat(fd, "dir6/file", 0), ==, 0);
	g_assert_cmpint(renameat(fd, "dir7/file", fd, "dir8/file"), ==, 0);
	g_assert_true(ash_file_remove_tree(fd, "dir9", &error));
	g_assert_cmpint(symlinkat("dir10", fd, "dir9"), ==, 0);
	g_assert_cmpint(mkdirat(fd, "new", 0700), ==, 0);
	write_file(fd, "new/file", "new", 0600);
	g_assert_cmpint(unlinkat(fd, "dir2/link", 0), ==, 0);
	g_assert_cmpint(symlinkat("../elsewher", fd, "dir2/link"), ==, 0);
	set_mtime(fd, "dir2/link", 1400000000);
	g_assert_cmpint(unlinkat(fd, "dir2/fifo", 0), ==, 0);
	g_assert_cmpint(mkdirat(fd, "dir2/fifo", 0700), ==, 0);
	/* In place, in files that have an inode of their own: the first with the size and times of the original. */
	ash_autofd int tool = openat(fd, "dir0/tool", O_WRONLY | O_CLOEXEC);
	g_assert_cmpint(pwrite(tool, "#!/bin/no", 9, 0), ==, 9);
	g_assert_cmpint(fchmodat(fd, "dir1/all", 0600, 0), ==, 0);
	set_xattr(fd, "dir1", "user.of.directory", "another");
	set_xattr(fd, "dir11", "user.more", "x");
	g_assert_cmpint(fchmodat(fd, "dir12", 01700, 0), ==, 0);
	set_mtime(fd, "dir13", 1);
	g_assert_cmpint(linkat(fd, "dir14/file", fd, "dir14/second", 0), ==, 0);
}

/* Mends what a build has left of a clone, twice. */
static void
test_clone_again(Fixture *fixture, gconstpointer data)
{
	g_autofree char *first = NULL, *second = NULL;
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_store_mark_root(fixture->ctx, fixture->root, &error));
	first = commit(fixture, fixture->root, false);
	for (guint round = 0; round < 3; round++) {
		g_assert_true(ash_store_clone_root(fixture->ctx, fixture->store, fixture->root, fixture->clone, true, &error));
		g_assert_no_error(error);
		g_assert_cmpuint(assert_same_tree(fixture->root_fd, fixture->clone_fd, "."), ==, 40 + 40 + 10 + 1);
		g_assert_cmpuint(inode_of(fixture->clone_fd, "dir0/tool"), ==, inode_of(fixture->clone_fd, "dir30/alias"));
		g_assert_cmpuint(inode_of(fixture->clone_fd, "dir0/tool"), !=, inode_of(fixture->root_fd, "dir0/tool"));
		spoil_clone(fixture->clone_fd);
		g_free(commit(fixture, fixture->clone, true));
	}
	g_assert_true(ash_store_clone_root(fixture->ctx, fixture->store, fixture->root, fixture->clone, true, &error));
	second = commit(fixture, fixture->clone, false);
	g_assert_cmpstr(first, ==, second);
}

static void
test_spare(Fixture *fixture, gconstpointer data)
{
	g_autofree char *taken = g_build_filename(fixture->dir, "taken", NULL);
	g_autoptr(GError) error = NULL;

	if (!ash_inode_is_exact(fixture->root_fd)) {
		g_test_skip("not on this file system");
		return;
	}
	g_assert_false(ash_spare_take(fixture->store, "key", "a/b", taken));
	ash_spare_put(fixture->store, "key", "a/b", fixture->clone);
	g_assert_false(ash_file_exists(AT_FDCWD, fixture->clone));
	/* The second one takes its place, and leaves the first to be removed. */
	ash_spare_put(fixture->store, "key", "a/b", fixture->root);
	g_assert_true(ash_file_exists(AT_FDCWD, fixture->root));
	g_assert_true(ash_spare_take(fixture->store, "key", "a/b", taken));
	g_assert_false(ash_spare_take(fixture->store, "key", "a/b", fixture->clone));
	ash_autofd int taken_fd = ash_file_open_dir(AT_FDCWD, taken, false, &error);
	g_assert_true(ash_file_exists(taken_fd, "dir3"));
	/* Of another key: the last of the same ref, not one of another. */
	ash_spare_put(fixture->store, "key", "a/b", taken);
	g_assert_false(ash_spare_take(fixture->store, "new", "a/c", taken));
	g_assert_true(ash_spare_take(fixture->store, "new", "a/b", taken));
	g_assert_false(ash_spare_take(fixture->store, "newer", "a/b", fixture->clone));
}

static void
test_keep(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *kept = g_build_filename(fixture->store_dir, "roots", "key", NULL);
	ash_autofd int kept_fd = -1;

	g_assert_false(ash_store_has_root(fixture->store, "key"));
	ash_store_start_sync(fixture->store);
	g_assert_true(ash_store_sync(fixture->store, &error));
	g_assert_true(ash_store_mark_root(fixture->ctx, fixture->root, &error));
	g_assert_true(ash_store_keep_root(fixture->store, "key", fixture->root, &error));
	g_assert_no_error(error);
	g_assert_true(ash_store_has_root(fixture->store, "key"));
	g_assert_false(ash_file_exists(AT_FDCWD, fixture->root));
	kept_fd = ash_file_open_dir(AT_FDCWD, kept, false, &error);
	g_assert_true(ash_shared_is_marked(kept_fd, "dir1/empty") == (geteuid() == 0));
	g_assert_false(ash_shared_is_marked(kept_fd, "dir0/tool"));
	g_assert_false(ash_shared_is_marked(kept_fd, "dir1/attributes"));
	g_assert_true(ash_store_clone_root(fixture->ctx, fixture->store, "key", fixture->clone, true, &error));
	g_assert_no_error(error);
	assert_same_tree(kept_fd, fixture->clone_fd, ".");
	/* The first one wins. */
	write_file(fixture->clone_fd, "second", "", 0644);
	g_assert_true(ash_store_keep_root(fixture->store, "key", fixture->clone, &error));
	g_assert_no_error(error);
	g_assert_true(ash_file_exists(AT_FDCWD, fixture->clone));
	g_assert_false(ash_file_exists(kept_fd, "second"));
}

#define ADD(name, data, func) g_test_add("/store/root/" name, Fixture, data, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("clone/link", "link", test_clone);
	ADD("clone/copy", NULL, test_clone);
	ADD("clone/errors", NULL, test_clone_errors);
	ADD("clone/again", NULL, test_clone_again);
	ADD("spare", NULL, test_spare);
	ADD("keep", NULL, test_keep);
	return g_test_run();
}
