/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/direct.h"

#include "base/error.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void
ash_direct_init(AshDirect *direct, int fd)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

	/* Opened anew, as the flag of a shared descriptor would change it for everybody. */
	*direct = (AshDirect) { fd, open(path, O_RDWR | O_DIRECT | O_CLOEXEC) };
}

void
ash_direct_clear(AshDirect *direct)
{
	ash_fd_clear(&direct->other);
}

static bool
fits(const AshDirect *direct, const void *buffer, gsize length, guint64 offset)
{
	return direct->other >= 0 && ((guintptr) buffer | length | offset) % ASH_DIRECT_ALIGN == 0;
}

/* What went past the cache: less than all if the file system would not take it, and the cache is to be tried. */
static gboolean
write_past(const AshDirect *direct, const guint8 *buffer, gsize length, guint64 offset, gsize *ret_done, GError **error)
{
	for (*ret_done = 0; *ret_done < length;) {
		gssize n = pwrite(direct->other, buffer + *ret_done, length - *ret_done, (off_t) (offset + *ret_done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EINVAL)
			return ash_throw_errno(error, "cannot write");
		if (n <= 0)
			return TRUE;
		*ret_done += (gsize) n;
	}
	return TRUE;
}

gboolean
ash_direct_write(const AshDirect *direct, const void *buffer, gsize length, guint64 offset, GError **error)
{
	gsize done = 0;

	if (fits(direct, buffer, length, offset) && !write_past(direct, buffer, length, offset, &done, error))
		return FALSE;
	return done == length ||
	       ash_fd_write_all(direct->fd, (const guint8 *) buffer + done, length - done, offset + done, error);
}

void *
ash_direct_alloc(gsize bytes)
{
	void *buffer;

	if (posix_memalign(&buffer, ASH_DIRECT_ALIGN, bytes) != 0)
		g_error("cannot allocate %" G_GSIZE_FORMAT " bytes", bytes);
	return buffer;
}

void
ash_direct_free(void *buffer)
{
	free(buffer);
}
