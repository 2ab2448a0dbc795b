/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/commit.h"
#include "store/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REF "test/x86_64/base"

typedef struct {
	char *dir, *root, *store_dir, *trees;
	int root_fd;
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
make_root(int fd)
{
	g_assert_cmpint(mkdirat(fd, "usr", 0755), ==, 0);
	g_assert_cmpint(mkdirat(fd, "usr/bin", 0755), ==, 0);
	g_assert_cmpint(mkdirat(fd, "usr/empty", 01777), ==, 0);
	g_assert_cmpint(mkdirat(fd, "var", 0750), ==, 0);
	write_file(fd, "usr/bin/tool", "#!/bin/sh\n", 04755);
	write_file(fd, "usr/bin/nothing", "", 0640);
	write_file(fd, "zz", "last", 0644);
	g_assert_cmpint(linkat(fd, "usr/bin/tool", fd, "usr/alias", 0), ==, 0);
	g_assert_cmpint(linkat(fd, "usr/bin/tool", fd, "usr/bin/zalias", 0), ==, 0);
	g_assert_cmpint(symlinkat("usr/bin", fd, "bin"), ==, 0);
	g_assert_cmpint(linkat(fd, "bin", fd, "usr/bin2", 0), ==, 0);
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	GError *error = NULL;

	fixture->dir = g_dir_make_tmp("ashlar-index-XXXXXX", &error);
	fixture->root = g_build_filename(fixture->dir, "root", NULL);
	fixture->store_dir = g_build_filename(fixture->dir, "store", NULL);
	fixture->trees = g_build_filename(fixture->store_dir, "trees", NULL);
	fixture->root_fd = ash_file_open_dir(AT_FDCWD, fixture->root, true, &error);
	fixture->ctx = ash_context_new();
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
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_free(fixture->root);
	g_free(fixture->store_dir);
	g_free(fixture->trees);
}

static char *
label(const char *path, guint32 mode, gpointer user_data)
{
	return strstr(path, "empty") == NULL ? g_strdup_printf("u:r:%s_t:s0", S_ISDIR(mode) ? "dir" : "file") : NULL;
}

static void
commit(Fixture *fixture)
{
	const AshCommitRequest request = {
		.ref = REF,
		.subject = "a test",
		.timestamp = 1700000000,
		.scan = { .label = label },
	};
	GError *error = NULL;
	g_autofree char *checksum = ash_store_commit(fixture->ctx, fixture->store, fixture->root, &request, &error);

	g_assert_no_error(error);
	g_assert_nonnull(checksum);
}

static gboolean
format_node(AshFsNode *node, gpointer user_data, GError **error)
{
	g_autofree char *path = ash_fs_node_dup_path(node);
	g_autofree char *first = node->hardlink != NULL ? ash_fs_node_dup_path(node->hardlink) : NULL;

	g_string_append_printf(user_data, "%s %o %u:%u %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %u %s %s %s", path,
			       node->mode, node->uid, node->gid, node->mtime, node->size, node->nlink,
			       node->target != NULL ? node->target : "-", node->content != NULL ? node->content : "-",
			       first != NULL ? first : "-");
	for (guint i = 0; node->xattrs != NULL && i < node->xattrs->len; i++) {
		const AshFsXattr *xattr = &g_array_index(node->xattrs, AshFsXattr, i);
		g_string_append_printf(user_data, " %s=%.*s/%u", xattr->name, (int) xattr->length,
				       (const char *) xattr->value, (guint) xattr->length);
	}
	g_string_append_c(user_data, '\n');
	return TRUE;
}

/* All that the commit's tree says. */
static char *
load_as_text(Fixture *fixture)
{
	GString *text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(AshFsTree) tree = ash_store_load_tree(fixture->store, REF, &error);

	g_assert_no_error(error);
	ash_fs_tree_walk(tree, format_node, text, NULL);
	return g_string_free(text, FALSE);
}

/* The one file in DIR/trees, owned. */
static char *
index_path(Fixture *fixture)
{
	g_autoptr(GDir) dir = g_dir_open(fixture->trees, 0, NULL);
	const char *name = dir != NULL ? g_dir_read_name(dir) : NULL;
	char *path;

	if (name == NULL)
		return NULL;
	path = g_build_filename(fixture->trees, name, NULL);
	g_assert_null(g_dir_read_name(dir));
	return path;
}

static void
test_same(Fixture *fixture, gconstpointer data)
{
	g_autofree char *written = NULL, *slow = NULL, *fast = NULL, *path = NULL, *before = NULL, *after = NULL;
	gsize before_length, after_length;

	commit(fixture);
	path = index_path(fixture);
	g_assert_nonnull(path);
	g_assert_true(g_file_get_contents(path, &before, &before_length, NULL));
	written = load_as_text(fixture);
	g_assert_cmpint(unlink(path), ==, 0);
	slow = load_as_text(fixture);
	g_assert_cmpstr(written, ==, slow);
	/* It was made again, the same. */
	g_assert_true(g_file_get_contents(path, &after, &after_length, NULL));
	g_assert_cmpmem(before, before_length, after, after_length);
	fast = load_as_text(fixture);
	g_assert_cmpstr(fast, ==, slow);
}

/* Thousands of syncs would take their time. */
static bool
set_contents(const char *path, const void *data, gsize length)
{
	return g_file_set_contents_full(path, data, (gssize) length, G_FILE_SET_CONTENTS_NONE, 0644, NULL);
}

/* Whatever the file holds, the tree is the same, and the file is good afterwards. */
static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = NULL, *good = NULL, *expected = NULL;
	gsize length;

	commit(fixture);
	expected = load_as_text(fixture);
	path = index_path(fixture);
	g_assert_true(g_file_get_contents(path, &good, &length, NULL));
	for (gsize at = 0; at < length; at += 7) {
		g_autofree char *bad = g_memdup2(good, length), *text = NULL, *again = NULL;
		gsize again_length;

		bad[at] ^= 1;
		/* Damaged, and cut off. */
		g_assert_true(set_contents(path, at % 2 == 0 ? bad : good, at % 2 == 0 ? length : at));
		text = load_as_text(fixture);
		g_assert_cmpstr(text, ==, expected);
		g_assert_true(g_file_get_contents(path, &again, &again_length, NULL));
		g_assert_cmpmem(again, again_length, good, length);
	}
}

