/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/archive.h"

#include "base/error.h"
#include "base/file.h"
#include "store/internal.h"

#include <fcntl.h>
#include <string.h>

/* Is there from before a ref changes until the summary tells of it. */
#define PENDING "ashlar-summary-pending"

/* An archive whose making was interrupted has no objects directory: it is gone on with. */
static OstreeRepo *
open_archive(const char *path, GError **error)
{
	g_autofree char *objects = g_build_filename(path, "objects", NULL);
	g_autoptr(OstreeRepo) repo = NULL;

	if (!ash_file_mkdirs(AT_FDCWD, path, 0755, error))
		return NULL;
	repo = ash_file_exists(AT_FDCWD, objects) ? ostree_repo_open_at(AT_FDCWD, path, NULL, error)
						   : ostree_repo_create_at(AT_FDCWD, path, OSTREE_REPO_MODE_ARCHIVE, NULL, NULL, error);
	if (repo == NULL) {
		ash_prefix(error, "cannot open the repository \"%s\"", path);
		return NULL;
	}
	if (ostree_repo_get_mode(repo) != OSTREE_REPO_MODE_ARCHIVE)
		return ash_throw_null(error, ASH_ERROR_CONFIG, "the repository \"%s\" is not of mode archive; choose another directory", path);
	return g_steal_pointer(&repo);
}

/* Objects only: nobody is told of them yet. */
static gboolean
pull(AshContext *ctx, AshStore *store, OstreeRepo *archive, const char *checksum, GError **error)
{
	g_autofree char *uri = g_strconcat("file://", ash_store_get_repo_path(store), NULL);
	const char *const commits[] = { checksum, NULL };
	g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);

	g_variant_builder_add(&builder, "{sv}", "refs", g_variant_new_strv(commits, -1));
	g_variant_builder_add(&builder, "{sv}", "gpg-verify", g_variant_new_boolean(FALSE));
	g_variant_builder_add(&builder, "{sv}", "gpg-verify-summary", g_variant_new_boolean(FALSE));
	g_variant_builder_add(&builder, "{sv}", "disable-static-deltas", g_variant_new_boolean(TRUE));
	g_autoptr(GVariant) options = g_variant_ref_sink(g_variant_builder_end(&builder));
	return ostree_repo_pull_with_options(archive, uri, options, NULL, ctx->cancellable, error) ||
	       ash_prefix(error, "cannot copy commit \"%s\"", checksum);
}

static gboolean
make_delta(AshContext *ctx, OstreeRepo *archive, const char *from, const char *to, GError **error)
{
	g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);

	g_variant_builder_add(&builder, "{sv}", "verbose", g_variant_new_boolean(FALSE));
	g_autoptr(GVariant) parameters = g_variant_ref_sink(g_variant_builder_end(&builder));
	return ostree_repo_static_delta_generate(archive, OSTREE_STATIC_DELTA_GENERATE_OPT_MAJOR, from, to, NULL, parameters,
						 ctx->cancellable, error) ||
	       ash_prefix(error, "static delta from \"%s\"", from);
}

static gboolean
has_commit(OstreeRepo *archive, const char *checksum, bool *ret_has, GError **error)
{
	OstreeRepoCommitState state = 0;
	gboolean has = FALSE;

	if (!ostree_repo_has_object(archive, OSTREE_OBJECT_TYPE_COMMIT, checksum, &has, NULL, error))
		return FALSE;
	if (has && !ostree_repo_load_commit(archive, checksum, NULL, &state, error))
		return FALSE;
	*ret_has = has && (state & OSTREE_REPO_COMMIT_STATE_PARTIAL) == 0;
	return TRUE;
}

/* If both are there, and it is not. */
static gboolean
ensure_delta(AshContext *ctx, OstreeRepo *archive, const char *from, const char *to, bool *ret_made, GError **error)
{
	g_autoptr(GPtrArray) names = NULL;
	g_autofree char *name = g_strdup_printf("%s-%s", from, to);
	bool has = false;

	if (!has_commit(archive, from, &has, error) || !ostree_repo_list_static_delta_names(archive, &names, NULL, error))
		return FALSE;
	for (guint i = 0; i < names->len; i++)
		has = has && strcmp(g_ptr_array_index(names, i), name) != 0;
	*ret_made = has;
	return !has || make_delta(ctx, archive, from, to, error);
}

