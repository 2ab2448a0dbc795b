/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/metadata.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/strictjson.h"
#include "tuf/canonical.h"
#include "tuf/tuftime.h"

#include <string.h>

/* Each costs a verification. */
#define MAX_SIGNATURES 256
/* Of what a message quotes. */
#define MAX_MESSAGE_CHARACTERS 300

static const char *const role_names[ASH_TUF_N_ROLES] = {
	[ASH_TUF_ROOT] = "root",
	[ASH_TUF_TIMESTAMP] = "timestamp",
	[ASH_TUF_SNAPSHOT] = "snapshot",
	[ASH_TUF_TARGETS] = "targets",
};

const char *
ash_tuf_role_to_string(AshTufRole role)
{
	return role_names[role];
}

gboolean
ash_tuf_role_parse(const char *text, AshTufRole *ret_role)
{
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		if (strcmp(role_names[i], text) == 0) {
			*ret_role = (AshTufRole) i;
			return TRUE;
		}
	return FALSE;
}

static void
signature_free(AshTufSignature *signature)
{
	g_free(signature->keyid);
	g_bytes_unref(signature->bytes);
	g_free(signature);
}

static void
file_free(AshTufFile *file)
{
	ash_tuf_file_clear(file);
	g_free(file);
}

void
ash_tuf_metadata_free(AshTufMetadata *metadata)
{
	if (metadata == NULL)
		return;
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++)
		ash_tuf_signers_clear(&metadata->signers[i]);
	g_clear_pointer(&metadata->canonical, g_bytes_unref);
	g_clear_pointer(&metadata->signatures, g_ptr_array_unref);
	g_clear_pointer(&metadata->keys, g_hash_table_unref);
	g_clear_pointer(&metadata->meta, g_hash_table_unref);
	g_clear_pointer(&metadata->targets, g_hash_table_unref);
	g_clear_pointer(&metadata->delegations, g_ptr_array_unref);
	g_clear_pointer(&metadata->document, json_node_unref);
	g_free(metadata);
}

/* What is not hexadecimal verifies nothing, and is not worth refusing the others: an empty text is what somebody who has yet to sign left. */
static GBytes *
parse_signature_bytes(const char *hex)
{
	gsize length = strlen(hex) / 2;
	g_autofree guint8 *bytes = g_malloc(MAX(length, 1));

	return g_bytes_new(bytes, ash_hex_decode(hex, bytes, length) ? length : 0);
}

static gboolean
parse_signature(JsonNode *node, AshTufMetadata *metadata, GError **error)
{
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return ash_throw(error, ASH_ERROR_TRUST, "a signature is not an object");
	const char *keyid = ash_strict_json_string(json_node_get_object(node), "keyid", error);
	const char *hex = keyid != NULL ? ash_strict_json_string(json_node_get_object(node), "sig", error) : NULL;
	if (hex == NULL)
		return FALSE;
	for (guint i = 0; i < metadata->signatures->len; i++) {
		const AshTufSignature *other = g_ptr_array_index(metadata->signatures, i);
		if (strcmp(other->keyid, keyid) == 0)
			return ash_throw(error, ASH_ERROR_TRUST, "two signatures of the key \"%s\"", keyid);
	}
	AshTufSignature *signature = g_new0(AshTufSignature, 1);
	signature->keyid = g_strdup(keyid);
	signature->bytes = parse_signature_bytes(hex);
	g_ptr_array_add(metadata->signatures, signature);
	return TRUE;
}

static gboolean
parse_signatures(JsonObject *document, AshTufMetadata *metadata, GError **error)
{
	JsonArray *array = ash_strict_json_array(document, "signatures", error);

	metadata->signatures = g_ptr_array_new_with_free_func((GDestroyNotify) signature_free);
	if (array == NULL)
		return FALSE;
	if (json_array_get_length(array) > MAX_SIGNATURES)
		return ash_throw(error, ASH_ERROR_TRUST, "more than %d signatures", MAX_SIGNATURES);
	for (guint i = 0; i < json_array_get_length(array); i++)
		if (!parse_signature(json_array_get_element(array, i), metadata, error))
			return FALSE;
	return TRUE;
}

