/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/tidy.h"

#include "compose/sysupdate.h"
#include "compose/views.h"
#include "store/archive.h"

/* All refs that have, or had, a view. */
static gboolean
drop_from_sysupdate(AshContext *ctx, AshReleaseDir *dir, char *const *refs, const char *gpg_key, bool dry_run, GHashTable *files, GError **error)
{
	bool changed;

	g_hash_table_remove_all(files);
	for (; *refs != NULL; refs++)
		if (!ash_sysupdate_drop(ctx, dir, *refs, gpg_key, dry_run, files, &changed, error))
			return FALSE;
	return TRUE;
}

gboolean
ash_compose_tidy(AshContext *ctx, AshReleaseDir *dir, const AshTidyOptions *options, const char *gpg_key, AshTidyCommit commit,
		 gpointer user_data, AshTidyReport *report, guint *ret_commits, GError **error)
{
	g_autofree char *archive = g_build_filename(ash_release_dir_get_path(dir), ASH_OSTREE_DIR, NULL);
	g_autoptr(GHashTable) files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_auto(GStrv) refs = ash_release_dir_list_refs(dir);
	bool changed;

	*ret_commits = 0;
	/* Whether there is a key for what has to be signed is asked before anything changes. */
	if (!ash_tidy_offers(dir, options, report, &changed, error) ||
	    !drop_from_sysupdate(ctx, dir, refs, gpg_key, true, files, error))
		return FALSE;
	if (!options->dry_run && ((changed && !commit(dir, user_data, error)) ||
				  !drop_from_sysupdate(ctx, dir, refs, gpg_key, false, files, error)))
		return FALSE;
	if (!ash_tidy_files(ctx, dir, options, ASH_SYSUPDATE_DIR "/", files, report, error))
		return FALSE;
	return options->dry_run || ash_store_prune_archive(ctx, archive, report->commits, ret_commits, error);
}