/* With a good digest, as nobody but ourselves would write it: no crash, and no wrong tree. */
static void
test_wrong(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = NULL, *good = NULL, *expected = NULL;
	gsize length;

	commit(fixture);
	expected = load_as_text(fixture);
	path = index_path(fixture);
	g_assert_true(g_file_get_contents(path, &good, &length, NULL));
	for (gsize end = 8; end < length - ASH_SHA256_SIZE; end++) {
		g_autofree guint8 *bad = g_malloc(length);
		g_autofree char *text = NULL;

		memcpy(bad, good, end);
		ash_sha256(bad, end, bad + end);
		g_assert_true(set_contents(path, bad, end + ASH_SHA256_SIZE));
		text = load_as_text(fixture);
		g_assert_cmpstr(text, ==, expected);
	}
}

static void
test_clean(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = NULL, *gone = NULL, *unfinished = NULL;
	GError *error = NULL;

	commit(fixture);
	path = index_path(fixture);
	gone = g_strdup(path);
	/* As if its tree had been pruned. */
	gone[strlen(fixture->trees) + 1] ^= 1;
	unfinished = g_build_filename(fixture->trees, "01234567.tmp", NULL);
	g_assert_true(set_contents(gone, "x", 1) && set_contents(unfinished, "x", 1));
	ash_store_free(fixture->store);
	fixture->store = ash_store_open(fixture->store_dir, false, &error);
	g_assert_no_error(error);
	g_assert_true(ash_file_exists(AT_FDCWD, path));
	g_assert_false(ash_file_exists(AT_FDCWD, gone));
	g_assert_false(ash_file_exists(AT_FDCWD, unfinished));
}

#define ADD(name, func) g_test_add("/store/treeindex/" name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("same", test_same);
	ADD("damaged", test_damaged);
	ADD("wrong", test_wrong);
	ADD("clean", test_clean);
	return g_test_run();
}
