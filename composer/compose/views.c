/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/views.h"

#include "compose/sysupdate.h"
#include "store/archive.h"

#include <string.h>


static gboolean
write_ostree(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, const char *store_dir, GError **error)
{
	g_autoptr(AshStore) store = ash_store_open(store_dir, false, error);
	g_autofree char *path = g_build_filename(ash_release_dir_get_path(dir), ASH_OSTREE_DIR, NULL);
	g_auto(GStrv) versions = ash_release_dir_list_versions(dir, release->ref);
	g_autoptr(AshRelease) before = NULL;
	const guint n = g_strv_length(versions);
	guint place = 0;

	while (place < n && strcmp(versions[place], release->version) != 0)
		place++;
	if (store == NULL ||
	    (place > 0 && !ash_release_dir_load_release(dir, release->ref, versions[place - 1], &before, error)))
		return FALSE;
	/* An older release that is published again does not take the ref back. */
	const AshArchiveRequest request = {
		.commit = release->commit,
		.ref = place + 1 >= n ? release->ref : NULL,
		.delta_from = before != NULL ? before->commit : NULL,
		.path = path,
	};
	return ash_store_export_archive(ctx, store, &request, error);
}

gboolean
ash_views_write(AshContext *ctx, AshReleaseDir *dir, const AshRelease *release, const AshViews *views, GError **error)
{
	bool changed;

	if (views->sysupdate) {
		ash_progress_begin(ctx->progress, "Files for sysupdate", 10);
		if (!ash_sysupdate_add(ctx, dir, release, views->gpg_key, &changed, error))
			return FALSE;
		ash_progress_end(ctx->progress);
	}
	if (views->ostree) {
		ash_progress_begin(ctx->progress, "OSTree repository", 10);
		if (!write_ostree(ctx, dir, release, views->store, error))
			return FALSE;
		ash_progress_end(ctx->progress);
	}
	return TRUE;
}
