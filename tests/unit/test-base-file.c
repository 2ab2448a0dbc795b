/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/letgo.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
	char *path;
	int dir;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->path = g_dir_make_tmp("ash-file-XXXXXX", NULL);
	g_assert_nonnull(fixture->path);
	fixture->dir = ash_file_open_dir(AT_FDCWD, fixture->path, false, NULL);
	g_assert_cmpint(fixture->dir, >=, 0);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	ash_fd_clear(&fixture->dir);
	g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->path, NULL));
	g_free(fixture->path);
}

static void
put(Fixture *fixture, const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;

	ash_file_save(fixture->dir, path, text, -1, 0644, &error);
	g_assert_no_error(error);
}

static guint
count_entries(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	guint n = 0;

	while (g_dir_read_name(dir) != NULL)
		n++;
	return n;
}

/* Descriptors. */

static void
test_clear_and_steal(Fixture *fixture, gconstpointer data)
{
	int fd = ash_fd_open(fixture->dir, ".", O_RDONLY, 0, NULL), number = fd;

	g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, !=, 0);
	int taken = ash_fd_steal(&fd);
	g_assert_cmpint(taken, ==, number);
	g_assert_cmpint(fd, ==, -1);
	errno = EXDEV;
	ash_fd_clear(&fd);
	ash_fd_clear(&taken);
	g_assert_cmpint(errno, ==, EXDEV);
	g_assert_cmpint(fcntl(number, F_GETFD), ==, -1);
}

/* FALSE where there is no openat2(2), as under valgrind before 3.20; the test is skipped then. */
static bool
can_open_in_root(void)
{
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = ash_fd_open_in_root(AT_FDCWD, ".", O_PATH, 0, &error);

	if (fd < 0)
		g_test_skip(error->message);
	return fd >= 0;
}

/* What @path is when the fixture's "root" is "/"; NULL and @error if it cannot be opened. */
static char *
load_in_root(Fixture *fixture, const char *path, GError **error)
{
	ash_autofd int root = ash_file_open_dir(fixture->dir, "root", false, NULL);
	ash_autofd int fd = ash_fd_open_in_root(root, path, O_RDONLY, 0, error);
	char text[16] = "";

	if (fd < 0)
		return NULL;
	g_assert_cmpint(read(fd, text, sizeof text - 1), >=, 0);
	return g_strdup(text);
}

static void
test_in_root(Fixture *fixture, gconstpointer data)
{
	static const char *const paths[] = { "secret", "/secret", "../secret", "../../secret", "absolute", "up",
					     "away/secret", "away/../secret", "relative" };

	if (!can_open_in_root())
		return;
	put(fixture, "secret", "outside");
	g_assert_true(ash_file_mkdirs(fixture->dir, "root/sub", 0755, NULL));
	put(fixture, "root/secret", "inside");
	g_assert_cmpint(symlinkat("/secret", fixture->dir, "root/absolute"), ==, 0);
	g_assert_cmpint(symlinkat("../../../secret", fixture->dir, "root/up"), ==, 0);
	g_assert_cmpint(symlinkat("..", fixture->dir, "root/away"), ==, 0);
	g_assert_cmpint(symlinkat("sub/../secret", fixture->dir, "root/relative"), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *text = load_in_root(fixture, paths[i], &error);
		g_assert_no_error(error);
		g_assert_cmpstr(text, ==, "inside");
	}
}

static void
test_in_root_refuses(Fixture *fixture, gconstpointer data)
{
	static const char *const paths[] = { "missing", "magic", "loop", "dangling" };

	if (!can_open_in_root())
		return;
	g_assert_true(ash_file_mkdirs(fixture->dir, "root", 0755, NULL));
	g_assert_cmpint(symlinkat("/proc/self/cwd", fixture->dir, "root/magic"), ==, 0);
	g_assert_cmpint(symlinkat("loop", fixture->dir, "root/loop"), ==, 0);
	g_autofree char *outside = g_build_filename(fixture->path, "secret", NULL);
	put(fixture, "secret", "outside");
	g_assert_cmpint(symlinkat(outside, fixture->dir, "root/dangling"), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(load_in_root(fixture, paths[i], &error));
		g_assert_nonnull(error);
		g_assert_nonnull(strstr(error->message, paths[i]));
	}
	/* A new file made through the link lands inside as well, or nowhere. */
	ash_autofd int root = ash_file_open_dir(fixture->dir, "root", false, NULL);
	ash_autofd int fd = ash_fd_open_in_root(root, "../new", O_WRONLY | O_CREAT | O_EXCL, 0640, NULL);
	g_assert_cmpint(fd, >=, 0);
	g_assert_true(ash_file_exists(root, "new"));
	g_assert_false(ash_file_exists(fixture->dir, "new"));
}

