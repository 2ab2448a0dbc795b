/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/prune.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/size.h"
#include "model/lock.h"
#include "store/entries.h"
#include "store/internal.h"
#include "store/reach.h"
#include "store/reap.h"
#include "store/retain.h"
#include "store/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS_PER_DAY 86400
/* Scriptlets of one system that are kept, and then some. */
#define MEMOS_OF_ROOT 16
#define LOCK_PATH "/usr/lib/ashlar/packages.lock"

const AshField ash_prune_options_fields[] = {
	ASH_FIELD(AshPruneOptions, ref, ASH_FIELD_STRING),
	ASH_FIELD(AshPruneOptions, keep, ASH_FIELD_UINT64),
	ASH_FIELD(AshPruneOptions, keep_days, ASH_FIELD_UINT64),
	ASH_FIELD(AshPruneOptions, keep_roots, ASH_FIELD_UINT64),
	ASH_FIELD(AshPruneOptions, max_bytes, ASH_FIELD_UINT64),
	ASH_FIELD(AshPruneOptions, dry_run, ASH_FIELD_BOOL),
	{ NULL },
};

static const AshField item_fields[] = {
	ASH_FIELD(AshPruneItem, kind, ASH_FIELD_STRING),
	ASH_FIELD(AshPruneItem, name, ASH_FIELD_STRING),
	ASH_FIELD(AshPruneItem, why, ASH_FIELD_STRING),
	ASH_FIELD(AshPruneItem, bytes, ASH_FIELD_UINT64),
	{ NULL },
};

const AshField ash_prune_report_fields[] = {
	ASH_FIELD(AshPruneReport, dry_run, ASH_FIELD_BOOL),
	ASH_FIELD(AshPruneReport, freed_bytes, ASH_FIELD_UINT64),
	ASH_FIELD(AshPruneReport, store_bytes, ASH_FIELD_UINT64),
	ASH_FIELD_EACH(AshPruneReport, items, item_fields, AshPruneItem),
	{ NULL },
};

/* A run. */
typedef struct {
	AshContext *ctx;
	AshStore *store;
	const AshPruneOptions *options;
	AshPruneReport *report;
	AshReaper *reaper;
	AshRetention *retention;
	GHashTable *swept; /* AshObjectId that went: a dry run would find them again */
	gint64 oldest;     /* seconds since 1970: what was used before goes */
} Prune;

static void
item_free(gpointer data)
{
	AshPruneItem *item = data;

	g_free(item->kind);
	g_free(item->name);
	g_free(item->why);
	g_free(item);
}

AshPruneReport *
ash_prune_report_new(void)
{
	AshPruneReport *report = g_new0(AshPruneReport, 1);

	report->items = g_ptr_array_new_with_free_func(item_free);
	return report;
}

void
ash_prune_report_free(AshPruneReport *report)
{
	if (report == NULL)
		return;
	g_ptr_array_unref(report->items);
	g_free(report);
}

/* Notes what the reaper freed since @freed_before. */
static void
note(Prune *prune, const char *kind, const char *name, const char *why, guint64 freed_before)
{
	AshPruneItem *item = g_new0(AshPruneItem, 1);

	item->kind = g_strdup(kind);
	item->name = g_strdup(name);
	item->why = g_strdup(why);
	item->bytes = ash_reaper_get_freed(prune->reaper) - freed_before;
	g_ptr_array_add(prune->report->items, item);
}

/* Removes @path below DIR, whole, and notes it. */
static gboolean
drop(Prune *prune, const char *kind, const char *path, const char *name, const char *why, GError **error)
{
	guint64 before = ash_reaper_get_freed(prune->reaper);

	if (!ash_context_check(prune->ctx, error) ||
	    !ash_reaper_remove_whole(prune->reaper, prune->store->dir_fd, path, error))
		return FALSE;
	note(prune, kind, name, why, before);
	return TRUE;
}

static gboolean
remove_object(Prune *prune, const AshObjectId *id, GError **error)
{
	char path[ASH_OBJECT_PATH_SIZE];

	ash_object_id_path(id, path);
	ash_object_set_add(prune->swept, id);
	return ash_reaper_remove(prune->reaper, prune->store->objects_fd, path, error);
}

