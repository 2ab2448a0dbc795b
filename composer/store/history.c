/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/history.h"

#include "base/error.h"
#include "store/internal.h"
#include "store/reflog.h"

#include <stdbool.h>
#include <string.h>

/* Takes the commit's metadata from @ret_metadata, owned. */
static GVariant *
load_commit(AshStore *store, const char *checksum, GVariant **ret_metadata, GError **error)
{
	g_autoptr(GVariant) commit = NULL;

	if (!ostree_repo_load_commit(store->repo, checksum, &commit, NULL, error))
		return ash_prefix(error, "cannot load commit \"%s\"", checksum), NULL;
	*ret_metadata = g_variant_get_child_value(commit, 0);
	return g_steal_pointer(&commit);
}

/* Owned; NULL if there is none. */
static char *
dup_string(GVariant *metadata, const char *key)
{
	char *value = NULL;

	g_variant_lookup(metadata, key, "s", &value);
	return value;
}

static GPtrArray *
dup_packages(GVariant *metadata)
{
	GPtrArray *packages = g_ptr_array_new_with_free_func(g_free);
	g_autofree const char **names = NULL;

	g_variant_lookup(metadata, ASH_STORE_KEY_PACKAGES, "^a&s", &names);
	for (guint i = 0; names != NULL && names[i] != NULL; i++)
		g_ptr_array_add(packages, g_strdup(names[i]));
	return packages;
}

static char *
dup_first_ref(GVariant *metadata)
{
	g_autofree const char **refs = NULL;

	g_variant_lookup(metadata, ASH_STORE_KEY_REFS, "^a&s", &refs);
	return refs != NULL ? g_strdup(refs[0]) : NULL;
}

static AshCommitInfo *
load_info(AshStore *store, const char *checksum, GError **error)
{
	g_autoptr(GVariant) metadata = NULL;
	g_autoptr(GVariant) commit = load_commit(store, checksum, &metadata, error);
	AshCommitInfo *info;

	if (commit == NULL)
		return NULL;
	info = g_new0(AshCommitInfo, 1);
	info->checksum = g_strdup(checksum);
	info->timestamp = ostree_commit_get_timestamp(commit);
	g_variant_get_child(commit, 3, "s", &info->subject);
	info->ref = dup_first_ref(metadata);
	info->version = dup_string(metadata, ASH_STORE_KEY_VERSION);
	info->lock_digest = dup_string(metadata, ASH_STORE_KEY_LOCK);
	info->input_digest = dup_string(metadata, ASH_STORE_KEY_INPUT);
	info->packages = dup_packages(metadata);
	return info;
}

AshCommitInfo *
ash_store_info(AshStore *store, const char *ref_or_checksum, GError **error)
{
	g_autofree char *checksum = ash_store_resolve(store, ref_or_checksum, error);

	return checksum != NULL ? load_info(store, checksum, error) : NULL;
}

/* A history may name what is gone: in a store that was pruned or pulled into. */
static gboolean
has_commit(AshStore *store, const char *checksum, gboolean *ret_has, GError **error)
{
	return ostree_repo_has_object(store->repo, OSTREE_OBJECT_TYPE_COMMIT, checksum, ret_has, NULL, error);
}

/* Calls back for what is still there, newest first, until FALSE comes back. */
typedef gboolean (*HistoryFunc)(AshStore *store, const char *checksum, gpointer user_data, bool *ret_stop,
				GError **error);

static gboolean
walk_history(AshStore *store, const char *ref, HistoryFunc func, gpointer user_data, GError **error)
{
	g_autoptr(GPtrArray) checksums = ash_reflog_load(store, ref, error);
	bool stop = false;

	if (checksums == NULL)
		return FALSE;
	for (guint i = checksums->len; i > 0 && !stop; i--) {
		const char *checksum = g_ptr_array_index(checksums, i - 1);
		gboolean has;

		if (!has_commit(store, checksum, &has, error) ||
		    (has && !func(store, checksum, user_data, &stop, error)))
			return FALSE;
	}
	return TRUE;
}

typedef struct {
	GPtrArray *infos;
	guint max; /* 0: all */
} LogWalk;

static gboolean
add_to_log(AshStore *store, const char *checksum, gpointer user_data, bool *ret_stop, GError **error)
{
	LogWalk *walk = user_data;
	AshCommitInfo *info = load_info(store, checksum, error);

	if (info == NULL)
		return FALSE;
	g_ptr_array_add(walk->infos, info);
	*ret_stop = walk->infos->len == walk->max;
	return TRUE;
}