static gboolean
parse_time(JsonObject *object, const char *member, gint64 *ret_seconds, GError **error)
{
	const char *text = ash_strict_json_string(object, member, error);

	if (text == NULL)
		return FALSE;
	return ash_tuf_time_parse(text, ret_seconds) ||
	       ash_throw(error, ASH_ERROR_TRUST, "\"%s\": \"%s\" is not a time as \"2026-11-23T00:00:00Z\"", member, text);
}

/* Major version 1 is what we follow: minor ones only add. */
static gboolean
check_spec_version(JsonObject *object, GError **error)
{
	const char *text = ash_strict_json_string(object, "spec_version", error);

	if (text == NULL)
		return FALSE;
	return (text[0] == '1' && (text[1] == '.' || text[1] == '\0')) ||
	       ash_throw(error, ASH_ERROR_TRUST, "written for version \"%s\" of TUF; this program knows 1", text);
}

static gboolean
parse_common(AshTufMetadata *metadata, GError **error)
{
	JsonObject *object = metadata->signed_object;
	const char *type = ash_strict_json_string(object, "_type", error);

	if (type == NULL)
		return FALSE;
	if (strcmp(type, role_names[metadata->role]) != 0)
		return ash_throw(error, ASH_ERROR_TRUST, "metadata of type \"%s\", not \"%s\"", type, role_names[metadata->role]);
	if (!check_spec_version(object, error) ||
	    !ash_strict_json_int(object, "version", 1, G_MAXINT64, &metadata->version, error) ||
	    !parse_time(object, "expires", &metadata->expires, error))
		return FALSE;
	if (!json_object_has_member(object, ASH_TUF_ISSUED))
		return TRUE;
	if (!parse_time(object, ASH_TUF_ISSUED, &metadata->issued, error))
		return FALSE;
	return metadata->issued <= metadata->expires || ash_throw(error, ASH_ERROR_TRUST, "issued after it expires");
}

static gboolean
parse_root(AshTufMetadata *metadata, GError **error)
{
	JsonObject *object = metadata->signed_object;
	gboolean consistent = FALSE;

	metadata->keys = ash_tuf_keys_parse(object, error);
	JsonObject *roles = metadata->keys != NULL ? ash_strict_json_object(object, "roles", error) : NULL;
	if (roles == NULL)
		return FALSE;
	if (json_object_has_member(object, "consistent_snapshot") &&
	    !ash_strict_json_bool(object, "consistent_snapshot", &consistent, error))
		return FALSE;
	metadata->consistent = consistent;
	for (guint i = 0; i < ASH_TUF_N_ROLES; i++) {
		JsonObject *role = ash_strict_json_object(roles, role_names[i], error);
		if (role == NULL)
			return FALSE;
		if (!ash_tuf_signers_parse(role, &metadata->signers[i], error))
			return ash_prefix(error, "role \"%s\"", role_names[i]);
	}
	return TRUE;
}

static gboolean
parse_meta_file(AshTufMetadata *metadata, const char *name, JsonNode *node, GError **error)
{
	g_autofree AshTufFile *file = g_new0(AshTufFile, 1);

	if (!g_str_has_suffix(name, ".json") || !JSON_NODE_HOLDS_OBJECT(node))
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" in \"meta\" is not a metadata file", name);
	JsonObject *object = json_node_get_object(node);
	if (!ash_strict_json_int(object, "version", 1, G_MAXINT64, &file->version, error) ||
	    !ash_tuf_file_parse(object, false, file, error))
		return ash_prefix(error, "\"%s\" in \"meta\"", name);
	g_hash_table_insert(metadata->meta, g_strdup(name), g_steal_pointer(&file));
	return TRUE;
}

