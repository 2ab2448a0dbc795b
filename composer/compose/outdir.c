/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/outdir.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/letgo.h"
#include "model/manifest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define HIDDEN_PREFIX ".ashlar-"

struct AshOutdir {
	char *dir;  /* absolute */
	int dir_fd; /* locked while a hidden directory comes or goes */
	char *path; /* of the hidden directory */
	int fd;     /* of it; locked as long as we live */
	AshLetGo *replaced;
};

/* Removes what nobody living has locked. */
static void
remove_stale(AshOutdir *outdir)
{
	g_autoptr(GDir) entries = g_dir_open(outdir->dir, 0, NULL);
	const char *name;

	while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
		if (!g_str_has_prefix(name, HIDDEN_PREFIX))
			continue;
		ash_autofd int fd = openat(outdir->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			ash_file_remove_tree(outdir->dir_fd, name, NULL);
	}
}

static gboolean
make_hidden(AshOutdir *outdir, GError **error)
{
	g_autofree char *path = g_build_filename(outdir->dir, HIDDEN_PREFIX "XXXXXX", NULL);

	/* Nobody may take the new directory for a stale one before it is locked. */
	if (flock(outdir->dir_fd, LOCK_EX) < 0)
		return ash_throw_errno(error, "cannot lock \"%s\"", outdir->dir);
	remove_stale(outdir);
	if (g_mkdtemp_full(path, 0755) == NULL)
		return ash_throw_errno(error, "cannot make a directory in \"%s\"", outdir->dir);
	outdir->path = g_steal_pointer(&path);
	outdir->fd = ash_file_open_dir(AT_FDCWD, outdir->path, false, error);
	if (outdir->fd < 0)
		return FALSE;
	if (flock(outdir->fd, LOCK_SH) < 0 || flock(outdir->dir_fd, LOCK_UN) < 0)
		return ash_throw_errno(error, "cannot lock \"%s\"", outdir->path);
	return TRUE;
}

AshOutdir *
ash_outdir_new(const char *dir, GError **error)
{
	g_autoptr(AshOutdir) outdir = g_new0(AshOutdir, 1);

	outdir->dir = g_canonicalize_filename(dir, NULL);
	outdir->dir_fd = outdir->fd = -1;
	outdir->replaced = ash_let_go_new();
	if (!ash_file_mkdirs(AT_FDCWD, outdir->dir, 0755, error))
		return NULL;
	outdir->dir_fd = ash_file_open_dir(AT_FDCWD, outdir->dir, false, error);
	if (outdir->dir_fd < 0 || !make_hidden(outdir, error))
		return NULL;
	return g_steal_pointer(&outdir);
}

void
ash_outdir_free(AshOutdir *outdir)
{
	if (outdir == NULL)
		return;
	if (outdir->path != NULL)
		ash_file_remove_tree(AT_FDCWD, outdir->path, NULL);
	ash_fd_clear(&outdir->fd);
	ash_fd_clear(&outdir->dir_fd);
	/* Last: whoever waits for the disk while it takes back the space of an image waits for that as well. */
	ash_let_go_free(outdir->replaced);
	g_free(outdir->path);
	g_free(outdir->dir);
	g_free(outdir);
}

void
ash_outdir_let_go(AshOutdir *outdir, int fd)
{
	ash_let_go_hold_fd(outdir->replaced, fd);
}

const char *
ash_outdir_get_path(const AshOutdir *outdir)
{
	return outdir->path;
}

/*
 * The writers leave this to us: one wait for all files, when the last is written, and the kernel has long begun to write
 * the first ones. File by file, as syncfs() would also wait for whatever else the file system has to write.
 */
static gboolean
sync_artifacts(AshOutdir *outdir, GPtrArray *artifacts, GError **error)
{
	for (guint i = 0; i < artifacts->len; i++) {
		const AshArtifact *artifact = g_ptr_array_index(artifacts, i);
		g_autofree char *name = g_path_get_basename(artifact->path);
		ash_autofd int fd = ash_fd_open(outdir->fd, name, O_RDONLY | O_NOFOLLOW, 0, error);

		if (fd < 0)
			return FALSE;
		if (fdatasync(fd) < 0)
			return ash_throw_errno(error, "cannot write \"%s\" out", artifact->path);
	}
	return TRUE;
}

gboolean
ash_outdir_publish(AshOutdir *outdir, GPtrArray *artifacts, GError **error)
{
	if (!sync_artifacts(outdir, artifacts, error))
		return FALSE;
	for (guint i = 0; i < artifacts->len; i++) {
		AshArtifact *artifact = g_ptr_array_index(artifacts, i);
		g_autofree char *name = g_path_get_basename(artifact->path);
		ash_let_go_hold(outdir->replaced, outdir->dir_fd, name);
		if (renameat(outdir->fd, name, outdir->dir_fd, name) < 0)
			return ash_throw_errno(error, "cannot put \"%s\" into \"%s\"", name, outdir->dir);
		g_free(artifact->path);
		artifact->path = g_build_filename(outdir->dir, name, NULL);
	}
	if (fsync(outdir->dir_fd) < 0)
		return ash_throw_errno(error, "cannot sync \"%s\"", outdir->dir);
	return TRUE;
}
