/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/repository.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tuf/canonical.h"
#include "tuf/rootdraft.h"
#include "tuf/signing.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_PER_DAY ((gint64) 24 * 60 * 60)

struct AshTufRepository {
	int dir_fd; /* of the metadata */
	AshTufMetadata *current[ASH_TUF_N_ROLES];
	GBytes *raw[ASH_TUF_N_ROLES];
	AshTufMetadata *draft; /* of the next root; may be NULL */
	JsonNode *targets;     /* "signed" of the next targets metadata */
	bool targets_changed;
};

static void
set_current(AshTufRepository *repository, AshTufMetadata *metadata, GBytes *raw)
{
	AshTufRole role = metadata->role;

	g_clear_pointer(&repository->current[role], ash_tuf_metadata_free);
	g_clear_pointer(&repository->raw[role], g_bytes_unref);
	repository->current[role] = metadata;
	repository->raw[role] = g_bytes_ref(raw);
}

void
ash_tuf_repository_free(AshTufRepository *repository)
{
	if (repository == NULL)
		return;
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		ash_tuf_metadata_free(repository->current[i]);
		g_clear_pointer(&repository->raw[i], g_bytes_unref);
	}
	ash_tuf_metadata_free(repository->draft);
	g_clear_pointer(&repository->targets, json_node_unref);
	ash_fd_clear(&repository->dir_fd);
	g_free(repository);
}

gboolean
ash_tuf_repository_create(int dir_fd, GPtrArray *const keys[ASH_TUF_N_ROLES], const guint64 thresholds[ASH_TUF_N_ROLES],
			  const AshTufValidity *validity, gint64 now, GError **error)
{
	guint days = validity != NULL ? validity->days[ASH_TUF_ROOT] : 0;
	gint64 newest;

	ash_autofd int metadata_fd = ash_file_open_dir(dir_fd, ASH_TUF_METADATA_DIR, true, error);
	if (metadata_fd < 0 || !ash_tuf_signing_find_newest(metadata_fd, "root", &newest, error))
		return FALSE;
	if (newest > 0 || ash_file_exists(metadata_fd, ASH_TUF_DRAFT_NAME))
		return ash_throw(error, ASH_ERROR_USAGE,
				 "there is signed metadata already; \"ashlar key rotate\" changes its keys");
	return ash_tuf_root_draft_create(metadata_fd, keys, thresholds, days, now, error);
}

/* The bytes of a file and what they say; NULL without an error if it is not there. */
static gboolean
load(AshTufRepository *repository, const char *name, AshTufRole role, AshTufMetadata **ret_metadata, GBytes **ret_raw,
     GError **error)
{
	char *text;
	gsize length;

	*ret_metadata = NULL;
	*ret_raw = NULL;
	if (!ash_file_load_optional(repository->dir_fd, name, &text, &length, error))
		return FALSE;
	if (text == NULL)
		return TRUE;
	g_autoptr(GBytes) raw = g_bytes_new_take(text, length);
	*ret_metadata = ash_tuf_metadata_parse(raw, role, name, error);
	if (*ret_metadata == NULL)
		return FALSE;
	*ret_raw = g_steal_pointer(&raw);
	return TRUE;
}

/* What a commit that was stopped after the new root left is signed for the one before. */
static gboolean
verify(AshTufRepository *repository, const AshTufMetadata *metadata, const char *name, GError **error)
{
	const AshTufMetadata *root = repository->current[ASH_TUF_ROOT];

	if (ash_tuf_metadata_verify_by_root(metadata, root, name, NULL))
		return TRUE;
	g_autoptr(AshTufMetadata) before =
		root->version > 1 ? ash_tuf_root_load(repository->dir_fd, root->version - 1, NULL) : NULL;
	if (before != NULL && ash_tuf_metadata_verify_by_root(metadata, before, name, NULL))
		return TRUE;
	return ash_tuf_metadata_verify_by_root(metadata, root, name, error);
}

