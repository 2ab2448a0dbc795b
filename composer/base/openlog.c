/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/openlog.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS_SIZE 65536 /* bytes read at once */

struct AshOpenLog {
	int events;           /* inotify */
	int end;              /* eventfd: the reader is to empty the queue and end */
	GPtrArray *dirs;      /* of char *: paths */
	GHashTable *by_watch; /* watch descriptor -> path, borrowed from dirs */
	GHashTable *opened;   /* set of paths; the reader's until it has ended */
	bool lost;            /* the same */
	GThread *reader;
};

/* All directories below @fd, which is taken. */
static gboolean
list_dirs(int fd, const char *path, GPtrArray *dirs, GError **error)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	gboolean ok = TRUE;

	if (dir == NULL) {
		ash_throw_errno(error, "cannot list \"/%s\" of the tree", path);
		close(fd);
		return FALSE;
	}
	g_ptr_array_add(dirs, g_strdup(path));
	while (ok && (entry = readdir(dir)) != NULL) {
		struct stat info;
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		if (fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(info.st_mode))
			continue;
		g_autofree char *below = strcmp(path, ".") == 0 ? g_strdup(name) : g_build_filename(path, name, NULL);
		int inside = ash_fd_open(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
		ok = inside >= 0 && list_dirs(inside, below, dirs, error);
	}
	closedir(dir);
	return ok;
}

static gboolean
add_watches(AshOpenLog *log, int root_fd, GError **error)
{
	g_autofree char *root = ash_file_fd_path(root_fd);

	for (guint i = 0; i < log->dirs->len; i++) {
		char *dir = g_ptr_array_index(log->dirs, i);
		g_autofree char *path = g_build_filename(root, dir, NULL);
		int watch = inotify_add_watch(log->events, path, IN_OPEN | IN_ONLYDIR | IN_DONT_FOLLOW);
		if (watch < 0)
			return ash_throw_errno(error, "cannot watch \"/%s\" of the tree", dir);
		g_hash_table_insert(log->by_watch, GINT_TO_POINTER(watch), dir);
	}
	return TRUE;
}

static void
note_event(AshOpenLog *log, const struct inotify_event *event)
{
	const char *dir = g_hash_table_lookup(log->by_watch, GINT_TO_POINTER(event->wd));

	if ((event->mask & IN_Q_OVERFLOW) != 0)
		log->lost = true;
	if ((event->mask & IN_OPEN) == 0 || dir == NULL)
		return;
	char *path = event->len == 0	       ? g_strdup(dir)
		     : strcmp(dir, ".") == 0 ? g_strdup(event->name)
					     : g_build_filename(dir, event->name, NULL);
	g_hash_table_add(log->opened, path);
}

/* All that is in the queue now; the descriptor does not block. */
static void
read_events(AshOpenLog *log)
{
	g_autofree char *events = g_malloc(EVENTS_SIZE);
	ssize_t got;

	while ((got = read(log->events, events, EVENTS_SIZE)) > 0 || (got < 0 && errno == EINTR)) {
		for (ssize_t at = 0; at < got;) {
			/* The kernel aligns each event by the length of its name. */
			const struct inotify_event *event = (const void *) (events + at);
			note_event(log, event);
			at += (ssize_t) sizeof *event + event->len;
		}
	}
	if (got < 0 && errno != EAGAIN)
		log->lost = true;
}

/* The queue has a limit (fs.inotify.max_queued_events), so it is read while the programs run. */
static gpointer
run_reader(gpointer data)
{
	AshOpenLog *log = data;
	struct pollfd polls[2] = { { log->events, POLLIN, 0 }, { log->end, POLLIN, 0 } };

	while (polls[1].revents == 0) {
		if (poll(polls, G_N_ELEMENTS(polls), -1) < 0)
			continue;
		read_events(log);
	}
	read_events(log);
	return NULL;
}

AshOpenLog *
ash_openlog_start(int root_fd, GError **error)
{
	g_autoptr(AshOpenLog) log = g_new0(AshOpenLog, 1);

	log->dirs = g_ptr_array_new_with_free_func(g_free);
	log->by_watch = g_hash_table_new(g_direct_hash, g_direct_equal);
	log->opened = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	log->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	log->events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (log->events < 0 || log->end < 0)
		return ash_throw_errno_null(error, "cannot watch the tree");
	int fd = ash_fd_open(root_fd, ".", O_RDONLY | O_DIRECTORY, 0, error);
	/* Listed first: the listing opens them itself. */
	if (fd < 0 || !list_dirs(fd, ".", log->dirs, error) || !add_watches(log, root_fd, error))
		return NULL;
	log->reader = g_thread_new("openlog", run_reader, log);
	return g_steal_pointer(&log);
}

static void
end_reader(AshOpenLog *log)
{
	if (log->reader == NULL)
		return;
	if (eventfd_write(log->end, 1) < 0)
		log->lost = true;
	g_thread_join(g_steal_pointer(&log->reader));
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char **
ash_openlog_stop(AshOpenLog *log, GError **error)
{
	g_autoptr(GPtrArray) paths = g_ptr_array_new();
	GHashTableIter iter;
	gpointer path;

	end_reader(log);
	if (log->lost)
		return ash_throw_null(error, ASH_ERROR_INTERNAL, "the kernel has lost track of what was opened");
	g_hash_table_iter_init(&iter, log->opened);
	while (g_hash_table_iter_next(&iter, &path, NULL)) {
		g_ptr_array_add(paths, path);
		g_hash_table_iter_steal(&iter);
	}
	g_ptr_array_sort(paths, compare_strings);
	g_ptr_array_add(paths, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&paths), FALSE);
}

void
ash_openlog_free(AshOpenLog *log)
{
	if (log == NULL)
		return;
	end_reader(log);
	/* Thousands of watches: the kernel takes its time, but only once nobody waits for what they saw. */
	ash_fd_clear(&log->events);
	ash_fd_clear(&log->end);
	g_ptr_array_unref(log->dirs);
	g_hash_table_unref(log->by_watch);
	g_hash_table_unref(log->opened);
	g_free(log);
}
