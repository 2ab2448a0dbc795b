/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/check.h"

#include "base/error.h"
#include "base/fd.h"
#include "store/checkentries.h"
#include "store/checkobjects.h"
#include "store/checkrefs.h"
#include "store/internal.h"
#include "store/restore.h"
#include "store/stage.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const AshField damage_fields[] = {
	ASH_FIELD(AshDamage, kind, ASH_FIELD_STRING),
	ASH_FIELD(AshDamage, name, ASH_FIELD_STRING),
	ASH_FIELD(AshDamage, problem, ASH_FIELD_STRING),
	ASH_FIELD(AshDamage, remedy, ASH_FIELD_STRING),
	{ NULL },
};

const AshField ash_check_report_fields[] = {
	ASH_FIELD(AshCheckReport, repair, ASH_FIELD_BOOL),
	ASH_FIELD(AshCheckReport, objects, ASH_FIELD_UINT64),
	ASH_FIELD(AshCheckReport, commits, ASH_FIELD_UINT64),
	ASH_FIELD(AshCheckReport, entries, ASH_FIELD_UINT64),
	ASH_FIELD_EACH(AshCheckReport, damages, damage_fields, AshDamage),
	{ NULL },
};

static void
damage_free(gpointer data)
{
	AshDamage *damage = data;

	g_free(damage->kind);
	g_free(damage->name);
	g_free(damage->problem);
	g_free(damage->remedy);
	g_free(damage);
}

AshCheckReport *
ash_check_report_new(void)
{
	AshCheckReport *report = g_new0(AshCheckReport, 1);

	report->damages = g_ptr_array_new_with_free_func(damage_free);
	return report;
}

void
ash_check_report_free(AshCheckReport *report)
{
	if (report == NULL)
		return;
	g_ptr_array_unref(report->damages);
	g_free(report);
}

AshDamage *
ash_check_report_add(AshCheckReport *report, const char *kind, const char *name, const char *problem)
{
	AshDamage *damage = g_new0(AshDamage, 1);

	damage->kind = g_strdup(kind);
	damage->name = g_strdup(name);
	damage->problem = g_strdup(problem);
	g_ptr_array_add(report->damages, damage);
	return damage;
}

static void
report_objects(AshCheckReport *report, GHashTable *ids, const char *problem)
{
	GHashTableIter iter;
	gpointer id;

	g_hash_table_iter_init(&iter, ids);
	while (g_hash_table_iter_next(&iter, &id, NULL)) {
		char path[ASH_OBJECT_PATH_SIZE];
		ash_object_id_path(id, path);
		ash_check_report_add(report, "object", path, problem);
	}
}

static void
report_commits(AshCheckReport *report, const GPtrArray *lost)
{
	for (guint i = 0; i < lost->len; i++)
		ash_check_report_add(report, "commit", g_ptr_array_index(lost, i), "it needs an object that is damaged or missing");
}

/* Says of each damage of @kind how it was repaired; @left: names for which that is not so; may be NULL. */
static void
set_remedy(AshCheckReport *report, const char *kind, const char *remedy, GHashTable *left, const char *other)
{
	for (guint i = 0; i < report->damages->len; i++) {
		AshDamage *damage = g_ptr_array_index(report->damages, i);
		bool is_left = left != NULL && g_hash_table_contains(left, damage->name);
		if (strcmp(damage->kind, kind) == 0 && damage->remedy == NULL)
			damage->remedy = g_strdup(is_left ? other : remedy);
	}
}

/* Files can be had again from elsewhere; directories and commits cannot. */
static GHashTable *
wanted_files(const AshObjectCheck *check)
{
	GHashTable *wanted = ash_object_set_new();
	GHashTable *const sets[] = { check->damaged, check->missing };

	for (gsize i = 0; i < G_N_ELEMENTS(sets); i++) {
		GHashTableIter iter;
		gpointer id;

		g_hash_table_iter_init(&iter, sets[i]);
		while (g_hash_table_iter_next(&iter, &id, NULL))
			if (((const AshObjectId *) id)->type == OSTREE_OBJECT_TYPE_FILE)
				ash_object_set_add(wanted, id);
	}
	return wanted;
}

static gboolean
is_restored(gpointer key, gpointer value, gpointer wanted)
{
	return ((const AshObjectId *) key)->type == OSTREE_OBJECT_TYPE_FILE && !g_hash_table_contains(wanted, key);
}

/* Names of what is still damaged or missing, as in the report. Owned. */
static GHashTable *
names_left(const AshObjectCheck *check)
{
	GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GHashTable *const sets[] = { check->damaged, check->missing };

	for (gsize i = 0; i < G_N_ELEMENTS(sets); i++) {
		GHashTableIter iter;
		gpointer id;

		g_hash_table_iter_init(&iter, sets[i]);
		while (g_hash_table_iter_next(&iter, &id, NULL)) {
			char path[ASH_OBJECT_PATH_SIZE];
			ash_object_id_path(id, path);
			g_hash_table_add(names, g_strdup(path));
		}
	}
	for (guint i = 0; i < check->lost->len; i++)
		g_hash_table_add(names, g_strdup(g_ptr_array_index(check->lost, i)));
	return names;
}

