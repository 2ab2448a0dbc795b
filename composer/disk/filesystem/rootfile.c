/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/filesystem/rootfile.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/zero.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BLOCK       4096
#define PIECE_BYTES (1024 * 1024)

int
ash_root_file_make(AshContext *ctx, AshRootFile *root, const char *dir, AshRootFileMaker maker, gpointer user_data, guint64 *ret_bytes,
		   GError **error)
{
	g_autofree char *absolute = g_canonicalize_filename(dir, NULL);
	g_autofree char *path = g_build_filename(absolute, ".root-XXXXXX", NULL);
	ash_autofd int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
	struct stat info;

	if (fd < 0)
		return ash_throw_errno(error, "cannot make a file in \"%s\"", dir), -1;
	root->path = path;
	gboolean made = maker(ctx, root, user_data, error);
	root->path = NULL;
	(void) unlink(path);
	if (!made || !ash_fd_stat(fd, path, &info, error))
		return -1;
	*ret_bytes = (guint64) info.st_size;
	if (info.st_size == 0 || info.st_size % BLOCK != 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "the file system made of the root is not whole blocks of %d bytes", BLOCK), -1;
	return ash_fd_steal(&fd);
}

/* Runs of blocks that have something. */
static gboolean
copy_piece(const guint8 *data, gsize length, int fd, guint64 base, guint64 at, AshWrittenFunc written, gpointer user_data, GError **error)
{
	for (gsize from = 0, to; from < length; from = to) {
		bool zero = ash_is_zero(data + from, BLOCK);

		for (to = from + BLOCK; to < length && ash_is_zero(data + to, BLOCK) == zero;)
			to += BLOCK;
		if (zero)
			continue;
		if (!ash_fd_write_all(fd, data + from, to - from, base + at + from, error))
			return FALSE;
		if (written != NULL)
			written(at + from, data + from, to - from, user_data);
	}
	return TRUE;
}

/* The next block that may hold something; @bytes if there is none. */
static guint64
find_data(int fd, guint64 at, guint64 bytes)
{
	off_t data = at < bytes ? lseek(fd, (off_t) at, SEEK_DATA) : -1;

	if (data < 0)
		return at < bytes && errno != ENXIO ? at : bytes;
	return (guint64) data / BLOCK * BLOCK;
}

gboolean
ash_root_file_copy(AshContext *ctx, int root_fd, guint64 bytes, int fd, guint64 offset, AshWrittenFunc written, gpointer user_data,
		   GError **error)
{
	g_autofree guint8 *piece = g_malloc(PIECE_BYTES);

	for (guint64 at = find_data(root_fd, 0, bytes); at < bytes; at = find_data(root_fd, at + PIECE_BYTES, bytes)) {
		gsize length = (gsize) MIN(PIECE_BYTES, bytes - at);

		if (!ash_context_check(ctx, error) || !ash_fd_read_exact(root_fd, piece, length, at, error) ||
		    !copy_piece(piece, length, fd, offset, at, written, user_data, error))
			return FALSE;
	}
	return TRUE;
}