/* Of timestamp and snapshot metadata, which must tell of @needed. */
static gboolean
parse_meta(AshTufMetadata *metadata, const char *needed, GError **error)
{
	JsonObject *meta = ash_strict_json_object(metadata->signed_object, "meta", error);
	JsonObjectIter iter;
	const char *name;
	JsonNode *node;

	metadata->meta = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) file_free);
	if (meta == NULL)
		return FALSE;
	json_object_iter_init(&iter, meta);
	while (json_object_iter_next(&iter, &name, &node))
		if (!parse_meta_file(metadata, name, node, error))
			return FALSE;
	return g_hash_table_contains(metadata->meta, needed) ||
	       ash_throw(error, ASH_ERROR_TRUST, "\"meta\" does not tell of \"%s\"", needed);
}

static gboolean
parse_timestamp(AshTufMetadata *metadata, GError **error)
{
	return parse_meta(metadata, "snapshot.json", error);
}

static gboolean
parse_snapshot(AshTufMetadata *metadata, GError **error)
{
	return parse_meta(metadata, "targets.json", error);
}

static gboolean
parse_delegation(AshTufMetadata *metadata, JsonNode *node, GError **error)
{
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return ash_throw(error, ASH_ERROR_TRUST, "a delegation is not an object");
	g_autoptr(AshTufDelegation) delegation = ash_tuf_delegation_parse(json_node_get_object(node), error);
	if (delegation == NULL)
		return ash_prefix(error, "delegation");
	for (guint i = 0; i < metadata->delegations->len; i++) {
		const AshTufDelegation *other = g_ptr_array_index(metadata->delegations, i);
		if (strcmp(other->name, delegation->name) == 0)
			return ash_throw(error, ASH_ERROR_TRUST, "two delegations to \"%s\"", other->name);
	}
	g_ptr_array_add(metadata->delegations, g_steal_pointer(&delegation));
	return TRUE;
}

static gboolean
parse_delegations(AshTufMetadata *metadata, GError **error)
{
	JsonObject *object = ash_strict_json_object(metadata->signed_object, "delegations", error);

	if (object == NULL || (metadata->keys = ash_tuf_keys_parse(object, error)) == NULL)
		return FALSE;
	JsonArray *roles = ash_strict_json_array(object, "roles", error);
	if (roles == NULL)
		return FALSE;
	for (guint i = 0; i < json_array_get_length(roles); i++)
		if (!parse_delegation(metadata, json_array_get_element(roles, i), error))
			return FALSE;
	return TRUE;
}

static gboolean
parse_targets(AshTufMetadata *metadata, GError **error)
{
	JsonObject *targets = ash_strict_json_object(metadata->signed_object, "targets", error);
	JsonObjectIter iter;
	const char *path;
	JsonNode *node;

	metadata->targets = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) ash_tuf_target_free);
	metadata->delegations = g_ptr_array_new_with_free_func((GDestroyNotify) ash_tuf_delegation_free);
	if (targets == NULL)
		return FALSE;
	json_object_iter_init(&iter, targets);
	while (json_object_iter_next(&iter, &path, &node)) {
		if (!JSON_NODE_HOLDS_OBJECT(node))
			return ash_throw(error, ASH_ERROR_TRUST, "target \"%s\" is not an object", path);
		AshTufTarget *target = ash_tuf_target_parse(path, json_node_get_object(node), error);
		if (target == NULL)
			return FALSE;
		g_hash_table_insert(metadata->targets, target->path, target);
	}
	return !json_object_has_member(metadata->signed_object, "delegations") || parse_delegations(metadata, error);
}

typedef gboolean (*ParseFunc)(AshTufMetadata *metadata, GError **error);

static const ParseFunc parsers[ASH_TUF_N_ROLES] = {
	[ASH_TUF_ROOT] = parse_root,
	[ASH_TUF_TIMESTAMP] = parse_timestamp,
	[ASH_TUF_SNAPSHOT] = parse_snapshot,
	[ASH_TUF_TARGETS] = parse_targets,
};

