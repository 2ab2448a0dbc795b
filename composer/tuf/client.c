/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/client.h"

#include "base/error.h"
#include "base/fd.h"
#include "tuf/search.h"
#include "tuf/trusted.h"
#include "tuf/tuftime.h"

#include <fcntl.h>
#include <string.h>

struct AshTufClient {
	AshTufTrusted trusted;
	const AshTufFetcher *fetcher;
	gint64 now, floor;
	AshTufLimits limits;
};

static const AshTufLimits default_limits = {
	.root_bytes = 512 * 1024,
	.timestamp_bytes = 16 * 1024,
	.snapshot_bytes = 1024 * 1024,
	.targets_bytes = 2 * 1024 * 1024,
	.root_versions = 1024,
	.delegations = 32,
};

static void
fill_limits(AshTufLimits *limits, const AshTufLimits *given)
{
	*limits = given != NULL ? *given : default_limits;
	limits->root_bytes = limits->root_bytes > 0 ? limits->root_bytes : default_limits.root_bytes;
	limits->timestamp_bytes = limits->timestamp_bytes > 0 ? limits->timestamp_bytes : default_limits.timestamp_bytes;
	limits->snapshot_bytes = limits->snapshot_bytes > 0 ? limits->snapshot_bytes : default_limits.snapshot_bytes;
	limits->targets_bytes = limits->targets_bytes > 0 ? limits->targets_bytes : default_limits.targets_bytes;
	limits->root_versions = limits->root_versions > 0 ? limits->root_versions : default_limits.root_versions;
	limits->delegations = limits->delegations > 0 ? limits->delegations : default_limits.delegations;
}

AshTufClient *
ash_tuf_client_new(int state_dir_fd, const AshTufFetcher *fetcher, gint64 now, gint64 floor, const AshTufLimits *limits,
		   GError **error)
{
	ash_autofd int dir_fd = fcntl(state_dir_fd, F_DUPFD_CLOEXEC, 0);

	if (dir_fd < 0)
		return ash_throw_errno_null(error, "cannot use the directory of trusted metadata");
	AshTufClient *client = g_new0(AshTufClient, 1);
	client->trusted.dir_fd = ash_fd_steal(&dir_fd);
	client->fetcher = fetcher;
	client->now = now;
	client->floor = floor;
	fill_limits(&client->limits, limits);
	return client;
}

void
ash_tuf_client_free(AshTufClient *client)
{
	if (client == NULL)
		return;
	ash_tuf_trusted_clear(&client->trusted);
	ash_fd_clear(&client->trusted.dir_fd);
	g_free(client);
}

/* The latest of the clock, the floor and what trusted metadata of the roles up to @last told of its own signing. */
static gint64
time_by_roles(const AshTufClient *client, AshTufRole last)
{
	gint64 time = MAX(client->now, client->floor);

	for (guint i = 0; i <= last; i++)
		if (client->trusted.metadata[i] != NULL)
			time = MAX(time, client->trusted.metadata[i]->issued);
	return time;
}

gint64
ash_tuf_client_get_time(AshTufClient *client)
{
	return time_by_roles(client, ASH_TUF_TARGETS);
}

/* A freeze attack shows as this, and so does a clock that is ahead. */
static gboolean
check_expiry(const AshTufClient *client, const AshTufMetadata *metadata, const char *what, GError **error)
{
	gint64 time = time_by_roles(client, metadata->role == ASH_TUF_ROOT ? ASH_TUF_ROOT : ASH_TUF_TARGETS);

	time = MAX(time, metadata->issued);
	if (metadata->expires > time)
		return TRUE;
	g_autofree char *expired = ash_tuf_time_format(metadata->expires), *now = ash_tuf_time_format(time);
	return ash_throw(error, ASH_ERROR_EXPIRED,
			 "\"%s\" expired at %s and it is %s: nothing newer is published, or it is kept from this machine, or its clock "
			 "is wrong",
			 what, expired, now);
}

static gboolean
fetch(AshTufClient *client, AshTufPlace place, const char *path, guint64 max, GBytes **ret_bytes, GError **error)
{
	g_autoptr(GBytes) bytes = NULL;

	if (!client->fetcher->fetch(client->fetcher->data, place, path, max, &bytes, error))
		return FALSE;
	if (bytes != NULL && g_bytes_get_size(bytes) > max)
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is longer than the %" G_GUINT64_FORMAT " bytes allowed", path, max);
	*ret_bytes = g_steal_pointer(&bytes);
	return TRUE;
}

