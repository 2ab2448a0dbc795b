/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "publish/push.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parallel.h"
#include "pack/registry.h"
#include "pack/registrymanifest.h"
#include "publish/inventory.h"
#include "publish/registryclient.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define CONNECTIONS 4
#define MAX_METADATA_BYTES (4 * 1024 * 1024)

/* A file as a blob: its content is read from the directory, or was read already. */
typedef struct {
	AshRegistryFile file;
	GBytes *bytes; /* NULL: read from the file */
} Blob;

/* A manifest, and whether its tag has it already. */
typedef struct {
	char *tag, *text;
	GPtrArray *files; /* of Blob */
	bool there;
} Manifest;

typedef struct {
	AshContext *ctx;
	const AshPushOptions *options;
	AshRegistryClient *client;
	int dir_fd;
	GPtrArray *manifests; /* of Manifest: those of releases, then the metadata's */
	GPtrArray *blobs;     /* of const Blob *: to be asked for */
	GMutex lock;          /* of what follows */
	guint64 done;
	AshPushResult result;
} Push;

static void
blob_free(gpointer data)
{
	Blob *blob = data;

	g_free(blob->file.path);
	g_free(blob->file.blob.sha256);
	g_clear_pointer(&blob->bytes, g_bytes_unref);
	g_free(blob);
}

static void
manifest_free(gpointer data)
{
	Manifest *manifest = data;

	g_free(manifest->tag);
	g_free(manifest->text);
	g_clear_pointer(&manifest->files, g_ptr_array_unref);
	g_free(manifest);
}

