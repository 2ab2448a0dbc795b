/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/sysupdate.h"

#include "archive/gzip.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/runner.h"
#include "pack/frames.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define GZIP_LEVEL    6
#define SUMS          "SHA256SUMS"
#define MAX_TABLE     ((guint64) 64 << 20)
#define UUID_HALF     (ASH_SHA256_SIZE / 2)

/** One release on its way into the view. */
typedef struct {
	AshContext *ctx;
	AshReleaseDir *dir;
	AshObjects *objects;
	const AshRelease *release;
	char *path;          /* sysupdate/REF */
	GHashTable *sums;    /* name to digest, hex */
	char *root, *verity, *uki; /* names */
	char *verity_sig; /* NULL: the release has none */
} View;

static void
view_clear(View *view)
{
	g_clear_pointer(&view->path, g_free);
	g_clear_pointer(&view->sums, g_hash_table_unref);
	g_clear_pointer(&view->root, g_free);
	g_clear_pointer(&view->verity, g_free);
	g_clear_pointer(&view->uki, g_free);
	g_clear_pointer(&view->verity_sig, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(View, view_clear)

static void
name_files(View *view)
{
	const AshRelease *release = view->release;
	guint8 root_hash[ASH_SHA256_SIZE];
	AshUuid data, hash;
	char data_text[ASH_UUID_STRING_SIZE], hash_text[ASH_UUID_STRING_SIZE];

	ash_hex_decode(release->root_hash, root_hash, sizeof(root_hash));
	memcpy(data.bytes, root_hash, UUID_HALF);
	memcpy(hash.bytes, root_hash + UUID_HALF, UUID_HALF);
	ash_uuid_format(&data, data_text);
	ash_uuid_format(&hash, hash_text);
	view->root = g_strdup_printf("%s_%s_%s.root.raw.gz", release->name, release->version, data_text);
	view->verity = g_strdup_printf("%s_%s_%s.verity.raw", release->name, release->version, hash_text);
	view->uki = g_strdup_printf("%s_%s.efi", release->name, release->version);
	if (release->verity_sig.sha256 != NULL)
		view->verity_sig = g_strdup_printf("%s_%s.verity-sig.raw", release->name, release->version);
}

/* What sha256sum(1) writes: two characters between digest and name. */
static gboolean
load_sums(View *view, GError **error)
{
	g_autofree char *path = g_build_filename(view->path, SUMS, NULL), *text = NULL;
	gsize length;

	if (!ash_file_load_optional(ash_release_dir_get_fd(view->dir), path, &text, &length, error))
		return FALSE;
	g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);
	for (char **line = lines; *line != NULL; line++)
		if (strlen(*line) > 2 * ASH_SHA256_SIZE + 2)
			g_hash_table_replace(view->sums, g_strdup(*line + 2 * ASH_SHA256_SIZE + 2), g_strndup(*line, 2 * ASH_SHA256_SIZE));
	return TRUE;
}

static bool
has_file(const View *view, const char *name, const char *sha256)
{
	g_autofree char *path = g_build_filename(view->path, name, NULL);
	const char *sum = g_hash_table_lookup(view->sums, name);

	return sum != NULL && (sha256 == NULL || strcmp(sum, sha256) == 0) && ash_file_exists(ash_release_dir_get_fd(view->dir), path);
}

static gboolean
write_file(gpointer user_data, const void *data, gsize length, GError **error)
{
	return ash_object_file_write(user_data, data, length, error);
}

static gboolean
unpack_frame(const View *view, const AshFrameTable *table, guint64 frame, const int *fds, guint8 *packed, guint8 *plain, GError **error)
{
	const gsize length = (gsize) MIN((guint64) ASH_RELEASE_FRAME_BYTES, view->release->root_bytes - frame * ASH_RELEASE_FRAME_BYTES);
	guint segment;
	guint64 offset;
	guint32 bytes;

	ash_frame_table_locate(table, frame, &segment, &offset, &bytes);
	return ash_fd_read_exact(fds[segment], packed, bytes, offset, error) && ash_frame_decode(packed, bytes, plain, length, error);
}

static gboolean
gzip_frames(const View *view, const AshFrameTable *table, const int *fds, AshObjectFile *file, GError **error)
{
	g_autoptr(AshGzip) gzip = ash_gzip_new(GZIP_LEVEL, view->ctx->jobs, write_file, file);
	g_autofree guint8 *packed = g_malloc(ASH_FRAME_MAX_BYTES), *plain = g_malloc(ASH_RELEASE_FRAME_BYTES);
	guint64 left = view->release->root_bytes;

	for (guint64 frame = 0; frame < ash_frame_table_get_count(table); frame++) {
		const gsize length = (gsize) MIN((guint64) ASH_RELEASE_FRAME_BYTES, left);
		if (!ash_context_check(view->ctx, error) || !unpack_frame(view, table, frame, fds, packed, plain, error) ||
		    !ash_gzip_write(gzip, plain, length, error))
			return FALSE;
		left -= length;
		ash_progress_count(view->ctx->progress, view->release->root_bytes - left, view->release->root_bytes, "B");
	}
	return ash_gzip_finish(gzip, error);
}

/* Descriptors of all segments, -1 where one could not be opened. */
static gboolean
open_segments(const View *view, int *fds, GError **error)
{
	gboolean ok = TRUE;

	for (guint i = 0; i < view->release->segments->len; i++) {
		const AshPackSegment *segment = g_ptr_array_index(view->release->segments, i);
		fds[i] = ok ? ash_objects_open_object(view->objects, &segment->object, error) : -1;
		ok = fds[i] >= 0;
	}
	return ok;
}

static gboolean
write_root(View *view, GError **error)
{
	const guint n = view->release->segments->len;
	g_autofree int *fds = g_new(int, n);
	g_autofree char *path = g_build_filename(view->path, view->root, NULL), *sha256 = NULL;
	g_autoptr(GBytes) object = ash_objects_load(view->objects, &view->release->frames, MAX_TABLE, error);
	g_autoptr(AshFrameTable) table = object != NULL ? ash_frame_table_parse(object, view->release, error) : NULL;
	g_autoptr(AshObjectFile) file = table != NULL ? ash_objects_begin(view->objects, error) : NULL;

	if (file == NULL)
		return FALSE;
	gboolean ok = open_segments(view, fds, error) && gzip_frames(view, table, fds, file, error);
	for (guint i = 0; i < n; i++)
		ash_fd_clear(&fds[i]);
	if (!ok || !ash_object_file_finish_as(file, path, &sha256, error))
		return FALSE;
	g_hash_table_replace(view->sums, g_strdup(view->root), g_steal_pointer(&sha256));
	return TRUE;
}

static gboolean
link_file(View *view, const char *name, const AshObjectRef *object, GError **error)
{
	g_autofree char *path = g_build_filename(view->path, name, NULL);

	g_hash_table_replace(view->sums, g_strdup(name), g_strdup(object->sha256));
	return ash_objects_link(view->ctx, view->objects, object, path, error);
}

static GBytes *
format_sums(const View *view)
{
	g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(view->sums), (GCompareFunc) strcmp);
	g_autoptr(GString) text = g_string_new(NULL);

	for (const GList *at = names; at != NULL; at = at->next)
		g_string_append_printf(text, "%s  %s\n", (const char *) g_hash_table_lookup(view->sums, at->data), (const char *) at->data);
	return g_string_free_to_bytes(g_steal_pointer(&text));
}

