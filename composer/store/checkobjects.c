/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/checkobjects.h"

#include "base/error.h"
#include "base/file.h"
#include "store/internal.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Tell the progress of every so many objects. */
#define PROGRESS_EVERY 64

AshObjectCheck *
ash_object_check_new(void)
{
	AshObjectCheck *check = g_new0(AshObjectCheck, 1);

	check->damaged = ash_object_set_new();
	check->missing = ash_object_set_new();
	check->inodes = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	check->lost = g_ptr_array_new_with_free_func(g_free);
	return check;
}

void
ash_object_check_free(AshObjectCheck *check)
{
	if (check == NULL)
		return;
	g_hash_table_unref(check->damaged);
	g_hash_table_unref(check->missing);
	g_hash_table_unref(check->inodes);
	g_ptr_array_unref(check->lost);
	g_free(check);
}

/* Shared by the threads. */
typedef struct {
	AshContext *ctx;
	AshStore *store;
	AshObjectCheck *check;
	GPtrArray *ids; /* of AshObjectId, borrowed */
	guint next, done; /* atomic */
	GMutex lock;      /* of check */
} Work;

static void
note_damaged(Work *work, const AshObjectId *id)
{
	char path[ASH_OBJECT_PATH_SIZE];
	struct stat info;

	ash_object_id_path(id, path);
	g_mutex_lock(&work->lock);
	ash_object_set_add(work->check->damaged, id);
	if (fstatat(work->store->objects_fd, path, &info, AT_SYMLINK_NOFOLLOW) == 0) {
		gint64 inode = (gint64) info.st_ino;
		g_hash_table_add(work->check->inodes, g_memdup2(&inode, sizeof(inode)));
	}
	g_mutex_unlock(&work->lock);
}

static void
check_object(Work *work, const AshObjectId *id)
{
	char checksum[ASH_SHA256_HEX_SIZE];

	ash_object_id_checksum(id, checksum);
	/* Whatever the reason: what cannot be read is of no use. */
	if (!ostree_repo_fsck_object(work->store->repo, (OstreeObjectType) id->type, checksum, NULL, NULL))
		note_damaged(work, id);
}

static gpointer
check_thread(gpointer data)
{
	Work *work = data;

	for (;;) {
		guint at = g_atomic_int_add(&work->next, 1);
		if (at >= work->ids->len || !ash_context_check(work->ctx, NULL))
			return NULL;
		check_object(work, g_ptr_array_index(work->ids, at));
		guint done = g_atomic_int_add(&work->done, 1) + 1;
		if (done % PROGRESS_EVERY == 0 || done == work->ids->len)
			ash_progress_count(work->ctx->progress, done, work->ids->len, "objects");
	}
}

static GPtrArray *
list_ids(GHashTable *present)
{
	GPtrArray *ids = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, present);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		/* Nothing says what detached metadata must be. */
		if (((const AshObjectId *) key)->type != OSTREE_OBJECT_TYPE_COMMIT_META)
			g_ptr_array_add(ids, key);
	return ids;
}

gboolean
ash_object_check_content(AshContext *ctx, AshStore *store, AshObjectCheck *check, AshCheckReport *report,
			 GError **error)
{
	g_autoptr(GHashTable) present = ash_object_set_new();
	g_autoptr(GPtrArray) threads = g_ptr_array_new(), ids = NULL;

	if (!ash_reach_list(store, present, error))
		return FALSE;
	ids = list_ids(present);
	Work work = { .ctx = ctx, .store = store, .check = check, .ids = ids };
	g_mutex_init(&work.lock);
	for (guint i = 1; i < ctx->jobs; i++)
		g_ptr_array_add(threads, g_thread_new("check", check_thread, &work));
	check_thread(&work);
	for (guint i = 0; i < threads->len; i++)
		g_thread_join(g_ptr_array_index(threads, i));
	g_mutex_clear(&work.lock);
	report->objects = ids->len;
	return ash_context_check(ctx, error);
}

/* A commit that was pulled in part says so itself. */
static bool
is_partial(AshStore *store, const char *checksum)
{
	g_autofree char *state = g_strdup_printf("repo/state/%s.commitpartial", checksum);

	return ash_file_exists(store->dir_fd, state);
}

/* True if the commit lacks something; adds what is missing. */
static bool
find_missing(const AshObjectCheck *check, GHashTable *present, GHashTable *needed, GHashTable *broken)
{
	bool lost = g_hash_table_size(broken) > 0;
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, needed);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		if (!g_hash_table_contains(present, key))
			ash_object_set_add(check->missing, key);
		else if (!g_hash_table_contains(check->damaged, key))
			continue;
		lost = true;
	}
	return lost;
}

gboolean
ash_object_check_commits(AshContext *ctx, AshStore *store, AshObjectCheck *check, AshCheckReport *report,
			 GError **error)
{
	g_autoptr(GHashTable) present = ash_object_set_new();
	GHashTableIter iter;
	gpointer key;

	if (!ash_reach_list(store, present, error))
		return FALSE;
	report->commits = 0;
	g_ptr_array_set_size(check->lost, 0);
	g_hash_table_remove_all(check->missing);
	g_hash_table_iter_init(&iter, present);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		g_autoptr(GHashTable) needed = ash_object_set_new(), broken = ash_object_set_new();
		char checksum[ASH_SHA256_HEX_SIZE];

		ash_object_id_checksum(key, checksum);
		if (((const AshObjectId *) key)->type != OSTREE_OBJECT_TYPE_COMMIT || is_partial(store, checksum))
			continue;
		if (!ash_context_check(ctx, error) || !ash_reach_add_commit(store, checksum, needed, broken, error))
			return FALSE;
		if (find_missing(check, present, needed, broken))
			g_ptr_array_add(check->lost, g_strdup(checksum));
		report->commits++;
	}
	return TRUE;
}
