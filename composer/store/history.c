/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/history.h"

#include "base/error.h"
#include "store/internal.h"

#include <string.h>

/* Takes the commit's metadata from @ret_metadata, owned. */
static GVariant *
load_commit(AshStore *store, const char *checksum, GVariant **ret_metadata, GError **error)
{
	g_autoptr(GVariant) commit = NULL;

	if (!ostree_repo_load_commit(store->repo, checksum, &commit, NULL, error))
		return ash_prefix(error, "cannot load commit \"%s\"", checksum), NULL;
	*ret_metadata = g_variant_get_child_value(commit, 0);
	return g_steal_pointer(&commit);
}

/* Owned; NULL if there is none. */
static char *
dup_string(GVariant *metadata, const char *key)
{
	char *value = NULL;

	g_variant_lookup(metadata, key, "s", &value);
	return value;
}

static GPtrArray *
dup_packages(GVariant *metadata)
{
	GPtrArray *packages = g_ptr_array_new_with_free_func(g_free);
	g_autofree const char **names = NULL;

	g_variant_lookup(metadata, ASH_STORE_KEY_PACKAGES, "^a&s", &names);
	for (guint i = 0; names != NULL && names[i] != NULL; i++)
		g_ptr_array_add(packages, g_strdup(names[i]));
	return packages;
}

static char *
dup_first_ref(GVariant *metadata)
{
	g_autofree const char **refs = NULL;

	g_variant_lookup(metadata, ASH_STORE_KEY_REFS, "^a&s", &refs);
	return refs != NULL ? g_strdup(refs[0]) : NULL;
}

static AshCommitInfo *
load_info(AshStore *store, const char *checksum, GError **error)
{
	g_autoptr(GVariant) metadata = NULL;
	g_autoptr(GVariant) commit = load_commit(store, checksum, &metadata, error);
	AshCommitInfo *info;

	if (commit == NULL)
		return NULL;
	info = g_new0(AshCommitInfo, 1);
	info->checksum = g_strdup(checksum);
	info->parent = ostree_commit_get_parent(commit);
	info->timestamp = ostree_commit_get_timestamp(commit);
	g_variant_get_child(commit, 3, "s", &info->subject);
	info->ref = dup_first_ref(metadata);
	info->version = dup_string(metadata, ASH_STORE_KEY_VERSION);
	info->lock_digest = dup_string(metadata, ASH_STORE_KEY_LOCK);
	info->input_digest = dup_string(metadata, ASH_STORE_KEY_INPUT);
	info->packages = dup_packages(metadata);
	return info;
}

AshCommitInfo *
ash_store_info(AshStore *store, const char *ref_or_checksum, GError **error)
{
	g_autofree char *checksum = ash_store_resolve(store, ref_or_checksum, error);

	return checksum != NULL ? load_info(store, checksum, error) : NULL;
}

/* A history may end early, in a store that was pruned or pulled into. */
static gboolean
has_commit(AshStore *store, const char *checksum, gboolean *ret_has, GError **error)
{
	return ostree_repo_has_object(store->repo, OSTREE_OBJECT_TYPE_COMMIT, checksum, ret_has, NULL, error);
}

GPtrArray *
ash_store_log(AshStore *store, const char *ref_or_checksum, guint max, GError **error)
{
	g_autoptr(GPtrArray) log = g_ptr_array_new_with_free_func((GDestroyNotify) ash_commit_info_free);
	g_autofree char *checksum = ash_store_resolve(store, ref_or_checksum, error);
	gboolean more = TRUE;

	if (checksum == NULL)
		return NULL;
	while (more && (max == 0 || log->len < max)) {
		AshCommitInfo *info = load_info(store, checksum, error);

		if (info == NULL)
			return NULL;
		g_ptr_array_add(log, info);
		g_free(checksum);
		checksum = g_strdup(info->parent);
		if (checksum == NULL)
			break;
		if (!has_commit(store, checksum, &more, error))
			return NULL;
	}
	return g_steal_pointer(&log);
}

gboolean
ash_store_find_by_input(AshStore *store, const char *ref, const char *input_digest, char **ret_checksum,
			GError **error)
{
	g_autofree char *checksum = NULL;
	gboolean more = TRUE;

	if (!ostree_repo_resolve_rev(store->repo, ref, TRUE, &checksum, error))
		return ash_prefix(error, "cannot resolve \"%s\" in the store \"%s\"", ref, store->dir);
	while (checksum != NULL && more) {
		g_autoptr(GVariant) metadata = NULL;
		g_autoptr(GVariant) commit = load_commit(store, checksum, &metadata, error);
		g_autofree char *digest = NULL;

		if (commit == NULL)
			return FALSE;
		digest = dup_string(metadata, ASH_STORE_KEY_INPUT);
		if (g_strcmp0(digest, input_digest) == 0)
			break;
		g_free(checksum);
		checksum = ostree_commit_get_parent(commit);
		if (checksum != NULL && !has_commit(store, checksum, &more, error))
			return FALSE;
	}
	*ret_checksum = more ? g_steal_pointer(&checksum) : NULL;
	return TRUE;
}

char *
ash_store_get_metadata(AshStore *store, const char *ref_or_checksum, const char *key, GError **error)
{
	g_autofree char *checksum = ash_store_resolve(store, ref_or_checksum, error);
	g_autoptr(GVariant) metadata = NULL, commit = NULL;
	char *value;

	if (checksum == NULL)
		return NULL;
	commit = load_commit(store, checksum, &metadata, error);
	if (commit == NULL)
		return NULL;
	value = dup_string(metadata, key);
	if (value == NULL)
		ash_throw(error, ASH_ERROR_CONFIG, "commit \"%s\" has no \"%s\"", checksum, key);
	return value;
}
