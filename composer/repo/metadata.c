/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repo/metadata.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "repo/handle.h"
#include "repo/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define STATES_KEPT 3
#define TEMP_PREFIX ".new-"
#define LOCK_POLL_MICROSECONDS (100 * 1000)

/* One run of ash_repo_load_metadata(). */
typedef struct {
	AshContext *ctx;
	const AshRepoConf *conf;
	char *repo_dir;    /* CACHE/metadata/ID-URLS */
	int lock_fd;       /* exclusive: what is half-written below repo_dir is ours or nobody's */
	char *temp_dir;    /* a new state being made; removed at the end unless it was renamed */
	LrHandle *handle;
	char *mirror_error; /* what the last mirror failed with */
	char *base_url;    /* where repomd.xml came from, no trailing slash */
	char *repomd_sha256;
	LrYumRepoMd *repomd;
	char *state_dir;   /* repo_dir/REPOMD-SHA256 */
} Loader;

static void
loader_clear(Loader *loader)
{
	if (loader->temp_dir != NULL)
		ash_file_remove_tree(AT_FDCWD, loader->temp_dir, NULL);
	ash_fd_clear(&loader->lock_fd);
	g_clear_pointer(&loader->handle, lr_handle_free);
	g_clear_pointer(&loader->repomd, lr_yum_repomd_free);
	g_free(loader->repo_dir);
	g_free(loader->temp_dir);
	g_free(loader->mirror_error);
	g_free(loader->base_url);
	g_free(loader->repomd_sha256);
	g_free(loader->state_dir);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Loader, loader_clear)

/* A record of repomd.xml that we use: the first of its types that exists. */
typedef struct {
	const char *types[3];
	const char *file_name; /* in the state directory, before the suffix of its compression */
	bool required;
	gsize path_offset;     /* of the path in AshRepoMetadata */
} WantedRecord;

static const WantedRecord wanted_records[] = {
	{ { "primary" }, "primary.xml", true, G_STRUCT_OFFSET(AshRepoMetadata, primary_path) },
	{ { "filelists" }, "filelists.xml", false, G_STRUCT_OFFSET(AshRepoMetadata, filelists_path) },
	{ { "group_gz", "group" }, "comps.xml", false, G_STRUCT_OFFSET(AshRepoMetadata, comps_path) },
};

/* Suffixes by which libsolv knows a compression. */
static const char *const compression_suffixes[] = { ".gz", ".zst", ".xz", ".bz2", ".lzma" };

static const char *const strong_checksums[] = { "sha256", "sha384", "sha512" };

