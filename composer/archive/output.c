/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/output.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/size.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* As much as is worth a call. */
#define WRITE_BACK_BYTES (8 * ASH_MIB)

struct AshOutput {
	char *path;
	char *temporary; /* NULL once there is nothing to remove */
	int fd;
	guint64 size;         /* bytes */
	guint64 written_back; /* bytes that the kernel was told to write */
};

AshOutput *
ash_output_new(const char *path, GError **error)
{
	g_autoptr(AshOutput) output = g_new0(AshOutput, 1);
	g_autofree char *temporary = g_strdup_printf("%s.%08x.tmp", path, g_random_int());

	output->path = g_strdup(path);
	output->fd = ash_fd_open(AT_FDCWD, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, error);
	if (output->fd < 0)
		return NULL;
	output->temporary = g_steal_pointer(&temporary);
	return g_steal_pointer(&output);
}

void
ash_output_free(AshOutput *output)
{
	if (output == NULL)
		return;
	if (output->temporary != NULL)
		unlink(output->temporary);
	ash_fd_clear(&output->fd);
	g_free(output->path);
	g_free(output->temporary);
	g_free(output);
}

gboolean
ash_output_write(gpointer data, const void *bytes, gsize length, GError **error)
{
	AshOutput *output = data;

	if (!ash_fd_write_all(output->fd, bytes, length, output->size, error))
		return ash_prefix(error, "\"%s\"", output->path);
	output->size += length;
	if (output->size - output->written_back >= WRITE_BACK_BYTES) {
		ash_fd_start_write_back(output->fd, output->written_back, output->size - output->written_back);
		output->written_back = output->size;
	}
	return TRUE;
}

gboolean
ash_output_patch(AshOutput *output, guint64 offset, const void *data, gsize length, GError **error)
{
	if (!ash_fd_write_all(output->fd, data, length, offset, error))
		return ash_prefix(error, "\"%s\"", output->path);
	return TRUE;
}

guint64
ash_output_get_size(const AshOutput *output)
{
	return output->size;
}

gboolean
ash_output_commit(AshOutput *output, GError **error)
{
	if (fchmod(output->fd, 0644) < 0)
		return ash_throw_errno(error, "cannot change the mode of \"%s\"", output->path);
	ash_fd_start_write_back(output->fd, output->written_back, output->size - output->written_back);
	if (rename(output->temporary, output->path) < 0)
		return ash_throw_errno(error, "cannot rename to \"%s\"", output->path);
	g_clear_pointer(&output->temporary, g_free);
	return TRUE;
}
