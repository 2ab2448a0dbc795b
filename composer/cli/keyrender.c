/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/keyrender.h"

#include "base/table.h"
#include "tuf/tuftime.h"

#include <stdio.h>
#include <string.h>

/* Of an id, for people: enough for "rotate --remove". */
#define SHORT_ID 16

JsonObject *
ash_key_render_to_json(const AshKey *key, const char *file)
{
	g_autoptr(AshTufKey) named = ash_tuf_key_new(key);
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "file", file);
	json_object_set_string_member(object, "id", named->id);
	json_object_set_string_member(object, "kind", ash_key_kind_to_string(ash_key_get_kind(key)));
	json_object_set_boolean_member(object, "private", ash_key_is_private(key));
	json_object_set_member(object, "key", json_node_copy(named->object));
	return object;
}

void
ash_key_render(const AshKey *key, const char *file)
{
	g_autoptr(AshTufKey) named = ash_tuf_key_new(key);

	printf("key %s  %s  %s  %s\n", named->id, ash_key_kind_to_string(ash_key_get_kind(key)),
	       ash_key_is_private(key) ? "private" : "public", file);
}

static JsonObject *
signatures_to_json(guint count, gint64 needed)
{
	JsonObject *object = json_object_new();

	json_object_set_int_member(object, "signed", count);
	json_object_set_int_member(object, "needed", needed);
	return object;
}

JsonObject *
ash_key_render_status_to_json(const AshTufSignStatus *status, const char *file)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "file", file);
	json_object_set_string_member(object, "role", ash_tuf_role_to_string(status->role));
	json_object_set_int_member(object, "version", status->version);
	json_object_set_object_member(object, "signatures", signatures_to_json(status->signed_new, status->needed_new));
	if (status->needed_old > 0)
		json_object_set_object_member(object, "signaturesOfRootBefore",
					      signatures_to_json(status->signed_old, status->needed_old));
	json_object_set_boolean_member(object, "complete", ash_tuf_sign_status_is_complete(status));
	return object;
}

void
ash_key_render_status(const AshTufSignStatus *status, const char *file)
{
	printf("%s: %s %" G_GINT64_FORMAT ", signed by %u of %" G_GINT64_FORMAT " keys", file, ash_tuf_role_to_string(status->role),
	       status->version, status->signed_new, status->needed_new);
	if (status->needed_old > 0)
		printf(" and by %u of %" G_GINT64_FORMAT " of the root before it", status->signed_old, status->needed_old);
	printf(": %s\n", ash_tuf_sign_status_is_complete(status) ? "complete" : "more must sign");
}

static const char *
kind_of(const AshTufMetadata *root, const char *id)
{
	const AshTufKey *key = g_hash_table_lookup(root->keys, id);

	return key != NULL && key->key != NULL ? ash_key_kind_to_string(ash_key_get_kind(key->key)) : "unknown";
}

static JsonArray *
keys_to_json(const AshTufMetadata *root, const AshTufSigners *signers)
{
	JsonArray *array = json_array_new();

	for (char **id = signers->keyids; *id != NULL; id++) {
		JsonObject *key = json_object_new();
		json_object_set_string_member(key, "id", *id);
		json_object_set_string_member(key, "kind", kind_of(root, *id));
		json_array_add_object_element(array, key);
	}
	return array;
}

static JsonObject *
role_to_json(const AshTufMetadata *root, const AshTufMetadata *metadata, AshTufRole role)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "role", ash_tuf_role_to_string(role));
	if (metadata != NULL) {
		g_autofree char *expires = ash_tuf_time_format(metadata->expires);
		json_object_set_int_member(object, "version", metadata->version);
		json_object_set_string_member(object, "expires", expires);
	}
	json_object_set_int_member(object, "threshold", root->signers[role].threshold);
	json_object_set_array_member(object, "keys", keys_to_json(root, &root->signers[role]));
	return object;
}

static JsonArray *
roles_to_json(AshTufRepository *repository, const AshTufMetadata *root, bool with_versions)
{
	JsonArray *roles = json_array_new();

	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		const AshTufMetadata *metadata = with_versions ? ash_tuf_repository_get(repository, (AshTufRole) i) : NULL;
		json_array_add_object_element(roles, role_to_json(root, i == ASH_TUF_ROOT ? root : metadata, (AshTufRole) i));
	}
	return roles;
}

JsonObject *
ash_key_render_repository_to_json(AshTufRepository *repository, const char *dir)
{
	const AshTufMetadata *root = ash_tuf_repository_get(repository, ASH_TUF_ROOT);
	const AshTufMetadata *draft = ash_tuf_repository_get_draft(repository);
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "directory", dir);
	if (root != NULL)
		json_object_set_array_member(object, "roles", roles_to_json(repository, root, true));
	if (draft != NULL)
		json_object_set_array_member(object, "nextRoles", roles_to_json(repository, draft, false));
	return object;
}

static char *
join_short_ids(const AshTufMetadata *root, AshTufRole role)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (char **id = root->signers[role].keyids; *id != NULL; id++)
		g_string_append_printf(text, "%s%.*s", text->len > 0 ? " " : "", SHORT_ID, *id);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
print_roles(AshTufRepository *repository, const AshTufMetadata *root, bool with_versions)
{
	static const char *const headings[] = { "ROLE", ">VERSION", "EXPIRES", ">SIGN", "KEYS", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		const AshTufMetadata *metadata =
			i == ASH_TUF_ROOT ? root : with_versions ? ash_tuf_repository_get(repository, (AshTufRole) i) : NULL;
		g_autofree char *version = metadata != NULL ? g_strdup_printf("%" G_GINT64_FORMAT, metadata->version) : NULL;
		g_autofree char *expires = metadata != NULL ? ash_tuf_time_format(metadata->expires) : NULL;
		g_autofree char *sign = g_strdup_printf("%" G_GINT64_FORMAT " of %u", root->signers[i].threshold,
							g_strv_length(root->signers[i].keyids));
		g_autofree char *ids = join_short_ids(root, (AshTufRole) i);
		ash_table_add(table, ash_tuf_role_to_string((AshTufRole) i), version, expires, sign, ids);
	}
	ash_table_print(table);
}

void
ash_key_render_repository(AshTufRepository *repository)
{
	const AshTufMetadata *root = ash_tuf_repository_get(repository, ASH_TUF_ROOT);
	const AshTufMetadata *draft = ash_tuf_repository_get_draft(repository);

	if (root != NULL)
		print_roles(repository, root, true);
	if (draft == NULL)
		return;
	printf("%snext root, in " ASH_TUF_METADATA_DIR "/" ASH_TUF_DRAFT_NAME ":\n", root != NULL ? "\n" : "");
	print_roles(repository, draft, false);
}

JsonObject *
ash_key_render_committed_to_json(AshTufRepository *repository, const AshTufCommitted *committed, const char *dir)
{
	JsonObject *object = ash_key_render_repository_to_json(repository, dir);
	JsonArray *written = json_array_new();

	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		if (committed->written[i])
			json_array_add_string_element(written, ash_tuf_role_to_string((AshTufRole) i));
	json_object_set_array_member(object, "written", written);
	return object;
}

void
ash_key_render_committed(AshTufRepository *repository, const AshTufCommitted *committed)
{
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		g_autofree char *expires = ash_tuf_time_format(ash_tuf_repository_get(repository, (AshTufRole) i)->expires);
		printf("%-9s %" G_GINT64_FORMAT "  %s, expires %s\n", ash_tuf_role_to_string((AshTufRole) i), committed->version[i],
		       committed->written[i] ? "signed now" : "as it was", expires);
	}
}