static gboolean
parse_document(AshTufMetadata *metadata, GError **error)
{
	JsonObject *document = json_node_get_object(metadata->document);

	metadata->signed_object = ash_strict_json_object(document, "signed", error);
	if (metadata->signed_object == NULL || !parse_signatures(document, metadata, error))
		return FALSE;
	metadata->canonical = ash_canonical_encode(json_object_get_member(document, "signed"), error);
	return metadata->canonical != NULL && parse_common(metadata, error) && parsers[metadata->role](metadata, error);
}

/* What a message quotes is not signed by anybody yet: nothing of it may reach a terminal or a log as more than text. */
static void
clean_message(GError **error)
{
	if (error == NULL || *error == NULL)
		return;
	g_autofree char *cut = g_utf8_substring((*error)->message, 0, MIN(g_utf8_strlen((*error)->message, -1), MAX_MESSAGE_CHARACTERS));
	g_autoptr(GString) text = g_string_new(NULL);
	for (const char *c = cut; *c != '\0'; c = g_utf8_next_char(c)) {
		gunichar character = g_utf8_get_char(c);
		if (g_unichar_isprint(character))
			g_string_append_unichar(text, character);
		else
			g_string_append_printf(text, "\\u%04x", character);
	}
	g_free((*error)->message);
	(*error)->message = g_string_free(g_steal_pointer(&text), FALSE);
}

AshTufMetadata *
ash_tuf_metadata_parse(GBytes *data, AshTufRole role, const char *what, GError **error)
{
	g_autoptr(AshTufMetadata) metadata = g_new0(AshTufMetadata, 1);
	const AshJsonLimits limits = { .bytes = ASH_TUF_METADATA_BYTES };
	gsize length;
	const char *text = g_bytes_get_data(data, &length);

	metadata->role = role;
	metadata->document = ash_strict_json_parse_object(text != NULL ? text : "", length, &limits, what, error);
	if (metadata->document == NULL)
		return NULL;
	if (!parse_document(metadata, error)) {
		clean_message(error);
		return ash_prefix(error, "\"%s\"", what), NULL;
	}
	return g_steal_pointer(&metadata);
}

static const AshTufSignature *
find_signature(const AshTufMetadata *metadata, const char *keyid)
{
	for (guint i = 0; i < metadata->signatures->len; i++) {
		const AshTufSignature *signature = g_ptr_array_index(metadata->signatures, i);
		if (strcmp(signature->keyid, keyid) == 0)
			return signature;
	}
	return NULL;
}

static bool
has_key(GPtrArray *keys, const AshKey *key)
{
	for (guint i = 0; i < keys->len; i++)
		if (ash_key_is_equal(g_ptr_array_index(keys, i), key))
			return true;
	return false;
}

guint
ash_tuf_metadata_count_signers(const AshTufMetadata *metadata, GHashTable *keys, const AshTufSigners *signers)
{
	g_autoptr(GPtrArray) counted = g_ptr_array_new();
	gsize length, signature_length;
	const void *data = g_bytes_get_data(metadata->canonical, &length);

	for (char **id = signers->keyids; *id != NULL; id++) {
		const AshTufKey *key = g_hash_table_lookup(keys, *id);
		const AshTufSignature *signature = find_signature(metadata, *id);
		if (key == NULL || key->key == NULL || signature == NULL || has_key(counted, key->key))
			continue;
		const void *bytes = g_bytes_get_data(signature->bytes, &signature_length);
		if (ash_key_verify(key->key, bytes, signature_length, data, length))
			g_ptr_array_add(counted, key->key);
	}
	return counted->len;
}

gboolean
ash_tuf_metadata_verify(const AshTufMetadata *metadata, GHashTable *keys, const AshTufSigners *signers, const char *what,
			GError **error)
{
	guint count = ash_tuf_metadata_count_signers(metadata, keys, signers);

	return count >= signers->threshold ||
	       ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is signed by %u of the keys trusted for it; %" G_GINT64_FORMAT " must sign",
			 what, count, signers->threshold);
}

gboolean
ash_tuf_metadata_verify_by_root(const AshTufMetadata *metadata, const AshTufMetadata *root, const char *what, GError **error)
{
	return ash_tuf_metadata_verify(metadata, root->keys, &root->signers[metadata->role], what, error);
}
