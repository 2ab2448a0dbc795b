/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/pull.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "store/internal.h"

#include <fcntl.h>
#include <string.h>

#define REMEDY "; trusted keys are *.gpg in /usr/share/ostree/trusted.gpg.d, or in the directory $OSTREE_GPG_HOME"

/* libostree's own errors, as those that our exit status tells apart. */
static gboolean
throw_pull(const AshPullSource *source, const GError *cause, GError **error)
{
	if (cause->domain == OSTREE_GPG_ERROR)
		return ash_throw(error, ASH_ERROR_TRUST, "commit \"%s\" of \"%s\": %s" REMEDY, source->ref, source->url, cause->message);
	if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return ash_throw(error, ASH_ERROR_CANCELLED, "%s", cause->message);
	/* No code of its own: nothing but the text tells. */
	if (source->verify && strstr(cause->message, "GPG") != NULL)
		return ash_throw(error, ASH_ERROR_TRUST, "commit \"%s\" of \"%s\": %s" REMEDY, source->ref, source->url, cause->message);
	return ash_throw(error, ASH_ERROR_FETCH, "cannot fetch \"%s\" from the OSTree repository \"%s\": %s", source->ref, source->url, cause->message);
}

static gboolean
add_remote(OstreeRepo *repo, const AshPullSource *source, GError **error)
{
	g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);

	g_variant_builder_add(&builder, "{sv}", "gpg-verify", g_variant_new_boolean(source->verify));
	g_variant_builder_add(&builder, "{sv}", "gpg-verify-summary", g_variant_new_boolean(FALSE));
	g_autoptr(GVariant) options = g_variant_ref_sink(g_variant_builder_end(&builder));
	return ostree_repo_remote_add(repo, source->remote, source->url, options, NULL, error);
}

/* A repository for the time of one fetch, that knows the other one as a remote: the store's configuration is nobody's to write while others use it. */
static OstreeRepo *
make_repo(const char *path, OstreeRepoMode mode, const AshPullSource *source, GError **error)
{
	g_autoptr(OstreeRepo) repo = ostree_repo_create_at(AT_FDCWD, path, mode, NULL, NULL, error);

	return repo != NULL && add_remote(repo, source, error) ? g_steal_pointer(&repo) : NULL;
}

/* @cache: path of a repository whose objects need not be fetched; may be NULL. */
static gboolean
pull(AshContext *ctx, OstreeRepo *repo, const AshPullSource *source, const char *revision, OstreeRepoPullFlags flags, const char *cache, GError **error)
{
	const char *const refs[] = { revision, NULL }, *const caches[] = { cache, NULL };
	g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
	g_autoptr(GError) cause = NULL;

	g_variant_builder_add(&builder, "{sv}", "refs", g_variant_new_strv(refs, -1));
	g_variant_builder_add(&builder, "{sv}", "flags", g_variant_new_int32((gint32) flags));
	if (cache != NULL)
		g_variant_builder_add(&builder, "{sv}", "localcache-repos", g_variant_new_strv(caches, -1));
	g_autoptr(GVariant) options = g_variant_ref_sink(g_variant_builder_end(&builder));
	return ostree_repo_pull_with_options(repo, source->remote, options, NULL, ctx->cancellable, &cause) || throw_pull(source, cause, error);
}

static char *
find_in(AshContext *ctx, const char *dir, const AshPullSource *source, char **ret_version, guint64 *ret_timestamp, GError **error)
{
	g_autoptr(OstreeRepo) repo = make_repo(dir, OSTREE_REPO_MODE_ARCHIVE, source, error);
	g_autoptr(GVariant) commit = NULL, metadata = NULL;
	g_autofree char *checksum = NULL, *refspec = g_strdup_printf("%s:%s", source->remote, source->ref);

	if (repo == NULL || !pull(ctx, repo, source, source->ref, OSTREE_REPO_PULL_FLAGS_COMMIT_ONLY, NULL, error) ||
	    !ostree_repo_resolve_rev(repo, ostree_validate_checksum_string(source->ref, NULL) ? source->ref : refspec, FALSE, &checksum, error) ||
	    !ostree_repo_load_commit(repo, checksum, &commit, NULL, error))
		return NULL;
	metadata = g_variant_get_child_value(commit, 0);
	*ret_version = NULL;
	g_variant_lookup(metadata, ASH_STORE_KEY_VERSION, "s", ret_version);
	*ret_timestamp = ostree_commit_get_timestamp(commit);
	return g_steal_pointer(&checksum);
}