/* As @told by the metadata before it (NULL: timestamp). */
static gboolean
load_current(AshTufRepository *repository, AshTufRole role, const AshTufFile *told, GError **error)
{
	const char *role_name = ash_tuf_role_to_string(role);
	g_autofree char *name = told != NULL ? g_strdup_printf("%" G_GINT64_FORMAT ".%s.json", told->version, role_name)
					     : g_strconcat(role_name, ".json", NULL);
	g_autoptr(AshTufMetadata) metadata = NULL;
	g_autoptr(GBytes) raw = NULL;

	if (!load(repository, name, role, &metadata, &raw, error))
		return FALSE;
	if (metadata == NULL)
		return told == NULL || ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is missing", name);
	if (!verify(repository, metadata, name, error) || (told != NULL && !ash_tuf_file_check(told, raw, name, error)))
		return FALSE;
	set_current(repository, g_steal_pointer(&metadata), raw);
	return TRUE;
}

static const AshTufFile *
told_by(const AshTufRepository *repository, AshTufRole role, const char *name)
{
	return g_hash_table_lookup(repository->current[role]->meta, name);
}

static gboolean
load_root(AshTufRepository *repository, GError **error)
{
	g_autoptr(GBytes) raw = NULL;
	gint64 newest;

	if (!ash_tuf_signing_find_newest(repository->dir_fd, "root", &newest, error) ||
	    !load(repository, ASH_TUF_DRAFT_NAME, ASH_TUF_ROOT, &repository->draft, &raw, error))
		return FALSE;
	/* One that is in force already was left by a commit that was stopped. */
	if (repository->draft != NULL && repository->draft->version != newest + 1)
		g_clear_pointer(&repository->draft, ash_tuf_metadata_free);
	if (newest == 0)
		return repository->draft != NULL ||
		       ash_throw(error, ASH_ERROR_USAGE, "there is no signed metadata; \"ashlar key init\" makes it");
	g_autoptr(AshTufMetadata) root = ash_tuf_root_load(repository->dir_fd, newest, error);
	if (root == NULL)
		return FALSE;
	g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
	set_current(repository, g_steal_pointer(&root), none);
	return TRUE;
}

static gboolean
load_rest(AshTufRepository *repository, GError **error)
{
	if (repository->current[ASH_TUF_ROOT] == NULL)
		return TRUE;
	if (!load_current(repository, ASH_TUF_TIMESTAMP, NULL, error))
		return FALSE;
	if (repository->current[ASH_TUF_TIMESTAMP] == NULL)
		return TRUE;
	return load_current(repository, ASH_TUF_SNAPSHOT, told_by(repository, ASH_TUF_TIMESTAMP, "snapshot.json"), error) &&
	       load_current(repository, ASH_TUF_TARGETS, told_by(repository, ASH_TUF_SNAPSHOT, "targets.json"), error);
}

static JsonNode *
dup_signed(const AshTufMetadata *metadata)
{
	if (metadata != NULL)
		return ash_canonical_copy(json_object_get_member(json_node_get_object(metadata->document), "signed"));
	JsonNode *node = json_node_new(JSON_NODE_OBJECT);
	json_node_take_object(node, json_object_new());
	return node;
}

static JsonObject *
targets_object(AshTufRepository *repository)
{
	return json_object_get_object_member(json_node_get_object(repository->targets), "targets");
}

AshTufRepository *
ash_tuf_repository_open(int dir_fd, GError **error)
{
	g_autoptr(AshTufRepository) repository = g_new0(AshTufRepository, 1);

	repository->dir_fd = -1;
	if (!ash_file_exists(dir_fd, ASH_TUF_METADATA_DIR))
		return ash_throw_null(error, ASH_ERROR_USAGE, "there is no \"" ASH_TUF_METADATA_DIR "\"; \"ashlar key init\" makes it");
	repository->dir_fd = ash_file_open_dir(dir_fd, ASH_TUF_METADATA_DIR, false, error);
	if (repository->dir_fd < 0 || !load_root(repository, error) || !load_rest(repository, error))
		return NULL;
	repository->targets = dup_signed(repository->current[ASH_TUF_TARGETS]);
	if (!json_object_has_member(json_node_get_object(repository->targets), "targets"))
		json_object_set_object_member(json_node_get_object(repository->targets), "targets", json_object_new());
	return g_steal_pointer(&repository);
}

