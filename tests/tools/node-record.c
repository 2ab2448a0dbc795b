/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into a program, writes down what it does to files below $NODE_RECORD_BELOW (each write with its data, sync, truncation,
 * rename, removal), one line of text in $NODE_RECORD_LOG each, data in hexadecimal:
 *
 *   write PATH OFFSET DATA | sync PATH | truncate PATH SIZE | create PATH | rename FROM TO | unlink PATH | mkdir PATH
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

/* Path of @fd, if it is one that counts. */
static bool
path_of(int fd, char path[PATH_MAX])
{
	const char *below = getenv("NODE_RECORD_BELOW");
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	const ssize_t length = readlink(link, path, PATH_MAX - 1);
	if (below == NULL || length < 0)
		return false;
	path[length] = '\0';
	return strncmp(path, below, strlen(below)) == 0;
}

static bool
path_at(int dir_fd, const char *name, char path[PATH_MAX])
{
	const char *below = getenv("NODE_RECORD_BELOW");
	char dir[PATH_MAX];

	if (below == NULL)
		return false;
	if (name[0] == '/') {
		snprintf(path, PATH_MAX, "%s", name);
		return strncmp(path, below, strlen(below)) == 0;
	}
	if (dir_fd == AT_FDCWD || !path_of(dir_fd, dir))
		return false;
	return snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

static FILE *
begin(void)
{
	pthread_mutex_lock(&lock);
	return fopen(getenv("NODE_RECORD_LOG"), "ae");
}

static void
end(FILE *log)
{
	if (log != NULL)
		fclose(log);
	pthread_mutex_unlock(&lock);
}

static void
note(const char *what, const char *path, const char *rest)
{
	FILE *log = begin();

	fprintf(log, "%s %s%s%s\n", what, path, rest != NULL ? " " : "", rest != NULL ? rest : "");
	end(log);
}

static void
note_write(const char *path, off_t offset, const void *data, size_t length)
{
	const unsigned char *bytes = data;
	FILE *log = begin();

	fprintf(log, "write %s %lld ", path, (long long) offset);
	for (size_t i = 0; i < length; i++)
		fprintf(log, "%02x", bytes[i]);
	fprintf(log, "\n");
	end(log);
}

ssize_t
pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
	char path[PATH_MAX];
	const ssize_t done = REAL(pwrite64)(fd, data, length, offset);

	if (done > 0 && path_of(fd, path))
		note_write(path, offset, data, (size_t) done);
	return done;
}

ssize_t
pwrite(int fd, const void *data, size_t length, off_t offset)
{
	return pwrite64(fd, data, length, offset);
}

ssize_t
write(int fd, const void *data, size_t length)
{
	char path[PATH_MAX];
	const bool counts = fd > 2 && path_of(fd, path);
	const off_t offset = counts ? lseek(fd, 0, SEEK_CUR) : 0;
	const ssize_t done = REAL(write)(fd, data, length);

	if (done > 0 && counts)
		note_write(path, offset, data, (size_t) done);
	return done;
}

static int
note_sync(int fd, int done)
{
	char path[PATH_MAX];

	if (done == 0 && path_of(fd, path))
		note("sync", path, NULL);
	return done;
}

int
fsync(int fd)
{
	return note_sync(fd, REAL(fsync)(fd));
}

int
fdatasync(int fd)
{
	return note_sync(fd, REAL(fdatasync)(fd));
}

int
ftruncate64(int fd, off64_t size)
{
	char path[PATH_MAX], text[32];
	const int done = REAL(ftruncate64)(fd, size);

	snprintf(text, sizeof(text), "%lld", (long long) size);
	if (done == 0 && path_of(fd, path))
		note("truncate", path, text);
	return done;
}

int
ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

static int
open_at(int dir_fd, const char *name, int flags, mode_t mode)
{
	char path[PATH_MAX];
	const bool counts = (flags & O_CREAT) != 0 && path_at(dir_fd, name, path);
	const bool there = counts && access(path, F_OK) == 0;
	const int fd = REAL(openat64)(dir_fd, name, flags, mode);

	if (fd >= 0 && counts && !there)
		note("create", path, NULL);
	else if (fd >= 0 && counts && (flags & O_TRUNC) != 0)
		note("truncate", path, "0");
	return fd;
}

int
openat64(int dir_fd, const char *name, int flags, ...)
{
	va_list arguments;

	va_start(arguments, flags);
	const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return open_at(dir_fd, name, flags, mode);
}

int
openat(int dir_fd, const char *name, int flags, ...)
{
	va_list arguments;

	va_start(arguments, flags);
	const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return open_at(dir_fd, name, flags, mode);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char from_path[PATH_MAX], to_path[PATH_MAX];
	const bool counts = path_at(from_fd, from, from_path) && path_at(to_fd, to, to_path);
	const int done = REAL(renameat)(from_fd, from, to_fd, to);

	if (done == 0 && counts)
		note("rename", from_path, to_path);
	return done;
}

int
unlinkat(int dir_fd, const char *name, int flags)
{
	char path[PATH_MAX];
	const bool counts = path_at(dir_fd, name, path);
	const int done = REAL(unlinkat)(dir_fd, name, flags);

	if (done == 0 && counts)
		note("unlink", path, NULL);
	return done;
}

int
mkdirat(int dir_fd, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	const bool counts = path_at(dir_fd, name, path);
	const int done = REAL(mkdirat)(dir_fd, name, mode);

	if (done == 0 && counts)
		note("mkdir", path, NULL);
	return done;
}
