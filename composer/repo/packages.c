/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repo/packages.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "repo/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Fetch Fetch;

/* One package on its way. */
typedef struct {
	Fetch *fetch;
	AshPackage *package;             /* borrowed */
	const AshRepoMetadata *metadata; /* borrowed */
	char *file;     /* where it is or will be */
	char *part;     /* where it is downloaded to; NULL if @file is the repository's own */
	guint64 done;   /* bytes counted into fetch->done */
	bool present;   /* @file exists and is right */
	char *mirror_error; /* what the last mirror failed with */
	GError *error;  /* of its check */
} Item;

struct Fetch {
	AshContext *ctx;
	GHashTable *metadata; /* repository id -> borrowed AshRepoMetadata */
	GHashTable *handles;  /* repository id -> LrHandle */
	GPtrArray *items;     /* of Item */
	char *cache_dir;      /* CACHE/packages */
	AshRepoReadyFunc on_ready; /* may be NULL */
	gpointer ready_data;
	GThreadPool *checks;  /* of Item: files to look at */
	GMutex lock;          /* of what follows */
	guint64 done, total;  /* bytes */
};

static void
item_free(Item *item)
{
	g_free(item->file);
	g_free(item->part);
	g_free(item->mirror_error);
	g_clear_error(&item->error);
	g_free(item);
}

static void
fetch_clear(Fetch *fetch)
{
	g_hash_table_unref(fetch->metadata);
	g_hash_table_unref(fetch->handles);
	g_ptr_array_unref(fetch->items);
	g_free(fetch->cache_dir);
	g_mutex_clear(&fetch->lock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fetch, fetch_clear)

static void
fetch_init(Fetch *fetch, AshContext *ctx, GPtrArray *metadata)
{
	fetch->ctx = ctx;
	fetch->metadata = g_hash_table_new(g_str_hash, g_str_equal);
	fetch->handles = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)lr_handle_free);
	fetch->items = g_ptr_array_new_with_free_func((GDestroyNotify)item_free);
	fetch->cache_dir = g_build_filename(ctx->cache_dir, "packages", NULL);
	g_mutex_init(&fetch->lock);
	for (guint i = 0; i < metadata->len; i++) {
		AshRepoMetadata *one = g_ptr_array_index(metadata, i);
		g_hash_table_insert(fetch->metadata, one->conf->id, one);
	}
}

/* Counts @item as being at @bytes; called from any thread. */
static void
count_bytes(Item *item, guint64 bytes)
{
	Fetch *fetch = item->fetch;

	g_mutex_lock(&fetch->lock);
	fetch->done += bytes - item->done;
	item->done = bytes;
	ash_progress_count(fetch->ctx->progress, fetch->done, fetch->total, "B");
	g_mutex_unlock(&fetch->lock);
}

/* The repository's own file of @package; NULL unless its location is a file: URL. Owned. */
static char *
local_file(const AshRepoMetadata *metadata, const AshPackage *package)
{
	if (g_str_has_prefix(package->location, "file:"))
		return g_filename_from_uri(package->location, NULL, NULL);
	if (strstr(package->location, "://") != NULL || !g_str_has_prefix(metadata->base_url, "file:"))
		return NULL;
	g_autofree char *base = g_filename_from_uri(metadata->base_url, NULL, NULL);
	return base != NULL ? g_build_filename(base, package->location, NULL) : NULL;
}

