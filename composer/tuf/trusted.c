/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/trusted.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <unistd.h>

static void
forget(AshTufTrusted *trusted, AshTufRole role)
{
	g_clear_pointer(&trusted->metadata[role], ash_tuf_metadata_free);
	g_clear_pointer(&trusted->raw[role], g_bytes_unref);
}

void
ash_tuf_trusted_clear(AshTufTrusted *trusted)
{
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		forget(trusted, (AshTufRole) i);
}

char *
ash_tuf_trusted_dup_name(AshTufRole role)
{
	return g_strconcat(ash_tuf_role_to_string(role), ".json", NULL);
}

static gboolean
load_file(int dir_fd, const char *name, GBytes **ret_raw, GError **error)
{
	char *text = NULL;
	gsize length = 0;

	if (!ash_file_load_optional(dir_fd, name, &text, &length, error))
		return FALSE;
	*ret_raw = text != NULL ? g_bytes_new_take(text, length) : NULL;
	return TRUE;
}

static gboolean
load_role(AshTufTrusted *trusted, AshTufRole role, GError **error)
{
	g_autofree char *name = ash_tuf_trusted_dup_name(role);
	g_autoptr(GBytes) raw = NULL;

	forget(trusted, role);
	if (!load_file(trusted->dir_fd, name, &raw, error))
		return FALSE;
	g_autoptr(AshTufMetadata) metadata = raw != NULL ? ash_tuf_metadata_parse(raw, role, name, NULL) : NULL;
	const AshTufMetadata *root = role == ASH_TUF_ROOT ? metadata : trusted->metadata[ASH_TUF_ROOT];
	if (metadata == NULL || root == NULL || !ash_tuf_metadata_verify_by_root(metadata, root, name, NULL))
		return TRUE;
	trusted->metadata[role] = g_steal_pointer(&metadata);
	trusted->raw[role] = g_steal_pointer(&raw);
	return TRUE;
}

gboolean
ash_tuf_trusted_load(AshTufTrusted *trusted, GError **error)
{
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		if (!load_role(trusted, (AshTufRole) i, error))
			return ash_prefix(error, "trusted metadata");
	return TRUE;
}

static gboolean
save_file(int dir_fd, const char *name, GBytes *raw, GError **error)
{
	gsize length;
	const void *data = g_bytes_get_data(raw, &length);

	return ash_file_save(dir_fd, name, data, (gssize) length, 0644, error) || ash_prefix(error, "trusted metadata");
}

gboolean
ash_tuf_trusted_set(AshTufTrusted *trusted, AshTufMetadata *metadata, GBytes *raw, GError **error)
{
	g_autoptr(AshTufMetadata) owned = metadata;
	AshTufRole role = metadata->role;
	g_autofree char *name = ash_tuf_trusted_dup_name(role);

	if (!save_file(trusted->dir_fd, name, raw, error))
		return FALSE;
	forget(trusted, role);
	trusted->metadata[role] = g_steal_pointer(&owned);
	trusted->raw[role] = g_bytes_ref(raw);
	return TRUE;
}

gboolean
ash_tuf_trusted_drop(AshTufTrusted *trusted, AshTufRole role, GError **error)
{
	g_autofree char *name = ash_tuf_trusted_dup_name(role);

	if (unlinkat(trusted->dir_fd, name, 0) != 0 && errno != ENOENT)
		return ash_throw_errno(error, "cannot remove the trusted \"%s\"", name);
	forget(trusted, role);
	return TRUE;
}

/* True if a key that counted before does no more. */
static bool
loses_key(const AshTufSigners *before, const AshTufSigners *after)
{
	for (char **id = before->keyids; *id != NULL; id++)
		if (!g_strv_contains((const char *const *) after->keyids, *id))
			return true;
	return false;
}

gboolean
ash_tuf_trusted_set_root(AshTufTrusted *trusted, AshTufMetadata *root, GBytes *raw, GError **error)
{
	g_autoptr(AshTufMetadata) owned = root;
	const AshTufMetadata *before = trusted->metadata[ASH_TUF_ROOT];

	bool rotated = before == NULL ||
		       loses_key(&before->signers[ASH_TUF_TIMESTAMP], &root->signers[ASH_TUF_TIMESTAMP]) ||
		       loses_key(&before->signers[ASH_TUF_SNAPSHOT], &root->signers[ASH_TUF_SNAPSHOT]);
	if (rotated && (!ash_tuf_trusted_drop(trusted, ASH_TUF_TIMESTAMP, error) ||
			!ash_tuf_trusted_drop(trusted, ASH_TUF_SNAPSHOT, error)))
		return FALSE;
	return ash_tuf_trusted_set(trusted, g_steal_pointer(&owned), raw, error);
}

char *
ash_tuf_trusted_escape(const char *role)
{
	return g_uri_escape_string(role, NULL, FALSE);
}

static char *
dup_delegated_name(const char *role)
{
	g_autofree char *escaped = ash_tuf_trusted_escape(role);

	return g_strconcat(escaped, ".json", NULL);
}

gboolean
ash_tuf_trusted_load_delegated(const AshTufTrusted *trusted, const char *role, GBytes **ret_raw, GError **error)
{
	g_autofree char *name = dup_delegated_name(role);

	return load_file(trusted->dir_fd, name, ret_raw, error);
}

gboolean
ash_tuf_trusted_save_delegated(const AshTufTrusted *trusted, const char *role, GBytes *raw, GError **error)
{
	g_autofree char *name = dup_delegated_name(role);

	return save_file(trusted->dir_fd, name, raw, error);
}