static void
push_clear(Push *push)
{
	g_clear_pointer(&push->client, ash_registry_client_free);
	g_clear_pointer(&push->manifests, g_ptr_array_unref);
	g_clear_pointer(&push->blobs, g_ptr_array_unref);
	g_mutex_clear(&push->lock);
	ash_fd_clear(&push->dir_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Push, push_clear)

static Manifest *
add_manifest(Push *push, char *tag)
{
	Manifest *manifest = g_new0(Manifest, 1);

	manifest->tag = tag;
	manifest->files = g_ptr_array_new_with_free_func(blob_free);
	g_ptr_array_add(push->manifests, manifest);
	return manifest;
}

static void
add_file(Manifest *manifest, const char *path, const AshObjectRef *content, GBytes *bytes)
{
	Blob *blob = g_new0(Blob, 1);

	blob->file.path = g_strdup(path);
	blob->file.blob = (AshObjectRef){ g_strdup(content->sha256), content->size };
	blob->bytes = bytes != NULL ? g_bytes_ref(bytes) : NULL;
	g_ptr_array_add(manifest->files, blob);
}

static void
add_release(Push *push, const AshInventoryRelease *release)
{
	Manifest *manifest = add_manifest(push, ash_registry_release_tag(release->ref, release->version));
	const char *const annotations[] = { "org.opencontainers.image.title", release->ref, "org.opencontainers.image.version", release->version, NULL };

	add_file(manifest, release->path, &release->file, NULL);
	for (guint i = 0; i < release->objects->len; i++) {
		const AshObjectRef *object = g_ptr_array_index(release->objects, i);
		g_autofree char *path = ash_object_ref_path(object);
		add_file(manifest, path, object, NULL);
	}
	manifest->text = ash_registry_manifest_format(ASH_REGISTRY_TYPE_RELEASE, manifest->files, annotations);
	push->result.releases++;
}

/* Small files are read at once: metadata that changes later is none of this push. */
static gboolean
add_small(Push *push, Manifest *manifest, const char *path, GError **error)
{
	gsize length;
	char *text = ash_file_load(push->dir_fd, path, MAX_METADATA_BYTES, &length, error);

	if (text == NULL)
		return FALSE;
	g_autoptr(GBytes) bytes = g_bytes_new_take(text, length);
	g_autofree char *sha256 = ash_sha256_hex(text, (gssize) length);
	add_file(manifest, path, &(const AshObjectRef){ sha256, length }, bytes);
	return TRUE;
}

static gboolean
add_metadata(Push *push, const AshInventory *inventory, GError **error)
{
	Manifest *manifest = add_manifest(push, g_strdup(ASH_REGISTRY_METADATA_TAG));
	g_autofree char *version = g_strdup_printf("%" G_GUINT64_FORMAT, push->result.version);
	const char *const annotations[] = { ASH_REGISTRY_VERSION_KEY, version, NULL };
	GPtrArray *const lists[] = { inventory->channels, inventory->metadata };

	for (gsize k = 0; k < G_N_ELEMENTS(lists); k++)
		for (guint i = 0; i < lists[k]->len; i++)
			if (!add_small(push, manifest, g_ptr_array_index(lists[k], i), error))
				return FALSE;
	manifest->text = ash_registry_manifest_format(ASH_REGISTRY_TYPE_METADATA, manifest->files, annotations);
	return TRUE;
}

/* All that is pushed, of one moment: publishers wait while it is looked up, not while it is sent. */
static gboolean
look_up(Push *push, const char *path, GError **error)
{
	ash_autofd int lock_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Without one, opening it says so below. */
	if (lock_fd >= 0 && flock(lock_fd, LOCK_SH) < 0)
		return ash_throw_errno(error, "cannot lock \"%s\"", path);
	g_autoptr(AshReleaseDir) dir = ash_release_dir_open(path, false, error);
	g_autoptr(AshInventory) inventory = dir != NULL ? ash_inventory_new(dir, error) : NULL;
	if (inventory == NULL)
		return FALSE;
	const AshTufMetadata *timestamp = ash_tuf_repository_get(ash_release_dir_get_tuf(dir), ASH_TUF_TIMESTAMP);
	if (timestamp == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "nothing is published in \"%s\" yet", path);
	push->result.version = (guint64) timestamp->version;
	push->dir_fd = ash_file_open_dir(AT_FDCWD, path, false, error);
	if (push->dir_fd < 0)
		return FALSE;
	for (guint i = 0; i < inventory->releases->len; i++)
		add_release(push, g_ptr_array_index(inventory->releases, i));
	return add_metadata(push, inventory, error);
}

/* Somebody may have pushed from another copy of the directory: nodes would refuse to go back. */
static gboolean
check_version(Push *push, const char *url, GError **error)
{
	g_autoptr(GBytes) there = NULL;
	guint64 version = 0;

	if (!ash_registry_client_load_manifest(push->ctx, push->client, ASH_REGISTRY_METADATA_TAG, &there, error))
		return FALSE;
	g_autoptr(GHashTable) files =
		there != NULL ? ash_registry_manifest_parse(there, "the manifest \"" ASH_REGISTRY_METADATA_TAG "\"", &version, NULL) : NULL;
	if (there != NULL && files == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" has a tag \"%s\" that is none of ours: choose another repository", url,
				 ASH_REGISTRY_METADATA_TAG);
	if (version > push->result.version)
		return ash_throw(error, ASH_ERROR_ROLLBACK,
				 "\"%s\" has version %" G_GUINT64_FORMAT " of the metadata, newer than %" G_GUINT64_FORMAT
				 " here: push from the directory that it came from", url, version, push->result.version);
	const Manifest *ours = g_ptr_array_index(push->manifests, push->manifests->len - 1);
	push->result.unchanged =
		there != NULL && g_bytes_get_size(there) == strlen(ours->text) && memcmp(g_bytes_get_data(there, NULL), ours->text, strlen(ours->text)) == 0;
	return TRUE;
}

static gboolean
find_manifest(guint index, gpointer user_data, GError **error)
{
	Push *push = user_data;
	Manifest *manifest = g_ptr_array_index(push->manifests, index);
	g_autofree char *there = NULL, *ours = ash_sha256_hex(manifest->text, -1);

	if (!ash_registry_client_find_manifest(push->ctx, push->client, manifest->tag, &there, error))
		return FALSE;
	manifest->there = g_strcmp0(there, ours) == 0;
	return TRUE;
}

/* Each once, whatever number of releases have it. A registry takes a manifest only if it has all it refers to. */
static void
collect_blobs(Push *push)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < push->manifests->len; i++) {
		const Manifest *manifest = g_ptr_array_index(push->manifests, i);
		for (guint k = 0; (!manifest->there || push->options->verify) && k < manifest->files->len; k++) {
			const Blob *blob = g_ptr_array_index(manifest->files, k);
			if (g_hash_table_add(seen, blob->file.blob.sha256))
				g_ptr_array_add(push->blobs, (gpointer) blob);
		}
	}
	push->result.objects = push->blobs->len;
}