/* As fetch(), where there must be something. */
static GBytes *
fetch_existing(AshTufClient *client, AshTufPlace place, const char *path, guint64 max, GError **error)
{
	g_autoptr(GBytes) bytes = NULL;

	if (!fetch(client, place, path, max, &bytes, error))
		return NULL;
	if (bytes == NULL)
		return ash_throw_null(error, ASH_ERROR_FETCH, "the server has no \"%s\"", path);
	return g_steal_pointer(&bytes);
}

/* 5.3.4 and 5.3.5 */
static AshTufMetadata *
check_next_root(const AshTufMetadata *trusted, GBytes *raw, const char *name, GError **error)
{
	g_autoptr(AshTufMetadata) next = ash_tuf_metadata_parse(raw, ASH_TUF_ROOT, name, error);

	if (next == NULL || !ash_tuf_metadata_verify_by_root(next, trusted, name, error) ||
	    !ash_tuf_metadata_verify_by_root(next, next, name, error))
		return NULL;
	if (next->version != trusted->version + 1)
		return ash_throw_null(error, next->version <= trusted->version ? ASH_ERROR_ROLLBACK : ASH_ERROR_TRUST,
				      "\"%s\" is version %" G_GINT64_FORMAT, name, next->version);
	return g_steal_pointer(&next);
}

/* 5.3.2 to 5.3.9: one more version. *@ret_more is FALSE if there is none. */
static gboolean
update_root_once(AshTufClient *client, bool *ret_more, GError **error)
{
	const AshTufMetadata *trusted = client->trusted.metadata[ASH_TUF_ROOT];
	g_autofree char *name = NULL;
	g_autoptr(GBytes) raw = NULL;

	*ret_more = false;
	if (trusted->version == G_MAXINT64)
		return TRUE;
	name = g_strdup_printf("%" G_GINT64_FORMAT ".root.json", trusted->version + 1);
	if (!fetch(client, ASH_TUF_AT_METADATA, name, client->limits.root_bytes, &raw, error))
		return FALSE;
	if (raw == NULL)
		return TRUE;
	AshTufMetadata *next = check_next_root(trusted, raw, name, error);
	if (next == NULL)
		return FALSE;
	*ret_more = true;
	return ash_tuf_trusted_set_root(&client->trusted, next, raw, error);
}

/* 5.3 */
static gboolean
update_root(AshTufClient *client, GError **error)
{
	bool more = true;

	for (guint i = 0; more && i < client->limits.root_versions; i++)
		if (!update_root_once(client, &more, error))
			return FALSE;
	return check_expiry(client, client->trusted.metadata[ASH_TUF_ROOT], "root.json", error);
}

static const AshTufFile *
told_file(const AshTufMetadata *metadata, const char *name)
{
	return g_hash_table_lookup(metadata->meta, name);
}

/* 5.4.3: against what is trusted. *@ret_is_same if there is nothing new. */
static gboolean
check_timestamp_rollback(const AshTufMetadata *trusted, const AshTufMetadata *next, bool *ret_is_same, GError **error)
{
	*ret_is_same = false;
	if (trusted == NULL)
		return TRUE;
	if (next->version < trusted->version)
		return ash_throw(error, ASH_ERROR_ROLLBACK,
				 "\"timestamp.json\" is version %" G_GINT64_FORMAT ", and %" G_GINT64_FORMAT " is trusted already",
				 next->version, trusted->version);
	*ret_is_same = next->version == trusted->version;
	gint64 before = told_file(trusted, "snapshot.json")->version, after = told_file(next, "snapshot.json")->version;
	if (!*ret_is_same && after < before)
		return ash_throw(error, ASH_ERROR_ROLLBACK,
				 "\"timestamp.json\" tells of snapshot %" G_GINT64_FORMAT ", and %" G_GINT64_FORMAT " was told before",
				 after, before);
	return TRUE;
}

/* 5.4 */
static gboolean
update_timestamp(AshTufClient *client, GError **error)
{
	AshTufTrusted *trusted = &client->trusted;
	g_autoptr(GBytes) raw =
		fetch_existing(client, ASH_TUF_AT_METADATA, "timestamp.json", client->limits.timestamp_bytes, error);
	bool is_same;

	if (raw == NULL)
		return FALSE;
	g_autoptr(AshTufMetadata) next = ash_tuf_metadata_parse(raw, ASH_TUF_TIMESTAMP, "timestamp.json", error);
	if (next == NULL ||
	    !ash_tuf_metadata_verify_by_root(next, trusted->metadata[ASH_TUF_ROOT], "timestamp.json", error) ||
	    !check_timestamp_rollback(trusted->metadata[ASH_TUF_TIMESTAMP], next, &is_same, error))
		return FALSE;
	if (is_same)
		return check_expiry(client, trusted->metadata[ASH_TUF_TIMESTAMP], "timestamp.json", error);
	return check_expiry(client, next, "timestamp.json", error) &&
	       ash_tuf_trusted_set(trusted, g_steal_pointer(&next), raw, error);
}

