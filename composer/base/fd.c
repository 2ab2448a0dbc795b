/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fd.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COPY_BUFFER_SIZE (1024 * 1024)

void
ash_fd_clear(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

int
ash_fd_steal(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

void
ash_fd_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
ash_fd_open(int dir_fd, const char *path, int flags, mode_t mode, GError **error)
{
	int fd = openat(dir_fd, path, flags | O_CLOEXEC, mode);

	if (fd < 0)
		ash_throw_errno(error, "cannot open \"%s\"", path);
	return fd;
}

int
ash_fd_open_in_root(int root_fd, const char *path, int flags, mode_t mode, GError **error)
{
	bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
		.flags = (guint64) (flags | O_CLOEXEC),
		.mode = creates ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* EAGAIN: a rename raced with "..", which the kernel cannot rule out by itself. */
	do {
		fd = (int) syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	} while (fd < 0 && errno == EAGAIN);
	if (fd < 0)
		ash_throw_errno(error, "cannot open \"%s\" in the root", path);
	return fd;
}

gboolean
ash_fd_read_exact(int fd, void *buffer, gsize length, guint64 offset, GError **error)
{
	char *at = buffer;

	while (length > 0) {
		gssize got = pread(fd, at, length, (off_t) offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ash_throw_errno(error, "cannot read");
		if (got == 0)
			return ash_throw(error, ASH_ERROR_INTERNAL,
					 "file ends %" G_GSIZE_FORMAT " bytes too early", length);
		at += got;
		offset += (guint64) got;
		length -= (gsize) got;
	}
	return TRUE;
}

gboolean
ash_fd_write_all(int fd, const void *buffer, gsize length, guint64 offset, GError **error)
{
	const char *at = buffer;

	while (length > 0) {
		gssize put = pwrite(fd, at, length, (off_t) offset);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return ash_throw_errno(error, "cannot write");
		at += put;
		offset += (guint64) put;
		length -= (gsize) put;
	}
	return TRUE;
}

/* Across file systems, or where the kernel cannot. */
static gboolean
copy_by_buffer(int from_fd, guint64 from, int to_fd, guint64 to, guint64 length, GError **error)
{
	g_autofree char *buffer = g_malloc(COPY_BUFFER_SIZE);

	while (length > 0) {
		gsize part = (gsize) MIN(length, COPY_BUFFER_SIZE);
		if (!ash_fd_read_exact(from_fd, buffer, part, from, error) ||
		    !ash_fd_write_all(to_fd, buffer, part, to, error))
			return FALSE;
		from += part;
		to += part;
		length -= part;
	}
	return TRUE;
}

gboolean
ash_fd_copy_range(int from_fd, guint64 from_offset, int to_fd, guint64 to_offset, guint64 length,
		  GError **error)
{
	while (length > 0) {
		off_t from = (off_t) from_offset, to = (off_t) to_offset;
		gssize put = copy_file_range(from_fd, &from, to_fd, &to, (gsize) MIN(length, 1u << 30), 0);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno != ENOSPC && errno != EIO && errno != EDQUOT)
			return copy_by_buffer(from_fd, from_offset, to_fd, to_offset, length, error);
		if (put < 0)
			return ash_throw_errno(error, "cannot copy");
		if (put == 0)
			return ash_throw(error, ASH_ERROR_INTERNAL,
					 "file ends %" G_GUINT64_FORMAT " bytes too early", length);
		from_offset += (guint64) put;
		to_offset += (guint64) put;
		length -= (guint64) put;
	}
	return TRUE;
}

gboolean
ash_fd_find_data(int fd, guint64 from, guint64 end, guint64 *ret_start, guint64 *ret_end, GError **error)
{
	off_t data = from < end ? lseek(fd, (off_t) from, SEEK_DATA) : -1;
	off_t hole;

	*ret_start = *ret_end = end;
	if (from >= end || (data < 0 && errno == ENXIO))
		return TRUE;
	if (data < 0 && errno == EINVAL) {
		*ret_start = from;
		return TRUE;
	}
	hole = data >= 0 ? lseek(fd, data, SEEK_HOLE) : -1;
	if (hole < 0)
		return ash_throw_errno(error, "cannot find the holes of a file");
	*ret_start = MIN((guint64) data, end);
	*ret_end = MIN((guint64) hole, end);
	return TRUE;
}

void
ash_fd_start_write_back(int fd, guint64 offset, guint64 length)
{
	if (length > 0)
		(void) sync_file_range(fd, (off_t) offset, (off_t) length, SYNC_FILE_RANGE_WRITE);
}

gboolean
ash_fd_stat(int fd, const char *what, struct stat *ret_stat, GError **error)
{
	if (fstat(fd, ret_stat) < 0)
		return ash_throw_errno(error, "cannot stat \"%s\"", what);
	return TRUE;
}

DIR *
ash_fd_open_stream(int dir_fd, const char *name, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

	if (stream != NULL)
		ash_fd_steal(&fd);
	else if (fd >= 0)
		ash_throw_errno(error, "cannot read the directory \"%s\"", name);
	return stream;
}

struct dirent *
ash_fd_next_entry(DIR *stream)
{
	struct dirent *entry;

	do
		entry = readdir(stream);
	while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}
