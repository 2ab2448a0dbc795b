/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A store with commits, for the tests of its upkeep. */

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/commit.h"
#include "store/history.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REF "test/x86_64/base"
#define OTHER_REF "test/x86_64/other"
#define COMMITS 4

typedef struct {
	char *dir, *root;
	int root_fd, store_fd;
	AshContext *ctx;
	AshStore *store;
	char *commits[COMMITS]; /* of REF, oldest first */
	char *other;            /* of OTHER_REF; its file "big" is in no other commit */
} Fixture;

static inline void
save(int dir_fd, const char *path, const char *content)
{
	g_autofree char *dir = g_path_get_dirname(path);
	GError *error = NULL;

	ash_file_mkdirs(dir_fd, dir, 0755, &error);
	g_assert_no_error(error);
	ash_file_save(dir_fd, path, content, -1, 0644, &error);
	g_assert_no_error(error);
}

static inline char *
commit(Fixture *fixture, const char *ref, const char *input)
{
	const AshCommitRequest request = {
		.ref = ref,
		.subject = "a test",
		.version = input,
		.timestamp = 1700000000,
		.lock_digest = "aa",
		.input_digest = input,
	};
	GError *error = NULL;
	char *checksum = ash_store_commit(fixture->ctx, fixture->store, fixture->root, &request, &error);

	g_assert_no_error(error);
	return checksum;
}

/* A lock of one package, for the import cache. */
static inline void
save_lock(Fixture *fixture, char digit)
{
	g_autofree char *digest = g_strnfill(64, digit);
	g_autofree char *lock = g_strdup_printf("# ashlar lock 1\nvariant base\npackage a-1-1.noarch sha256:%s demo user\n", digest);

	save(fixture->root_fd, "usr/lib/ashlar/packages.lock", lock);
}

static inline void
setup(Fixture *fixture, gconstpointer data)
{
	g_autofree char *store = NULL;
	GError *error = NULL;

	fixture->dir = g_dir_make_tmp("ashlar-store-XXXXXX", &error);
	fixture->root = g_build_filename(fixture->dir, "root", NULL);
	fixture->root_fd = ash_file_open_dir(AT_FDCWD, fixture->root, true, &error);
	store = g_build_filename(fixture->dir, "store", NULL);
	fixture->ctx = ash_context_new();
	fixture->ctx->jobs = 2;
	fixture->store = ash_store_open(store, true, &error);
	g_assert_no_error(error);
	fixture->store_fd = ash_file_open_dir(AT_FDCWD, store, false, &error);
	save(fixture->root_fd, "same", "same in all");
	for (guint i = 0; i < COMMITS; i++) {
		const char version[] = { (char) ('1' + i), '\0' };
		save(fixture->root_fd, "version", version);
		save_lock(fixture, version[0]);
		fixture->commits[i] = commit(fixture, REF, version);
	}
	save(fixture->root_fd, "big", "in one commit only");
	fixture->other = commit(fixture, OTHER_REF, "other");
	/* Whoever has committed uses the store until it is closed. */
	ash_store_free(fixture->store);
	fixture->store = ash_store_open(store, false, &error);
	g_assert_no_error(error);
}

static inline void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_store_free(fixture->store);
	ash_context_free(fixture->ctx);
	ash_fd_clear(&fixture->root_fd);
	ash_fd_clear(&fixture->store_fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	for (guint i = 0; i < COMMITS; i++)
		g_free(fixture->commits[i]);
	g_free(fixture->other);
	g_free(fixture->dir);
	g_free(fixture->root);
}

static inline bool
has_commit(Fixture *fixture, const char *checksum)
{
	g_autofree char *path = g_strdup_printf("repo/objects/%.2s/%s.commit", checksum, checksum + 2);

	return ash_file_exists(fixture->store_fd, path);
}

/* The path below the store of the object of this file, which must be at the top of the last commit. Owned. */
static inline char *
object_of(Fixture *fixture, const char *ref, const char *name)
{
	g_autofree char *path = NULL, *out = NULL;
	g_autofree char *repo = g_strconcat("--repo=", ash_store_get_repo_path(fixture->store), NULL);
	const char *argv[] = { "ostree", "ls", "-C", repo, ref, name, NULL };
	GError *error = NULL;

	g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, NULL, &error);
	g_assert_no_error(error);
	g_auto(GStrv) words = g_strsplit_set(out, " ", -1);
	for (char **word = words; *word != NULL; word++)
		if (strlen(*word) == 64)
			return g_strdup_printf("repo/objects/%.2s/%s.file", *word, *word + 2);
	g_assert_not_reached();
}

static inline void
ostree_fsck(Fixture *fixture)
{
	g_autofree char *repo = g_strconcat("--repo=", ash_store_get_repo_path(fixture->store), NULL);
	const char *argv[] = { "ostree", "fsck", "--quiet", repo, NULL };
	GError *error = NULL;
	int status = -1;

	g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL,
		     &status, &error);
	g_assert_no_error(error);
	g_assert_cmpint(status, ==, 0);
}