GPtrArray *
ash_store_log(AshStore *store, const char *ref_or_checksum, guint max, GError **error)
{
	g_autoptr(GPtrArray) log = g_ptr_array_new_with_free_func((GDestroyNotify) ash_commit_info_free);
	g_autofree char *checksum = ash_store_resolve(store, ref_or_checksum, error);
	LogWalk walk = { .infos = log, .max = max };
	bool stop;

	if (checksum == NULL)
		return NULL;
	/* A checksum has no history, only a ref has. */
	gboolean ok = g_str_has_prefix(checksum, ref_or_checksum)
			      ? add_to_log(store, checksum, &walk, &stop, error)
			      : walk_history(store, ref_or_checksum, add_to_log, &walk, error);
	return ok ? g_steal_pointer(&log) : NULL;
}

/* The metadata of a commit, *@ret_metadata owned, or NULL if the commit is not there. Nothing but its keys is looked at. */
static gboolean
load_metadata(AshStore *store, const char *checksum, GVariant **ret_metadata, GError **error)
{
	g_autoptr(GVariant) commit = NULL;

	*ret_metadata = NULL;
	if (!ostree_repo_load_variant_if_exists(store->repo, OSTREE_OBJECT_TYPE_COMMIT, checksum, &commit, error))
		return ash_prefix(error, "cannot load commit \"%s\"", checksum);
	if (commit != NULL)
		*ret_metadata = g_variant_get_child_value(commit, 0);
	return TRUE;
}

typedef struct {
	const char *key, *value;
	GHashTable *seen; /* checksums that were looked at; owned strings */
	char *found;      /* owned */
} KeySearch;

/* Sets search->found if the commit has the value. */
static gboolean
compare_commit(AshStore *store, const char *checksum, KeySearch *search, GError **error)
{
	g_autoptr(GVariant) metadata = NULL;
	g_autofree char *value = NULL;

	if (!g_hash_table_add(search->seen, g_strdup(checksum)))
		return TRUE;
	if (!load_metadata(store, checksum, &metadata, error))
		return FALSE;
	value = metadata != NULL ? dup_string(metadata, search->key) : NULL;
	if (value != NULL && strcmp(value, search->value) == 0)
		search->found = g_strdup(checksum);
	return TRUE;
}

/* The newest of each ref first, then what was before it: what is looked for is mostly what was made last. */
static gboolean
search_histories(AshStore *store, const GPtrArray *histories, KeySearch *search, GError **error)
{
	guint longest = 0;

	for (guint i = 0; i < histories->len; i++)
		longest = MAX(longest, ((GPtrArray *) g_ptr_array_index(histories, i))->len);
	for (guint back = 1; back <= longest; back++) {
		for (guint i = 0; i < histories->len && search->found == NULL; i++) {
			const GPtrArray *history = g_ptr_array_index(histories, i);
			if (back <= history->len &&
			    !compare_commit(store, g_ptr_array_index(history, history->len - back), search, error))
				return FALSE;
		}
	}
	return TRUE;
}

static gboolean
find_in_refs(AshStore *store, const char *const *refs, const char *key, const char *value, char **ret_checksum,
	     GError **error)
{
	g_autoptr(GPtrArray) histories = g_ptr_array_new_with_free_func((GDestroyNotify) g_ptr_array_unref);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	KeySearch search = { .key = key, .value = value, .seen = seen };

	for (; *refs != NULL; refs++) {
		GPtrArray *history = ash_reflog_load(store, *refs, error);
		if (history == NULL)
			return FALSE;
		g_ptr_array_add(histories, history);
	}
	if (!search_histories(store, histories, &search, error))
		return FALSE;
	*ret_checksum = search.found;
	return TRUE;
}

gboolean
ash_store_find_by_key(AshStore *store, const char *metadata_key, const char *value, char **ret_checksum, GError **error)
{
	g_auto(GStrv) refs = ash_store_list_refs(store, error);

	return refs != NULL &&
	       find_in_refs(store, (const char *const *) refs, metadata_key, value, ret_checksum, error);
}

gboolean
ash_store_find_by_input(AshStore *store, const char *ref, const char *input_digest, char **ret_checksum,
			GError **error)
{
	const char *const refs[] = { ref, NULL };

	return find_in_refs(store, refs, ASH_STORE_KEY_INPUT, input_digest, ret_checksum, error);
}

char *
ash_store_get_metadata(AshStore *store, const char *ref_or_checksum, const char *key, GError **error)
{
	g_autofree char *checksum = ash_store_resolve(store, ref_or_checksum, error);
	g_autoptr(GVariant) metadata = NULL, commit = NULL;
	char *value;

	if (checksum == NULL)
		return NULL;
	commit = load_commit(store, checksum, &metadata, error);
	if (commit == NULL)
		return NULL;
	value = dup_string(metadata, key);
	if (value == NULL)
		ash_throw(error, ASH_ERROR_CONFIG, "commit \"%s\" has no \"%s\"", checksum, key);
	return value;
}
