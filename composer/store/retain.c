/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/retain.h"

#include "base/error.h"
#include "store/internal.h"
#include "store/reach.h"
#include "store/reflog.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void
ref_history_free(gpointer data)
{
	AshRefHistory *history = data;

	g_free(history->ref);
	g_free(history->current);
	g_clear_pointer(&history->lines, g_ptr_array_unref);
	g_free(history);
}

void
ash_retention_free(AshRetention *retention)
{
	if (retention == NULL)
		return;
	g_hash_table_unref(retention->current);
	g_hash_table_unref(retention->kept);
	g_ptr_array_unref(retention->refs);
	g_free(retention);
}

gint64
ash_retention_commit_time(AshStore *store, const char *checksum)
{
	AshObjectId id = ash_object_id(checksum, OSTREE_OBJECT_TYPE_COMMIT);
	char path[ASH_OBJECT_PATH_SIZE];
	struct stat info;

	ash_object_id_path(&id, path);
	return fstatat(store->objects_fd, path, &info, AT_SYMLINK_NOFOLLOW) == 0 ? MAX(info.st_mtime, 1) : 0;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Refs, and histories of refs that are gone; sorted, each once. */
static GPtrArray *
list_all_refs(AshStore *store, GError **error)
{
	g_autoptr(GPtrArray) all = ash_reflog_list(store, error);
	g_auto(GStrv) refs = all != NULL ? ash_store_list_refs(store, error) : NULL;

	if (refs == NULL)
		return NULL;
	for (char **ref = refs; *ref != NULL; ref++)
		if (!g_ptr_array_find_with_equal_func(all, *ref, g_str_equal, NULL))
			g_ptr_array_add(all, g_strdup(*ref));
	g_ptr_array_sort(all, compare_strings);
	return g_steal_pointer(&all);
}

static gboolean
load_history(AshStore *store, const char *ref, AshRetention *retention, GError **error)
{
	AshRefHistory *history = g_new0(AshRefHistory, 1);

	g_ptr_array_add(retention->refs, history);
	history->ref = g_strdup(ref);
	history->lines = ash_reflog_load(store, ref, error);
	if (history->lines == NULL ||
	    !ostree_repo_resolve_rev(store->repo, ref, TRUE, &history->current, error))
		return ash_prefix(error, "cannot read the history of \"%s\"", ref);
	if (history->current != NULL) {
		g_hash_table_add(retention->current, history->current);
		g_hash_table_add(retention->kept, g_strdup(history->current));
	}
	return TRUE;
}

/* The newest @keep of one history. A commit may be in it several times. */
static void
keep_newest(AshStore *store, const AshRefHistory *history, guint64 keep, gint64 oldest, GHashTable *kept)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = history->lines->len; history->current != NULL && i > 0; i--) {
		char *checksum = g_ptr_array_index(history->lines, i - 1);
		gint64 made = ash_retention_commit_time(store, checksum);
		if (made == 0 || !g_hash_table_add(seen, checksum))
			continue;
		if (g_hash_table_size(seen) > keep || made < oldest)
			break;
		g_hash_table_add(kept, g_strdup(checksum));
	}
}

AshRetention *
ash_retention_new(AshStore *store, const char *only_ref, guint64 keep, gint64 oldest, GError **error)
{
	g_autoptr(AshRetention) retention = g_new0(AshRetention, 1);
	bool found = only_ref == NULL;

	retention->refs = g_ptr_array_new_with_free_func(ref_history_free);
	retention->kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	retention->current = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GPtrArray) refs = list_all_refs(store, error);
	if (refs == NULL)
		return NULL;
	for (guint i = 0; i < refs->len; i++) {
		const char *ref = g_ptr_array_index(refs, i);
		if (!load_history(store, ref, retention, error))
			return NULL;
		const AshRefHistory *history = g_ptr_array_index(retention->refs, retention->refs->len - 1);
		bool whole = only_ref != NULL && strcmp(ref, only_ref) != 0;
		found = found || (!whole && history->current != NULL);
		keep_newest(store, history, whole ? G_MAXUINT64 : keep, whole ? 0 : oldest, retention->kept);
	}
	if (!found)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the store \"%s\" has no ref \"%s\"", store->dir, only_ref);
	return g_steal_pointer(&retention);
}

/* NULL if all of them stay. */
static GPtrArray *
kept_lines(const AshRefHistory *history, GHashTable *kept)
{
	g_autoptr(GPtrArray) lines = g_ptr_array_new();

	for (guint i = 0; history->current != NULL && i < history->lines->len; i++) {
		gpointer checksum = g_ptr_array_index(history->lines, i);
		if (g_hash_table_contains(kept, checksum))
			g_ptr_array_add(lines, checksum);
	}
	return lines->len < history->lines->len ? g_steal_pointer(&lines) : NULL;
}

gboolean
ash_retention_save_histories(AshStore *store, const AshRetention *retention, GError **error)
{
	for (guint i = 0; i < retention->refs->len; i++) {
		const AshRefHistory *history = g_ptr_array_index(retention->refs, i);
		g_autoptr(GPtrArray) lines = kept_lines(history, retention->kept);
		if (lines != NULL && !ash_reflog_save(store, history->ref, lines, error))
			return FALSE;
	}
	return TRUE;
}