const AshTufMetadata *
ash_tuf_repository_get(AshTufRepository *repository, AshTufRole role)
{
	return repository->current[role];
}

const AshTufMetadata *
ash_tuf_repository_get_draft(AshTufRepository *repository)
{
	return repository->draft;
}

AshTufTarget *
ash_tuf_repository_dup_target(AshTufRepository *repository, const char *path)
{
	JsonNode *node = json_object_get_member(targets_object(repository), path);

	return node != NULL ? ash_tuf_target_parse(path, json_node_get_object(node), NULL) : NULL;
}

static gint
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
ash_tuf_repository_list_targets(AshTufRepository *repository)
{
	GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GList) members = json_object_get_members(targets_object(repository));

	for (GList *link = members; link != NULL; link = link->next)
		g_ptr_array_add(paths, g_strdup(link->data));
	g_ptr_array_sort(paths, compare_strings);
	return paths;
}

gboolean
ash_tuf_repository_set_target(AshTufRepository *repository, const char *path, guint64 length, const char *sha256_hex,
			      JsonNode *custom, GError **error)
{
	g_autoptr(JsonObject) object = json_object_new(), hashes = json_object_new();
	guint8 digest[ASH_SHA256_SIZE];

	if (length > G_MAXINT64 || !ash_hex_decode(sha256_hex, digest, sizeof(digest)))
		return ash_throw(error, ASH_ERROR_USAGE, "target \"%s\": not a length and a SHA-256", path);
	if (custom != NULL && !JSON_NODE_HOLDS_OBJECT(custom))
		return ash_throw(error, ASH_ERROR_USAGE, "target \"%s\": \"custom\" is not an object", path);
	if (!ash_tuf_target_is_path(path))
		return ash_throw(error, ASH_ERROR_USAGE, "\"%s\" is not a path that a target may have", path);
	g_autofree char *lower = g_ascii_strdown(sha256_hex, -1);
	json_object_set_string_member(hashes, "sha256", lower);
	json_object_set_int_member(object, "length", (gint64) length);
	json_object_set_object_member(object, "hashes", g_steal_pointer(&hashes));
	if (custom != NULL)
		json_object_set_member(object, "custom", ash_canonical_copy(custom));
	json_object_set_object_member(targets_object(repository), path, g_steal_pointer(&object));
	repository->targets_changed = true;
	return TRUE;
}

bool
ash_tuf_repository_remove_target(AshTufRepository *repository, const char *path)
{
	if (!json_object_has_member(targets_object(repository), path))
		return false;
	json_object_remove_member(targets_object(repository), path);
	repository->targets_changed = true;
	return true;
}

/* One commit: everything is signed and checked here before the first file is written. */
typedef struct {
	AshTufRepository *repository;
	GPtrArray *keys;
	const AshTufValidity *validity;
	gint64 now;
	bool renew;
	const AshTufMetadata *root; /* that will be in force */
	const AshTufMetadata *old;  /* that is, if another; may be NULL */
	AshTufMetadata *next[ASH_TUF_N_ROLES];
	GBytes *raw[ASH_TUF_N_ROLES];
} Commit;

static void
commit_clear(Commit *commit)
{
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		g_clear_pointer(&commit->next[i], ash_tuf_metadata_free);
		g_clear_pointer(&commit->raw[i], g_bytes_unref);
	}
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Commit, commit_clear)

static guint
days_of(const Commit *commit, AshTufRole role)
{
	return ash_tuf_signing_days(role, commit->validity != NULL ? commit->validity->days[role] : 0);
}

