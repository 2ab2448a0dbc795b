/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/shared.h"
#include "store/ahead.h"
#include "store/commit.h"
#include "store/clone.h"
#include "store/root.h"
#include "store/tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define EPOCH 1700000000
#define REF "test/x86_64/base"
#define FILES 30

typedef struct {
	char *dir, *root, *store_dir;
	int root_fd;
	AshContext *ctx;
	AshStore *store;
	AshObjectCounts counts;
	AshObjectMap *objects; /* borrowed; given to commits */
	guint clones;
} Fixture;

static void
write_file(int root_fd, const char *path, const char *content, mode_t mode)
{
	GError *error = NULL;

	ash_file_save(root_fd, path, content, -1, mode, &error);
	g_assert_no_error(error);
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	GError *error = NULL;

	fixture->dir = g_dir_make_tmp("ashlar-object-XXXXXX", &error);
	fixture->root = g_build_filename(fixture->dir, "root", NULL);
	fixture->store_dir = g_build_filename(fixture->dir, "store", NULL);
	fixture->root_fd = ash_file_open_dir(AT_FDCWD, fixture->root, true, &error);
	fixture->ctx = ash_context_new();
	fixture->ctx->jobs = 3;
	fixture->store = ash_store_open(fixture->store_dir, true, &error);
	g_assert_no_error(error);
	g_assert_cmpint(mkdirat(fixture->root_fd, "usr", 0755), ==, 0);
	for (guint i = 0; i < FILES; i++) {
		g_autofree char *path = g_strdup_printf("usr/file%u", i);
		write_file(fixture->root_fd, path, path, 0644);
	}
	/* The same bytes again: two inodes, one object. */
	write_file(fixture->root_fd, "usr/twin", "usr/file7", 0644);
	ash_store_mark_root(fixture->ctx, fixture->root, &error);
	g_assert_no_error(error);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_store_free(fixture->store);
	ash_context_free(fixture->ctx);
	ash_fd_clear(&fixture->root_fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_free(fixture->root);
	g_free(fixture->store_dir);
}

/* A new clone, as a staging root is one; its path, owned. */
static char *
clone_root(Fixture *fixture)
{
	g_autofree char *path = g_strdup_printf("%s/clone%u", fixture->dir, fixture->clones++);
	GError *error = NULL;

	g_assert_cmpint(mkdir(path, 0755), ==, 0);
	ash_store_clone_root(fixture->ctx, fixture->store, fixture->root, path, true, &error);
	g_assert_no_error(error);
	return g_steal_pointer(&path);
}

static char *
label(const char *path, guint32 mode, gpointer user_data)
{
	return g_strdup_printf("u:r:%s:s0", (char *) user_data);
}

static char *
commit(Fixture *fixture, const char *root, const char *type)
{
	AshCommitRequest request = {
		.ref = REF,
		.subject = "a test",
		.timestamp = EPOCH,
		.adopt = true,
		.counts = &fixture->counts,
		.objects = fixture->objects,
		.scan = { .label = type != NULL ? label : NULL, .label_data = (char *) type },
	};
	GError *error = NULL;
	char *checksum = ash_store_commit(fixture->ctx, fixture->store, root, &request, &error);

	g_assert_no_error(error);
	return checksum;
}

static void
fsck(Fixture *fixture)
{
	g_autofree char *repo = g_strconcat("--repo=", ash_store_get_repo_path(fixture->store), NULL);
	g_autofree char *program = g_find_program_in_path("ostree"), *errors = NULL;
	const char *const argv[] = { "ostree", repo, "fsck", "--quiet", NULL };
	g_autoptr(GError) error = NULL;
	g_autofree char *output = NULL;
	int status;

	if (program == NULL)
		return;
	g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &errors, &status, &error);
	g_assert_no_error(error);
	if (status != 0)
		g_test_message("%s", errors);
	g_assert_cmpint(status, ==, 0);
}

static guint count_of_files;

static int
count_file(const char *path, const struct stat *info, int flag, struct FTW *ftw)
{
	count_of_files += S_ISREG(info->st_mode);
	return 0;
}

static guint
count_objects(Fixture *fixture)
{
	g_autofree char *path = g_build_filename(ash_store_get_repo_path(fixture->store), "objects", NULL);

	count_of_files = 0;
	g_assert_cmpint(nftw(path, count_file, 10, FTW_PHYS), ==, 0);
	return count_of_files;
}

static bool
skip_unless_root(void)
{
	if (geteuid() == 0)
		return false;
	g_test_skip("only a file of owner 0 is shared");
	return true;
}