static gboolean
add_item(Fetch *fetch, AshPackage *package, GError **error)
{
	const AshRepoMetadata *metadata = g_hash_table_lookup(fetch->metadata, package->repo_id);
	guint8 sum[ASH_SHA256_SIZE];

	if (metadata == NULL || package->location == NULL)
		return ash_throw(error, ASH_ERROR_INTERNAL, "package \"%s\" is in no repository that was loaded",
				 package->name);
	/* It becomes a file name. */
	if (package->sha256 == NULL || strlen(package->sha256) != ASH_SHA256_HEX_SIZE - 1 ||
	    !ash_hex_decode(package->sha256, sum, sizeof(sum)))
		return ash_throw(error, ASH_ERROR_TRUST, "package \"%s\" has no SHA-256 digest", package->name);
	Item *item = g_new0(Item, 1);
	item->fetch = fetch;
	item->package = package;
	item->metadata = metadata;
	item->file = local_file(metadata, package);
	if (item->file == NULL) {
		g_autofree char *name = g_strconcat(package->sha256, ".rpm", NULL);
		item->file = g_build_filename(fetch->cache_dir, name, NULL);
		item->part = g_strconcat(item->file, ".part", NULL);
	}
	fetch->total += package->size;
	g_ptr_array_add(fetch->items, item);
	return TRUE;
}

static gboolean
check_size(const Item *item, int fd, GError **error)
{
	g_autofree char *nevra = ash_package_dup_nevra(item->package);
	struct stat st;

	if (!ash_fd_stat(fd, item->file, &st, error))
		return FALSE;
	if (!S_ISREG(st.st_mode))
		return ash_throw(error, ASH_ERROR_FETCH, "package \"%s\": \"%s\" is not a file", nevra, item->file);
	if ((guint64)st.st_size != item->package->size)
		return ash_throw(error, ASH_ERROR_TRUST,
				 "package \"%s\" (repository \"%s\"): wrong size: expected %" G_GUINT64_FORMAT
				 " bytes, found %" G_GUINT64_FORMAT,
				 nevra, item->package->repo_id, item->package->size, (guint64)st.st_size);
	return TRUE;
}

static gboolean
check_digest(const Item *item, int fd, GError **error)
{
	g_autofree char *found = ash_sha256_fd_hex(fd, error);
	g_autofree char *nevra = ash_package_dup_nevra(item->package);

	if (found == NULL)
		return FALSE;
	if (g_ascii_strcasecmp(found, item->package->sha256) != 0)
		return ash_throw(error, ASH_ERROR_TRUST,
				 "package \"%s\" (repository \"%s\"): wrong SHA-256: expected %s, found %s", nevra,
				 item->package->repo_id, item->package->sha256, found);
	return TRUE;
}

static gboolean
check_file(const Item *item, GError **error)
{
	ash_autofd int fd = open(item->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		int code = errno;
		g_autofree char *nevra = ash_package_dup_nevra(item->package);
		return ash_throw(error, ASH_ERROR_FETCH, "package \"%s\" (repository \"%s\"): cannot open \"%s\": %s", nevra,
				 item->package->repo_id, item->file, g_strerror(code));
	}
	return check_size(item, fd, error) && check_digest(item, fd, error);
}

/* In a thread of the pool. */
static void
check_item(gpointer data, gpointer user_data)
{
	Item *item = data;
	Fetch *fetch = user_data;

	if (item->present || (item->part != NULL && !ash_file_exists(AT_FDCWD, item->file)))
		return;
	if (!ash_context_check(fetch->ctx, &item->error) || !check_file(item, &item->error))
		return;
	item->present = true;
	count_bytes(item, item->package->size);
	g_free(item->package->path);
	item->package->path = g_strdup(item->file);
	if (fetch->on_ready != NULL)
		fetch->on_ready(item->package, fetch->ready_data);
}

static gboolean
begin_checks(Fetch *fetch, GError **error)
{
	fetch->checks = g_thread_pool_new(check_item, fetch, (int)MAX(1, fetch->ctx->jobs), FALSE, error);
	return fetch->checks != NULL;
}

/* Waits until every file was looked at; what is wrong with one is kept in its item. */
static gboolean
end_checks(Fetch *fetch, GError **error)
{
	g_thread_pool_free(g_steal_pointer(&fetch->checks), FALSE, TRUE);
	return ash_context_check(fetch->ctx, error);
}