static gboolean
feed_sums(int fd, gpointer user_data, GError **error)
{
	gsize length;
	const char *data = g_bytes_get_data(user_data, &length);

	while (length > 0) {
		const gssize n = write(fd, data, length);
		if (n < 0 && errno != EINTR)
			return ash_throw_errno(error, "cannot write to gpg");
		data += MAX(n, 0);
		length -= (gsize) MAX(n, 0);
	}
	return TRUE;
}

/* With the user's own keys and agent. */
static GBytes *
sign_sums(const View *view, GBytes *sums, const char *gpg_key, GError **error)
{
	g_autoptr(AshRun) run = ash_run_new(ASH_TOOL_GPG, error);
	const char *const passed[] = { "HOME", "GNUPGHOME", "GPG_TTY" };
	GBytes *signature = NULL;

	if (run == NULL)
		return NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(passed); i++)
		if (g_getenv(passed[i]) != NULL)
			ash_run_setenv(run, passed[i], g_getenv(passed[i]));
	ash_run_args(run, "--batch", "--quiet", "--detach-sign", "--local-user", gpg_key, "--output", "-", NULL);
	ash_run_stdin(run, feed_sums, sums);
	return ash_run_sync(run, view->ctx, &signature, error) ? signature : NULL;
}

static gboolean
save_sums(View *view, const char *gpg_key, GError **error)
{
	g_autofree char *path = g_build_filename(view->path, SUMS, NULL), *signature_path = g_strconcat(path, ".gpg", NULL);
	g_autoptr(GBytes) sums = format_sums(view), signature = NULL;

	if (gpg_key != NULL && (signature = sign_sums(view, sums, gpg_key, error)) == NULL)
		return ash_prefix(error, "signature of \"%s\"", path);
	return ash_objects_sync(view->objects, error) && ash_objects_save(view->objects, path, sums, error) &&
	       (signature == NULL || ash_objects_save(view->objects, signature_path, signature, error));
}