/* Names what is missing, so that it can be looked for. */
static gboolean
throw_missing_keys(const Commit *commit, const AshTufMetadata *metadata, guint count, GError **error)
{
	const AshTufSigners *signers = &commit->root->signers[metadata->role];
	g_autofree char *ids = g_strjoinv(", ", signers->keyids);

	return ash_throw(error, ASH_ERROR_USAGE,
			 "\"%s\" must be signed by %" G_GINT64_FORMAT " keys, and %u of those given are of its role; its keys: %s",
			 ash_tuf_role_to_string(metadata->role), signers->threshold, count, ids);
}

/* Signs @object as the next metadata of a role and keeps it in @commit. */
static gboolean
sign_next(Commit *commit, AshTufRole role, JsonObject *object, GError **error)
{
	g_autoptr(JsonNode) document = ash_tuf_signing_new(object);
	const char *name = ash_tuf_role_to_string(role);

	if (commit->old != NULL &&
	    !ash_tuf_signing_sign(document, commit->keys, commit->old->keys, &commit->old->signers[role], NULL, error))
		return FALSE;
	if (!ash_tuf_signing_sign(document, commit->keys, commit->root->keys, &commit->root->signers[role], NULL, error))
		return FALSE;
	commit->raw[role] = ash_tuf_signing_format(document);
	commit->next[role] = ash_tuf_metadata_parse(commit->raw[role], role, name, error);
	if (commit->next[role] == NULL)
		return FALSE;
	guint count = ash_tuf_metadata_count_signers(commit->next[role], commit->root->keys, &commit->root->signers[role]);
	return count >= commit->root->signers[role].threshold || throw_missing_keys(commit, commit->next[role], count, error);
}

/* The version after the one in force and after any file that an unfinished commit left. */
static gboolean
next_version(const Commit *commit, AshTufRole role, gint64 *ret_version, GError **error)
{
	const AshTufMetadata *current = commit->repository->current[role];
	gint64 newest = 0;

	if (!ash_tuf_signing_find_newest(commit->repository->dir_fd, ash_tuf_role_to_string(role), &newest, error))
		return FALSE;
	*ret_version = MAX(newest, current != NULL ? current->version : 0) + 1;
	return TRUE;
}

static bool
has_enough_keys(const Commit *commit, AshTufRole role)
{
	const AshTufSigners *signers = &commit->root->signers[role];
	guint count = 0;

	for (char **id = signers->keyids; *id != NULL; id++) {
		const AshTufKey *known = g_hash_table_lookup(commit->root->keys, *id);
		bool found = false;
		for (guint i = 0; known != NULL && known->key != NULL && i < commit->keys->len && !found; i++) {
			const AshKey *key = g_ptr_array_index(commit->keys, i);
			found = ash_key_is_private(key) && ash_key_is_equal(key, known->key);
		}
		count += found;
	}
	return count >= signers->threshold;
}

/* See ash_tuf_repository_commit(). */
static bool
is_due(const Commit *commit, AshTufRole role)
{
	const AshTufMetadata *current = commit->repository->current[role];

	if (current == NULL || current->expires <= commit->now ||
	    !ash_tuf_metadata_verify_by_root(current, commit->root, "", NULL))
		return true;
	gint64 third = days_of(commit, role) * SECONDS_PER_DAY / 3;
	bool is_old = commit->renew && current->expires - 2 * third < commit->now;
	bool ends_soon = current->expires < commit->now + days_of(commit, ASH_TUF_TIMESTAMP) * SECONDS_PER_DAY;
	return (is_old || ends_soon) && has_enough_keys(commit, role);
}

static JsonObject *
make_meta(const AshTufMetadata *metadata, GBytes *raw)
{
	JsonObject *meta = json_object_new(), *hashes = json_object_new();
	g_autofree char *digest = ash_sha256_hex(g_bytes_get_data(raw, NULL), (gssize) g_bytes_get_size(raw));

	json_object_set_string_member(hashes, "sha256", digest);
	json_object_set_object_member(meta, "hashes", hashes);
	json_object_set_int_member(meta, "length", (gint64) g_bytes_get_size(raw));
	json_object_set_int_member(meta, "version", metadata->version);
	return meta;
}