/* Fetches the file @base (".json" added) that @told tells of, and checks length and digests: 5.5.1 and 2, 5.6.1 and 2. */
static GBytes *
fetch_told(AshTufClient *client, const char *base, const AshTufFile *told, guint64 max, GError **error)
{
	g_autofree char *name = client->trusted.metadata[ASH_TUF_ROOT]->consistent
					? g_strdup_printf("%" G_GINT64_FORMAT ".%s.json", told->version, base)
					: g_strdup_printf("%s.json", base);

	if (told->length >= 0 && (guint64) told->length > max)
		return ash_throw_null(error, ASH_ERROR_TRUST, "\"%s\" is to have %" G_GINT64_FORMAT " bytes; %" G_GUINT64_FORMAT " are allowed",
				      name, told->length, max);
	g_autoptr(GBytes) raw =
		fetch_existing(client, ASH_TUF_AT_METADATA, name, told->length >= 0 ? (guint64) told->length : max, error);
	return raw != NULL && ash_tuf_file_check(told, raw, name, error) ? g_steal_pointer(&raw) : NULL;
}

/* 5.5.4, 5.6.4: the version in the file is the one that was told. */
static gboolean
check_told_version(const AshTufMetadata *metadata, const AshTufFile *told, const char *what, GError **error)
{
	return metadata->version == told->version ||
	       ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is version %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT " as signed", what,
			 metadata->version, told->version);
}

/* True if what is trusted is just what is told. */
static bool
is_current(const AshTufTrusted *trusted, AshTufRole role, const AshTufFile *told)
{
	return trusted->metadata[role] != NULL && trusted->metadata[role]->version == told->version &&
	       ash_tuf_file_check(told, trusted->raw[role], "trusted metadata", NULL);
}

/* 5.5.5 */
static gboolean
check_snapshot_rollback(const AshTufMetadata *trusted, const AshTufMetadata *next, GError **error)
{
	GHashTableIter iter;
	gpointer name, before;

	if (trusted == NULL)
		return TRUE;
	g_hash_table_iter_init(&iter, trusted->meta);
	while (g_hash_table_iter_next(&iter, &name, &before)) {
		const AshTufFile *after = told_file(next, name);
		gint64 version = ((const AshTufFile *) before)->version;
		if (after == NULL || after->version < version)
			return ash_throw(error, ASH_ERROR_ROLLBACK,
					 "\"snapshot.json\" tells of \"%s\" %" G_GINT64_FORMAT ", and %" G_GINT64_FORMAT " was told before",
					 (const char *) name, after != NULL ? after->version : 0, version);
	}
	return trusted->version <= next->version || ash_throw(error, ASH_ERROR_ROLLBACK,
							       "\"snapshot.json\" is version %" G_GINT64_FORMAT ", and %" G_GINT64_FORMAT
							       " is trusted already",
							       next->version, trusted->version);
}

/* 5.5 */
static gboolean
update_snapshot(AshTufClient *client, bool *ret_changed, GError **error)
{
	AshTufTrusted *trusted = &client->trusted;
	const AshTufFile *told = told_file(trusted->metadata[ASH_TUF_TIMESTAMP], "snapshot.json");
	const AshTufMetadata *before = trusted->metadata[ASH_TUF_SNAPSHOT];

	if (is_current(trusted, ASH_TUF_SNAPSHOT, told))
		return check_expiry(client, before, "snapshot.json", error);
	g_autoptr(GBytes) raw = fetch_told(client, "snapshot", told, client->limits.snapshot_bytes, error);
	g_autoptr(AshTufMetadata) next =
		raw != NULL ? ash_tuf_metadata_parse(raw, ASH_TUF_SNAPSHOT, "snapshot.json", error) : NULL;
	if (next == NULL ||
	    !ash_tuf_metadata_verify_by_root(next, trusted->metadata[ASH_TUF_ROOT], "snapshot.json", error) ||
	    !check_told_version(next, told, "snapshot.json", error) || !check_snapshot_rollback(before, next, error) ||
	    !check_expiry(client, next, "snapshot.json", error))
		return FALSE;
	*ret_changed = true;
	return ash_tuf_trusted_set(trusted, g_steal_pointer(&next), raw, error);
}

