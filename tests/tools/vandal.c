/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* For tests: changes an existing file in place. vandal WAY FILE. Exits 1 if that was not possible. */

static int
write_at_end(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	return fd < 0 || write(fd, "vandal\n", 7) != 7;
}

static int
overwrite(const char *path)
{
	int fd = open(path, O_RDWR);

	return fd < 0 || pwrite(fd, "VANDAL", 6, 0) != 6;
}

static int
open_truncated(const char *path)
{
	return open(path, O_WRONLY | O_TRUNC) < 0;
}

static int
create_over(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	return fd < 0 || write(fd, "new\n", 4) != 4;
}

static int
truncate_path(const char *path)
{
	return truncate(path, 3) != 0;
}

static int
truncate_fd(const char *path)
{
	int fd = open(path, O_RDWR);

	return fd < 0 || ftruncate(fd, 3) != 0;
}

static int
chmod_path(const char *path)
{
	return chmod(path, 04711) != 0;
}

static int
chmod_fd(const char *path)
{
	int fd = open(path, O_RDONLY);

	return fd < 0 || fchmod(fd, 0600) != 0;
}

static int
chown_path(const char *path)
{
	return chown(path, 7, 8) != 0;
}

static int
chown_fd(const char *path)
{
	int fd = open(path, O_RDONLY);

	return fd < 0 || fchown(fd, 7, 8) != 0;
}

static int
set_attribute(const char *path)
{
	return setxattr(path, "user.vandal", "was here", 8, 0) != 0;
}

static int
set_attribute_fd(const char *path)
{
	int fd = open(path, O_RDONLY);

	return fd < 0 || fsetxattr(fd, "user.vandal", "was here", 8, 0) != 0;
}

static int
set_time(const char *path)
{
	struct timespec times[2] = { { .tv_sec = 7 }, { .tv_sec = 7, .tv_nsec = 77 } };

	return utimensat(AT_FDCWD, path, times, 0) != 0;
}

static int
set_time_fd(const char *path)
{
	struct timespec times[2] = { { .tv_sec = 7 }, { .tv_sec = 7, .tv_nsec = 77 } };
	int fd = open(path, O_RDONLY);

	return fd < 0 || futimens(fd, times) != 0;
}

static int
map_it(const char *path)
{
	int fd = open(path, O_RDWR);
	char *memory = fd >= 0 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (memory == MAP_FAILED)
		return 1;
	memcpy(memory, "MAPPED", 6);
	return munmap(memory, 4096) != 0;
}

/* The name that is written to is not the one that was placed. */
static int
through_link(const char *path)
{
	char name[4096];

	snprintf(name, sizeof name, "%s.link", path);
	return link(path, name) != 0 || write_at_end(name) != 0 || unlink(name) != 0;
}

static int
through_symlink(const char *path)
{
	char name[4096];

	snprintf(name, sizeof name, "%s.symlink", path);
	return symlink(path, name) != 0 || write_at_end(name) != 0 || chmod(name, 0755) != 0 || unlink(name) != 0;
}

static int
through_proc(const char *path)
{
	char name[64];
	int fd = open(path, O_RDONLY);

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return fd < 0 || write_at_end(name) != 0;
}

static int
after_rename(const char *path)
{
	char name[4096];

	snprintf(name, sizeof name, "%s.moved", path);
	return rename(path, name) != 0 || overwrite(name) != 0 || rename(name, path) != 0;
}

static const struct {
	const char *name;
	int (*run)(const char *path);
} ways[] = {
	{ "append", write_at_end },
	{ "overwrite", overwrite },
	{ "open-truncated", open_truncated },
	{ "create-over", create_over },
	{ "truncate", truncate_path },
	{ "ftruncate", truncate_fd },
	{ "chmod", chmod_path },
	{ "fchmod", chmod_fd },
	{ "chown", chown_path },
	{ "fchown", chown_fd },
	{ "setxattr", set_attribute },
	{ "fsetxattr", set_attribute_fd },
	{ "utimens", set_time },
	{ "futimens", set_time_fd },
	{ "mmap", map_it },
	{ "link", through_link },
	{ "symlink", through_symlink },
	{ "proc", through_proc },
	{ "rename", after_rename },
};

int
main(int argc, char **argv)
{
	if (argc == 1)
		for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
			puts(ways[i].name);
	if (argc != 3)
		return argc != 1;
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		if (strcmp(argv[1], ways[i].name) != 0)
			continue;
		int failed = ways[i].run(argv[2]);
		if (failed != 0)
			fprintf(stderr, "%s %s: %s\n", argv[1], argv[2], strerror(errno));
		return failed != 0;
	}
	fprintf(stderr, "\"%s\" is no way\n", argv[1]);
	return 1;
}