static gboolean
unlink_object(AshStore *store, const AshObjectId *id, GError **error)
{
	char path[ASH_OBJECT_PATH_SIZE];

	ash_object_id_path(id, path);
	return unlinkat(store->objects_fd, path, 0) == 0 || errno == ENOENT ||
	       ash_throw_errno(error, "cannot remove the damaged object \"%s\"", path);
}

/* The commits first: no object goes that one needs. A build that would make the same must not find what is damaged. */
static gboolean
remove_lost(AshStore *store, const AshObjectCheck *check, GError **error)
{
	GHashTableIter iter;
	gpointer key;

	for (guint i = 0; i < check->lost->len; i++) {
		AshObjectId id = ash_object_id(g_ptr_array_index(check->lost, i), OSTREE_OBJECT_TYPE_COMMIT);
		if (!unlink_object(store, &id, error))
			return FALSE;
	}
	g_hash_table_iter_init(&iter, check->damaged);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		if (!unlink_object(store, key, error))
			return FALSE;
	return TRUE;
}

static gboolean
repair_objects(AshContext *ctx, AshStore *store, AshObjectCheck *check, AshCheckReport *report, GError **error)
{
	g_autoptr(GHashTable) wanted = wanted_files(check), left = NULL;

	if (!ash_restore_objects(ctx, store, wanted, check->inodes, error))
		return FALSE;
	g_hash_table_foreach_remove(check->damaged, is_restored, wanted);
	if (!ash_object_check_commits(ctx, store, check, report, error))
		return FALSE;
	left = names_left(check);
	set_remedy(report, "object", "restored from a file with the same content", left, "removed");
	set_remedy(report, "commit", "whole again", left, "taken out of the store; build again to get it back");
	return TRUE;
}

/* All that is done with the store's locks held. */
static gboolean
run(AshContext *ctx, AshStore *store, const AshCheckOptions *options, AshCheckReport *report, GError **error)
{
	g_autoptr(AshObjectCheck) check = ash_object_check_new();
	g_autoptr(GPtrArray) bad = g_ptr_array_new_with_free_func((GDestroyNotify) ash_store_entry_free);

	if (!ash_object_check_content(ctx, store, check, report, error) ||
	    !ash_object_check_commits(ctx, store, check, report, error))
		return FALSE;
	report_objects(report, check->damaged, "its content is not what its name says");
	report_objects(report, check->missing, "a commit needs it, but it is missing");
	report_commits(report, check->lost);
	if (!ash_check_entries(ctx, store, options, check->inodes, bad, report, error))
		return FALSE;
	if (options->repair && !repair_objects(ctx, store, check, report, error))
		return FALSE;
	/* Refs and histories before what they name. */
	if (!ash_check_refs(store, check->lost, options->repair, report, error))
		return FALSE;
	if (!options->repair)
		return TRUE;
	return remove_lost(store, check, error) && ash_check_remove_entries(store, bad, report, error);
}

static int
compare_damages(gconstpointer a, gconstpointer b)
{
	const AshDamage *first = *(const AshDamage *const *) a, *second = *(const AshDamage *const *) b;
	int order = strcmp(first->kind, second->kind);

	return order != 0 ? order : strcmp(first->name, second->name);
}

static gboolean
run_locked(AshContext *ctx, AshStore *store, const AshCheckOptions *options, AshCheckReport *report, GError **error)
{
	ash_autofd int use_fd = -1, lock_fd = -1;
	g_autoptr(OstreeRepoAutoLock) repo_lock = NULL;

	if (!options->repair) {
		bool was_used = store->use_fd >= 0;
		gboolean ok = ash_store_use(ctx, store, error) && run(ctx, store, options, report, error);
		if (!was_used)
			ash_fd_clear(&store->use_fd);
		return ok;
	}
	use_fd = ash_store_lock_exclusive(store, false, error);
	lock_fd = use_fd >= 0 ? ash_store_lock(store, error) : -1;
	if (lock_fd < 0)
		return FALSE;
	repo_lock = ostree_repo_auto_lock_push(store->repo, OSTREE_REPO_LOCK_EXCLUSIVE, NULL, error);
	return repo_lock != NULL && run(ctx, store, options, report, error);
}

AshCheckReport *
ash_store_check(AshContext *ctx, AshStore *store, const AshCheckOptions *options, GError **error)
{
	g_autoptr(AshCheckReport) report = ash_check_report_new();

	report->repair = options->repair;
	if (!run_locked(ctx, store, options, report, error))
		return ash_prefix(error, "cannot check the store \"%s\"", store->dir), NULL;
	g_ptr_array_sort(report->damages, compare_damages);
	return g_steal_pointer(&report);
}
