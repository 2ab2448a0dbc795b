/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/openlog.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	char *dir;
	int fd;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	fixture->fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL);
	g_assert_true(ash_file_mkdirs(fixture->fd, "usr/bin", 0755, NULL));
	g_assert_true(ash_file_mkdirs(fixture->fd, "etc/empty", 0755, NULL));
	g_assert_true(ash_file_save(fixture->fd, "usr/bin/read", "read", -1, 0644, NULL));
	g_assert_true(ash_file_save(fixture->fd, "usr/bin/asked", "asked", -1, 0755, NULL));
	g_assert_true(ash_file_save(fixture->fd, "top", "top", -1, 0644, NULL));
	g_assert_cmpint(symlinkat("../usr/bin/read", fixture->fd, "etc/link"), ==, 0);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	close(fixture->fd);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
}

static void
open_and_close(Fixture *fixture, const char *path)
{
	int fd = openat(fixture->fd, path, O_RDONLY | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	close(fd);
}

static char *
joined(AshOpenLog *log)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) paths = ash_openlog_stop(log, &error);

	g_assert_no_error(error);
	return g_strjoinv(" ", paths);
}

static AshOpenLog *
start(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	AshOpenLog *log = ash_openlog_start(fixture->fd, &error);

	g_assert_no_error(error);
	return log;
}

/* Neither what was opened before, nor what is only asked for; links by where they lead. */
static void
test_opened(Fixture *fixture, gconstpointer data)
{
	struct stat info;

	open_and_close(fixture, "usr/bin/asked");
	g_autoptr(AshOpenLog) log = start(fixture);
	g_assert_cmpint(fstatat(fixture->fd, "usr/bin/asked", &info, 0), ==, 0);
	g_assert_cmpint(faccessat(fixture->fd, "usr/bin/asked", X_OK, 0), ==, 0);
	open_and_close(fixture, "top");
	open_and_close(fixture, "etc/link");
	open_and_close(fixture, "etc/link");
	open_and_close(fixture, "etc/empty");
	g_autofree char *paths = joined(log);
	g_assert_cmpstr(paths, ==, "etc/empty top usr/bin/read");
}

static void
test_nothing(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshOpenLog) log = start(fixture);
	g_autofree char *paths = joined(log);

	g_assert_cmpstr(paths, ==, "");
}

/* A program that is run is opened, and its interpreter. */
static void
test_program(Fixture *fixture, gconstpointer data)
{
	g_autofree char *program = g_build_filename(fixture->dir, "usr/bin/program", NULL);
	char *argv[] = { program, NULL };
	int status = -1;

	g_assert_true(ash_file_save(fixture->fd, "usr/bin/program", "#!/bin/sh\nexit 7\n", -1, 0755, NULL));
	g_autoptr(AshOpenLog) log = start(fixture);
	g_assert_true(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, NULL, NULL, &status, NULL));
	g_autofree char *paths = joined(log);
	g_assert_cmpstr(paths, ==, "usr/bin/program");
}

/* Many more events than the kernel's queue holds. */
static void
test_many(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshOpenLog) log = start(fixture);

	for (int i = 0; i < 20000; i++) {
		g_autofree char *name = g_strdup_printf("usr/bin/%d", i % 100);
		ash_autofd int fd = ash_fd_open(fixture->fd, name, O_RDWR | O_CREAT, 0644, NULL);
		g_assert_cmpint(fd, >=, 0);
	}
	g_auto(GStrv) paths = ash_openlog_stop(log, NULL);
	/* The kernel may lose some under load, but it says so. */
	if (paths != NULL)
		g_assert_cmpuint(g_strv_length(paths), ==, 100);
}

static void
test_abandoned(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshOpenLog) log = start(fixture);

	open_and_close(fixture, "top");
}

#define TEST(name, function) g_test_add("/base/openlog/" name, Fixture, NULL, setup, function, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("opened", test_opened);
	TEST("nothing", test_nothing);
	TEST("program", test_program);
	TEST("many", test_many);
	TEST("abandoned", test_abandoned);
	return g_test_run();
}
