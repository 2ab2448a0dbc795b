/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/releasedir.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define TARGETS_DIR  "targets/"
#define CHANNELS_DIR "/channels"
#define SUFFIX       ".json"

struct AshReleaseDir {
	char *path;
	int fd; /* locked, if it may be written to */
	AshObjects *objects;
	AshTufRepository *tuf;
};

AshReleaseDir *
ash_release_dir_open(const char *path, bool write, GError **error)
{
	g_autoptr(AshReleaseDir) dir = g_new0(AshReleaseDir, 1);

	dir->path = g_strdup(path);
	if (!g_file_test(path, G_FILE_TEST_IS_DIR))
		return ash_throw_null(error, ASH_ERROR_USAGE, "there is no release directory \"%s\": \"ashlar key init\" begins one", path);
	dir->fd = ash_file_open_dir(AT_FDCWD, path, false, error);
	if (dir->fd < 0)
		return NULL;
	if (write && flock(dir->fd, LOCK_EX) < 0)
		return ash_throw_errno_null(error, "cannot lock \"%s\"", path);
	dir->tuf = ash_tuf_repository_open(dir->fd, error);
	if (dir->tuf == NULL) {
		ash_prefix(error, "release directory \"%s\"", path);
		return NULL;
	}
	if (write && (dir->objects = ash_objects_open(dir->fd, error)) == NULL)
		return NULL;
	return g_steal_pointer(&dir);
}

void
ash_release_dir_free(AshReleaseDir *dir)
{
	if (dir == NULL)
		return;
	g_clear_pointer(&dir->objects, ash_objects_free);
	g_clear_pointer(&dir->tuf, ash_tuf_repository_free);
	ash_fd_clear(&dir->fd);
	g_free(dir->path);
	g_free(dir);
}

AshObjects *
ash_release_dir_get_objects(AshReleaseDir *dir)
{
	return dir->objects;
}

AshTufRepository *
ash_release_dir_get_tuf(AshReleaseDir *dir)
{
	return dir->tuf;
}

int
ash_release_dir_get_fd(const AshReleaseDir *dir)
{
	return dir->fd;
}

const char *
ash_release_dir_get_path(const AshReleaseDir *dir)
{
	return dir->path;
}

/** A target path taken apart: "REF/VERSION.json" or "REF/channels/NAME.json". */
typedef struct {
	char *ref, *name;
	bool is_channel;
} TargetName;