static gboolean
check_present(Fetch *fetch, GError **error)
{
	if (!begin_checks(fetch, error))
		return FALSE;
	for (guint i = 0; i < fetch->items->len; i++)
		g_thread_pool_push(fetch->checks, g_ptr_array_index(fetch->items, i), NULL);
	return end_checks(fetch, error);
}

/* A wrong file in the cache is deleted and fetched again, once; one in a repository is an error. */
static gboolean
judge_items(Fetch *fetch, bool again, bool *ret_missing, GError **error)
{
	*ret_missing = false;
	for (guint i = 0; i < fetch->items->len; i++) {
		Item *item = g_ptr_array_index(fetch->items, i);
		if (item->present)
			continue;
		if (item->part != NULL && item->error != NULL && unlink(item->file) != 0 && errno != ENOENT)
			return ash_throw_errno(error, "cannot delete \"%s\"", item->file);
		if (item->error != NULL && (item->part == NULL || again)) {
			g_propagate_error(error, g_steal_pointer(&item->error));
			return FALSE;
		}
		g_clear_error(&item->error);
		*ret_missing = true;
	}
	return TRUE;
}

/* Borrowed. Mirrors are found anew; the one that metadata came from is tried first. */
static LrHandle *
handle_for(Fetch *fetch, const AshRepoMetadata *metadata, GError **error)
{
	LrHandle *handle = g_hash_table_lookup(fetch->handles, metadata->conf->id);

	if (handle != NULL)
		return handle;
	handle = ash_repo_handle_new(fetch->ctx, metadata->conf, metadata->base_url, fetch->cache_dir, error);
	if (handle != NULL)
		g_hash_table_insert(fetch->handles, metadata->conf->id, handle);
	return handle;
}

static int
on_progress(void *data, double total, double now)
{
	Item *item = data;

	count_bytes(item, MIN((guint64)MAX(now, 0), item->package->size));
	return ash_repo_callback_status(item->fetch->ctx);
}

/* librepo has checked the digest while downloading; the final name is the promise that somebody did. The same check as of what was
 * there before follows, and unpacking, while others are downloaded. */
static int
on_end(void *data, LrTransferStatus status, const char *message)
{
	Item *item = data;

	ash_progress_item(item->fetch->ctx->progress, item->package->name);
	if (status == LR_TRANSFER_ERROR)
		return LR_CB_OK;
	count_bytes(item, item->package->size);
	if (rename(item->part, item->file) == 0)
		g_thread_pool_push(item->fetch->checks, item, NULL);
	else
		ash_throw_errno(&item->error, "cannot rename \"%s\"", item->part);
	return LR_CB_OK;
}

static int
on_mirror_failure(void *data, const char *message, const char *url)
{
	Item *item = data;

	g_free(item->mirror_error);
	item->mirror_error = g_strdup(message);
	return LR_CB_OK;
}

static LrPackageTarget *
new_target(Fetch *fetch, Item *item, GError **error)
{
	const AshPackage *package = item->package;
	bool absolute = strstr(package->location, "://") != NULL;
	g_autofree char *location =
		absolute ? g_strdup(package->location) : g_uri_escape_string(package->location, "/", FALSE);
	LrHandle *handle = handle_for(fetch, item->metadata, error);
	GError *cause = NULL;

	if (handle == NULL)
		return NULL;
	LrPackageTarget *target =
		lr_packagetarget_new_v2(handle, location, item->part, LR_CHECKSUM_SHA256, package->sha256,
					(gint64)package->size, NULL, TRUE, on_progress, item, on_end, on_mirror_failure, &cause);
	if (target == NULL)
		ash_repo_throw(fetch->ctx, item->metadata->conf, fetch->cache_dir, cause, error);
	return target;
}

static void
target_list_free(GSList **targets)
{
	g_slist_free_full(*targets, (GDestroyNotify)lr_packagetarget_free);
}