/* 5.6.1 to 5.6.6 */
static gboolean
update_targets(AshTufClient *client, bool *ret_changed, GError **error)
{
	AshTufTrusted *trusted = &client->trusted;
	const AshTufFile *told = told_file(trusted->metadata[ASH_TUF_SNAPSHOT], "targets.json");

	if (is_current(trusted, ASH_TUF_TARGETS, told))
		return check_expiry(client, trusted->metadata[ASH_TUF_TARGETS], "targets.json", error);
	g_autoptr(GBytes) raw = fetch_told(client, "targets", told, client->limits.targets_bytes, error);
	g_autoptr(AshTufMetadata) next =
		raw != NULL ? ash_tuf_metadata_parse(raw, ASH_TUF_TARGETS, "targets.json", error) : NULL;
	if (next == NULL ||
	    !ash_tuf_metadata_verify_by_root(next, trusted->metadata[ASH_TUF_ROOT], "targets.json", error) ||
	    !check_told_version(next, told, "targets.json", error) || !check_expiry(client, next, "targets.json", error))
		return FALSE;
	*ret_changed = true;
	return ash_tuf_trusted_set(trusted, g_steal_pointer(&next), raw, error);
}

/* 5.2 */
static gboolean
load_trusted(AshTufClient *client, GError **error)
{
	if (!ash_tuf_trusted_load(&client->trusted, error))
		return FALSE;
	return client->trusted.metadata[ASH_TUF_ROOT] != NULL ||
	       ash_throw(error, ASH_ERROR_TRUST, "no root metadata is trusted yet; give the one that came with the system");
}

gboolean
ash_tuf_client_bootstrap(AshTufClient *client, GBytes *root, GError **error)
{
	g_autoptr(AshTufMetadata) given = ash_tuf_metadata_parse(root, ASH_TUF_ROOT, "root.json", error);

	if (given == NULL || !ash_tuf_metadata_verify_by_root(given, given, "root.json", error) ||
	    !ash_tuf_trusted_load(&client->trusted, error))
		return FALSE;
	const AshTufMetadata *trusted = client->trusted.metadata[ASH_TUF_ROOT];
	if (trusted != NULL && trusted->version >= given->version)
		return TRUE;
	return ash_tuf_trusted_set_root(&client->trusted, g_steal_pointer(&given), root, error);
}

gboolean
ash_tuf_client_refresh(AshTufClient *client, bool *ret_changed, GError **error)
{
	bool changed = false;

	/* Anew after a rotated root: what the old keys signed may not be trusted any more. */
	if (!load_trusted(client, error) || !update_root(client, error) || !load_trusted(client, error) ||
	    !update_timestamp(client, error) || !update_snapshot(client, &changed, error) ||
	    !update_targets(client, &changed, error))
		return FALSE;
	if (ret_changed != NULL)
		*ret_changed = changed;
	return TRUE;
}