/* A commit without its objects would be damage: commits go before objects do, with their notes. */
static gboolean
drop_commit(Prune *prune, const AshObjectId *id, GError **error)
{
	AshObjectId meta = *id;
	char checksum[ASH_SHA256_HEX_SIZE];
	guint64 before = ash_reaper_get_freed(prune->reaper);

	ash_object_id_checksum(id, checksum);
	g_autofree char *state = g_strdup_printf("repo/state/%s.commitpartial", checksum);
	meta.type = OSTREE_OBJECT_TYPE_COMMIT_META;
	if (!remove_object(prune, id, error) || !remove_object(prune, &meta, error) ||
	    !ash_reaper_remove(prune->reaper, prune->store->dir_fd, state, error))
		return FALSE;
	note(prune, "commit", checksum, "no history keeps it", before);
	return TRUE;
}

static gboolean
drop_commits(Prune *prune, GHashTable *objects, GError **error)
{
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, objects);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		const AshObjectId *id = key;
		char checksum[ASH_SHA256_HEX_SIZE];

		ash_object_id_checksum(id, checksum);
		if (id->type == OSTREE_OBJECT_TYPE_COMMIT && !g_hash_table_contains(prune->swept, id) &&
		    !g_hash_table_contains(prune->retention->kept, checksum) && !drop_commit(prune, id, error))
			return FALSE;
	}
	return TRUE;
}

/* What the kept commits need. Owned; NULL on failure. */
static GHashTable *
reachable_objects(Prune *prune, GError **error)
{
	g_autoptr(GHashTable) needed = ash_object_set_new();
	GHashTableIter iter;
	gpointer checksum;

	g_hash_table_iter_init(&iter, prune->retention->kept);
	while (g_hash_table_iter_next(&iter, &checksum, NULL))
		if (!ash_context_check(prune->ctx, error) ||
		    !ash_reach_add_commit(prune->store, checksum, needed, NULL, error))
			return NULL;
	return g_steal_pointer(&needed);
}

static bool
is_needed(GHashTable *needed, const AshObjectId *id)
{
	AshObjectId commit = *id;

	/* The detached metadata of a commit goes with it. */
	if (id->type == OSTREE_OBJECT_TYPE_COMMIT_META)
		commit.type = OSTREE_OBJECT_TYPE_COMMIT;
	return g_hash_table_contains(needed, &commit);
}

static gboolean
sweep_objects(Prune *prune, GHashTable *objects, GHashTable *needed, GError **error)
{
	guint64 before = ash_reaper_get_freed(prune->reaper);
	GHashTableIter iter;
	gpointer id;
	guint count = 0;

	g_hash_table_iter_init(&iter, objects);
	while (g_hash_table_iter_next(&iter, &id, NULL)) {
		if (is_needed(needed, id) || g_hash_table_contains(prune->swept, id))
			continue;
		if (!ash_context_check(prune->ctx, error) || !remove_object(prune, id, error))
			return FALSE;
		count++;
	}
	if (count > 0) {
		g_autofree char *name = g_strdup_printf("%u objects", count);
		note(prune, "objects", name, "no commit needs them", before);
	}
	return TRUE;
}

/* Histories, commits, objects, in this order: whatever is left when we are killed is whole. */
static gboolean
apply_retention(Prune *prune, GError **error)
{
	g_autoptr(GHashTable) objects = ash_object_set_new(), needed = reachable_objects(prune, error);

	if (needed == NULL || !ash_reach_list(prune->store, objects, error))
		return FALSE;
	if (!prune->options->dry_run && !ash_retention_save_histories(prune->store, prune->retention, error))
		return FALSE;
	if (!drop_commits(prune, objects, error))
		return FALSE;
	/* A power cut must not bring a commit back whose objects are gone. */
	if (!prune->options->dry_run && syncfs(prune->store->objects_fd) < 0)
		return ash_throw_errno(error, "cannot sync \"%s\"", prune->store->dir);
	return sweep_objects(prune, objects, needed, error);
}

