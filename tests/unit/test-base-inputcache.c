/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/inputcache.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT 1000 /* seconds: the latest time of a file that counts */

/* A tree of two files and a link, a cache beside it, and a result. */
typedef struct {
	char *dir, *cache_dir;
	int dir_fd, root;
	GHashTable *views;
	AshInputCache cache;
} Fixture;

static void
set_time(Fixture *fixture, const char *path, gint64 seconds)
{
	const struct timespec times[2] = { { seconds, 0 }, { seconds, 0 } };

	g_assert_cmpint(utimensat(fixture->root, path, times, 0), ==, 0);
}

static void
save(Fixture *fixture, const char *path, const char *text)
{
	g_assert_true(ash_file_save(fixture->root, path, text, -1, 0644, NULL));
	set_time(fixture, path, 500);
}

static void
set_result(Fixture *fixture, const char *text)
{
	g_assert_true(ash_file_save(fixture->dir_fd, "r", text, -1, 0644, NULL));
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	fixture->cache_dir = g_build_filename(fixture->dir, "cache", NULL);
	g_autofree char *root = g_build_filename(fixture->dir, "root", NULL);
	fixture->root = ash_file_open_dir(AT_FDCWD, root, true, NULL);
	fixture->dir_fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL);
	fixture->views = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_insert(fixture->views, (gpointer) "etc/passwd", (gpointer) "root");
	fixture->cache = (AshInputCache){ .dir = fixture->cache_dir, .key = "0a", .title = "kernel \"6.1\"" };
	g_assert_true(ash_file_mkdirs(fixture->root, "usr/bin", 0755, NULL));
	save(fixture, "usr/bin/a\nb", "a");
	save(fixture, "usr/bin/c", "c");
	g_assert_cmpint(symlinkat("c", fixture->root, "usr/bin/link"), ==, 0);
	set_result(fixture, "image");
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	close(fixture->root);
	close(fixture->dir_fd);
	g_hash_table_unref(fixture->views);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->cache_dir);
	g_free(fixture->dir);
}

static AshInputReader *
new_reader(Fixture *fixture)
{
	AshInputReader *reader = ash_input_reader_new(fixture->root, LIMIT, fixture->views);

	ash_input_reader_ignore(reader, "usr/bin/output");
	ash_input_reader_ignore(reader, "usr/bin/hidden");
	return reader;
}

/* Keeps the result as made of everything there is. */
static void
add(Fixture *fixture)
{
	static const struct {
		AshInputKind kind;
		const char *path;
	} all[] = { { ASH_INPUT_VIEW, "etc/passwd" },
		    { ASH_INPUT_NAMES, "." },
		    { ASH_INPUT_NAMES, "usr/bin" },
		    { ASH_INPUT_FILE, "usr/bin/a\nb" },
		    { ASH_INPUT_FILE, "usr/bin/c" } };
	g_autoptr(AshInputReader) reader = new_reader(fixture);
	g_autoptr(GPtrArray) inputs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_input_free);
	g_autoptr(GError) error = NULL;

	for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
		const char *digest = ash_input_reader_take(reader, all[i].kind, all[i].path);
		g_assert_cmpuint(strlen(digest), ==, 64);
		g_ptr_array_add(inputs, ash_input_new(all[i].kind, all[i].path, digest));
	}
	g_autofree char *digest = ash_input_cache_add(&fixture->cache, inputs, fixture->dir_fd, "r", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(strlen(digest), ==, 64);
}

/* The path of the result for what is there now; NULL, and why. */
static char *
find(Fixture *fixture, char **ret_why)
{
	g_autoptr(AshInputReader) reader = new_reader(fixture);
	g_autofree char *digest = ash_input_cache_match(&fixture->cache, reader, ret_why);

	return digest != NULL ? ash_input_cache_get(&fixture->cache, digest) : NULL;
}

static void
assert_hit(Fixture *fixture, const char *expected)
{
	g_autofree char *why = NULL;
	g_autofree char *text = NULL, *path = find(fixture, &why);

	g_assert_cmpstr(why, ==, NULL);
	g_assert_nonnull(path);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, expected);
}

static void
assert_miss(Fixture *fixture, const char *expected)
{
	g_autofree char *why = NULL;

	g_assert_null(find(fixture, &why));
	g_assert_cmpstr(why, ==, expected);
}

static void
test_hit(Fixture *fixture, gconstpointer data)
{
	assert_miss(fixture, "there was no earlier run");
	add(fixture);
	assert_hit(fixture, "image");
	/* None of these can be told by whoever read the tree. */
	save(fixture, "usr/bin/output", "x");
	save(fixture, "usr/bin/hidden", "x");
	g_assert_true(ash_file_mkdirs(fixture->root, "usr/lib", 0755, NULL));
	assert_hit(fixture, "image");
	set_time(fixture, "usr/bin/c", 2000);
	add(fixture);
	set_time(fixture, "usr/bin/c", 3000);
	assert_hit(fixture, "image");
}

