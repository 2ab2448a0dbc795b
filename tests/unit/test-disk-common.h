/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of composer/disk share: trees in memory, files in a directory that goes away,
 * other people's programs. */

#include "base/context.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "model/fstree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TEST_EPOCH 1700000000

typedef struct {
	char *dir;
	AshContext *ctx;
} Fixture;

static inline void
fixture_set_up(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ashlar-disk-XXXXXX", NULL);
	g_assert_nonnull(fixture->dir);
	fixture->ctx = ash_context_new();
	fixture->ctx->jobs = 2;
}

static inline void
fixture_tear_down(Fixture *fixture, gconstpointer data)
{
	g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL));
	g_free(fixture->dir);
	ash_context_free(fixture->ctx);
}

static inline char *
fixture_path(Fixture *fixture, const char *name)
{
	return g_build_filename(fixture->dir, name, NULL);
}

/* A new file of @bytes zeros. */
static inline int
fixture_create(Fixture *fixture, const char *name, guint64 bytes)
{
	g_autofree char *path = fixture_path(fixture, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(ftruncate(fd, (off_t) bytes), ==, 0);
	return fd;
}

/* Content keys of trees in memory are the content itself, "@N" for a hole of N bytes, or "/path" of
 * a real file. */
static inline int
memory_open(const AshFsNode *node, gpointer user_data, GError **error)
{
	int fd;

	if (node->content[0] == '/')
		return ash_fd_open(AT_FDCWD, node->content, O_RDONLY, 0, error);
	fd = memfd_create("content", MFD_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	if (node->content[0] == '@') {
		g_assert_cmpint(ftruncate(fd, (off_t) node->size), ==, 0);
		/* The last byte is not a hole. */
		g_assert_cmpint(pwrite(fd, "x", 1, (off_t) node->size - 1), ==, 1);
	} else {
		g_assert_cmpint(pwrite(fd, node->content, node->size, 0), ==, (gssize) node->size);
	}
	return fd;
}

static inline AshFsTree *
tree_new(void)
{
	AshFsTree *tree = ash_fs_tree_new();

	tree->open = memory_open;
	tree->root->mtime = TEST_EPOCH - 7;
	return tree;
}

static inline AshFsNode *
tree_dir(AshFsNode *parent, const char *name)
{
	AshFsNode *node = ash_fs_node_new(parent, name, S_IFDIR | 0755);

	node->mtime = TEST_EPOCH - 1;
	return node;
}

static inline AshFsNode *
tree_file(AshFsNode *parent, const char *name, const char *content)
{
	AshFsNode *node = ash_fs_node_new(parent, name, S_IFREG | 0644);
	struct stat st;

	node->mtime = TEST_EPOCH - 2;
	node->size = content[0] == '@' ? g_ascii_strtoull(content + 1, NULL, 10) : strlen(content);
	if (content[0] == '/' && stat(content, &st) == 0)
		node->size = (guint64) st.st_size;
	node->content = node->size > 0 ? g_strdup(content) : NULL;
	return node;
}

static inline AshFsNode *
tree_link(AshFsNode *parent, const char *name, const char *target)
{
	AshFsNode *node = ash_fs_node_new(parent, name, S_IFLNK | 0777);

	node->mtime = TEST_EPOCH - 3;
	node->target = g_strdup(target);
	node->size = strlen(target);
	return node;
}

static inline AshFsNode *
tree_hardlink(AshFsNode *parent, const char *name, AshFsNode *first)
{
	AshFsNode *node = ash_fs_node_new(parent, name, first->mode);

	node->hardlink = first;
	node->size = first->size;
	node->mtime = first->mtime;
	node->content = g_strdup(first->content);
	return node;
}

/* A tree of a real directory: types, modes, sizes, times and links' targets. */
static inline void
tree_scan(AshFsNode *parent, const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *child_path = g_build_filename(path, name, NULL);
		struct stat st;
		AshFsNode *node;

		if (lstat(child_path, &st) < 0 ||
		    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)))
			continue;
		node = ash_fs_node_new(parent, name, st.st_mode);
		node->uid = st.st_uid;
		node->gid = st.st_gid;
		node->mtime = st.st_mtime;
		node->size = S_ISDIR(st.st_mode) ? 0 : (guint64) st.st_size;
		if (S_ISREG(st.st_mode))
			node->content = g_strdup(child_path);
		if (S_ISLNK(st.st_mode)) {
			node->target = g_malloc0(node->size + 1);
			g_assert_cmpint(readlink(child_path, node->target, node->size + 1), ==,
					(gssize) node->size);
		}
		if (S_ISDIR(st.st_mode))
			tree_scan(node, child_path);
	}
}

static inline AshFsTree *
tree_from_directory(const char *path)
{
	AshFsTree *tree = tree_new();

	g_autofree char *absolute = g_canonicalize_filename(path, NULL);

	tree_scan(tree->root, absolute);
	ash_fs_tree_finish(tree);
	return tree;
}

/* The large tree that figures are taken with; the sources by default, which are there everywhere.
 */
static inline AshFsTree *
tree_from_environment(void)
{
	const char *path = g_getenv("ASHLAR_TEST_TREE");
	g_autofree char *sources = NULL;

	if (path == NULL) {
		const char *top = g_getenv("top_srcdir");
		sources = g_build_filename(top != NULL ? top : "..", "composer", NULL);
		path = sources;
	}
	return tree_from_directory(path);
}

/* True if @program is there; else the test is skipped, saying so. */
static inline bool
have_program(const char *program)
{
	static const char *const dirs[] = {"/usr/sbin", "/sbin"};
	g_autofree char *found = g_find_program_in_path(program);
	g_autofree char *message = NULL;

	for (guint i = 0; found == NULL && i < G_N_ELEMENTS(dirs); i++) {
		found = g_build_filename(dirs[i], program, NULL);
		if (!g_file_test(found, G_FILE_TEST_IS_EXECUTABLE))
			g_clear_pointer(&found, g_free);
	}
	if (found != NULL)
		return true;
	message = g_strdup_printf("%s is not installed", program);
	g_test_skip(message);
	return false;
}

/* Runs a shell command (tests may); its output is owned. Exit status must be @expected. */
static inline char *run_command(int expected, const char *format, ...) G_GNUC_PRINTF(2, 3);

static inline char *
run_command(int expected, const char *format, ...)
{
	g_autoptr(GString) command =
	    g_string_new("PATH=$PATH:/usr/sbin:/sbin; export LC_ALL=C; { ");
	g_autoptr(GError) error = NULL;
	const char *argv[] = {"/bin/sh", "-c", NULL, NULL};
	char *output = NULL;
	int status = 0;
	va_list args;

	va_start(args, format);
	g_string_append_vprintf(command, format, args);
	va_end(args);
	g_string_append(command, "; } 2>&1");
	argv[2] = command->str;
	g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, NULL,
		     &status, &error);
	g_assert_no_error(error);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		g_error("%s\nexit status %d: %s", command->str, status, output);
	return output;
}

static inline char *
digest_of(int fd)
{
	g_autoptr(GError) error = NULL;
	char *hex = ash_sha256_fd_hex(fd, &error);

	g_assert_no_error(error);
	return hex;
}