static bool
is_complete(const View *view)
{
	const AshRelease *release = view->release;

	return has_file(view, view->root, NULL) && has_file(view, view->verity, release->tree.sha256) && has_file(view, view->uki, release->uki.sha256) &&
	       (view->verity_sig == NULL || has_file(view, view->verity_sig, release->verity_sig.sha256));
}

gboolean
ash_sysupdate_add(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, const char *gpg_key, bool *ret_changed, GError **error)
{
	g_auto(View) view = { .ctx = ctx, .dir = dir, .objects = ash_release_dir_get_objects(dir), .release = release };

	view.path = g_build_filename(ASH_SYSUPDATE_DIR, release->ref, NULL);
	view.sums = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	name_files(&view);
	if (!load_sums(&view, error))
		return FALSE;
	*ret_changed = !is_complete(&view);
	if (!*ret_changed)
		return TRUE;
	return ((has_file(&view, view.root, NULL) || write_root(&view, error)) && link_file(&view, view.verity, &release->tree, error) &&
		(view.verity_sig == NULL || link_file(&view, view.verity_sig, &release->verity_sig, error)) &&
		link_file(&view, view.uki, &release->uki, error) && save_sums(&view, gpg_key, error)) ||
	       ash_prefix(error, "files for systemd-sysupdate");
}

static gboolean
keep_names(View *view, GHashTable *kept, GError **error)
{
	g_auto(GStrv) versions = ash_release_dir_list_versions(view->dir, view->path + strlen(ASH_SYSUPDATE_DIR "/"));

	for (char **version = versions; *version != NULL; version++) {
		g_autoptr(AshRelease) release = NULL;
		g_auto(View) names = { 0 };
		if (!ash_release_dir_load_release(view->dir, view->path + strlen(ASH_SYSUPDATE_DIR "/"), *version, &release, error))
			return FALSE;
		names.release = release;
		name_files(&names);
		g_hash_table_add(kept, g_steal_pointer(&names.root));
		g_hash_table_add(kept, g_steal_pointer(&names.verity));
		g_hash_table_add(kept, g_steal_pointer(&names.uki));
		if (names.verity_sig != NULL)
			g_hash_table_add(kept, g_steal_pointer(&names.verity_sig));
	}
	return TRUE;
}

gboolean
ash_sysupdate_drop(AshContext *ctx, AshReleaseDir *dir, const char *ref, const char *gpg_key, bool dry_run, GHashTable *files,
		   bool *ret_changed, GError **error)
{
	g_auto(View) view = { .ctx = ctx, .dir = dir, .objects = ash_release_dir_get_objects(dir) };
	g_autoptr(GHashTable) kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GHashTableIter iter;
	gpointer name;

	view.path = g_build_filename(ASH_SYSUPDATE_DIR, ref, NULL);
	view.sums = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	*ret_changed = false;
	if (!load_sums(&view, error) || !keep_names(&view, kept, error))
		return FALSE;
	g_hash_table_iter_init(&iter, view.sums);
	while (g_hash_table_iter_next(&iter, &name, NULL)) {
		if (g_hash_table_contains(kept, name)) {
			g_hash_table_add(files, g_build_filename(view.path, name, NULL));
			continue;
		}
		g_hash_table_iter_remove(&iter);
		*ret_changed = true;
	}
	g_autofree char *sums = g_build_filename(view.path, SUMS, NULL), *signature = g_strconcat(sums, ".gpg", NULL);
	if (*ret_changed && gpg_key == NULL && ash_file_exists(ash_release_dir_get_fd(dir), signature))
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" is signed, and has to be again: add --gpg-key KEY", sums);
	g_hash_table_add(files, g_steal_pointer(&sums));
	g_hash_table_add(files, g_steal_pointer(&signature));
	return !*ret_changed || dry_run || save_sums(&view, gpg_key, error);
}