static void
test_changes(Fixture *fixture, gconstpointer data)
{
	const char *names = "the names in \"/usr/bin\" have changed";

	add(fixture);
	save(fixture, "usr/bin/c", "C");
	assert_miss(fixture, "\"/usr/bin/c\" has changed");
	save(fixture, "usr/bin/c", "c");
	assert_hit(fixture, "image");
	set_time(fixture, "usr/bin/c", 501);
	assert_miss(fixture, "\"/usr/bin/c\" has changed");
	set_time(fixture, "usr/bin/c", 500);
	g_assert_cmpint(fchmodat(fixture->root, "usr/bin/c", 0755, 0), ==, 0);
	assert_miss(fixture, names);
	g_assert_cmpint(fchmodat(fixture->root, "usr/bin/c", 0644, 0), ==, 0);
	assert_hit(fixture, "image");
	save(fixture, "usr/bin/d", "");
	assert_miss(fixture, names);
	g_assert_cmpint(unlinkat(fixture->root, "usr/bin/d", 0), ==, 0);
	g_assert_cmpint(unlinkat(fixture->root, "usr/bin/link", 0), ==, 0);
	g_assert_cmpint(symlinkat("d", fixture->root, "usr/bin/link"), ==, 0);
	assert_miss(fixture, names);
	g_hash_table_insert(fixture->views, (gpointer) "etc/passwd", (gpointer) "toor");
	assert_miss(fixture, "\"/etc/passwd\" has changed");
}

/* Several runs are kept, and the oldest forgotten with its result. */
static void
test_several(Fixture *fixture, gconstpointer data)
{
	for (int i = 0; i < 10; i++) {
		g_autofree char *text = g_strdup_printf("%d", i);
		save(fixture, "usr/bin/c", text);
		set_result(fixture, text);
		add(fixture);
		add(fixture);
	}
	for (int i = 2; i < 10; i++) {
		g_autofree char *text = g_strdup_printf("%d", i);
		save(fixture, "usr/bin/c", text);
		assert_hit(fixture, text);
	}
	save(fixture, "usr/bin/c", "1");
	assert_miss(fixture, "\"/usr/bin/c\" has changed");
	g_autoptr(GDir) dir = g_dir_open(fixture->cache_dir, 0, NULL);
	guint count = 0;
	while (g_dir_read_name(dir) != NULL)
		count++;
	g_assert_cmpuint(count, ==, 1 + 8);
}

static void
test_other_keys(Fixture *fixture, gconstpointer data)
{
	add(fixture);
	fixture->cache.key = "0b";
	assert_miss(fixture, "it is the first run for kernel \"6.1\" with these options");
	fixture->cache.title = "kernel \"6.2\"";
	assert_miss(fixture, "kernel \"6.2\" is new");
}

/* The path of the one file in the cache that ends so. */
static char *
find_file(Fixture *fixture, const char *suffix)
{
	g_autoptr(GDir) dir = g_dir_open(fixture->cache_dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir)) != NULL)
		if (g_str_has_suffix(name, suffix))
			return g_build_filename(fixture->cache_dir, name, NULL);
	g_assert_not_reached();
}

static void
test_damaged_result(Fixture *fixture, gconstpointer data)
{
	add(fixture);
	g_autofree char *path = find_file(fixture, ".img");
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	g_assert_true(ash_fd_write_all(fd, "imagE", 5, 0, NULL));
	close(fd);
	assert_miss(fixture, NULL);
	g_assert_cmpint(unlink(path), ==, 0);
	assert_miss(fixture, NULL);
	set_result(fixture, "image");
	add(fixture);
	add(fixture);
	assert_hit(fixture, "image");
}

/* Every byte of a manifest that is another, and every length that is shorter. */
static void
test_damaged_manifest(Fixture *fixture, gconstpointer data)
{
	gsize length;
	g_autofree char *text = NULL;

	add(fixture);
	g_autofree char *path = find_file(fixture, ".manifest");
	g_assert_true(g_file_get_contents(path, &text, &length, NULL));
	for (gsize i = 0; i < length; i += 7) {
		text[i] ^= 1;
		g_assert_true(g_file_set_contents(path, text, (gssize) length, NULL));
		assert_miss(fixture, "there was no earlier run");
		text[i] ^= 1;
		g_assert_true(g_file_set_contents(path, text, (gssize) i, NULL));
		assert_miss(fixture, "there was no earlier run");
	}
	g_assert_true(g_file_set_contents(path, text, (gssize) length, NULL));
	assert_hit(fixture, "image");
	g_assert_true(g_file_set_contents(path, "", 0, NULL));
	add(fixture);
	assert_hit(fixture, "image");
}

/* Another version of the format, its sum right. */
static void
save_version(const char *path, char *text, gsize length, char version)
{
	gsize before = length - strlen("sum ") - 64 - 1;
	char *at = strstr(text, "cache 1\n");

	g_assert_nonnull(at);
	at[strlen("cache ")] = version;
	g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *) text, before);
	g_autofree char *whole = g_strdup_printf("%.*ssum %s\n", (int) before, text, sum);
	at[strlen("cache ")] = '1';
	g_assert_true(g_file_set_contents(path, whole, -1, NULL));
}

static void
test_old_version(Fixture *fixture, gconstpointer data)
{
	gsize length;
	g_autofree char *text = NULL;

	add(fixture);
	g_autofree char *path = find_file(fixture, ".manifest");
	g_assert_true(g_file_get_contents(path, &text, &length, NULL));
	save_version(path, text, length, '1');
	assert_hit(fixture, "image");
	save_version(path, text, length, '0');
	assert_miss(fixture, "there was no earlier run");
}

#define TEST(name, function) g_test_add("/base/inputcache/" name, Fixture, NULL, setup, function, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("hit", test_hit);
	TEST("changes", test_changes);
	TEST("several", test_several);
	TEST("other-keys", test_other_keys);
	TEST("damaged-result", test_damaged_result);
	TEST("damaged-manifest", test_damaged_manifest);
	TEST("old-version", test_old_version);
	return g_test_run();
}
