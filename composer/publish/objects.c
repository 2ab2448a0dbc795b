/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/objects.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TMP_DIR     "tmp"
#define OBJECTS_DIR "objects"
#define COPY_BYTES  ((gsize) 1024 * 1024)
/* The kernel begins to write after so much, so that the sync at the end is short. */
#define WRITE_BACK_BYTES ((guint64) 8 * 1024 * 1024)

struct AshObjects {
	int dir_fd; /* borrowed */
	guint next; /* of temporary names */
	GHashTable *touched; /* "ab": directories to sync */
	guint files;
	guint64 bytes;
};

struct AshObjectFile {
	AshObjects *objects;
	char *name; /* below DIR; NULL once it has its real one */
	int fd;
	AshDigest *digest;
	guint64 bytes, started; /* written; handed to write-back */
};

AshObjects *
ash_objects_open(int dir_fd, GError **error)
{
	g_autoptr(AshObjects) objects = g_new0(AshObjects, 1);

	objects->dir_fd = dir_fd;
	objects->touched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (!ash_file_remove_tree(dir_fd, TMP_DIR, error) || !ash_file_mkdirs(dir_fd, TMP_DIR, 0755, error) ||
	    !ash_file_mkdirs(dir_fd, OBJECTS_DIR, 0755, error))
		return NULL;
	return g_steal_pointer(&objects);
}

void
ash_objects_free(AshObjects *objects)
{
	if (objects == NULL)
		return;
	g_hash_table_unref(objects->touched);
	g_free(objects);
}

AshObjectFile *
ash_objects_begin(AshObjects *objects, GError **error)
{
	g_autoptr(AshObjectFile) file = g_new0(AshObjectFile, 1);

	file->objects = objects;
	file->fd = -1;
	file->name = g_strdup_printf(TMP_DIR "/object-%u", objects->next++);
	file->digest = ash_digest_new();
	file->fd = ash_fd_open(objects->dir_fd, file->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0644, error);
	return file->fd >= 0 ? g_steal_pointer(&file) : NULL;
}

int
ash_objects_open_scratch(AshObjects *objects, GError **error)
{
	g_autofree char *name = g_strdup_printf(TMP_DIR "/scratch-%u", objects->next++);
	int fd = ash_fd_open(objects->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, error);

	if (fd >= 0)
		unlinkat(objects->dir_fd, name, 0);
	return fd;
}

void
ash_object_file_free(AshObjectFile *file)
{
	if (file == NULL)
		return;
	if (file->name != NULL && file->fd >= 0)
		unlinkat(file->objects->dir_fd, file->name, 0);
	ash_fd_clear(&file->fd);
	g_clear_pointer(&file->digest, ash_digest_free);
	g_free(file->name);
	g_free(file);
}

gboolean
ash_object_file_write(AshObjectFile *file, const void *data, gsize length, GError **error)
{
	if (!ash_fd_write_all(file->fd, data, length, file->bytes, error))
		return FALSE;
	ash_digest_update(file->digest, data, length);
	file->bytes += length;
	if (file->bytes - file->started >= WRITE_BACK_BYTES) {
		ash_fd_start_write_back(file->fd, file->started, file->bytes - file->started);
		file->started = file->bytes;
	}
	return TRUE;
}

/* True if the object is there, with this content. */
static bool
is_present(const AshObjects *objects, const AshObjectRef *object, const char *path)
{
	ash_autofd int fd = openat(objects->dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (guint64) st.st_size != object->size)
		return false;
	g_autofree char *sha256 = ash_sha256_fd_hex(fd, NULL);
	return sha256 != NULL && strcmp(sha256, object->sha256) == 0;
}

/* A new name is safe once its directory is, and that one's name, and so on. */
static void
note_touched(AshObjects *objects, const char *dir)
{
	g_autofree char *at = g_strdup(dir);

	for (char *slash = at; slash != NULL; slash = strrchr(at, '/')) {
		if (slash != at)
			*slash = '\0';
		g_hash_table_add(objects->touched, g_strdup(at));
		if (strchr(at, '/') == NULL)
			break;
	}
}