static void
target_name_clear(TargetName *name)
{
	g_clear_pointer(&name->ref, g_free);
	g_clear_pointer(&name->name, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TargetName, target_name_clear)

static bool
split_path(const char *path, TargetName *ret_name)
{
	const char *last = strrchr(path, '/');

	if (last == NULL || !g_str_has_suffix(last, SUFFIX))
		return false;
	g_autofree char *ref = g_strndup(path, (gsize) (last - path));
	ret_name->name = g_strndup(last + 1, strlen(last + 1) - strlen(SUFFIX));
	ret_name->is_channel = g_str_has_suffix(ref, CHANNELS_DIR);
	if (ret_name->is_channel)
		ref[strlen(ref) - strlen(CHANNELS_DIR)] = '\0';
	ret_name->ref = g_steal_pointer(&ref);
	return true;
}

static int
compare_versions(gconstpointer a, gconstpointer b)
{
	return strverscmp(*(char *const *) a, *(char *const *) b);
}

/* Names of releases or channels of @ref; refs if @ref is NULL. */
static char **
list(AshReleaseDir *dir, const char *ref, bool channels)
{
	g_autoptr(GPtrArray) paths = ash_tuf_repository_list_targets(dir->tuf);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GPtrArray) names = g_ptr_array_new();

	for (guint i = 0; i < paths->len; i++) {
		g_auto(TargetName) name = { 0 };
		if (!split_path(g_ptr_array_index(paths, i), &name))
			continue;
		if (ref != NULL && (strcmp(name.ref, ref) != 0 || name.is_channel != channels))
			continue;
		char **wanted = ref != NULL ? &name.name : &name.ref;
		if (g_hash_table_contains(seen, *wanted))
			continue;
		g_hash_table_add(seen, *wanted);
		g_ptr_array_add(names, g_steal_pointer(wanted));
	}
	qsort(names->pdata, names->len, sizeof(gpointer), compare_versions);
	g_ptr_array_add(names, NULL);
	return (char **) g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

char **
ash_release_dir_list_refs(AshReleaseDir *dir)
{
	return list(dir, NULL, false);
}

char **
ash_release_dir_list_versions(AshReleaseDir *dir, const char *ref)
{
	return list(dir, ref, false);
}

char **
ash_release_dir_list_channels(AshReleaseDir *dir, const char *ref)
{
	return list(dir, ref, true);
}

static gboolean
load_found(AshReleaseDir *dir, const AshTufTarget *target, char **ret_path, GBytes **ret, GError **error)
{
	g_autofree char *location = ash_tuf_target_dup_location(target, true);
	g_autofree char *file = g_strconcat(TARGETS_DIR, location, NULL);
	gsize length;
	char *text = ash_file_load(dir->fd, file, ASH_RELEASE_MAX_JSON_BYTES, &length, error);

	if (text == NULL)
		return FALSE;
	g_autoptr(GBytes) bytes = g_bytes_new_take(text, length);
	if (!ash_tuf_file_check(&target->file, bytes, file, error))
		return FALSE;
	*ret = g_steal_pointer(&bytes);
	*ret_path = g_steal_pointer(&file);
	return TRUE;
}

gboolean
ash_release_dir_load_file(AshReleaseDir *dir, const char *path, char **ret_path, GBytes **ret, GError **error)
{
	g_autoptr(AshTufTarget) target = ash_tuf_repository_dup_target(dir->tuf, path);

	return target != NULL ? load_found(dir, target, ret_path, ret, error)
			      : ash_throw(error, ASH_ERROR_USAGE, "nothing is published as \"%s\"", path);
}

/* The content of a target, checked; *@ret is NULL if there is no such target. */
static gboolean
load_target(AshReleaseDir *dir, const char *path, GBytes **ret, GError **error)
{
	g_autoptr(AshTufTarget) target = ash_tuf_repository_dup_target(dir->tuf, path);
	g_autofree char *file = NULL;

	*ret = NULL;
	return target == NULL || load_found(dir, target, &file, ret, error);
}

gboolean
ash_release_dir_load_release(AshReleaseDir *dir, const char *ref, const char *version, AshRelease **ret, GError **error)
{
	g_autofree char *path = ash_release_target_path(ref, version);
	g_autoptr(GBytes) bytes = NULL;
	gsize length;

	*ret = NULL;
	if (!load_target(dir, path, &bytes, error))
		return FALSE;
	if (bytes == NULL)
		return TRUE;
	const char *text = g_bytes_get_data(bytes, &length);
	*ret = ash_release_parse(text, length, path, error);
	return *ret != NULL;
}

gboolean
ash_release_dir_load_channel(AshReleaseDir *dir, const char *ref, const char *name, AshChannel **ret, GError **error)
{
	g_autofree char *path = ash_channel_target_path(ref, name);
	g_autoptr(GBytes) bytes = NULL;
	gsize length;

	*ret = NULL;
	if (!load_target(dir, path, &bytes, error))
		return FALSE;
	if (bytes == NULL)
		return TRUE;
	const char *text = g_bytes_get_data(bytes, &length);
	*ret = ash_channel_parse(text, length, path, error);
	return *ret != NULL;
}

/* Takes @text. The target counts only once metadata names it. */
static gboolean
set_target(AshReleaseDir *dir, const char *path, char *text, GError **error)
{
	const gsize length = strlen(text);
	g_autoptr(GBytes) bytes = g_bytes_new_take(text, length);
	g_autofree char *sha256 = ash_sha256_hex(text, (gssize) length);

	if (length > ASH_RELEASE_MAX_JSON_BYTES)
		return ash_throw(error, ASH_ERROR_CONFIG, "\"%s\" would have more than %d bytes", path, ASH_RELEASE_MAX_JSON_BYTES);
	if (!ash_tuf_repository_set_target(dir->tuf, path, length, sha256, NULL, error))
		return FALSE;
	g_autoptr(AshTufTarget) target = ash_tuf_repository_dup_target(dir->tuf, path);
	g_autofree char *location = ash_tuf_target_dup_location(target, true);
	g_autofree char *file = g_strconcat(TARGETS_DIR, location, NULL);
	return ash_objects_save(dir->objects, file, bytes, error);
}

gboolean
ash_release_dir_set_release(AshReleaseDir *dir, const AshRelease *release, GError **error)
{
	g_autofree char *text = ash_release_format(release);
	g_autofree char *path = ash_release_target_path(release->ref, release->version);
	g_autoptr(AshRelease) check = ash_release_parse(text, strlen(text), path, error);

	return check != NULL && set_target(dir, path, g_steal_pointer(&text), error);
}

gboolean
ash_release_dir_set_channel(AshReleaseDir *dir, const AshChannel *channel, GError **error)
{
	g_autofree char *text = ash_channel_format(channel);
	g_autofree char *path = ash_channel_target_path(channel->ref, channel->name);
	g_autoptr(AshChannel) check = ash_channel_parse(text, strlen(text), path, error);

	return check != NULL && set_target(dir, path, g_steal_pointer(&text), error);
}

gboolean
ash_release_dir_commit(AshReleaseDir *dir, GPtrArray *keys, const AshTufValidity *validity, gint64 now, bool renew,
		       AshTufCommitted *ret, GError **error)
{
	return ash_objects_sync(dir->objects, error) && ash_tuf_repository_commit(dir->tuf, keys, validity, now, renew, ret, error);
}
