/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "publish/objects.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
	char *path;
	int fd;
	AshObjects *objects;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	fixture->path = g_dir_make_tmp("ashlar-XXXXXX", &error);
	fixture->fd = ash_file_open_dir(AT_FDCWD, fixture->path, false, &error);
	fixture->objects = ash_objects_open(fixture->fd, &error);
	g_assert_no_error(error);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	ash_objects_free(fixture->objects);
	ash_fd_clear(&fixture->fd);
	ash_file_remove_tree(AT_FDCWD, fixture->path, NULL);
	g_free(fixture->path);
}

static void
test_add(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GBytes) bytes = g_bytes_new_static("hello", 5);
	g_autoptr(GError) error = NULL;
	g_autofree char *sha256 = ash_sha256_hex("hello", -1);
	AshObjectRef object = { 0 }, again = { 0 };
	struct stat before, after;
	guint files;
	guint64 written;

	g_assert_true(ash_objects_add_bytes(fixture->objects, bytes, &object, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(object.sha256, ==, sha256);
	g_assert_cmpuint(object.size, ==, 5);
	g_autofree char *path = ash_object_ref_path(&object);
	g_assert_cmpint(fstatat(fixture->fd, path, &before, 0), ==, 0);
	g_assert_cmpint(before.st_mode & 07777, ==, 0644);
	/* The second time it is left alone; damaged, it is replaced. */
	g_assert_true(ash_objects_add_bytes(fixture->objects, bytes, &again, &error));
	g_assert_cmpint(fstatat(fixture->fd, path, &after, 0), ==, 0);
	g_assert_cmpuint(before.st_ino, ==, after.st_ino);
	ash_objects_get_written(fixture->objects, &files, &written);
	g_assert_cmpuint(files, ==, 1);
	g_assert_cmpuint(written, ==, 5);
	g_assert_true(ash_file_save(fixture->fd, path, "hellO", 5, 0644, &error));
	g_assert_null(ash_objects_load(fixture->objects, &object, 100, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_clear_error(&error);
	g_free(again.sha256);
	g_assert_true(ash_objects_add_bytes(fixture->objects, bytes, &again, &error));
	g_autoptr(GBytes) loaded = ash_objects_load(fixture->objects, &object, 100, &error);
	g_assert_true(g_bytes_equal(loaded, bytes));
	g_assert_null(ash_objects_load(fixture->objects, &object, 4, NULL));
	g_assert_true(ash_objects_sync(fixture->objects, &error));
	g_free(object.sha256);
	g_free(again.sha256);
}

/* What was not finished is nowhere, and goes. */
static void
test_unfinished(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AshObjectFile) given_up = ash_objects_begin(fixture->objects, &error), empty = ash_objects_begin(fixture->objects, &error);
	AshObjectRef object = { 0 };

	g_assert_true(ash_object_file_write(given_up, "x", 1, &error));
	g_assert_false(ash_object_file_finish(empty, &object, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	g_assert_true(ash_file_exists(fixture->fd, "tmp/object-0"));
	g_clear_pointer(&given_up, ash_object_file_free);
	g_assert_false(ash_file_exists(fixture->fd, "tmp/object-0"));
	g_assert_true(ash_file_save(fixture->fd, "tmp/left", "x", 1, 0644, &error));
	g_clear_pointer(&empty, ash_object_file_free);
	g_clear_pointer(&fixture->objects, ash_objects_free);
	fixture->objects = ash_objects_open(fixture->fd, &error);
	g_assert_no_error(error);
	g_assert_false(ash_file_exists(fixture->fd, "tmp/left"));
}

static void
test_names(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GBytes) bytes = g_bytes_new_static("one", 3), other = g_bytes_new_static("two", 3);
	g_autoptr(GError) error = NULL;
	AshObjectRef object = { 0 };
	struct stat a, b;

	g_assert_true(ash_objects_save(fixture->objects, "targets/a/b/c", bytes, &error));
	g_assert_true(ash_objects_save(fixture->objects, "targets/a/b/c", other, &error));
	g_autofree char *text = ash_file_load(fixture->fd, "targets/a/b/c", 0, NULL, &error);
	g_assert_cmpstr(text, ==, "two");
	g_assert_true(ash_objects_add_bytes(fixture->objects, bytes, &object, &error));
	g_assert_true(ash_objects_link(ctx, fixture->objects, &object, "view/name", &error));
	g_assert_true(ash_objects_link(ctx, fixture->objects, &object, "view/name", &error));
	g_assert_no_error(error);
	g_autofree char *path = ash_object_ref_path(&object);
	g_assert_cmpint(fstatat(fixture->fd, path, &a, 0), ==, 0);
	g_assert_cmpint(fstatat(fixture->fd, "view/name", &b, 0), ==, 0);
	g_assert_cmpuint(a.st_ino, ==, b.st_ino);
	g_free(object.sha256);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/publish/objects/add", Fixture, NULL, set_up, test_add, tear_down);
	g_test_add("/publish/objects/unfinished", Fixture, NULL, set_up, test_unfinished, tear_down);
	g_test_add("/publish/objects/names", Fixture, NULL, set_up, test_names, tear_down);
	return g_test_run();
}
