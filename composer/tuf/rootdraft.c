/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/rootdraft.h"

#include "base/error.h"
#include "base/file.h"
#include "base/strictjson.h"
#include "tuf/canonical.h"
#include "tuf/signing.h"

#include <string.h>

#define LEAST_ID_DIGITS 8

static GBytes *
load_bytes(int dir_fd, const char *name, GError **error)
{
	gsize length;
	char *text = ash_file_load(dir_fd, name, ASH_TUF_METADATA_BYTES, &length, error);

	return text != NULL ? g_bytes_new_take(text, length) : NULL;
}

static gboolean
save_document(int dir_fd, const char *name, JsonNode *document, GError **error)
{
	g_autofree char *text = ash_canonical_format(document);

	return ash_file_save(dir_fd, name, text, -1, 0644, error);
}

AshTufMetadata *
ash_tuf_root_load(int dir_fd, gint64 version, GError **error)
{
	g_autofree char *name = g_strdup_printf("%" G_GINT64_FORMAT ".root.json", version);
	g_autoptr(GBytes) raw = load_bytes(dir_fd, name, error);
	g_autoptr(AshTufMetadata) root = raw != NULL ? ash_tuf_metadata_parse(raw, ASH_TUF_ROOT, name, error) : NULL;

	if (root == NULL || !ash_tuf_metadata_verify_by_root(root, root, name, error))
		return NULL;
	if (root->version != version)
		return ash_throw_null(error, ASH_ERROR_TRUST, "\"%s\" is version %" G_GINT64_FORMAT, name, root->version);
	return g_steal_pointer(&root);
}

static void
add_key(JsonObject *root, JsonArray *keyids, const AshKey *key)
{
	g_autoptr(AshTufKey) made = ash_tuf_key_new(key);
	JsonObject *keys = json_object_get_object_member(root, "keys");

	json_object_set_member(keys, made->id, json_node_copy(made->object));
	for (guint i = 0; i < json_array_get_length(keyids); i++)
		if (strcmp(json_array_get_string_element(keyids, i), made->id) == 0)
			return;
	json_array_add_string_element(keyids, made->id);
}

static JsonObject *
get_role(JsonObject *root, AshTufRole role)
{
	return json_object_get_object_member(json_object_get_object_member(root, "roles"), ash_tuf_role_to_string(role));
}

/* A role that nobody could sign for would stop all updates for good. */
static gboolean
check_thresholds(JsonObject *root, GError **error)
{
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		JsonObject *role = get_role(root, (AshTufRole) i);
		gint64 threshold = json_object_get_int_member(role, "threshold");
		guint count = json_array_get_length(json_object_get_array_member(role, "keyids"));
		if (count < 1 || threshold > count)
			return ash_throw(error, ASH_ERROR_USAGE, "role \"%s\" would have %u keys, and %" G_GINT64_FORMAT " must sign",
					 ash_tuf_role_to_string((AshTufRole) i), count, MAX(threshold, 1));
	}
	return TRUE;
}

gboolean
ash_tuf_root_draft_create(int dir_fd, GPtrArray *const keys[ASH_TUF_N_ROLES], const guint64 thresholds[ASH_TUF_N_ROLES], guint days,
			  gint64 now, GError **error)
{
	g_autoptr(JsonObject) root = json_object_new();
	JsonObject *roles = json_object_new();

	json_object_set_boolean_member(root, "consistent_snapshot", TRUE);
	json_object_set_object_member(root, "keys", json_object_new());
	json_object_set_object_member(root, "roles", roles);
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		JsonObject *role = json_object_new();
		JsonArray *keyids = json_array_new();
		json_object_set_object_member(roles, ash_tuf_role_to_string((AshTufRole) i), role);
		json_object_set_array_member(role, "keyids", keyids);
		json_object_set_int_member(role, "threshold", (gint64) MIN(MAX(thresholds[i], 1), G_MAXINT32));
		for (guint k = 0; keys[i] != NULL && k < keys[i]->len; k++)
			add_key(root, keyids, g_ptr_array_index(keys[i], k));
	}
	ash_tuf_signing_stamp(root, ASH_TUF_ROOT, 1, now, days);
	if (!check_thresholds(root, error))
		return FALSE;
	g_autoptr(JsonNode) document = ash_tuf_signing_new(root);
	return save_document(dir_fd, ASH_TUF_DRAFT_NAME, document, error);
}

/* The id in @keyids that begins with @prefix, by its index. */
static gboolean
find_id(JsonArray *keyids, const char *prefix, const char *role, guint *ret_index, GError **error)
{
	guint found = 0;

	for (guint i = 0; i < json_array_get_length(keyids); i++)
		if (g_str_has_prefix(json_array_get_string_element(keyids, i), prefix)) {
			*ret_index = i;
			found++;
		}
	if (strlen(prefix) >= LEAST_ID_DIGITS && found == 1)
		return TRUE;
	return ash_throw(error, ASH_ERROR_USAGE,
			 found > 1 || strlen(prefix) < LEAST_ID_DIGITS
				 ? "\"%s\" is not enough of a key id of role \"%s\"; \"ashlar key show\" lists them"
				 : "\"%s\" is no key of role \"%s\"; \"ashlar key show\" lists them",
			 prefix, role);
}

