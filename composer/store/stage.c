/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/stage.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define USE_FILE "use"
#define LOCKS_DIR "locks"

/* How long to sleep between two tries, in microseconds: flock(2) itself cannot be told to give up. */
#define FIRST_SLEEP 1000
#define LONGEST_SLEEP 50000

static int
open_lock(int dir_fd, const char *name, GError **error)
{
	return ash_fd_open(dir_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0644, error);
}

/* Tries until it has the lock; says @notice the first time that it has not. */
static gboolean
wait_for_lock(AshContext *ctx, int fd, int operation, const char *notice, GError **error)
{
	for (gulong sleep = FIRST_SLEEP; flock(fd, operation | LOCK_NB) < 0; sleep = MIN(2 * sleep, LONGEST_SLEEP)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ash_throw_errno(error, "cannot lock");
		if (!ash_context_check(ctx, error))
			return FALSE;
		if (sleep == LONGEST_SLEEP && notice != NULL) {
			ash_progress_message(ctx->progress, "%s", notice);
			notice = NULL;
		}
		g_usleep(sleep);
	}
	return TRUE;
}

gboolean
ash_store_use(AshContext *ctx, AshStore *store, GError **error)
{
	ash_autofd int fd = -1;

	if (store->use_fd >= 0)
		return TRUE;
	fd = open_lock(store->dir_fd, USE_FILE, error);
	if (fd < 0 || !wait_for_lock(ctx, fd, LOCK_SH, "waiting for \"ashlar prune\" to end", error))
		return ash_prefix(error, "cannot use the store \"%s\"", store->dir);
	store->use_fd = ash_fd_steal(&fd);
	return TRUE;
}

int
ash_store_lock_exclusive(AshStore *store, bool wait, GError **error)
{
	ash_autofd int fd = open_lock(store->dir_fd, USE_FILE, error);

	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			ash_throw(error, ASH_ERROR_CONFIG,
				  "the store \"%s\" is in use by a build; wait until it has ended", store->dir);
		else
			ash_throw_errno(error, "cannot lock \"%s/" USE_FILE "\"", store->dir);
		return -1;
	}
	return ash_fd_steal(&fd);
}

/* Somebody may have taken the file for a stale one between our opening and locking it. */
static bool
is_at(int fd, int dir_fd, const char *name)
{
	struct stat have, want;

	return fstat(fd, &have) == 0 && fstatat(dir_fd, name, &want, AT_SYMLINK_NOFOLLOW) == 0 &&
	       have.st_dev == want.st_dev && have.st_ino == want.st_ino;
}

int
ash_store_lock_stage(AshContext *ctx, AshStore *store, const char *key, GError **error)
{
	ash_autofd int locks_fd = ash_file_open_dir(store->dir_fd, LOCKS_DIR, true, error);

	g_return_val_if_fail(*key != '\0' && *key != '.' && strchr(key, '/') == NULL, -1);
	while (locks_fd >= 0) {
		ash_autofd int fd = open_lock(locks_fd, key, error);

		if (fd < 0 || !wait_for_lock(ctx, fd, LOCK_EX, "waiting for another build that does the same", error)) {
			ash_prefix(error, "cannot lock the stage \"%s\" of the store \"%s\"", key, store->dir);
			return -1;
		}
		if (is_at(fd, locks_fd, key))
			return ash_fd_steal(&fd);
	}
	return -1;
}

void
ash_store_clean_locks(AshStore *store)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(store->dir_fd, LOCKS_DIR, NULL);
	struct dirent *entry;

	while (stream != NULL && (entry = ash_fd_next_entry(stream)) != NULL) {
		ash_autofd int lock_fd = -1;

		if (entry->d_name[0] == '.')
			continue;
		lock_fd = openat(dirfd(stream), entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		/* Whoever opened it before and locks it later sees that it is gone. */
		if (lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dirfd(stream), entry->d_name, 0);
	}
}