static gboolean
send_blob(Push *push, const Blob *blob, GError **error)
{
	ash_autofd int fd = -1;
	struct stat st;

	if (blob->bytes == NULL) {
		fd = ash_fd_open(push->dir_fd, blob->file.path, O_RDONLY | O_NOFOLLOW, 0, error);
		if (fd < 0 || !ash_fd_stat(fd, blob->file.path, &st, error))
			return FALSE;
		if ((guint64) st.st_size != blob->file.blob.size)
			return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is damaged: publish its release again", blob->file.path);
	}
	return ash_registry_client_put_blob(push->ctx, push->client, &blob->file.blob, fd, blob->bytes, error);
}

static gboolean
push_blob(guint index, gpointer user_data, GError **error)
{
	Push *push = user_data;
	const Blob *blob = g_ptr_array_index(push->blobs, index);
	bool there;

	if (!ash_registry_client_has_blob(push->ctx, push->client, &blob->file.blob, &there, error) ||
	    (!there && !send_blob(push, blob, error)))
		return FALSE;
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&push->lock);
	push->result.sent += there ? 0 : 1;
	push->result.sent_bytes += there ? 0 : blob->file.blob.size;
	ash_progress_count(push->ctx->progress, ++push->done, push->blobs->len, "objects");
	return TRUE;
}

/* The config of all our manifests. */
static gboolean
push_empty(Push *push, GError **error)
{
	g_autofree char *sha256 = ash_sha256_hex(ASH_REGISTRY_EMPTY, -1);
	const AshObjectRef empty = { sha256, strlen(ASH_REGISTRY_EMPTY) };
	g_autoptr(GBytes) bytes = g_bytes_new_static(ASH_REGISTRY_EMPTY, empty.size);
	bool there;

	return ash_registry_client_has_blob(push->ctx, push->client, &empty, &there, error) &&
	       (there || ash_registry_client_put_blob(push->ctx, push->client, &empty, -1, bytes, error));
}