static bool
is_used(JsonObject *root, const char *keyid)
{
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		JsonArray *keyids = json_object_get_array_member(get_role(root, (AshTufRole) i), "keyids");
		for (guint k = 0; k < json_array_get_length(keyids); k++)
			if (strcmp(json_array_get_string_element(keyids, k), keyid) == 0)
				return true;
	}
	return false;
}

static void
drop_unused_keys(JsonObject *root)
{
	JsonObject *keys = json_object_get_object_member(root, "keys");
	g_autoptr(GList) ids = json_object_get_members(keys);

	/* The names belong to the object, which keeps them until the member is gone. */
	for (GList *link = ids; link != NULL; link = link->next) {
		g_autofree char *id = g_strdup(link->data);
		if (!is_used(root, id))
			json_object_remove_member(keys, id);
	}
}

static gboolean
apply_change(JsonObject *root, const AshTufRootChange *change, GError **error)
{
	const char *name = ash_tuf_role_to_string(change->role);
	JsonObject *role = get_role(root, change->role);
	JsonArray *keyids = json_object_get_array_member(role, "keyids");
	guint index = 0;

	for (char **id = change->remove; id != NULL && *id != NULL; id++) {
		if (!find_id(keyids, *id, name, &index, error))
			return FALSE;
		json_array_remove_element(keyids, index);
	}
	for (guint i = 0; change->add != NULL && i < change->add->len; i++)
		add_key(root, keyids, g_ptr_array_index(change->add, i));
	if (change->threshold > 0)
		json_object_set_int_member(role, "threshold", (gint64) MIN(change->threshold, G_MAXINT32));
	drop_unused_keys(root);
	return check_thresholds(root, error);
}

/* The draft if it is the next version, else the root in force; *@ret_version is the draft's. */
static AshTufMetadata *
load_base(int dir_fd, gint64 *ret_version, GError **error)
{
	gint64 newest;

	if (!ash_tuf_signing_find_newest(dir_fd, "root", &newest, error))
		return NULL;
	*ret_version = newest + 1;
	if (ash_file_exists(dir_fd, ASH_TUF_DRAFT_NAME)) {
		g_autoptr(GBytes) raw = load_bytes(dir_fd, ASH_TUF_DRAFT_NAME, error);
		g_autoptr(AshTufMetadata) draft =
			raw != NULL ? ash_tuf_metadata_parse(raw, ASH_TUF_ROOT, ASH_TUF_DRAFT_NAME, error) : NULL;
		if (draft == NULL || draft->version == newest + 1)
			return g_steal_pointer(&draft);
	}
	if (newest == 0)
		return ash_throw_null(error, ASH_ERROR_USAGE, "there is no root metadata; \"ashlar key init\" makes it");
	return ash_tuf_root_load(dir_fd, newest, error);
}

gboolean
ash_tuf_root_draft_change(int dir_fd, const AshTufRootChange *change, guint days, gint64 now, GError **error)
{
	gint64 version;
	g_autoptr(AshTufMetadata) base = load_base(dir_fd, &version, error);

	if (base == NULL)
		return FALSE;
	JsonNode *before = json_object_get_member(json_node_get_object(base->document), "signed");
	g_autoptr(JsonNode) copy = ash_canonical_copy(before);
	JsonObject *root = json_node_get_object(copy);
	if (!apply_change(root, change, error))
		return FALSE;
	ash_tuf_signing_stamp(root, ASH_TUF_ROOT, version, now, days);
	g_autoptr(JsonNode) document = ash_tuf_signing_new(root);
	return save_document(dir_fd, ASH_TUF_DRAFT_NAME, document, error);
}

bool
ash_tuf_sign_status_is_complete(const AshTufSignStatus *status)
{
	return status->signed_new >= status->needed_new && status->signed_old >= status->needed_old;
}

/* What a file is signed by: itself and the root before it, or the root in force alone. */
typedef struct {
	AshTufMetadata *file;
	AshTufMetadata *root; /* NULL: the file is a root, and its own */
	AshTufMetadata *old;  /* may be NULL */
} Signed;

static void
signed_clear(Signed *file)
{
	ash_tuf_metadata_free(file->file);
	ash_tuf_metadata_free(file->root);
	ash_tuf_metadata_free(file->old);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Signed, signed_clear)