char *
ash_pull_find(AshContext *ctx, const AshPullSource *source, char **ret_version, guint64 *ret_timestamp, GError **error)
{
	g_autofree char *dir = g_dir_make_tmp("ashlar-pull-XXXXXX", error);

	if (dir == NULL)
		return NULL;
	char *checksum = find_in(ctx, dir, source, ret_version, ret_timestamp, error);
	ash_file_remove_tree(AT_FDCWD, dir, NULL);
	return checksum;
}

/* Into the store, by links, with its signatures. */
static gboolean
take_over(AshContext *ctx, AshStore *store, const char *path, const char *checksum, GError **error)
{
	g_autofree char *uri = g_strconcat("file://", path, NULL);
	const char *const commits[] = { checksum, NULL };
	g_autoptr(OstreeRepo) repo = ostree_repo_open_at(AT_FDCWD, store->repo_path, ctx->cancellable, error);
	g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);

	if (repo == NULL)
		return FALSE;
	g_variant_builder_add(&builder, "{sv}", "refs", g_variant_new_strv(commits, -1));
	g_autoptr(GVariant) options = g_variant_ref_sink(g_variant_builder_end(&builder));
	return ostree_repo_pull_with_options(repo, uri, options, NULL, ctx->cancellable, error) ||
	       ash_prefix(error, "cannot copy commit \"%s\"", checksum);
}

static gboolean
pull_through(AshContext *ctx, AshStore *store, const char *path, const AshPullSource *source, const char *checksum, GError **error)
{
	g_autoptr(OstreeRepo) repo = make_repo(path, OSTREE_REPO_MODE_BARE_USER, source, error);

	return repo != NULL && pull(ctx, repo, source, checksum, OSTREE_REPO_PULL_FLAGS_NONE, store->repo_path, error) &&
	       take_over(ctx, store, path, checksum, error);
}

gboolean
ash_pull_commit(AshContext *ctx, AshStore *store, const AshPullSource *source, const char *checksum, GError **error)
{
	ash_autofd int fd = -1;
	g_autofree char *staging = ash_store_make_staging(store, "pull", &fd, error);

	if (staging == NULL)
		return FALSE;
	gboolean done = pull_through(ctx, store, staging, source, checksum, error);
	ash_file_remove_tree(AT_FDCWD, staging, NULL);
	return done;
}

gboolean
ash_pull_has(AshStore *store, const char *checksum, bool *ret_has, GError **error)
{
	OstreeRepoCommitState state = 0;
	gboolean has = FALSE;

	if (!ostree_repo_has_object(store->repo, OSTREE_OBJECT_TYPE_COMMIT, checksum, &has, NULL, error))
		return FALSE;
	if (has && !ostree_repo_load_commit(store->repo, checksum, NULL, &state, error))
		return FALSE;
	*ret_has = has && (state & OSTREE_REPO_COMMIT_STATE_PARTIAL) == 0;
	return TRUE;
}

gboolean
ash_pull_verify(AshContext *ctx, AshStore *store, const char *checksum, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(OstreeGpgVerifyResult) result = ostree_repo_verify_commit_ext(store->repo, checksum, NULL, NULL, ctx->cancellable, &cause);

	if (result == NULL || !ostree_gpg_verify_result_require_valid_signature(result, &cause))
		return ash_throw(error, ASH_ERROR_TRUST, "commit \"%s\": %s" REMEDY, checksum, cause->message);
	return TRUE;
}