static gboolean
give_name(AshObjectFile *file, const AshObjectRef *object, const char *path, GError **error)
{
	AshObjects *objects = file->objects;
	g_autofree char *dir = g_path_get_dirname(path);

	if (!ash_file_mkdirs(objects->dir_fd, dir, 0755, error))
		return FALSE;
	if (fchmod(file->fd, 0644) < 0 || fdatasync(file->fd) < 0)
		return ash_throw_errno(error, "cannot write object \"%s\" out", path);
	if (renameat(objects->dir_fd, file->name, objects->dir_fd, path) < 0)
		return ash_throw_errno(error, "cannot rename to \"%s\"", path);
	g_clear_pointer(&file->name, g_free);
	note_touched(objects, dir);
	objects->files++;
	objects->bytes += object->size;
	return TRUE;
}

gboolean
ash_object_file_finish(AshObjectFile *file, AshObjectRef *ret_object, GError **error)
{
	g_autofree char *sha256 = ash_digest_finish_hex(file->digest);
	const AshObjectRef object = { .sha256 = sha256, .size = file->bytes };
	g_autofree char *path = ash_object_ref_path(&object);

	if (file->bytes == 0)
		return ash_throw(error, ASH_ERROR_INTERNAL, "an object of a release is empty");
	if (!is_present(file->objects, &object, path) && !give_name(file, &object, path, error))
		return FALSE;
	ret_object->sha256 = g_steal_pointer(&sha256);
	ret_object->size = file->bytes;
	return TRUE;
}

gboolean
ash_objects_add_bytes(AshObjects *objects, GBytes *bytes, AshObjectRef *ret_object, GError **error)
{
	g_autoptr(AshObjectFile) file = ash_objects_begin(objects, error);
	gsize length;
	const void *data = g_bytes_get_data(bytes, &length);

	return file != NULL && ash_object_file_write(file, data, length, error) && ash_object_file_finish(file, ret_object, error);
}

static gboolean
copy_into(AshContext *ctx, AshObjectFile *file, int fd, guint64 offset, guint64 bytes, GError **error)
{
	g_autofree guint8 *buffer = g_malloc(COPY_BYTES);

	for (guint64 done = 0; done < bytes;) {
		const gsize part = (gsize) MIN((guint64) COPY_BYTES, bytes - done);
		if (!ash_context_check(ctx, error) || !ash_fd_read_exact(fd, buffer, part, offset + done, error) ||
		    !ash_object_file_write(file, buffer, part, error))
			return FALSE;
		done += part;
	}
	return TRUE;
}

gboolean
ash_objects_add_range(AshContext *ctx, AshObjects *objects, int fd, guint64 offset, guint64 bytes, AshObjectRef *ret_object,
		      GError **error)
{
	g_autoptr(AshObjectFile) file = ash_objects_begin(objects, error);

	return file != NULL && copy_into(ctx, file, fd, offset, bytes, error) && ash_object_file_finish(file, ret_object, error);
}

gboolean
ash_objects_save(AshObjects *objects, const char *path, GBytes *bytes, GError **error)
{
	g_autoptr(AshObjectFile) file = ash_objects_begin(objects, error);
	gsize length;
	const void *data = g_bytes_get_data(bytes, &length);

	if (file == NULL || !ash_object_file_write(file, data, length, error))
		return FALSE;
	g_autofree char *sha256 = ash_digest_finish_hex(file->digest);
	const AshObjectRef object = { .sha256 = sha256, .size = length };
	return is_present(objects, &object, path) || give_name(file, &object, path, error);
}