/* The metadata's is the last. */
static gboolean
push_manifests(Push *push, GError **error)
{
	for (guint i = 0; i < push->manifests->len; i++) {
		const Manifest *manifest = g_ptr_array_index(push->manifests, i);
		if ((!manifest->there || push->options->verify) &&
		    !ash_registry_client_put_manifest(push->ctx, push->client, manifest->tag, ASH_REGISTRY_TYPE_MANIFEST, manifest->text, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
push_all(Push *push, AshContext *wide, GError **error)
{
	ash_progress_set_total_weight(push->ctx->progress, 100);
	ash_progress_begin(push->ctx->progress, "Look", 10);
	gboolean ok = ash_parallel_run(wide, push->manifests->len, find_manifest, push, error);
	ash_progress_end(push->ctx->progress);
	if (!ok)
		return FALSE;
	collect_blobs(push);
	ash_progress_begin(push->ctx->progress, "Push", 85);
	ok = push_empty(push, error) && ash_parallel_run(wide, push->blobs->len, push_blob, push, error);
	ash_progress_end(push->ctx->progress);
	return ok && push_manifests(push, error);
}

/* "DIGEST.VERSION.json" of the ref @prefix. */
static void
keep_release(GHashTable *tags, const char *prefix, const char *name)
{
	g_autofree char *path = g_strconcat("targets/", name, NULL), *digest = ash_registry_digest_of_path(path);

	if (digest == NULL || !g_str_has_suffix(name, ".json"))
		return;
	g_autofree char *version = g_strndup(name + strlen(digest) + 1, strlen(name) - strlen(digest) - strlen("..json"));
	g_hash_table_add(tags, ash_registry_release_tag(prefix, version));
}

/*
 * The tags of all releases whose files are there, those among them that nothing names any more: they wait to be removed (publish/tidy.h), as a node
 * may be in the midst of fetching them.
 */
static gboolean
keep_waiting(int dir_fd, const char *name, const char *prefix, GHashTable *tags, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(dir_fd, name, error);

	if (stream == NULL)
		return FALSE;
	for (struct dirent *entry; (entry = ash_fd_next_entry(stream)) != NULL;) {
		g_autofree char *below = g_strconcat(prefix, *prefix != '\0' ? "/" : "", entry->d_name, NULL);
		if (entry->d_type != DT_DIR)
			keep_release(tags, prefix, entry->d_name);
		else if (!keep_waiting(dirfd(stream), entry->d_name, below, tags, error))
			return FALSE;
	}
	return TRUE;
}

/* Whether the tag, which is not of a release here, is that of a release. */
static gboolean
check_stale(Push *push, const char *tag, bool *ret_stale, GError **error)
{
	g_autoptr(GBytes) manifest = NULL;

	if (!ash_registry_client_load_manifest(push->ctx, push->client, tag, &manifest, error))
		return FALSE;
	*ret_stale = manifest != NULL && ash_registry_manifest_is_release(manifest);
	return TRUE;
}

/* A registry that does not do it is asked once. */
static gboolean
remove_tags(Push *push, GHashTable *kept, GError **error)
{
	g_autoptr(GPtrArray) tags = NULL;

	if (!ash_registry_client_list_tags(push->ctx, push->client, &tags, error))
		return FALSE;
	for (guint i = 0; i < tags->len; i++) {
		const char *tag = g_ptr_array_index(tags, i);
		bool stale = false;
		if (g_hash_table_contains(kept, tag))
			continue;
		if (!check_stale(push, tag, &stale, error) || (stale && !ash_registry_client_delete_tag(push->ctx, push->client, tag, error)))
			return FALSE;
		push->result.removed += stale ? 1 : 0;
	}
	return TRUE;
}

/* Nodes do not look at them: what goes wrong is worth a word. */
static gboolean
tidy_tags(Push *push, GError **error)
{
	g_autoptr(GHashTable) kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GError) why = NULL;

	for (guint i = 0; i < push->manifests->len; i++)
		g_hash_table_add(kept, g_strdup(((const Manifest *) g_ptr_array_index(push->manifests, i))->tag));
	if ((faccessat(push->dir_fd, "targets", F_OK, 0) < 0 || keep_waiting(push->dir_fd, "targets", "", kept, &why)) && remove_tags(push, kept, &why))
		return TRUE;
	if (!ash_context_check(push->ctx, error))
		return FALSE;
	ash_progress_message(push->ctx->progress, "note: tags of releases that were pruned stay: %s", why->message);
	return TRUE;
}

gboolean
ash_push(AshContext *ctx, const char *dir, const char *url, const AshPushOptions *options, AshPushResult *ret, GError **error)
{
	g_auto(Push) push = { .ctx = ctx, .options = options, .dir_fd = -1 };
	AshContext wide = *ctx;

	g_mutex_init(&push.lock);
	wide.jobs = options->connections > 0 ? options->connections : CONNECTIONS;
	push.manifests = g_ptr_array_new_with_free_func(manifest_free);
	push.blobs = g_ptr_array_new();
	push.client = ash_registry_client_new(url, options->credentials, options->ca_file, error);
	if (push.client == NULL || !look_up(&push, dir, error) || !check_version(&push, url, error))
		return FALSE;
	if ((!push.result.unchanged || options->verify) && !push_all(&push, &wide, error))
		return FALSE;
	if (!tidy_tags(&push, error))
		return FALSE;
	push.result.requests = ash_registry_client_get_requests(push.client);
	*ret = push.result;
	return TRUE;
}