/* The same repository at other URLs is another repository: one must never see the other's state. */
static char *
repo_dir_name(const AshRepoConf *conf)
{
	g_autoptr(AshDigest) digest = ash_digest_new();
	g_autofree char *id = g_strdup(conf->id);

	for (char **url = conf->baseurls; *url != NULL; url++)
		ash_digest_update_string(digest, *url);
	ash_digest_update_string(digest, conf->mirrorlist);
	ash_digest_update_string(digest, conf->metalink);
	g_autofree char *hex = ash_digest_finish_hex(digest);
	g_strcanon(id, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-", '_');
	return g_strdup_printf("%s-%.16s", id, hex);
}

/* Polled, so that Ctrl-C works while another process loads the same repository. */
static gboolean
lock_repo_dir(Loader *loader, GError **error)
{
	loader->lock_fd = ash_file_open_dir(AT_FDCWD, loader->repo_dir, true, error);
	if (loader->lock_fd < 0)
		return FALSE;
	while (flock(loader->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ash_throw_errno(error, "cannot lock \"%s\"", loader->repo_dir);
		if (!ash_context_check(loader->ctx, error))
			return FALSE;
		g_usleep(LOCK_POLL_MICROSECONDS);
	}
	return TRUE;
}

static gboolean
loader_open(Loader *loader, GError **error)
{
	g_autofree char *name = repo_dir_name(loader->conf);

	loader->repo_dir = g_build_filename(loader->ctx->cache_dir, "metadata", name, NULL);
	if (!ash_file_mkdirs(AT_FDCWD, loader->repo_dir, 0755, error) || !lock_repo_dir(loader, error))
		return FALSE;
	loader->temp_dir = g_build_filename(loader->repo_dir, TEMP_PREFIX "XXXXXX", NULL);
	if (g_mkdtemp_full(loader->temp_dir, 0755) == NULL)
		return ash_throw_errno(error, "cannot make a directory in \"%s\"", loader->repo_dir);
	loader->handle = ash_repo_handle_new(loader->ctx, loader->conf, NULL, loader->temp_dir, error);
	return loader->handle != NULL;
}

static int
on_progress(void *data, double total, double now)
{
	return ash_repo_callback_status(((Loader *)data)->ctx);
}

/* librepo's error only says that all mirrors were tried. */
static int
on_mirror_failure(void *data, const char *message, const char *url)
{
	Loader *loader = data;

	g_free(loader->mirror_error);
	loader->mirror_error = g_strdup(message);
	return LR_CB_OK;
}

/* Takes @target; on success *@ret_mirror (may be NULL) is the base URL that served it. */
static gboolean
download(Loader *loader, LrDownloadTarget *target, char **ret_mirror, GError **ret_cause)
{
	g_autoptr(LrDownloadTarget) owned = target;

	g_clear_pointer(&loader->mirror_error, g_free);
	if (!lr_download_target(owned, ret_cause)) {
		ash_repo_add_detail(*ret_cause, loader->mirror_error);
		return FALSE;
	}
	if (ret_mirror != NULL)
		*ret_mirror = g_strdup(owned->usedmirror);
	return TRUE;
}

static LrDownloadTarget *
new_target(Loader *loader, const char *path, const char *base_url, const char *file, GSList *checksums, gint64 size)
{
	return lr_downloadtarget_new(loader->handle, path, base_url, -1, file, checksums, size, FALSE, on_progress,
				     loader, NULL, on_mirror_failure, NULL, 0, 0, NULL, TRUE, FALSE);
}

static void
add_hashes(GSList **checksums, GSList *hashes)
{
	for (GSList *item = hashes; item != NULL; item = item->next) {
		const LrMetalinkHash *hash = item->data;
		if (g_strv_contains(strong_checksums, hash->type))
			*checksums = g_slist_append(
				*checksums, lr_downloadtargetchecksum_new(lr_checksum_type(hash->type), hash->value));
	}
}

/* The digests of repomd.xml that a metalink allows: mirrors that lag behind are passed over. Owned. */
static GSList *
metalink_checksums(Loader *loader)
{
	LrMetalink *metalink = NULL;
	GSList *checksums = NULL;

	if (!lr_handle_getinfo(loader->handle, NULL, LRI_METALINK, &metalink) || metalink == NULL)
		return NULL;
	add_hashes(&checksums, metalink->hashes);
	for (GSList *item = metalink->alternates; item != NULL; item = item->next)
		add_hashes(&checksums, ((LrMetalinkAlternate *)item->data)->hashes);
	return checksums;
}

/* Packages come from where repomd.xml came from, so that they are of one state. */
static gboolean
fetch_repomd(Loader *loader, GError **error)
{
	g_autofree char *file = g_build_filename(loader->temp_dir, "repomd.xml", NULL);
	GError *cause = NULL;

	if (!download(loader,
		      new_target(loader, "repodata/repomd.xml", NULL, file, metalink_checksums(loader), 0),
		      &loader->base_url, &cause))
		return ash_repo_throw(loader->ctx, loader->conf, loader->temp_dir, cause, error);
	while (g_str_has_suffix(loader->base_url, "/"))
		loader->base_url[strlen(loader->base_url) - 1] = '\0';
	ash_autofd int fd = ash_fd_open(AT_FDCWD, file, O_RDONLY, 0, error);
	if (fd < 0)
		return FALSE;
	loader->repomd_sha256 = ash_sha256_fd_hex(fd, error);
	if (loader->repomd_sha256 == NULL)
		return FALSE;
	loader->state_dir = g_build_filename(loader->repo_dir, loader->repomd_sha256, NULL);
	return TRUE;
}

/* repomd.xml was just there: if its signature is not, then it is unsigned, not unreachable. */
static gboolean
fetch_signature(Loader *loader, const char *file, GError **error)
{
	GError *cause = NULL;

	if (download(loader, new_target(loader, "repodata/repomd.xml.asc", loader->base_url, file, NULL, 0), NULL, &cause))
		return TRUE;
	if (cause->code != LRE_BADSTATUS && cause->code != LRE_CURL)
		return ash_repo_throw(loader->ctx, loader->conf, loader->temp_dir, cause, error);
	g_clear_error(&cause);
	return ash_throw(error, ASH_ERROR_TRUST,
			 "repository \"%s\": repomd.xml is not signed (%s/repodata/repomd.xml.asc cannot be fetched): sign it, "
			 "or set repo_gpgcheck=0 to do without",
			 loader->conf->id, loader->base_url);
}

static gboolean
verify_signature(Loader *loader, GError **error)
{
	g_autofree char *data = g_build_filename(loader->temp_dir, "repomd.xml", NULL);
	g_autofree char *signature = g_build_filename(loader->temp_dir, "repomd.xml.asc", NULL);

	if (!loader->conf->repo_gpgcheck)
		return TRUE;
	return fetch_signature(loader, signature, error) &&
	       ash_keyring_verify(loader->ctx, loader->conf, loader->temp_dir, signature, data, error);
}

/* Only now, verified, is repomd.xml read. */
static gboolean
parse_repomd(Loader *loader, GError **error)
{
	g_autofree char *file = g_build_filename(loader->temp_dir, "repomd.xml", NULL);
	ash_autofd int fd = ash_fd_open(AT_FDCWD, file, O_RDONLY, 0, error);
	GError *cause = NULL;

	if (fd < 0)
		return FALSE;
	loader->repomd = lr_yum_repomd_init();
	if (!lr_yum_repomd_parse_file(loader->repomd, fd, NULL, NULL, &cause)) {
		g_prefix_error(&cause, "%s/repodata/repomd.xml: ", loader->base_url);
		return ash_repo_throw(loader->ctx, loader->conf, NULL, cause, error);
	}
	return TRUE;
}

/* Borrowed; NULL if the repository has none of the record's types. */
static LrYumRepoMdRecord *
find_record(Loader *loader, const WantedRecord *wanted)
{
	LrYumRepoMdRecord *record = NULL;

	for (gsize i = 0; record == NULL && i < G_N_ELEMENTS(wanted->types) && wanted->types[i] != NULL; i++)
		record = lr_yum_repomd_get_record(loader->repomd, wanted->types[i]);
	return record;
}

/* Never the name that the repository gives: it could lead elsewhere. */
static char *
record_file_name(const WantedRecord *wanted, const LrYumRepoMdRecord *record)
{
	const char *suffix = "";

	for (gsize i = 0; i < G_N_ELEMENTS(compression_suffixes); i++)
		if (g_str_has_suffix(record->location_href, compression_suffixes[i]))
			suffix = compression_suffixes[i];
	return g_strconcat(wanted->file_name, suffix, NULL);
}

static gboolean
check_record(Loader *loader, const WantedRecord *wanted, const LrYumRepoMdRecord *record, GError **error)
{
	const char *id = loader->conf->id;

	if (record == NULL)
		return !wanted->required || ash_throw(error, ASH_ERROR_FETCH, "repository \"%s\": repomd.xml names no \"%s\"",
						      id, wanted->types[0]);
	if (record->location_href == NULL || record->checksum == NULL || record->checksum_type == NULL ||
	    !g_strv_contains(strong_checksums, record->checksum_type))
		return ash_throw(error, ASH_ERROR_TRUST,
				 "repository \"%s\": \"%s\" in repomd.xml has no checksum of type sha256, sha384 or sha512",
				 id, record->type);
	if (g_str_has_suffix(record->location_href, ".zck"))
		return ash_throw(error, ASH_ERROR_FETCH, "repository \"%s\": \"%s\" is only there as zchunk", id,
				 record->type);
	return TRUE;
}

/* FALSE without @error if the file is not there or not the right one. */
static bool
is_cached(const char *file, const LrYumRepoMdRecord *record)
{
	gboolean matches = FALSE;
	ash_autofd int fd = open(file, O_RDONLY | O_CLOEXEC);

	return fd >= 0 &&
	       lr_checksum_fd_cmp(lr_checksum_type(record->checksum_type), fd, record->checksum, FALSE, &matches, NULL) &&
	       matches;
}

/* Calls @each for every record that is there. */
static gboolean
for_each_record(Loader *loader,
		gboolean (*each)(Loader *loader, const WantedRecord *wanted, const LrYumRepoMdRecord *record,
				 gpointer data, GError **error),
		gpointer data, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(wanted_records); i++) {
		const LrYumRepoMdRecord *record = find_record(loader, &wanted_records[i]);
		if (!check_record(loader, &wanted_records[i], record, error))
			return FALSE;
		if (record != NULL && !each(loader, &wanted_records[i], record, data, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
note_whether_cached(Loader *loader, const WantedRecord *wanted, const LrYumRepoMdRecord *record, gpointer data,
		    GError **error)
{
	bool *all_cached = data;
	g_autofree char *name = record_file_name(wanted, record);
	g_autofree char *file = g_build_filename(loader->state_dir, name, NULL);

	*all_cached = *all_cached && is_cached(file, record);
	return TRUE;
}

static gboolean
fetch_record(Loader *loader, const WantedRecord *wanted, const LrYumRepoMdRecord *record, gpointer data, GError **error)
{
	g_autofree char *name = record_file_name(wanted, record);
	g_autofree char *file = g_build_filename(loader->temp_dir, name, NULL);
	const char *base_url = record->location_base != NULL ? record->location_base : loader->base_url;
	GSList *checksums = g_slist_append(
		NULL, lr_downloadtargetchecksum_new(lr_checksum_type(record->checksum_type), record->checksum));
	GError *cause = NULL;

	ash_progress_item(loader->ctx->progress, record->type);
	if (!download(loader, new_target(loader, record->location_href, base_url, file, checksums, record->size), NULL,
		      &cause)) {
		g_prefix_error(&cause, "%s: ", record->location_href);
		return ash_repo_throw(loader->ctx, loader->conf, loader->temp_dir, cause, error);
	}
	return TRUE;
}

/* The new state appears whole, under its final name, or not at all. */
static gboolean
make_state(Loader *loader, GError **error)
{
	if (!for_each_record(loader, fetch_record, NULL, error) ||
	    !ash_file_remove_tree(AT_FDCWD, loader->state_dir, error))
		return FALSE;
	if (rename(loader->temp_dir, loader->state_dir) != 0)
		return ash_throw_errno(error, "cannot rename \"%s\"", loader->temp_dir);
	g_clear_pointer(&loader->temp_dir, g_free);
	return TRUE;
}

typedef struct {
	char *name;
	gint64 mtime;
} OldState;

static void
old_state_free(OldState *state)
{
	g_free(state->name);
	g_free(state);
}

static int
newest_first(gconstpointer a, gconstpointer b)
{
	const OldState *left = *(OldState *const *)a, *right = *(OldState *const *)b;

	return left->mtime > right->mtime ? -1 : left->mtime < right->mtime;
}

/* Best effort: keeps the newest states, and of half-made ones none but ours (we hold the lock). */
static void
prune_states(Loader *loader)
{
	g_autoptr(GDir) dir = g_dir_open(loader->repo_dir, 0, NULL);
	g_autoptr(GPtrArray) states = g_ptr_array_new_with_free_func((GDestroyNotify)old_state_free);
	struct stat st;

	for (const char *name = dir != NULL ? g_dir_read_name(dir) : NULL; name != NULL; name = g_dir_read_name(dir)) {
		if (fstatat(loader->lock_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    g_str_equal(name, loader->repomd_sha256))
			continue;
		OldState *state = g_new0(OldState, 1);
		state->name = g_strdup(name);
		state->mtime = g_str_has_prefix(name, TEMP_PREFIX) ? 0 : st.st_mtim.tv_sec;
		g_ptr_array_add(states, state);
	}
	g_ptr_array_sort(states, newest_first);
	for (guint i = 0; i < states->len; i++) {
		const OldState *state = g_ptr_array_index(states, i);
		if (i + 1 >= STATES_KEPT || state->mtime == 0)
			ash_file_remove_tree(loader->lock_fd, state->name, NULL);
	}
}

static gboolean
note_path(Loader *loader, const WantedRecord *wanted, const LrYumRepoMdRecord *record, gpointer data, GError **error)
{
	AshRepoMetadata *metadata = data;
	g_autofree char *name = record_file_name(wanted, record);

	G_STRUCT_MEMBER(char *, metadata, wanted->path_offset) = g_build_filename(loader->state_dir, name, NULL);
	return TRUE;
}

static AshRepoMetadata *
loader_finish(Loader *loader, GError **error)
{
	g_autoptr(AshRepoMetadata) metadata = g_new0(AshRepoMetadata, 1);

	metadata->conf = ash_repo_conf_copy(loader->conf);
	metadata->base_url = g_strdup(loader->base_url);
	metadata->repomd_sha256 = g_strdup(loader->repomd_sha256);
	metadata->cache_dir = g_strdup(loader->state_dir);
	if (!for_each_record(loader, note_path, metadata, error))
		return NULL;
	return g_steal_pointer(&metadata);
}

AshRepoMetadata *
ash_repo_load_metadata(AshContext *ctx, const AshRepoConf *conf, GError **error)
{
	g_auto(Loader) loader = { .ctx = ctx, .conf = conf, .lock_fd = -1 };
	bool all_cached = true;

	ash_progress_item(ctx->progress, conf->id);
	if (!loader_open(&loader, error) || !fetch_repomd(&loader, error) || !verify_signature(&loader, error) ||
	    !parse_repomd(&loader, error) || !for_each_record(&loader, note_whether_cached, &all_cached, error))
		return NULL;
	if (!all_cached && !make_state(&loader, error))
		return NULL;
	prune_states(&loader);
	return loader_finish(&loader, error);
}