static gboolean
prepare_targets(Commit *commit, GError **error)
{
	JsonObject *object = json_node_get_object(commit->repository->targets);
	gint64 version;

	if (!commit->repository->targets_changed && !is_due(commit, ASH_TUF_TARGETS))
		return TRUE;
	if (!next_version(commit, ASH_TUF_TARGETS, &version, error))
		return FALSE;
	ash_tuf_signing_stamp(object, ASH_TUF_TARGETS, version, commit->now, days_of(commit, ASH_TUF_TARGETS));
	return sign_next(commit, ASH_TUF_TARGETS, object, error);
}

/* Snapshot of targets, or timestamp of snapshot: @below is what changed or not. */
static gboolean
prepare_meta(Commit *commit, AshTufRole role, AshTufRole below, GError **error)
{
	AshTufRepository *repository = commit->repository;
	g_autoptr(JsonNode) copy = dup_signed(repository->current[role]);
	JsonObject *object = json_node_get_object(copy);
	g_autofree char *name = g_strconcat(ash_tuf_role_to_string(below), ".json", NULL);
	gint64 version;

	if (role != ASH_TUF_TIMESTAMP && commit->next[below] == NULL && !is_due(commit, role))
		return TRUE;
	if (!next_version(commit, role, &version, error))
		return FALSE;
	if (!json_object_has_member(object, "meta"))
		json_object_set_object_member(object, "meta", json_object_new());
	if (commit->next[below] != NULL)
		json_object_set_object_member(json_object_get_object_member(object, "meta"), name,
					      make_meta(commit->next[below], commit->raw[below]));
	ash_tuf_signing_stamp(object, role, version, commit->now, days_of(commit, role));
	return sign_next(commit, role, object, error);
}

/* Chooses the root for this commit: the draft, if it is signed, or is now. */
static gboolean
prepare_root(Commit *commit, GError **error)
{
	AshTufRepository *repository = commit->repository;
	const AshTufMetadata *current = repository->current[ASH_TUF_ROOT];

	commit->root = current;
	if (repository->draft == NULL || repository->draft->expires <= commit->now)
		return current != NULL ||
		       ash_throw(error, ASH_ERROR_EXPIRED, "the draft of the root metadata has expired; make it anew");
	g_autoptr(JsonNode) document = ash_canonical_copy(repository->draft->document);
	const AshTufSigners *signers = &repository->draft->signers[ASH_TUF_ROOT];
	if (!ash_tuf_signing_sign(document, commit->keys, repository->draft->keys, signers, NULL, error) ||
	    (current != NULL &&
	     !ash_tuf_signing_sign(document, commit->keys, current->keys, &current->signers[ASH_TUF_ROOT], NULL, error)))
		return FALSE;
	g_autoptr(GBytes) raw = ash_tuf_signing_format(document);
	g_autoptr(AshTufMetadata) next = ash_tuf_metadata_parse(raw, ASH_TUF_ROOT, ASH_TUF_DRAFT_NAME, error);
	if (next == NULL)
		return FALSE;
	bool complete = ash_tuf_metadata_verify_by_root(next, next, "", NULL) &&
			(current == NULL || ash_tuf_metadata_verify_by_root(next, current, "", NULL));
	if (!complete)
		return current != NULL ||
		       ash_throw(error, ASH_ERROR_USAGE,
				 "the root metadata is not signed by enough keys; \"ashlar key sign\" adds signatures to \"%s\"",
				 ASH_TUF_METADATA_DIR "/" ASH_TUF_DRAFT_NAME);
	commit->raw[ASH_TUF_ROOT] = g_steal_pointer(&raw);
	commit->next[ASH_TUF_ROOT] = g_steal_pointer(&next);
	commit->root = commit->next[ASH_TUF_ROOT];
	commit->old = current;
	return TRUE;
}