/* Adds the digests of the packages that @checksum was made from. Commits of others have no lock. */
static gboolean
add_locked_packages(AshStore *store, const char *checksum, GHashTable *digests, GError **error)
{
	g_autoptr(GFile) root = NULL;
	g_autofree char *text = NULL;

	if (!ostree_repo_read_commit(store->repo, checksum, &root, NULL, NULL, error))
		return FALSE;
	g_autoptr(GFile) file = g_file_resolve_relative_path(root, LOCK_PATH + 1);
	if (!g_file_load_contents(file, NULL, &text, NULL, NULL, NULL))
		return TRUE;
	g_autoptr(GPtrArray) locks = ash_lock_parse(text, LOCK_PATH, NULL);
	for (guint i = 0; locks != NULL && i < locks->len; i++) {
		const AshLock *lock = g_ptr_array_index(locks, i);
		for (guint j = 0; j < lock->set->packages->len; j++) {
			const AshPackage *package = g_ptr_array_index(lock->set->packages, j);
			g_hash_table_add(digests, g_strdup(package->sha256));
		}
	}
	return TRUE;
}

/* Packages that the kept commits were made from. Owned; NULL on failure. */
static GHashTable *
locked_packages(Prune *prune, GError **error)
{
	g_autoptr(GHashTable) digests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GHashTableIter iter;
	gpointer checksum;

	g_hash_table_iter_init(&iter, prune->retention->kept);
	while (g_hash_table_iter_next(&iter, &checksum, NULL))
		if (!add_locked_packages(prune->store, checksum, digests, error))
			return NULL;
	return g_steal_pointer(&digests);
}

/* KEY.manifest, and KEY-DIGEST.img for each result. */
static bool
is_file_group(AshEntryKind kind)
{
	return kind == ASH_ENTRY_INITRAMFS || kind == ASH_ENTRY_MEMO;
}

/* Why @entry, the @place-th of its kind from 1 on, goes; NULL if it stays. Static. */
static const char *
reason_to_go(const Prune *prune, const AshStoreEntry *entry, guint place, GHashTable *digests)
{
	bool is_cache = entry->kind == ASH_ENTRY_ROOT || is_file_group(entry->kind);
	guint64 each = entry->kind == ASH_ENTRY_MEMO ? MEMOS_OF_ROOT : 1;

	if (!entry->known)
		return "not made by this version of the program";
	if (entry->used < prune->oldest)
		return "not used for so long";
	if (entry->kind == ASH_ENTRY_IMPORT && !g_hash_table_contains(digests, entry->key))
		return "no kept commit has the package";
	if (is_cache && place > prune->options->keep_roots * each)
		return "newer ones are kept";
	return NULL;
}

/* What stands for @entry where newer ones are counted: several files are one initramfs's, or one scriptlet's. */
static char *
dup_group(const AshStoreEntry *entry)
{
	return g_strndup(entry->key, is_file_group(entry->kind) ? strcspn(entry->key, "-.") : strlen(entry->key));
}

/* Drops what goes at once; what stays is added to @ret_left (owned elements). */
static gboolean
drop_entries(Prune *prune, AshEntryKind kind, GHashTable *digests, GPtrArray *ret_left, GError **error)
{
	g_autoptr(GPtrArray) entries = ash_store_list_entries(prune->store, kind, error);
	g_autoptr(GHashTable) groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	while (entries != NULL && entries->len > 0) {
		g_autoptr(AshStoreEntry) entry = g_ptr_array_steal_index(entries, 0);
		g_hash_table_add(groups, dup_group(entry));
		const char *why = reason_to_go(prune, entry, g_hash_table_size(groups), digests);
		if (why == NULL)
			g_ptr_array_add(ret_left, g_steal_pointer(&entry));
		else if (!drop(prune, ash_entry_kind_to_string(kind), entry->path, entry->path, why, error))
			return FALSE;
	}
	return entries != NULL;
}

static bool
is_ref(const Prune *prune, const char *name)
{
	for (guint i = 0; i < prune->retention->refs->len; i++) {
		const AshRefHistory *history = g_ptr_array_index(prune->retention->refs, i);
		if (history->current != NULL && strcmp(history->ref, name) == 0)
			return true;
	}
	return false;
}

