/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/letgo.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Smaller ones are gone sooner than a process is made. */
#define LARGE (16 * 1024 * 1024)

struct AshLetGo {
	GArray *fds;
};

AshLetGo *
ash_let_go_new(void)
{
	AshLetGo *files = g_new0(AshLetGo, 1);

	files->fds = g_array_new(FALSE, FALSE, sizeof(int));
	g_array_set_clear_func(files->fds, (GDestroyNotify) ash_fd_clear);
	return files;
}

void
ash_let_go_hold(AshLetGo *files, int dir_fd, const char *name)
{
	struct stat info;

	if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1 ||
	    info.st_blocks * 512 < LARGE)
		return;
	int fd = ash_fd_open(dir_fd, name, O_RDONLY | O_NOFOLLOW, 0, NULL);
	if (fd >= 0)
		g_array_append_val(files->fds, fd);
}

void
ash_let_go_hold_fd(AshLetGo *files, int fd)
{
	int held = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (held >= 0)
		g_array_append_val(files->fds, held);
}

/* Descriptors but the held ones are closed at once: somebody waits for the end of our output, others for our locks. */
static void
close_others(const int *fds, guint count)
{
	unsigned int from = 0;

	for (guint i = 0; i < count; i++) {
		if ((unsigned int) fds[i] > from)
			close_range(from, (unsigned int) fds[i] - 1, 0);
		from = (unsigned int) fds[i] + 1;
	}
	close_range(from, ~0U, 0);
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
	return *(const int *) a - *(const int *) b;
}

void
ash_let_go_free(AshLetGo *files)
{
	int gone[2];
	char none;

	if (files == NULL)
		return;
	if (files->fds->len > 0 && pipe2(gone, O_CLOEXEC) == 0) {
		ash_autofd int end = gone[1];
		g_array_append_val(files->fds, gone[0]);
		g_array_sort(files->fds, compare_numbers);
		/* Only system calls in the child: other threads may hold locks. It is the last to close them: it waits until we have. */
		if (fork() == 0) {
			close_others((const int *) (void *) files->fds->data, files->fds->len);
			while (read(gone[0], &none, 1) < 0 && errno == EINTR)
				;
			_exit(0);
		}
		g_array_set_size(files->fds, 0);
	}
	g_array_unref(files->fds);
	g_free(files);
}
