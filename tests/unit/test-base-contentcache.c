/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/contentcache.h"
#include "base/digest.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/shared.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE "contents"

typedef struct {
	char *dir;
	int dir_fd;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	fixture->dir = g_dir_make_tmp("ash-contents-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->dir_fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, &error);
	g_assert_no_error(error);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_fd_clear(&fixture->dir_fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
}

/* As if it always had been so: what the cache goes by does not change. */
static void
put(const Fixture *fixture, const char *name, const char *text)
{
	const struct timespec times[2] = { { 1000, 0 }, { 1000, 0 } };
	ash_autofd int fd = openat(fixture->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	g_assert_cmpint(fd, >=, 0);
	g_assert_true(ash_fd_write_all(fd, text, strlen(text), 0, NULL));
	g_assert_cmpint(futimens(fd, times), ==, 0);
}

/* FALSE if this file system has no attributes. */
static bool
mark(const Fixture *fixture, const char *name)
{
	ash_autofd int fd = openat(fixture->dir_fd, name, O_RDONLY | O_CLOEXEC);

	return ash_shared_mark(fd, NULL);
}

static void
assert_digest(const Fixture *fixture, AshContentCache *cache, const char *name, const char *text)
{
	ash_autofd int fd = openat(fixture->dir_fd, name, O_RDONLY | O_CLOEXEC);
	g_autofree char *digest = ash_content_cache_digest(cache, fd), *wanted = ash_sha256_hex(text, -1);

	g_assert_cmpstr(digest, ==, wanted);
}

static void
ask_once(const Fixture *fixture, const char *name, const char *text)
{
	g_autoptr(AshContentCache) cache = ash_content_cache_new(fixture->dir_fd, CACHE);

	assert_digest(fixture, cache, name, text);
	ash_content_cache_save(cache);
}

/* The only way to see that a file is not read again is to break the rule that shared files have. */
static void
test_kept(Fixture *fixture, gconstpointer data)
{
	put(fixture, "file", "one");
	if (!mark(fixture, "file")) {
		g_test_skip("no extended attributes here");
		return;
	}
	ask_once(fixture, "file", "one");
	put(fixture, "file", "two");
	ask_once(fixture, "file", "one");
	/* Without being able to read it. */
	g_autoptr(AshContentCache) again = ash_content_cache_new(fixture->dir_fd, CACHE);
	ash_autofd int fd = openat(fixture->dir_fd, "file", O_PATH | O_CLOEXEC);
	g_autofree char *found = ash_content_cache_find(again, fd), *wanted = ash_sha256_hex("one", -1);
	g_assert_cmpstr(found, ==, wanted);
	g_autoptr(AshContentCache) other = ash_content_cache_new(fixture->dir_fd, "other");
	assert_digest(fixture, other, "file", "two");
}

static void
test_not_shared(Fixture *fixture, gconstpointer data)
{
	put(fixture, "file", "one");
	ask_once(fixture, "file", "one");
	put(fixture, "file", "two");
	ask_once(fixture, "file", "two");
	g_assert_false(ash_file_exists(fixture->dir_fd, CACHE));
	g_autoptr(AshContentCache) cache = ash_content_cache_new(fixture->dir_fd, CACHE);
	ash_autofd int fd = openat(fixture->dir_fd, "file", O_PATH | O_CLOEXEC);
	g_assert_null(ash_content_cache_find(cache, fd));
}

/* The same name, length and time, and often the same inode number; but another file. */
static void
test_another_inode(Fixture *fixture, gconstpointer data)
{
	for (int i = 0; i < 10; i++) {
		g_autofree char *text = g_strdup_printf("%d", i);
		put(fixture, "file", text);
		if (!mark(fixture, "file")) {
			g_test_skip("no extended attributes here");
			return;
		}
		ask_once(fixture, "file", text);
		g_assert_cmpint(unlinkat(fixture->dir_fd, "file", 0), ==, 0);
	}
}

/* Every byte of it, and every length. */
static void
test_damaged(Fixture *fixture, gconstpointer data)
{
	g_autofree char *whole = NULL;
	gsize length;

	put(fixture, "file", "one");
	if (!mark(fixture, "file")) {
		g_test_skip("no extended attributes here");
		return;
	}
	ask_once(fixture, "file", "one");
	whole = ash_file_load(fixture->dir_fd, CACHE, 0, &length, NULL);
	g_assert_nonnull(whole);
	put(fixture, "file", "two");
	for (gsize i = 0; i < 2 * length; i++) {
		g_autoptr(AshContentCache) cache = ash_content_cache_new(fixture->dir_fd, CACHE);
		if (i < length)
			whole[i] ^= 1;
		g_assert_true(ash_file_write(fixture->dir_fd, CACHE, whole, (gssize) (i < length ? length : i - length), 0644, NULL));
		assert_digest(fixture, cache, "file", "two");
		if (i < length)
			whole[i] ^= 1;
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/base/contentcache/kept", Fixture, NULL, setup, test_kept, teardown);
	g_test_add("/base/contentcache/not-shared", Fixture, NULL, setup, test_not_shared, teardown);
	g_test_add("/base/contentcache/another-inode", Fixture, NULL, setup, test_another_inode, teardown);
	g_test_add("/base/contentcache/damaged", Fixture, NULL, setup, test_damaged, teardown);
	return g_test_run();
}