/* DIR/@dir has files called REF.SUFFIX: those of refs that are gone go too. */
static gboolean
drop_of_gone_refs(Prune *prune, const char *dir, const char *kind, GError **error)
{
	g_autoptr(GPtrArray) files = ash_store_list_files(prune->store, dir, error);

	if (files == NULL)
		return FALSE;
	for (guint i = 0; i < files->len; i++) {
		const char *file = g_ptr_array_index(files, i), *dot = strrchr(file, '.');
		g_autofree char *ref = dot != NULL ? g_strndup(file, (gsize) (dot - file)) : g_strdup(file);
		g_autofree char *path = g_build_filename(dir, file, NULL);
		if (!is_ref(prune, ref) && !drop(prune, kind, path, path, "its ref is gone", error))
			return FALSE;
	}
	return TRUE;
}

/* Nobody has the descriptor that would keep it. */
static bool
is_stale(int dir_fd, const char *name)
{
	ash_autofd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Names in DIR/tmp, or in REPO/tmp, that begin with @prefix and nobody is at. */
static gboolean
drop_staging(Prune *prune, const char *dir, const char *prefix, GError **error)
{
	g_autoptr(DIR) stream = ash_fd_open_stream(prune->store->dir_fd, dir, error);
	struct dirent *entry;

	if (stream == NULL)
		return FALSE;
	while ((entry = ash_fd_next_entry(stream)) != NULL) {
		if (entry->d_name[0] == '.' || !g_str_has_prefix(entry->d_name, prefix) ||
		    !is_stale(dirfd(stream), entry->d_name))
			continue;
		g_autofree char *path = g_build_filename(dir, entry->d_name, NULL);
		if (!drop(prune, "staging", path, path, "left by a process that ended", error))
			return FALSE;
	}
	return TRUE;
}

/* Something that may go if the store is too large: an entry, or a commit (entry is NULL). */
typedef struct {
	gint64 used;
	const AshStoreEntry *entry;
	const char *checksum;
} Candidate;

static int
compare_candidates(gconstpointer a, gconstpointer b)
{
	const Candidate *first = a, *second = b;

	if (first->used != second->used)
		return first->used < second->used ? -1 : 1;
	/* What a build makes again goes before what it may not. */
	if ((first->entry == NULL) != (second->entry == NULL))
		return first->entry != NULL ? -1 : 1;
	return first->entry != NULL ? strcmp(first->entry->path, second->entry->path)
				    : strcmp(first->checksum, second->checksum);
}

/* The oldest first. Owned; points into @left and the retention. */
static GArray *
list_candidates(Prune *prune, const GPtrArray *left)
{
	GArray *candidates = g_array_new(FALSE, TRUE, sizeof(Candidate));
	GHashTableIter iter;
	gpointer checksum;

	for (guint i = 0; i < left->len; i++) {
		const AshStoreEntry *entry = g_ptr_array_index(left, i);
		const Candidate candidate = { .used = entry->used, .entry = entry };
		if (entry->kind != ASH_ENTRY_RECORD)
			g_array_append_val(candidates, candidate);
	}
	g_hash_table_iter_init(&iter, prune->retention->kept);
	while (g_hash_table_iter_next(&iter, &checksum, NULL)) {
		const Candidate candidate = { .used = ash_retention_commit_time(prune->store, checksum),
					      .checksum = checksum };
		if (!g_hash_table_contains(prune->retention->current, checksum))
			g_array_append_val(candidates, candidate);
	}
	g_array_sort(candidates, compare_candidates);
	return candidates;
}

static gboolean
drop_candidate(Prune *prune, const Candidate *candidate, GError **error)
{
	if (candidate->entry != NULL)
		return drop(prune, ash_entry_kind_to_string(candidate->entry->kind), candidate->entry->path,
			    candidate->entry->path, "the store is too large", error);
	g_hash_table_remove(prune->retention->kept, candidate->checksum);
	return apply_retention(prune, error);
}

/* The oldest first, until the store is small enough. What a ref points to never goes. */
static gboolean
shrink(Prune *prune, const GPtrArray *left, guint64 store_bytes, GError **error)
{
	g_autoptr(GArray) candidates = list_candidates(prune, left);

	for (guint i = 0; i < candidates->len; i++) {
		if (store_bytes - MIN(ash_reaper_get_freed(prune->reaper), store_bytes) <= prune->options->max_bytes)
			return TRUE;
		if (!drop_candidate(prune, &g_array_index(candidates, Candidate, i), error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
drop_all_entries(Prune *prune, GPtrArray *left, GError **error)
{
	g_autoptr(GHashTable) digests = locked_packages(prune, error);

	if (digests == NULL)
		return FALSE;
	for (AshEntryKind kind = 0; kind < ASH_ENTRY_RECORD; kind++)
		if (!drop_entries(prune, kind, digests, left, error))
			return FALSE;
	return drop_of_gone_refs(prune, "stages", "record", error) && drop_of_gone_refs(prune, "logs", "log", error);
}

/* All that is done with the store's locks held. */
static gboolean
run(Prune *prune, GError **error)
{
	g_autoptr(GPtrArray) left = g_ptr_array_new_with_free_func((GDestroyNotify) ash_store_entry_free);
	guint64 store_bytes;

	/* Staging directories are cleaned whenever a store is opened, but not by whoever may not remove them. */
	if (!ash_reap_measure(prune->store->dir_fd, ".", &store_bytes, error) ||
	    /* Part of no report: a build makes it by the way. First, for it holds names of what goes below. */
	    !ash_reaper_remove(prune->reaper, prune->store->dir_fd, "spare", error) ||
	    !drop_staging(prune, "tmp", "", error) || !drop_staging(prune, "repo/tmp", "staging-", error))
		return FALSE;
	prune->retention = ash_retention_new(prune->store, prune->options->ref, prune->options->keep, prune->oldest, error);
	if (prune->retention == NULL || !apply_retention(prune, error) || !drop_all_entries(prune, left, error))
		return FALSE;
	if (prune->options->max_bytes > 0 && !shrink(prune, left, store_bytes, error))
		return FALSE;
	prune->report->freed_bytes = ash_reaper_get_freed(prune->reaper);
	prune->report->store_bytes = store_bytes - MIN(prune->report->freed_bytes, store_bytes);
	return TRUE;
}

static gboolean
run_locked(Prune *prune, GError **error)
{
	ash_autofd int keep_fd = -1, lock_fd = -1;
	g_autofree char *trash = ash_store_make_staging(prune->store, "prune", &keep_fd, error);
	g_autoptr(OstreeRepoAutoLock) repo_lock = NULL;
	gboolean ok = FALSE;

	if (trash == NULL)
		return FALSE;
	prune->reaper = ash_reaper_new(keep_fd, prune->options->dry_run);
	lock_fd = ash_store_lock(prune->store, error);
	/* Against stock ostree. */
	repo_lock = lock_fd >= 0 ? ostree_repo_auto_lock_push(prune->store->repo, OSTREE_REPO_LOCK_EXCLUSIVE, NULL, error) : NULL;
	if (repo_lock != NULL)
		ok = run(prune, error);
	ash_file_remove_tree(AT_FDCWD, trash, NULL);
	return ok;
}

AshPruneReport *
ash_store_prune(AshContext *ctx, AshStore *store, const AshPruneOptions *options, GError **error)
{
	g_autoptr(AshPruneReport) report = ash_prune_report_new();
	g_autoptr(GHashTable) swept = ash_object_set_new();
	Prune prune = { .ctx = ctx, .store = store, .options = options, .report = report, .swept = swept };
	ash_autofd int use_fd = ash_store_lock_exclusive(store, false, error);

	if (use_fd < 0)
		return NULL;
	if (options->keep_days > 0)
		prune.oldest = g_get_real_time() / G_USEC_PER_SEC - (gint64) options->keep_days * SECONDS_PER_DAY;
	report->dry_run = options->dry_run;
	gboolean ok = run_locked(&prune, error);
	ash_reaper_free(prune.reaper);
	ash_retention_free(prune.retention);
	if (!ok)
		return ash_prefix(error, "cannot prune the store \"%s\"", store->dir), NULL;
	return g_steal_pointer(&report);
}