static gboolean
write_role(Commit *commit, AshTufRole role, GError **error)
{
	const AshTufMetadata *metadata = commit->next[role];
	const char *role_name = ash_tuf_role_to_string(role);

	if (metadata == NULL)
		return TRUE;
	g_autofree char *name = role == ASH_TUF_TIMESTAMP
					? g_strdup("timestamp.json")
					: g_strdup_printf("%" G_GINT64_FORMAT ".%s.json", metadata->version, role_name);
	/* What a file tells of is on the disk before it. */
	if (fsync(commit->repository->dir_fd) != 0)
		return ash_throw_errno(error, "cannot sync the folder of metadata");
	return ash_file_save(commit->repository->dir_fd, name, g_bytes_get_data(commit->raw[role], NULL),
			     (gssize) g_bytes_get_size(commit->raw[role]), 0644, error);
}

/* Nothing that is written below an expired root would be trusted by anybody. */
static gboolean
check_root_time(const Commit *commit, GError **error)
{
	return commit->root->expires > commit->now ||
	       ash_throw(error, ASH_ERROR_EXPIRED, "the root metadata has expired; \"ashlar key rotate\" makes the next one");
}

/* True if clients that know the old root only can go on with what this commit will have written. */
static bool
fits_old_root(const Commit *commit)
{
	for (guint i = ASH_TUF_TIMESTAMP; commit->old != NULL && i < ASH_TUF_N_ROLES; i++) {
		const AshTufMetadata *metadata = commit->next[i] != NULL ? commit->next[i] : commit->repository->current[i];
		if (!ash_tuf_metadata_verify_by_root(metadata, commit->old, "", NULL))
			return false;
	}
	return commit->old != NULL;
}

static gboolean
write_all(Commit *commit, GError **error)
{
	static const AshTufRole root_first[] = { ASH_TUF_ROOT, ASH_TUF_TARGETS, ASH_TUF_SNAPSHOT, ASH_TUF_TIMESTAMP };
	static const AshTufRole root_last[] = { ASH_TUF_TARGETS, ASH_TUF_SNAPSHOT, ASH_TUF_TIMESTAMP, ASH_TUF_ROOT };
	const AshTufRole *order = fits_old_root(commit) ? root_last : root_first;

	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		if (!write_role(commit, order[i], error))
			return FALSE;
	if (fsync(commit->repository->dir_fd) != 0)
		return ash_throw_errno(error, "cannot sync the folder of metadata");
	/* If this is where it stops, the draft is seen to be in force already. */
	if (commit->next[ASH_TUF_ROOT] != NULL)
		(void) unlinkat(commit->repository->dir_fd, ASH_TUF_DRAFT_NAME, 0);
	return TRUE;
}

/* What is on the disk now is in force. */
static void
take_over(Commit *commit, AshTufCommitted *ret)
{
	AshTufRepository *repository = commit->repository;

	if (commit->next[ASH_TUF_ROOT] != NULL)
		g_clear_pointer(&repository->draft, ash_tuf_metadata_free);
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		bool written = commit->next[i] != NULL;
		if (written)
			set_current(repository, g_steal_pointer(&commit->next[i]), commit->raw[i]);
		if (ret != NULL) {
			ret->written[i] = written;
			ret->version[i] = repository->current[i]->version;
		}
	}
	repository->targets_changed = false;
}

gboolean
ash_tuf_repository_commit(AshTufRepository *repository, GPtrArray *keys, const AshTufValidity *validity, gint64 now, bool renew,
			  AshTufCommitted *ret, GError **error)
{
	g_auto(Commit) commit = { .repository = repository, .keys = keys, .validity = validity, .now = now, .renew = renew };

	if (!prepare_root(&commit, error) || !check_root_time(&commit, error) || !prepare_targets(&commit, error) ||
	    !prepare_meta(&commit, ASH_TUF_SNAPSHOT, ASH_TUF_TARGETS, error) ||
	    !prepare_meta(&commit, ASH_TUF_TIMESTAMP, ASH_TUF_SNAPSHOT, error) || !write_all(&commit, error))
		return FALSE;
	take_over(&commit, ret);
	return TRUE;
}
