/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/checkrefs.h"

#include "base/error.h"
#include "base/file.h"
#include "store/internal.h"
#include "store/reach.h"
#include "store/reflog.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HEADS "repo/refs/heads"

typedef struct {
	AshStore *store;
	const GPtrArray *lost;
	bool repair;
	AshCheckReport *report;
} Check;

static bool
is_good(const Check *check, const char *checksum)
{
	char path[ASH_OBJECT_PATH_SIZE];

	if (!ostree_validate_checksum_string(checksum, NULL) ||
	    g_ptr_array_find_with_equal_func((GPtrArray *) check->lost, checksum, g_str_equal, NULL))
		return false;
	AshObjectId id = ash_object_id(checksum, OSTREE_OBJECT_TYPE_COMMIT);
	ash_object_id_path(&id, path);
	return ash_file_exists(check->store->objects_fd, path);
}

/* The lines of DIR/@path, whatever they are; none if it is missing. */
static char **
load_lines(const Check *check, const char *path, GError **error)
{
	g_autofree char *text = NULL;

	if (!ash_file_load_optional(check->store->dir_fd, path, &text, NULL, error))
		return NULL;
	if (text != NULL)
		g_strchomp(text);
	return g_strsplit(text != NULL ? text : "", "\n", -1);
}

/* Lines of the history of @ref that name good commits, oldest first. Owned. */
static GPtrArray *
good_lines(const Check *check, const char *ref, guint *ret_bad, GError **error)
{
	g_autofree char *path = g_build_filename("history", ref, NULL);
	g_auto(GStrv) lines = load_lines(check, path, error);
	GPtrArray *good;

	if (lines == NULL)
		return NULL;
	good = g_ptr_array_new_with_free_func(g_free);
	*ret_bad = 0;
	for (char **line = lines; *line != NULL; line++) {
		if (is_good(check, *line))
			g_ptr_array_add(good, g_strdup(*line));
		else if (**line != '\0')
			(*ret_bad)++;
	}
	return good;
}

static gboolean
check_history(const Check *check, const char *ref, GError **error)
{
	guint bad;
	g_autoptr(GPtrArray) good = good_lines(check, ref, &bad, error);

	if (good == NULL)
		return FALSE;
	if (bad == 0)
		return TRUE;
	g_autofree char *problem = g_strdup_printf("%u of its lines name no commit that is whole", bad);
	AshDamage *damage = ash_check_report_add(check->report, "history", ref, problem);
	if (!check->repair)
		return TRUE;
	damage->remedy = g_strdup("these lines were removed");
	return ash_reflog_save(check->store, ref, good, error);
}

/* To what it pointed to before, if that is whole. */
static gboolean
repair_ref(const Check *check, const char *ref, AshDamage *damage, GError **error)
{
	guint bad;
	g_autoptr(GPtrArray) good = good_lines(check, ref, &bad, error);

	if (good == NULL)
		return FALSE;
	if (good->len == 0) {
		g_autofree char *path = g_build_filename(HEADS, ref, NULL);
		damage->remedy = g_strdup("removed; build again to get it back");
		return unlinkat(check->store->dir_fd, path, 0) == 0 || errno == ENOENT ||
		       ash_throw_errno(error, "cannot remove the ref \"%s\"", ref);
	}
	const char *target = g_ptr_array_index(good, good->len - 1);
	damage->remedy = g_strdup_printf("now points to the commit before, %s; build again", target);
	return ostree_repo_set_ref_immediate(check->store->repo, NULL, ref, target, NULL, error);
}

static gboolean
check_ref(const Check *check, const char *ref, GError **error)
{
	g_autofree char *path = g_build_filename(HEADS, ref, NULL);
	g_auto(GStrv) lines = load_lines(check, path, error);

	if (lines == NULL)
		return FALSE;
	if (lines[0] != NULL && is_good(check, lines[0]))
		return TRUE;
	AshDamage *damage = ash_check_report_add(check->report, "ref", ref, "it points to no commit that is whole");
	return !check->repair || repair_ref(check, ref, damage, error);
}

gboolean
ash_check_refs(AshStore *store, const GPtrArray *lost, bool repair, AshCheckReport *report, GError **error)
{
	const Check check = { .store = store, .lost = lost, .repair = repair, .report = report };
	g_autoptr(GPtrArray) refs = ash_store_list_files(store, HEADS, error);
	g_autoptr(GPtrArray) histories = refs != NULL ? ash_reflog_list(store, error) : NULL;

	if (histories == NULL)
		return FALSE;
	for (guint i = 0; i < refs->len; i++)
		if (!check_ref(&check, g_ptr_array_index(refs, i), error))
			return FALSE;
	for (guint i = 0; i < histories->len; i++)
		if (!check_history(&check, g_ptr_array_index(histories, i), error))
			return FALSE;
	return TRUE;
}