static void
test_read_write(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = ash_fd_open(fixture->dir, "f", O_RDWR | O_CREAT, 0644, NULL);
	char text[4] = "";
	struct stat st;

	g_assert_true(ash_fd_write_all(fd, "xyz", 3, 5000, NULL));
	g_assert_true(ash_fd_read_exact(fd, text, 3, 5000, NULL));
	g_assert_cmpstr(text, ==, "xyz");
	g_assert_true(ash_fd_stat(fd, "f", &st, NULL));
	g_assert_cmpint(st.st_size, ==, 5003);
	g_assert_true(ash_fd_read_exact(fd, text, 0, 9000, NULL));
	g_assert_false(ash_fd_read_exact(fd, text, 3, 5001, &error));
	g_assert_nonnull(strstr(error->message, "1 bytes too early"));
}

static void
test_copy_range(Fixture *fixture, gconstpointer data)
{
	gsize length = 3 * 1024 * 1024 + 17;
	g_autofree char *written = g_malloc(length), *found = g_malloc(length);
	ash_autofd int from = ash_fd_open(fixture->dir, "from", O_RDWR | O_CREAT, 0644, NULL);
	ash_autofd int to = ash_fd_open(fixture->dir, "to", O_RDWR | O_CREAT, 0644, NULL);
	g_autoptr(GError) error = NULL;

	for (gsize i = 0; i < length; i++)
		written[i] = (char) (i * 7 + i / 251);
	g_assert_true(ash_fd_write_all(from, written, length, 11, NULL));
	g_assert_true(ash_fd_copy_range(from, 11, to, 4097, length, &error));
	g_assert_no_error(error);
	g_assert_true(ash_fd_read_exact(to, found, length, 4097, NULL));
	g_assert_cmpmem(written, length, found, length);
	g_assert_false(ash_fd_copy_range(from, 11, to, 0, length + 1, &error));
	g_assert_nonnull(error);
}

/* A source that copy_file_range(2) does not take goes through memory. */
static void
test_copy_range_between_kinds(Fixture *fixture, gconstpointer data)
{
	ash_autofd int from = ash_fd_open(AT_FDCWD, "/dev/zero", O_RDONLY, 0, NULL);
	ash_autofd int to = ash_fd_open(fixture->dir, "to", O_RDWR | O_CREAT, 0644, NULL);
	g_autoptr(GError) error = NULL;
	char text[3] = "";

	g_assert_true(ash_fd_write_all(to, "abcdef", 6, 0, NULL));
	g_assert_true(ash_fd_copy_range(from, 0, to, 1, 4, &error));
	g_assert_no_error(error);
	g_assert_true(ash_fd_read_exact(to, text, 2, 4, NULL));
	g_assert_cmpmem(text, 2, "\0f", 2);
}

/* Whole files. */

static void
test_load(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) missing = NULL, big = NULL;
	gsize length = 99;
	char *optional = (char *) "untouched";

	g_assert_true(ash_file_save(fixture->dir, "f", "a\0b", 3, 0600, NULL));
	g_autofree char *text = ash_file_load(fixture->dir, "f", 3, &length, NULL);
	g_assert_cmpuint(length, ==, 3);
	g_assert_cmpmem(text, 4, "a\0b", 4); /* with a NUL of its own */
	g_assert_null(ash_file_load(fixture->dir, "f", 2, &length, &big));
	g_assert_error(big, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(big->message, "\"f\" is larger than 2 bytes"));
	g_assert_null(ash_file_load(fixture->dir, "none", 0, NULL, &missing));
	g_assert_nonnull(strstr(missing->message, "\"none\""));
	g_assert_true(ash_file_load_optional(fixture->dir, "none", &optional, NULL, NULL));
	g_assert_null(optional);
	g_assert_true(ash_file_load_optional(fixture->dir, "f", &optional, &length, NULL));
	g_assert_cmpstr(optional, ==, "a");
	g_free(optional);
	/* A directory is there, but no file. */
	optional = NULL;
	g_assert_false(ash_file_load_optional(fixture->dir, ".", &optional, NULL, NULL));
	g_assert_null(optional);
}