/* The summary tells of refs and of deltas. */
static gboolean
set_ref(AshContext *ctx, OstreeRepo *archive, const char *ref, const char *checksum, GError **error)
{
	const int dir_fd = ostree_repo_get_dfd(archive);

	return ash_file_save(dir_fd, PENDING, "", 0, 0644, error) &&
	       (ref == NULL || ostree_repo_set_ref_immediate(archive, NULL, ref, checksum, ctx->cancellable, error)) &&
	       ostree_repo_regenerate_summary(archive, NULL, ctx->cancellable, error) && ash_file_remove_tree(dir_fd, PENDING, error);
}

static gboolean
update(AshContext *ctx, AshStore *store, OstreeRepo *archive, const char *checksum, const AshArchiveRequest *request, GError **error)
{
	g_autofree char *before = NULL;
	bool has = false, made = false;

	if (!has_commit(archive, checksum, &has, error) || (!has && !pull(ctx, store, archive, checksum, error)))
		return FALSE;
	if (request->delta_from != NULL && !ensure_delta(ctx, archive, request->delta_from, checksum, &made, error))
		return FALSE;
	if (request->ref != NULL && !ostree_repo_resolve_rev(archive, request->ref, TRUE, &before, error))
		return FALSE;
	const bool is_set = request->ref == NULL || g_strcmp0(before, checksum) == 0;
	return (is_set && !made && !ash_file_exists(ostree_repo_get_dfd(archive), PENDING)) ||
	       set_ref(ctx, archive, request->ref, checksum, error);
}

gboolean
ash_store_export_archive(AshContext *ctx, AshStore *store, const AshArchiveRequest *request, GError **error)
{
	g_autofree char *checksum = ash_store_resolve(store, request->commit, error);
	g_autoptr(OstreeRepo) archive = checksum != NULL ? open_archive(request->path, error) : NULL;

	return archive != NULL &&
	       (update(ctx, store, archive, checksum, request, error) || ash_prefix(error, "OSTree repository \"%s\"", request->path));
}

static gboolean
keep_refs(AshContext *ctx, OstreeRepo *archive, GHashTable *kept, GError **error)
{
	g_autoptr(GHashTable) refs = NULL;
	GHashTableIter iter;
	gpointer checksum;

	if (!ostree_repo_list_refs(archive, NULL, &refs, ctx->cancellable, error))
		return FALSE;
	g_hash_table_iter_init(&iter, refs);
	while (g_hash_table_iter_next(&iter, NULL, &checksum))
		g_hash_table_add(kept, g_strdup(checksum));
	return TRUE;
}

static gboolean
drop_commits(AshContext *ctx, OstreeRepo *archive, GHashTable *kept, guint *ret_removed, GError **error)
{
	g_autoptr(GHashTable) commits = NULL;
	GHashTableIter iter;
	gpointer key;

	*ret_removed = 0;
	if (!ostree_repo_list_commit_objects_starting_with(archive, "", &commits, ctx->cancellable, error))
		return FALSE;
	g_hash_table_iter_init(&iter, commits);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		const char *checksum;
		OstreeObjectType type;
		ostree_object_name_deserialize(key, &checksum, &type);
		if (g_hash_table_contains(kept, checksum))
			continue;
		if (!ostree_repo_delete_object(archive, OSTREE_OBJECT_TYPE_COMMIT, checksum, ctx->cancellable, error))
			return FALSE;
		*ret_removed += 1;
	}
	return TRUE;
}

gboolean
ash_store_prune_archive(AshContext *ctx, const char *path, GHashTable *kept, guint *ret_removed, GError **error)
{
	gint objects, pruned;
	guint64 bytes;

	*ret_removed = 0;
	if (!g_file_test(path, G_FILE_TEST_IS_DIR))
		return TRUE;
	g_autoptr(OstreeRepo) archive = open_archive(path, error);
	if (archive == NULL || !keep_refs(ctx, archive, kept, error) || !drop_commits(ctx, archive, kept, ret_removed, error))
		return FALSE;
	/* The summary first: what it tells of is there. */
	return ostree_repo_prune_static_deltas(archive, NULL, ctx->cancellable, error) &&
	       (*ret_removed == 0 || ostree_repo_regenerate_summary(archive, NULL, ctx->cancellable, error)) &&
	       ostree_repo_prune(archive, OSTREE_REPO_PRUNE_FLAGS_NONE, -1, &objects, &pruned, &bytes, ctx->cancellable, error);
}