static void
test_second_commit(Fixture *fixture, gconstpointer data)
{
	g_autofree char *first_root = clone_root(fixture), *second_root = clone_root(fixture);
	g_autofree char *first = NULL, *second = NULL;
	struct stat before, after;
	guint objects;

	if (skip_unless_root())
		return;
	g_assert_cmpint(fstatat(fixture->root_fd, "usr/file3", &before, 0), ==, 0);
	first = commit(fixture, first_root, NULL);
	g_assert_cmpuint(fixture->counts.hashed, ==, FILES + 1);
	g_assert_cmpuint(fixture->counts.copied, ==, 0);
	objects = count_objects(fixture);
	/* Commit 1, dirtree 2, dirmeta 1. */
	g_assert_cmpuint(objects, ==, FILES + 4);
	second = commit(fixture, second_root, NULL);
	g_assert_cmpstr(first, ==, second);
	g_assert_cmpuint(count_objects(fixture), ==, objects);
	/* The twin that is not the object knows which object it equals. */
	g_assert_cmpuint(fixture->counts.known, ==, FILES + 1);
	g_assert_cmpuint(fixture->counts.hashed, ==, 0);
	/* Nothing of the file changed but its links. */
	g_assert_cmpint(fstatat(fixture->root_fd, "usr/file3", &after, 0), ==, 0);
	g_assert_cmpuint(after.st_mode, ==, before.st_mode);
	g_assert_cmpint(after.st_mtim.tv_sec, ==, before.st_mtim.tv_sec);
	g_assert_cmpint(after.st_mtim.tv_nsec, ==, before.st_mtim.tv_nsec);
	g_assert_cmpuint(after.st_nlink, ==, 4);
	fsck(fixture);
}

static void
test_labels(Fixture *fixture, gconstpointer data)
{
	g_autofree char *root = clone_root(fixture), *plain = NULL, *labelled = NULL, *again = NULL;

	if (skip_unless_root())
		return;
	plain = commit(fixture, root, NULL);
	labelled = commit(fixture, root, "one_t");
	g_assert_cmpstr(plain, !=, labelled);
	g_assert_cmpuint(fixture->counts.linked, ==, 0);
	/* A twin may be seen to be there already, or be copied at the same time. */
	g_assert_cmpuint(fixture->counts.copied, >=, FILES);
	fsck(fixture);
	/* Inodes that are objects without a label say which object they are with one. */
	again = commit(fixture, root, "one_t");
	g_assert_cmpstr(again, ==, labelled);
	g_assert_cmpuint(fixture->counts.hashed, ==, 0);
	g_free(again);
	again = commit(fixture, root, NULL);
	g_assert_cmpstr(again, ==, plain);
	fsck(fixture);
}

