/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/tufkey.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/strictjson.h"
#include "tuf/canonical.h"

#include <string.h>

typedef struct {
	const char *keytype, *scheme;
	AshKeyKind kind;
} KeyType;

/* The first of a kind is how we write it; the last is what older repositories called it. */
static const KeyType key_types[] = {
	{ "ed25519", "ed25519", ASH_KEY_ED25519 },
	{ "ecdsa", "ecdsa-sha2-nistp256", ASH_KEY_ECDSA_P256 },
	{ "rsa", "rsassa-pss-sha256", ASH_KEY_RSA },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", ASH_KEY_ECDSA_P256 },
};

static const KeyType *
find_by_name(const char *keytype, const char *scheme)
{
	for (gsize i = 0; i < G_N_ELEMENTS(key_types); i++)
		if (strcmp(key_types[i].keytype, keytype) == 0 && strcmp(key_types[i].scheme, scheme) == 0)
			return &key_types[i];
	return NULL;
}

static const KeyType *
find_by_kind(AshKeyKind kind)
{
	for (gsize i = 0; i < G_N_ELEMENTS(key_types); i++)
		if (key_types[i].kind == kind)
			return &key_types[i];
	return NULL;
}

static char *
compute_id(JsonNode *object, GError **error)
{
	g_autoptr(GBytes) canonical = ash_canonical_encode(object, error);

	if (canonical == NULL)
		return NULL;
	return ash_sha256_hex(g_bytes_get_data(canonical, NULL), (gssize) g_bytes_get_size(canonical));
}

static JsonNode *
make_object(const KeyType *type, const AshKey *key)
{
	g_autoptr(JsonObject) object = json_object_new(), keyval = json_object_new();
	g_autofree char *public = type->kind == ASH_KEY_ED25519 ? ash_key_dup_ed25519_hex(key) : ash_key_dup_public_pem(key);

	json_object_set_string_member(keyval, "public", public);
	json_object_set_string_member(object, "keytype", type->keytype);
	json_object_set_object_member(object, "keyval", g_steal_pointer(&keyval));
	json_object_set_string_member(object, "scheme", type->scheme);
	return json_node_init_object(json_node_alloc(), object);
}

AshTufKey *
ash_tuf_key_new(const AshKey *key)
{
	AshTufKey *made = g_new0(AshTufKey, 1);

	made->object = make_object(find_by_kind(ash_key_get_kind(key)), key);
	made->key = ash_key_ref((AshKey *) key);
	made->id = compute_id(made->object, NULL);
	return made;
}

static AshKey *
parse_public(const KeyType *type, const char *public, GError **error)
{
	guint8 bytes[ASH_ED25519_PUBLIC_BYTES];

	if (type->kind != ASH_KEY_ED25519) {
		g_autoptr(AshKey) key = ash_key_new_from_public_pem(public, error);
		if (key != NULL && ash_key_get_kind(key) != type->kind)
			return ash_throw_null(error, ASH_ERROR_TRUST, "not a key of type \"%s\"", type->keytype);
		return g_steal_pointer(&key);
	}
	if (!ash_hex_decode(public, bytes, sizeof(bytes)))
		return ash_throw_null(error, ASH_ERROR_TRUST, "an Ed25519 key is 64 hexadecimal digits");
	return ash_key_new_ed25519(bytes, error);
}

AshTufKey *
ash_tuf_key_parse(JsonNode *node, GError **error)
{
	g_autoptr(AshTufKey) key = g_new0(AshTufKey, 1);

	if (!JSON_NODE_HOLDS_OBJECT(node))
		return ash_throw_null(error, ASH_ERROR_TRUST, "a key is not an object");
	JsonObject *object = json_node_get_object(node);
	const char *keytype = ash_strict_json_string(object, "keytype", error);
	const char *scheme = keytype != NULL ? ash_strict_json_string(object, "scheme", error) : NULL;
	JsonObject *keyval = scheme != NULL ? ash_strict_json_object(object, "keyval", error) : NULL;
	if (keyval == NULL)
		return NULL;
	key->object = json_node_ref(node);
	key->id = compute_id(node, error);
	if (key->id == NULL)
		return NULL;
	const KeyType *type = find_by_name(keytype, scheme);
	if (type == NULL)
		return g_steal_pointer(&key);
	const char *public = ash_strict_json_string(keyval, "public", error);
	key->key = public != NULL ? parse_public(type, public, error) : NULL;
	return key->key != NULL ? g_steal_pointer(&key) : NULL;
}

void
ash_tuf_key_free(AshTufKey *key)
{
	if (key == NULL)
		return;
	g_free(key->id);
	ash_key_unref(key->key);
	g_clear_pointer(&key->object, json_node_unref);
	g_free(key);
}

GHashTable *
ash_tuf_keys_parse(JsonObject *object, GError **error)
{
	g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) ash_tuf_key_free);
	JsonObject *members = ash_strict_json_object(object, "keys", error);
	JsonObjectIter iter;
	const char *id;
	JsonNode *node;

	if (members == NULL)
		return NULL;
	json_object_iter_init(&iter, members);
	while (json_object_iter_next(&iter, &id, &node)) {
		AshTufKey *key = ash_tuf_key_parse(node, error);
		if (key == NULL)
			return ash_prefix(error, "key \"%s\"", id), NULL;
		g_hash_table_insert(keys, key->id, key);
		if (strcmp(key->id, id) != 0)
			return ash_throw_null(error, ASH_ERROR_TRUST, "key \"%s\" has the id %s", id, key->id);
	}
	return g_steal_pointer(&keys);
}

static gboolean
check_distinct(char **ids, GError **error)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

	for (char **id = ids; *id != NULL; id++)
		if (!g_hash_table_add(seen, *id))
			return ash_throw(error, ASH_ERROR_TRUST, "key id \"%s\" is listed twice", *id);
	return TRUE;
}

gboolean
ash_tuf_signers_parse(JsonObject *object, AshTufSigners *ret_signers, GError **error)
{
	g_auto(GStrv) ids = ash_strict_json_strv(object, "keyids", error);
	gint64 threshold;

	if (ids == NULL || !check_distinct(ids, error) ||
	    !ash_strict_json_int(object, "threshold", 1, G_MAXINT32, &threshold, error))
		return FALSE;
	ret_signers->keyids = g_steal_pointer(&ids);
	ret_signers->threshold = threshold;
	return TRUE;
}

void
ash_tuf_signers_clear(AshTufSigners *signers)
{
	g_clear_pointer(&signers->keyids, g_strfreev);
}