/* The role that the file says it is. */
static gboolean
find_role(GBytes *raw, const char *path, AshTufRole *ret_role, GError **error)
{
	g_autoptr(JsonNode) node = ash_strict_json_parse_object(g_bytes_get_data(raw, NULL), g_bytes_get_size(raw), NULL, path, error);
	JsonObject *object = node != NULL ? ash_strict_json_object(json_node_get_object(node), "signed", error) : NULL;
	const char *type = object != NULL ? ash_strict_json_string(object, "_type", error) : NULL;

	if (type == NULL)
		return ash_prefix(error, "\"%s\"", path);
	return ash_tuf_role_parse(type, ret_role) ||
	       ash_throw(error, ASH_ERROR_TRUST, "\"%s\": metadata of an unknown type \"%s\"", path, type);
}

static gboolean
load_roots(int dir_fd, Signed *file, GError **error)
{
	gint64 newest;

	if (file->file->role != ASH_TUF_ROOT) {
		if (!ash_tuf_signing_find_newest(dir_fd, "root", &newest, error))
			return FALSE;
		file->root = ash_tuf_root_load(dir_fd, newest, error);
		return file->root != NULL;
	}
	g_autofree char *before = g_strdup_printf("%" G_GINT64_FORMAT ".root.json", file->file->version - 1);
	if (ash_file_exists(dir_fd, before))
		file->old = ash_tuf_root_load(dir_fd, file->file->version - 1, error);
	return file->old != NULL || !ash_file_exists(dir_fd, before);
}

static gboolean
load_signed(int dir_fd, const char *path, Signed *file, GError **error)
{
	g_autoptr(GBytes) raw = load_bytes(dir_fd, path, error);
	AshTufRole role;

	if (raw == NULL || !find_role(raw, path, &role, error))
		return FALSE;
	file->file = ash_tuf_metadata_parse(raw, role, path, error);
	return file->file != NULL && load_roots(dir_fd, file, error);
}

static gboolean
sign_by_root(JsonNode *document, GPtrArray *key, const AshTufMetadata *root, AshTufRole role, guint *count, GError **error)
{
	guint signed_here = 0;

	if (root != NULL && !ash_tuf_signing_sign(document, key, root->keys, &root->signers[role], &signed_here, error))
		return FALSE;
	*count += signed_here;
	return TRUE;
}

/* Each key alone, so that one which has no say here is told of. */
static gboolean
sign_with(const Signed *file, JsonNode *document, AshKey *key, const char *path, GError **error)
{
	const AshTufMetadata *root = file->root != NULL ? file->root : file->file;
	g_autoptr(GPtrArray) alone = g_ptr_array_new();
	guint count = 0;

	g_ptr_array_add(alone, key);
	if (!sign_by_root(document, alone, root, file->file->role, &count, error) ||
	    !sign_by_root(document, alone, file->old, file->file->role, &count, error))
		return FALSE;
	g_autoptr(AshTufKey) named = ash_tuf_key_new(key);
	return count > 0 || ash_throw(error, ASH_ERROR_USAGE, "key %.16s may not sign \"%s\": it is no key of role \"%s\"%s", named->id,
				      path, ash_tuf_role_to_string(file->file->role), ash_key_is_private(key) ? "" : ", nor private");
}

static void
fill_status(const Signed *file, AshTufSignStatus *status)
{
	const AshTufMetadata *root = file->root != NULL ? file->root : file->file;
	AshTufRole role = file->file->role;

	*status = (AshTufSignStatus) {
		.role = role,
		.version = file->file->version,
		.signed_new = ash_tuf_metadata_count_signers(file->file, root->keys, &root->signers[role]),
		.needed_new = root->signers[role].threshold,
	};
	if (file->old == NULL)
		return;
	status->signed_old = ash_tuf_metadata_count_signers(file->file, file->old->keys, &file->old->signers[role]);
	status->needed_old = file->old->signers[role].threshold;
}

static gboolean
sign_and_save(int dir_fd, const char *path, const Signed *file, GPtrArray *keys, GError **error)
{
	g_autoptr(JsonNode) document = ash_canonical_copy(file->file->document);

	for (guint i = 0; i < keys->len; i++)
		if (!sign_with(file, document, g_ptr_array_index(keys, i), path, error))
			return FALSE;
	return save_document(dir_fd, path, document, error);
}

gboolean
ash_tuf_sign_file(int dir_fd, const char *path, GPtrArray *keys, AshTufSignStatus *ret_status, GError **error)
{
	g_auto(Signed) before = { 0 }, after = { 0 };

	if (!load_signed(dir_fd, path, &before, error))
		return FALSE;
	if (keys == NULL || keys->len == 0) {
		fill_status(&before, ret_status);
		return TRUE;
	}
	if (!sign_and_save(dir_fd, path, &before, keys, error) || !load_signed(dir_fd, path, &after, error))
		return FALSE;
	fill_status(&after, ret_status);
	return TRUE;
}