static void
test_changes(Fixture *fixture, gconstpointer data)
{
	g_autofree char *root = clone_root(fixture), *first = NULL, *second = NULL, *third = NULL;
	GError *error = NULL;
	ash_autofd int fd = ash_file_open_dir(AT_FDCWD, root, false, &error);
	g_autoptr(AshFsTree) tree = NULL;

	if (skip_unless_root())
		return;
	first = commit(fixture, root, NULL);
	write_file(fd, "usr/file1", "changed", 0644);
	g_assert_true(ash_shared_break(fd, "usr", &error) && ash_file_exists(fd, "usr/file2"));
	ash_autofd int usr_fd = ash_file_open_dir(fd, "usr", false, &error);
	g_assert_true(ash_shared_break(usr_fd, "file2", &error));
	g_assert_cmpint(fchmodat(usr_fd, "file2", 0755, 0), ==, 0);
	g_assert_cmpint(renameat(usr_fd, "file3", usr_fd, "file4"), ==, 0);
	second = commit(fixture, root, NULL);
	g_assert_cmpstr(first, !=, second);
	/* The renamed file is known; the others are new inodes. */
	g_assert_cmpuint(fixture->counts.hashed, ==, 2);
	fsck(fixture);
	tree = ash_store_load_tree(fixture->store, second, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(ash_fs_tree_lookup(tree, "usr/file2")->mode, ==, S_IFREG | 0755);
	g_assert_null(ash_fs_tree_lookup(tree, "usr/file3"));
	/* The original is as it was. */
	third = commit(fixture, fixture->root, NULL);
	g_assert_cmpstr(first, ==, third);
	fsck(fixture);
}

/* The directory of objects names an inode, but what is wanted is not that object. */
static void
test_wrong_object(Fixture *fixture, gconstpointer data)
{
	g_autofree char *root = clone_root(fixture), *first = NULL, *second = NULL;
	g_autofree char *path = g_build_filename(root, "usr", "file9", NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(AshFsTree) tree = NULL;

	if (skip_unless_root())
		return;
	first = commit(fixture, root, NULL);
	/* Behind the guard's back: the inode of the object has another mode now. */
	g_assert_cmpint(chmod(path, 0755), ==, 0);
	second = commit(fixture, root, NULL);
	g_assert_cmpstr(first, !=, second);
	g_assert_cmpuint(fixture->counts.hashed, ==, 1);
	g_assert_cmpuint(fixture->counts.copied, ==, 1);
	tree = ash_store_load_tree(fixture->store, second, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(ash_fs_tree_lookup(tree, "usr/file9")->mode, ==, S_IFREG | 0755);
	g_clear_pointer(&tree, ash_fs_tree_free);
	tree = ash_store_load_tree(fixture->store, first, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(ash_fs_tree_lookup(tree, "usr/file9")->mode, ==, S_IFREG | 0644);
	fsck(fixture);
}

static AshAhead *
begin_ahead(Fixture *fixture, const char *type, guint64 least)
{
	const AshScanOptions scan = { .label = type != NULL ? label : NULL, .label_data = (char *) type };

	return ash_ahead_begin(fixture->ctx, fixture->store, fixture->root, &scan, least);
}

/* The checksum of the fixture's root in a store of its own, owned: what every other way must give. */
static char *
commit_elsewhere(Fixture *fixture, const char *type)
{
	g_autofree char *dir = g_build_filename(fixture->dir, "elsewhere", NULL), *root = clone_root(fixture), *checksum = NULL;
	AshStore *store = fixture->store;
	GError *error = NULL;

	fixture->store = ash_store_open(dir, true, &error);
	g_assert_no_error(error);
	checksum = commit(fixture, root, type);
	ash_store_free(fixture->store);
	fixture->store = store;
	return g_steal_pointer(&checksum);
}

static void
test_ahead(Fixture *fixture, gconstpointer data)
{
	g_autofree char *root = NULL, *first = NULL, *expected = NULL;

	if (skip_unless_root())
		return;
	/* Neither is shared: they are for the commit. */
	write_file(fixture->root_fd, "usr/tool", "tool", 04755);
	write_file(fixture->root_fd, "usr/mine", "mine", 0644);
	g_assert_cmpint(fchownat(fixture->root_fd, "usr/mine", 7, 7, 0), ==, 0);
	root = clone_root(fixture);
	AshAhead *ahead = begin_ahead(fixture, NULL, 1);
	ash_ahead_end(ahead);
	ash_ahead_free(ahead);
	/* One dirmeta; both directories lack something. */
	g_assert_cmpuint(count_objects(fixture), ==, FILES + 1);
	fsck(fixture);
	first = commit(fixture, root, NULL);
	g_assert_cmpuint(fixture->counts.known, ==, FILES + 1);
	g_assert_cmpuint(fixture->counts.hashed, ==, 2);
	fsck(fixture);
	expected = commit_elsewhere(fixture, NULL);
	g_assert_cmpstr(first, ==, expected);
}

/* What was made ahead is not what the commit needs, or only a part of it. */
static void
test_ahead_wrong(Fixture *fixture, gconstpointer data)
{
	g_autofree char *root = clone_root(fixture), *first = NULL, *expected = NULL;

	if (skip_unless_root())
		return;
	AshAhead *ahead = begin_ahead(fixture, "one_t", 1);
	ash_ahead_end(ahead);
	ash_ahead_free(ahead);
	g_assert_cmpuint(count_objects(fixture), ==, FILES + 3);
	/* Given up in the middle. */
	ash_ahead_free(begin_ahead(fixture, NULL, 1));
	first = commit(fixture, root, NULL);
	fsck(fixture);
	expected = commit_elsewhere(fixture, NULL);
	g_assert_cmpstr(first, ==, expected);
}

/* There is too little to do: nothing is made, but what it has learnt is of use, and is not what is true no more. */
static void
test_ahead_little(Fixture *fixture, gconstpointer data)
{
	g_autofree char *root = NULL, *first = NULL, *again = NULL, *expected = NULL;
	g_autoptr(AshAhead) ahead = NULL;

	if (skip_unless_root())
		return;
	root = clone_root(fixture);
	first = commit(fixture, root, NULL);
	write_file(fixture->root_fd, "usr/new", "new", 0644);
	g_autofree char *second = clone_root(fixture);
	guint objects = count_objects(fixture);
	ahead = begin_ahead(fixture, NULL, G_MAXUINT64);
	ash_ahead_end(ahead);
	g_assert_cmpuint(count_objects(fixture), ==, objects);
	fixture->objects = ash_ahead_get_objects(ahead);
	again = commit(fixture, second, NULL);
	fixture->objects = NULL;
	g_assert_cmpuint(fixture->counts.known, ==, FILES + 1);
	g_assert_cmpuint(fixture->counts.hashed, ==, 1);
	fsck(fixture);
	expected = commit_elsewhere(fixture, NULL);
	g_assert_cmpstr(again, ==, expected);
	g_assert_cmpstr(again, !=, first);
}

#define ADD(name, func) g_test_add("/store/object/" name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("second-commit", test_second_commit);
	ADD("labels", test_labels);
	ADD("changes", test_changes);
	ADD("wrong-object", test_wrong_object);
	ADD("ahead", test_ahead);
	ADD("ahead-wrong", test_ahead_wrong);
	ADD("ahead-little", test_ahead_little);
	return g_test_run();
}