gboolean
ash_object_file_finish_as(AshObjectFile *file, const char *path, char **ret_sha256, GError **error)
{
	g_autofree char *sha256 = ash_digest_finish_hex(file->digest);
	const AshObjectRef object = { .sha256 = sha256, .size = file->bytes };

	if (!give_name(file, &object, path, error))
		return FALSE;
	*ret_sha256 = g_steal_pointer(&sha256);
	return TRUE;
}

static gboolean
copy_object(AshContext *ctx, AshObjects *objects, const AshObjectRef *object, const char *path, GError **error)
{
	ash_autofd int fd = ash_objects_open_object(objects, object, error);
	g_autoptr(AshObjectFile) file = fd >= 0 ? ash_objects_begin(objects, error) : NULL;
	g_autofree char *sha256 = NULL;

	return file != NULL && copy_into(ctx, file, fd, 0, object->size, error) && ash_object_file_finish_as(file, path, &sha256, error);
}

gboolean
ash_objects_link(AshContext *ctx, AshObjects *objects, const AshObjectRef *object, const char *path, GError **error)
{
	g_autofree char *from = ash_object_ref_path(object), *dir = g_path_get_dirname(path);

	if (!ash_file_mkdirs(objects->dir_fd, dir, 0755, error))
		return FALSE;
	if (linkat(objects->dir_fd, from, objects->dir_fd, path, 0) == 0) {
		note_touched(objects, dir);
		return TRUE;
	}
	return errno == EEXIST || copy_object(ctx, objects, object, path, error);
}

static gboolean
sync_dir(int dir_fd, const char *name, GError **error)
{
	ash_autofd int fd = ash_fd_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0, error);

	if (fd < 0)
		return FALSE;
	return fsync(fd) == 0 || ash_throw_errno(error, "cannot sync \"%s\"", name);
}

gboolean
ash_objects_sync(AshObjects *objects, GError **error)
{
	GHashTableIter iter;
	gpointer name;

	if (g_hash_table_size(objects->touched) == 0)
		return TRUE;
	g_hash_table_iter_init(&iter, objects->touched);
	while (g_hash_table_iter_next(&iter, &name, NULL))
		if (!sync_dir(objects->dir_fd, name, error))
			return FALSE;
	g_hash_table_remove_all(objects->touched);
	return sync_dir(objects->dir_fd, ".", error);
}

void
ash_objects_get_written(const AshObjects *objects, guint *ret_files, guint64 *ret_bytes)
{
	*ret_files = objects->files;
	*ret_bytes = objects->bytes;
}

int
ash_objects_open_object(AshObjects *objects, const AshObjectRef *object, GError **error)
{
	g_autofree char *path = ash_object_ref_path(object);
	ash_autofd int fd = ash_fd_open(objects->dir_fd, path, O_RDONLY | O_NOFOLLOW, 0, error);
	struct stat st;

	if (fd < 0 || !ash_fd_stat(fd, path, &st, error))
		return -1;
	if ((guint64) st.st_size != object->size) {
		ash_throw(error, ASH_ERROR_TRUST, "object \"%s\" is damaged: publish its release again", path);
		return -1;
	}
	return ash_fd_steal(&fd);
}

GBytes *
ash_objects_load(AshObjects *objects, const AshObjectRef *object, guint64 max, GError **error)
{
	ash_autofd int fd = ash_objects_open_object(objects, object, error);

	if (fd < 0)
		return NULL;
	if (object->size > max)
		return ash_throw_null(error, ASH_ERROR_TRUST, "object \"%s\" is too large to be what it should be", object->sha256);
	g_autofree guint8 *data = g_malloc(object->size);
	if (!ash_fd_read_exact(fd, data, object->size, 0, error))
		return NULL;
	g_autofree char *sha256 = ash_sha256_hex(data, (gssize) object->size);
	if (strcmp(sha256, object->sha256) != 0)
		return ash_throw_null(error, ASH_ERROR_TRUST, "object \"%s\" is damaged: publish its release again", object->sha256);
	return g_bytes_new_take(g_steal_pointer(&data), object->size);
}
