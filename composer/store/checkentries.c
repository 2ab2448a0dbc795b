/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/checkentries.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/shared.h"
#include "store/internal.h"
#include "store/reap.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Shared by the threads. */
typedef struct {
	AshContext *ctx;
	AshStore *store;
	const AshCheckOptions *options;
	GPtrArray *entries; /* of AshStoreEntry */
	char **problems;    /* of each entry; NULL: none */
	GHashTable *bad_inodes;
	guint next; /* atomic */
} Work;

typedef gboolean (*FileFunc)(Work *work, const char *path, const struct stat *info, gpointer user_data, GError **error);

/* Calls @func for each regular file of an entry, by its path below DIR. */
static gboolean
for_each_file(Work *work, const AshStoreEntry *entry, FileFunc func, gpointer user_data, GError **error)
{
	g_autoptr(GPtrArray) files = NULL;
	struct stat info;

	if (fstatat(work->store->dir_fd, entry->path, &info, AT_SYMLINK_NOFOLLOW) < 0)
		return TRUE;
	if (!S_ISDIR(info.st_mode))
		return !S_ISREG(info.st_mode) || func(work, entry->path, &info, user_data, error);
	files = ash_store_list_files(work->store, entry->path, error);
	for (guint i = 0; files != NULL && i < files->len; i++) {
		g_autofree char *path = g_build_filename(entry->path, g_ptr_array_index(files, i), NULL);
		if (fstatat(work->store->dir_fd, path, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
		    !func(work, path, &info, user_data, error))
			return FALSE;
	}
	return files != NULL;
}

static gboolean
note_inode(Work *work, const char *path, const struct stat *info, gpointer user_data, GError **error)
{
	gint64 inode = (gint64) info->st_ino;

	/* A name alone damages nobody else. */
	if (info->st_nlink > 1)
		g_hash_table_add(work->bad_inodes, g_memdup2(&inode, sizeof(inode)));
	return TRUE;
}

static gboolean
check_root_file(Work *work, const char *path, const struct stat *info, gpointer user_data, GError **error)
{
	gint64 inode = (gint64) info->st_ino;

	if (g_hash_table_contains(work->bad_inodes, &inode))
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is damaged", path);
	if (info->st_nlink > 1 && ash_shared_is_marked(work->store->dir_fd, path) && !ash_shared_is_plain(info))
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is shared, but has another owner or mode", path);
	return TRUE;
}

static gboolean
check_record(Work *work, const AshStoreEntry *entry, GError **error)
{
	gsize length;
	g_autofree char *text = ash_file_load(work->store->dir_fd, entry->path, 0, &length, error);
	g_autoptr(JsonObject) object = text != NULL ? ash_json_parse_object(text, (gssize) length, entry->path, error) : NULL;

	return object != NULL;
}

static gboolean
check_entry(Work *work, const AshStoreEntry *entry, GError **error)
{
	AshCheckEntryFunc check = work->options->check[entry->kind];

	if (!entry->known)
		return ash_throw(error, ASH_ERROR_TRUST, "not made by this version of the program");
	if (entry->kind == ASH_ENTRY_RECORD && !g_str_has_suffix(entry->key, ".tmp"))
		return check_record(work, entry, error);
	if (entry->kind == ASH_ENTRY_ROOT && !for_each_file(work, entry, check_root_file, NULL, error))
		return FALSE;
	return check == NULL || check(work->store->dir_fd, entry, error);
}

static gpointer
check_thread(gpointer data)
{
	Work *work = data;

	for (;;) {
		guint at = g_atomic_int_add(&work->next, 1);
		g_autoptr(GError) error = NULL;
		if (at >= work->entries->len || !ash_context_check(work->ctx, NULL))
			return NULL;
		if (!check_entry(work, g_ptr_array_index(work->entries, at), &error))
			work->problems[at] = g_strdup(error->message);
	}
}

static void
check_all(Work *work)
{
	g_autoptr(GPtrArray) threads = g_ptr_array_new();

	for (guint i = 1; i < work->ctx->jobs; i++)
		g_ptr_array_add(threads, g_thread_new("check", check_thread, work));
	check_thread(work);
	for (guint i = 0; i < threads->len; i++)
		g_thread_join(g_ptr_array_index(threads, i));
}

static gboolean
check_kind(Work *work, AshEntryKind kind, GPtrArray *bad, AshCheckReport *report, GError **error)
{
	g_autoptr(GPtrArray) entries = ash_store_list_entries(work->store, kind, error);
	g_autofree char **problems = NULL;

	if (entries == NULL)
		return FALSE;
	problems = g_new0(char *, entries->len + 1);
	work->entries = entries;
	work->problems = problems;
	work->next = 0;
	check_all(work);
	for (guint i = 0; i < entries->len; i++) {
		g_autofree char *problem = problems[i];
		AshStoreEntry *entry = g_ptr_array_index(entries, i);
		if (problem == NULL)
			continue;
		ash_check_report_add(report, ash_entry_kind_to_string(kind), entry->path, problem);
		if (entry->known && kind != ASH_ENTRY_ROOT)
			for_each_file(work, entry, note_inode, NULL, NULL);
		AshStoreEntry *copy = g_memdup2(entry, sizeof(*entry));
		copy->path = g_strdup(entry->path);
		copy->key = g_strdup(entry->key);
		g_ptr_array_add(bad, copy);
	}
	report->entries += entries->len;
	return ash_context_check(work->ctx, error);
}

gboolean
ash_check_entries(AshContext *ctx, AshStore *store, const AshCheckOptions *options, GHashTable *bad_inodes,
		  GPtrArray *ret_bad, AshCheckReport *report, GError **error)
{
	Work work = { .ctx = ctx, .store = store, .options = options, .bad_inodes = bad_inodes };

	/* In the order of the kinds: what is shared with a damaged package makes a root damaged. */
	for (AshEntryKind kind = 0; kind < ASH_ENTRY_KINDS; kind++)
		if (!check_kind(&work, kind, ret_bad, report, error))
			return FALSE;
	return TRUE;
}

static AshDamage *
find_damage(const AshCheckReport *report, const AshStoreEntry *entry)
{
	for (guint i = 0; i < report->damages->len; i++) {
		AshDamage *damage = g_ptr_array_index(report->damages, i);
		if (strcmp(damage->name, entry->path) == 0)
			return damage;
	}
	return NULL;
}

gboolean
ash_check_remove_entries(AshStore *store, const GPtrArray *bad, AshCheckReport *report, GError **error)
{
	ash_autofd int trash_fd = -1;
	g_autofree char *name = g_strdup_printf("removed-%08x", g_random_int());

	if (bad->len == 0)
		return TRUE;
	/* Under the store's lock nobody takes it for stale. */
	trash_fd = ash_file_open_dir(store->tmp_fd, name, true, error);
	if (trash_fd < 0)
		return FALSE;
	g_autoptr(AshReaper) reaper = ash_reaper_new(trash_fd, false);
	for (guint i = 0; i < bad->len; i++) {
		const AshStoreEntry *entry = g_ptr_array_index(bad, i);
		AshDamage *damage = find_damage(report, entry);
		if (!ash_reaper_remove_whole(reaper, store->dir_fd, entry->path, error))
			return FALSE;
		if (damage != NULL && damage->remedy == NULL)
			damage->remedy = g_strdup("removed; the next build makes it again where it needs it");
	}
	return ash_file_remove_tree(store->tmp_fd, name, error);
}