static void
test_save_replaces(Fixture *fixture, gconstpointer data)
{
	struct stat st;

	put(fixture, "target", "kept");
	g_assert_cmpint(symlinkat("target", fixture->dir, "link"), ==, 0);
	g_assert_true(ash_file_save(fixture->dir, "link", "new", -1, 0640, NULL));
	g_assert_cmpint(fstatat(fixture->dir, "link", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
	g_assert_true(S_ISREG(st.st_mode));
	g_assert_cmpint(st.st_mode & 07777, ==, 0640); /* whatever the umask */
	g_autofree char *target = ash_file_load(fixture->dir, "target", 0, NULL, NULL);
	g_assert_cmpstr(target, ==, "kept");
	g_assert_true(ash_file_save(fixture->dir, "link", "", 0, 0640, NULL));
	g_assert_cmpuint(count_entries(fixture->path), ==, 2);
}

static void
test_save_leaves_nothing(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL, missing = NULL;

	g_assert_true(ash_file_mkdirs(fixture->dir, "taken/full", 0755, NULL));
	g_assert_false(ash_file_save(fixture->dir, "taken", "x", -1, 0644, &error));
	g_assert_nonnull(strstr(error->message, "\"taken\""));
	g_assert_cmpuint(count_entries(fixture->path), ==, 1);
	g_assert_false(ash_file_save(fixture->dir, "no/where", "x", -1, 0644, &missing));
	g_assert_nonnull(missing);
	g_assert_cmpuint(count_entries(fixture->path), ==, 1);
}

static void
test_save_on_full_disk(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	ash_autofd int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	if (full < 0) {
		g_test_skip("there is no /dev/full");
		return;
	}
	g_assert_false(ash_fd_write_all(full, "x", 1, 0, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_NO_SPACE);
}

static void
test_mkdirs(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL, empty = NULL;
	g_autofree char *absolute = g_build_filename(fixture->path, "x", "y", NULL);

	g_assert_true(ash_file_mkdirs(fixture->dir, "a/b/c", 0755, NULL));
	g_assert_true(ash_file_mkdirs(fixture->dir, "a/b/c", 0755, NULL));
	g_assert_true(ash_file_mkdirs(fixture->dir, "a//b/d/", 0755, NULL));
	g_assert_true(ash_file_exists(fixture->dir, "a/b/d"));
	g_assert_true(ash_file_mkdirs(AT_FDCWD, absolute, 0755, NULL));
	g_assert_true(ash_file_exists(fixture->dir, "x/y"));
	put(fixture, "file", "");
	g_assert_false(ash_file_mkdirs(fixture->dir, "file", 0755, &error));
	g_assert_nonnull(strstr(error->message, "\"file\" is not a directory"));
	g_assert_false(ash_file_mkdirs(fixture->dir, "", 0755, &empty));
	ash_autofd int made = ash_file_open_dir(fixture->dir, "new/one", true, NULL);
	g_assert_cmpint(made, >=, 0);
	g_assert_cmpint(ash_file_open_dir(fixture->dir, "file", false, NULL), ==, -1);
}

static void
test_remove_tree(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_file_mkdirs(fixture->dir, "outside", 0755, NULL));
	put(fixture, "outside/kept", "x");
	g_assert_true(ash_file_mkdirs(fixture->dir, "tree/deep/er/still", 0755, NULL));
	put(fixture, "tree/deep/file", "x");
	g_assert_cmpint(symlinkat("../outside", fixture->dir, "tree/link"), ==, 0);
	g_assert_cmpint(symlinkat("../../outside/kept", fixture->dir, "tree/deep/file-link"), ==, 0);
	/* As packages have them: directories that even their owner may not write or read. */
	g_assert_cmpint(fchmodat(fixture->dir, "tree/deep/er", 0000, 0), ==, 0);
	g_assert_cmpint(fchmodat(fixture->dir, "tree/deep", 0555, 0), ==, 0);
	g_assert_true(ash_file_remove_tree(fixture->dir, "tree", &error));
	g_assert_no_error(error);
	g_assert_false(ash_file_exists(fixture->dir, "tree"));
	g_assert_true(ash_file_exists(fixture->dir, "outside/kept"));
	g_assert_true(ash_file_remove_tree(fixture->dir, "tree", &error));
	g_assert_no_error(error);
}

/* The link itself goes, not what it points to, even when it is what was named. */
static void
test_remove_link(Fixture *fixture, gconstpointer data)
{
	g_assert_true(ash_file_mkdirs(fixture->dir, "outside/full", 0755, NULL));
	g_assert_cmpint(symlinkat("outside", fixture->dir, "link"), ==, 0);
	g_assert_cmpint(symlinkat("nowhere", fixture->dir, "dangling"), ==, 0);
	g_assert_true(ash_file_exists(fixture->dir, "dangling"));
	g_assert_true(ash_file_remove_tree(fixture->dir, "link", NULL));
	g_assert_true(ash_file_remove_tree(fixture->dir, "dangling", NULL));
	g_assert_true(ash_file_exists(fixture->dir, "outside/full"));
	g_assert_false(ash_file_exists(fixture->dir, "link"));
	g_assert_false(ash_file_exists(fixture->dir, "dangling"));
}

static void
test_remove_many_and_deep(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	ash_autofd int at = ash_file_open_dir(fixture->dir, "tree", true, NULL);

	for (guint i = 0; i < 2000; i++) {
		g_autofree char *name = g_strdup_printf("a-file-with-a-long-name-to-fill-buffers-%u", i);
		ash_autofd int fd = ash_fd_open(at, name, O_WRONLY | O_CREAT, 0644, NULL);
		g_assert_cmpint(fd, >=, 0);
	}
	for (guint i = 0; i < 300; i++) {
		int next = ash_file_open_dir(at, "d", true, NULL);
		g_assert_cmpint(next, >=, 0);
		ash_fd_clear(&at);
		at = next;
	}
	g_assert_true(ash_file_remove_tree(fixture->dir, "tree", &error));
	g_assert_no_error(error);
	g_assert_false(ash_file_exists(fixture->dir, "tree"));
}

static void
test_places(Fixture *fixture, gconstpointer data)
{
	guint64 bytes = 0;
	g_autofree char *path = ash_file_fd_path(fixture->dir);

	g_assert_true(ash_file_free_space(fixture->dir, &bytes, NULL));
	g_assert_cmpuint(bytes, >, 0);
	g_assert_false(ash_file_is_full(fixture->dir));
	g_assert_true(ash_file_require_room(fixture->dir, "it", NULL));
	put(fixture, "f", "x");
	g_autofree char *file = g_build_filename(path, "f", NULL);
	g_assert_true(g_file_test(file, G_FILE_TEST_IS_REGULAR));
}

static void
test_stream(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	guint files = 0, others = 0;

	put(fixture, "one", "1");
	put(fixture, ".hidden", "2");
	g_assert_cmpint(mkdirat(fixture->dir, "below", 0755), ==, 0);
	g_assert_cmpint(symlinkat("below", fixture->dir, "link"), ==, 0);
	g_autoptr(DIR) stream = ash_fd_open_stream(fixture->dir, ".", &error);
	g_assert_no_error(error);
	for (struct dirent *entry; (entry = ash_fd_next_entry(stream)) != NULL;) {
		g_assert_cmpstr(entry->d_name, !=, ".");
		g_assert_cmpstr(entry->d_name, !=, "..");
		if (strcmp(entry->d_name, "one") == 0 || strcmp(entry->d_name, ".hidden") == 0)
			files++;
		else
			others++;
	}
	g_assert_cmpuint(files, ==, 2);
	g_assert_cmpuint(others, ==, 2);
	/* A link in the place of a directory is not followed, a file is none, and what is missing is said. */
	for (guint i = 0; i < 3; i++) {
		static const char *const names[] = { "link", "one", "nothing" };
		g_assert_null(ash_fd_open_stream(fixture->dir, names[i], &error));
		g_assert_nonnull(strstr(error->message, names[i]));
		g_clear_error(&error);
	}
}

/* As a saved file, but nobody waits for the disk: what is there before, and after a failure, is whole. */
static void
test_write(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	struct stat info;

	put(fixture, "file", "before");
	g_assert_true(ash_file_write(fixture->dir, "file", "after", -1, 0600, &error));
	text = ash_file_load(fixture->dir, "file", 0, NULL, &error);
	g_assert_cmpstr(text, ==, "after");
	g_assert_cmpint(fstatat(fixture->dir, "file", &info, 0), ==, 0);
	g_assert_cmpint(info.st_mode & 07777, ==, 0600);
	g_assert_false(ash_file_write(fixture->dir, "missing/file", "x", -1, 0600, &error));
	g_assert_nonnull(error);
}

/* A large file that has lost its name: we have it open no longer, a child of ours has, and ends. */
static void
test_let_go(Fixture *fixture, gconstpointer data)
{
	AshLetGo *files = ash_let_go_new();
	g_autofree char *large = g_build_filename(fixture->path, "large", NULL);
	ash_autofd int fd = ash_fd_open(fixture->dir, "large", O_WRONLY | O_CREAT, 0644, NULL);
	int status = -1, before = dup(fd);

	put(fixture, "small", "x");
	g_assert_cmpint(posix_fallocate(fd, 0, 17 * 1024 * 1024), ==, 0);
	ash_let_go_hold(files, fixture->dir, "small");
	ash_let_go_hold(files, fixture->dir, "missing");
	ash_let_go_hold(files, fixture->dir, "large");
	ash_let_go_hold_fd(files, fd);
	g_assert_cmpint(unlink(large), ==, 0);
	ash_let_go_free(files);
	g_assert_cmpint(wait(&status), >, 0);
	g_assert_cmpint(status, ==, 0);
	/* The lowest free number is the one that the held file had. */
	int after = dup(fd);
	g_assert_cmpint(after, ==, before + 1);
	close(before);
	close(after);
}

/* None to hold: no child either. */
static void
test_let_go_nothing(Fixture *fixture, gconstpointer data)
{
	AshLetGo *files = ash_let_go_new();

	put(fixture, "small", "x");
	ash_let_go_hold(files, fixture->dir, "small");
	ash_let_go_free(files);
	g_assert_cmpint(wait(NULL), ==, -1);
	g_assert_cmpint(errno, ==, ECHILD);
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/base/fd/clear-and-steal", test_clear_and_steal);
	ADD("/base/fd/in-root", test_in_root);
	ADD("/base/fd/in-root-refuses", test_in_root_refuses);
	ADD("/base/fd/read-write", test_read_write);
	ADD("/base/fd/copy-range", test_copy_range);
	ADD("/base/fd/copy-range-between-kinds", test_copy_range_between_kinds);
	ADD("/base/file/load", test_load);
	ADD("/base/file/save-replaces", test_save_replaces);
	ADD("/base/file/save-leaves-nothing", test_save_leaves_nothing);
	ADD("/base/file/full-disk", test_save_on_full_disk);
	ADD("/base/file/mkdirs", test_mkdirs);
	ADD("/base/file/remove-tree", test_remove_tree);
	ADD("/base/file/remove-link", test_remove_link);
	ADD("/base/file/remove-many-and-deep", test_remove_many_and_deep);
	ADD("/base/file/places", test_places);
	ADD("/base/file/stream", test_stream);
	ADD("/base/file/write", test_write);
	ADD("/base/letgo/large", test_let_go);
	ADD("/base/letgo/nothing", test_let_go_nothing);
	return g_test_run();
}