static gboolean
check_complete(AshTufClient *client, GError **error)
{
	AshTufTrusted *trusted = &client->trusted;
	AshTufMetadata *const *metadata = trusted->metadata;

	if (metadata[ASH_TUF_TIMESTAMP] == NULL || metadata[ASH_TUF_SNAPSHOT] == NULL || metadata[ASH_TUF_TARGETS] == NULL ||
	    !is_current(trusted, ASH_TUF_SNAPSHOT, told_file(metadata[ASH_TUF_TIMESTAMP], "snapshot.json")) ||
	    !is_current(trusted, ASH_TUF_TARGETS, told_file(metadata[ASH_TUF_SNAPSHOT], "targets.json")))
		return ash_throw(error, ASH_ERROR_FETCH, "trusted metadata is not complete; refresh it");
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		g_autofree char *name = ash_tuf_trusted_dup_name((AshTufRole) i);
		if (!check_expiry(client, metadata[i], name, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ash_tuf_client_load(AshTufClient *client, GError **error)
{
	return load_trusted(client, error) && check_complete(client, error);
}

/* 5.6.7.1 for a delegated role: by the keys of who delegates to it here and now, even if it is trusted by another way already. */
static AshTufMetadata *
check_delegated(AshTufClient *client, const AshTufMetadata *delegator, const AshTufDelegation *delegation, const AshTufFile *told,
		GBytes *raw, GError **error)
{
	g_autoptr(AshTufMetadata) role = ash_tuf_metadata_parse(raw, ASH_TUF_TARGETS, delegation->name, error);

	if (role == NULL || !ash_tuf_metadata_verify(role, delegator->keys, &delegation->signers, delegation->name, error) ||
	    !check_told_version(role, told, delegation->name, error) || !check_expiry(client, role, delegation->name, error))
		return NULL;
	return g_steal_pointer(&role);
}

static AshTufMetadata *
load_delegated(gpointer data, const AshTufMetadata *delegator, const AshTufDelegation *delegation, GError **error)
{
	AshTufClient *client = data;
	g_autofree char *file = g_strconcat(delegation->name, ".json", NULL);
	g_autofree char *base = ash_tuf_trusted_escape(delegation->name);
	const AshTufFile *told = told_file(client->trusted.metadata[ASH_TUF_SNAPSHOT], file);
	g_autoptr(GBytes) kept = NULL;

	if (told == NULL)
		return ash_throw_null(error, ASH_ERROR_TRUST, "\"snapshot.json\" does not tell of \"%s\"", file);
	if (!ash_tuf_trusted_load_delegated(&client->trusted, delegation->name, &kept, error))
		return NULL;
	if (kept != NULL && ash_tuf_file_check(told, kept, file, NULL)) {
		AshTufMetadata *role = check_delegated(client, delegator, delegation, told, kept, NULL);
		if (role != NULL)
			return role;
	}
	g_autoptr(GBytes) raw = fetch_told(client, base, told, client->limits.targets_bytes, error);
	g_autoptr(AshTufMetadata) role =
		raw != NULL ? check_delegated(client, delegator, delegation, told, raw, error) : NULL;
	if (role == NULL || !ash_tuf_trusted_save_delegated(&client->trusted, delegation->name, raw, error))
		return NULL;
	return g_steal_pointer(&role);
}

gboolean
ash_tuf_client_find_target(AshTufClient *client, const char *path, AshTufTarget **ret_target, GError **error)
{
	if (client->trusted.metadata[ASH_TUF_TARGETS] == NULL || client->trusted.metadata[ASH_TUF_SNAPSHOT] == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "metadata must be refreshed before targets are looked for");
	*ret_target = NULL;
	if (!ash_tuf_target_is_path(path))
		return TRUE;
	return ash_tuf_search(client->trusted.metadata[ASH_TUF_TARGETS], path, client->limits.delegations, load_delegated, client,
			      ret_target, error) ||
	       ash_prefix(error, "target \"%s\"", path);
}

GBytes *
ash_tuf_client_fetch_target(AshTufClient *client, const AshTufTarget *target, guint64 max, GError **error)
{
	g_autofree char *location = ash_tuf_client_dup_location(client, target);

	if ((guint64) target->file.length > max)
		return ash_throw_null(error, ASH_ERROR_TRUST, "target \"%s\" has %" G_GINT64_FORMAT " bytes; %" G_GUINT64_FORMAT " are allowed",
				      target->path, target->file.length, max);
	g_autoptr(GBytes) bytes =
		fetch_existing(client, ASH_TUF_AT_TARGETS, location, (guint64) target->file.length, error);
	return bytes != NULL && ash_tuf_file_check(&target->file, bytes, target->path, error) ? g_steal_pointer(&bytes) : NULL;
}

char *
ash_tuf_client_dup_location(AshTufClient *client, const AshTufTarget *target)
{
	const AshTufMetadata *root = client->trusted.metadata[ASH_TUF_ROOT];
	g_autofree char *location = ash_tuf_target_dup_location(target, root != NULL && root->consistent);

	return g_uri_escape_string(location, "/", FALSE);
}

static gint
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

GPtrArray *
ash_tuf_client_list_targets(AshTufClient *client, const char *prefix)
{
	GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
	const AshTufMetadata *targets = client->trusted.metadata[ASH_TUF_TARGETS];
	GHashTableIter iter;
	gpointer path;

	if (targets != NULL) {
		g_hash_table_iter_init(&iter, targets->targets);
		while (g_hash_table_iter_next(&iter, &path, NULL))
			if (g_str_has_prefix(path, prefix))
				g_ptr_array_add(paths, g_strdup(path));
	}
	g_ptr_array_sort(paths, compare_strings);
	return paths;
}

gint64
ash_tuf_client_get_version(AshTufClient *client, AshTufRole role)
{
	return client->trusted.metadata[role] != NULL ? client->trusted.metadata[role]->version : 0;
}

gint64
ash_tuf_client_get_expiry(AshTufClient *client)
{
	gint64 first = G_MAXINT64;

	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		first = MIN(first, client->trusted.metadata[i] != NULL ? client->trusted.metadata[i]->expires : 0);
	return first;
}