static gboolean
make_targets(Fetch *fetch, GSList **targets, GError **error)
{
	for (guint i = fetch->items->len; i-- > 0;) {
		Item *item = g_ptr_array_index(fetch->items, i);
		if (item->present)
			continue;
		LrPackageTarget *target = new_target(fetch, item, error);
		if (target == NULL)
			return FALSE;
		*targets = g_slist_prepend(*targets, target);
	}
	return TRUE;
}

/* The first target that failed, said with the package's name. */
static gboolean
throw_target(Fetch *fetch, const LrPackageTarget *target, GError **error)
{
	const Item *item = target->cbdata;
	g_autofree char *nevra = ash_package_dup_nevra(item->package);
	GError *cause = g_error_new(LR_PACKAGE_DOWNLOADER_ERROR, LRE_UNKNOWNERROR, "package \"%s\": %s", nevra, target->err);

	ash_repo_add_detail(cause, item->mirror_error);
	return ash_repo_throw(fetch->ctx, item->metadata->conf, fetch->cache_dir, cause, error);
}

/* librepo says by text alone that a target was there before or was stopped because of another. */
static bool
has_failed(const LrPackageTarget *target)
{
	return target->err != NULL && !g_str_has_prefix(target->err, "Already downloaded") &&
	       !g_str_has_prefix(target->err, "Not finished");
}

static gboolean
run_targets(Fetch *fetch, GSList *targets, GError **error)
{
	const Item *first = ((LrPackageTarget *)targets->data)->cbdata;
	GError *cause = NULL;
	gboolean ok = lr_download_packages(targets, LR_PACKAGEDOWNLOAD_FAILFAST, &cause);

	if (!ash_context_check(fetch->ctx, error)) {
		g_clear_error(&cause);
		return FALSE;
	}
	for (GSList *link = targets; link != NULL; link = link->next) {
		const LrPackageTarget *target = link->data;
		if (has_failed(target)) {
			g_clear_error(&cause);
			return throw_target(fetch, target, error);
		}
	}
	return ok || ash_repo_throw(fetch->ctx, first->metadata->conf, fetch->cache_dir, cause, error);
}

/* What failed its check must not be resumed. */
static void
drop_parts(Fetch *fetch)
{
	for (guint i = 0; i < fetch->items->len; i++) {
		Item *item = g_ptr_array_index(fetch->items, i);
		if (!item->present && item->part != NULL)
			unlink(item->part);
	}
}

static gboolean
download_missing(Fetch *fetch, GError **error)
{
	g_autoptr(GError) local = NULL;
	__attribute__((cleanup(target_list_free))) GSList *targets = NULL;

	if (!ash_file_mkdirs(AT_FDCWD, fetch->cache_dir, 0755, error) || !make_targets(fetch, &targets, error) ||
	    !begin_checks(fetch, error))
		return FALSE;
	run_targets(fetch, targets, &local);
	if (!end_checks(fetch, local == NULL ? error : NULL) && local == NULL)
		return FALSE;
	if (local == NULL)
		return TRUE;
	if (ash_error_code(local) == ASH_ERROR_TRUST)
		drop_parts(fetch);
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean
ash_repo_fetch_packages(AshContext *ctx, GPtrArray *metadata, AshPackageSet *set, AshRepoReadyFunc on_ready,
			gpointer user_data, GError **error)
{
	g_auto(Fetch) fetch = { 0 };
	bool missing = false;

	fetch_init(&fetch, ctx, metadata);
	fetch.on_ready = on_ready;
	fetch.ready_data = user_data;
	for (guint i = 0; i < set->packages->len; i++)
		if (!add_item(&fetch, g_ptr_array_index(set->packages, i), error))
			return FALSE;
	if (!check_present(&fetch, error) || !judge_items(&fetch, false, &missing, error))
		return FALSE;
	if (!missing)
		return TRUE;
	if (!download_missing(&fetch, error) || !judge_items(&fetch, true, &missing, error))
		return FALSE;
	return !missing || ash_throw(error, ASH_ERROR_FETCH, "packages vanished from \"%s\"", fetch.cache_dir);
}
