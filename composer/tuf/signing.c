/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tuf/signing.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "tuf/canonical.h"
#include "tuf/tuftime.h"

#include <string.h>

#define SPEC_VERSION    "1.0.34"
#define SECONDS_PER_DAY ((gint64) 24 * 60 * 60)

static const guint default_days[ASH_TUF_N_ROLES] = {
	[ASH_TUF_ROOT] = 365,
	[ASH_TUF_TIMESTAMP] = 7,
	[ASH_TUF_SNAPSHOT] = 14,
	[ASH_TUF_TARGETS] = 90,
};

guint
ash_tuf_signing_days(AshTufRole role, guint days)
{
	return days > 0 ? days : default_days[role];
}

static void
set_time(JsonObject *object, const char *member, gint64 seconds)
{
	g_autofree char *text = ash_tuf_time_format(seconds);

	json_object_set_string_member(object, member, text);
}

void
ash_tuf_signing_stamp(JsonObject *object, AshTufRole role, gint64 version, gint64 now, guint days)
{
	json_object_set_string_member(object, "_type", ash_tuf_role_to_string(role));
	json_object_set_string_member(object, "spec_version", SPEC_VERSION);
	json_object_set_int_member(object, "version", version);
	set_time(object, "expires", now + ash_tuf_signing_days(role, days) * SECONDS_PER_DAY);
	set_time(object, ASH_TUF_ISSUED, now);
}

JsonNode *
ash_tuf_signing_new(JsonObject *object)
{
	g_autoptr(JsonObject) document = json_object_new();

	json_object_set_array_member(document, "signatures", json_array_new());
	json_object_set_object_member(document, "signed", json_object_ref(object));
	return json_node_init_object(json_node_alloc(), document);
}

static const char *
signature_keyid(JsonArray *signatures, guint index)
{
	return json_object_get_string_member(json_array_get_object_element(signatures, index), "keyid");
}

/* The signatures with one of @keyid put at its place. */
static void
put_signature(JsonObject *document, const char *keyid, const char *hex)
{
	JsonArray *before = json_object_get_array_member(document, "signatures"), *after = json_array_new();
	JsonObject *signature = json_object_new();
	guint count = json_array_get_length(before), i = 0;

	json_object_set_string_member(signature, "keyid", keyid);
	json_object_set_string_member(signature, "sig", hex);
	for (; i < count && strcmp(signature_keyid(before, i), keyid) < 0; i++)
		json_array_add_object_element(after, json_object_ref(json_array_get_object_element(before, i)));
	json_array_add_object_element(after, signature);
	for (; i < count; i++)
		if (strcmp(signature_keyid(before, i), keyid) != 0)
			json_array_add_object_element(after, json_object_ref(json_array_get_object_element(before, i)));
	json_object_set_array_member(document, "signatures", after);
}

static gboolean
sign_as(JsonNode *document, const AshKey *key, const char *keyid, GBytes *canonical, GError **error)
{
	gsize length;
	const void *data = g_bytes_get_data(canonical, &length);
	g_autoptr(GBytes) signature = ash_key_sign(key, data, length, error);

	if (signature == NULL)
		return FALSE;
	g_autofree char *hex = ash_hex_encode(g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
	put_signature(json_node_get_object(document), keyid, hex);
	return TRUE;
}

static const AshKey *
find_private(GPtrArray *keys, const AshKey *public)
{
	for (guint i = 0; i < keys->len; i++) {
		const AshKey *key = g_ptr_array_index(keys, i);
		if (ash_key_is_private(key) && ash_key_is_equal(key, public))
			return key;
	}
	return NULL;
}

gboolean
ash_tuf_signing_sign(JsonNode *document, GPtrArray *keys, GHashTable *known, const AshTufSigners *signers, guint *ret_count,
		     GError **error)
{
	JsonNode *object = json_object_get_member(json_node_get_object(document), "signed");
	g_autoptr(GBytes) canonical = ash_canonical_encode(object, error);
	guint count = 0;

	if (canonical == NULL)
		return FALSE;
	for (char **id = signers->keyids; *id != NULL; id++) {
		const AshTufKey *public = g_hash_table_lookup(known, *id);
		const AshKey *key = public != NULL && public->key != NULL ? find_private(keys, public->key) : NULL;
		if (key == NULL)
			continue;
		if (!sign_as(document, key, *id, canonical, error))
			return FALSE;
		count++;
	}
	if (ret_count != NULL)
		*ret_count = count;
	return TRUE;
}

GBytes *
ash_tuf_signing_format(JsonNode *document)
{
	char *text = ash_canonical_format(document);

	return g_bytes_new_take(text, strlen(text));
}

/* N of "N.ROLE.json"; 0 if it is something else. */
static gint64
parse_version(const char *name, const char *suffix)
{
	g_autofree char *digits = g_str_has_suffix(name, suffix) ? g_strndup(name, strlen(name) - strlen(suffix)) : NULL;
	gint64 version = 0;

	if (digits == NULL || digits[0] == '0' || strspn(digits, "0123456789") != strlen(digits) ||
	    !g_ascii_string_to_signed(digits, 10, 1, G_MAXINT64, &version, NULL))
		return 0;
	return version;
}

gboolean
ash_tuf_signing_find_newest(int dir_fd, const char *role, gint64 *ret_version, GError **error)
{
	g_autofree char *suffix = g_strdup_printf(".%s.json", role);
	g_autoptr(DIR) stream = ash_fd_open_stream(dir_fd, ".", error);
	struct dirent *entry;

	if (stream == NULL)
		return FALSE;
	*ret_version = 0;
	while ((entry = ash_fd_next_entry(stream)) != NULL)
		*ret_version = MAX(*ret_version, parse_version(entry->d_name, suffix));
	return TRUE;
}
