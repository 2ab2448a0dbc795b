/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tuf/canonical.h"
#include "tuf/tuftime.h"

#include "tuf-fixture.h"

#include <fcntl.h>
#include <string.h>

static AshKey *
make_key(void)
{
	g_autoptr(GError) error = NULL;
	AshKey *key = ash_key_generate(ASH_KEY_ED25519, &error);

	g_assert_no_error(error);
	return key;
}

static gboolean
fetch(gpointer data, AshTufPlace place, const char *path, guint64 max, GBytes **ret_bytes, GError **error)
{
	TufFixture *fixture = data;
	g_autofree char *full = g_strconcat(place == ASH_TUF_AT_METADATA ? "metadata/" : "targets/", path, NULL);
	GBytes *bytes = g_hash_table_lookup(fixture->files, full);

	g_ptr_array_add(fixture->requests, g_strdup(path));
	if (fixture->failing != NULL && strcmp(fixture->failing, full) == 0)
		return ash_throw(error, ASH_ERROR_FETCH, "no network");
	*ret_bytes = bytes != NULL ? g_bytes_ref(bytes) : NULL;
	return TRUE;
}

void
tuf_set_keys(int list[TUF_ROLE_KEYS + 1], ...)
{
	va_list args;
	int i = 0;

	va_start(args, list);
	while ((list[i] = va_arg(args, int)) >= 0)
		i++;
	va_end(args);
}

void
tuf_fixture_set_up(TufFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	fixture->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
	fixture->targets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	fixture->requests = g_ptr_array_new_with_free_func(g_free);
	for (int i = 0; i < TUF_KEYS; i++)
		fixture->keys[i] = make_key();
	for (int i = 0; i < ASH_TUF_N_ROLES; i++) {
		fixture->version[i] = 1;
		fixture->threshold[i] = 1;
		fixture->expires[i] = TUF_NOW + 30 * TUF_DAY;
		tuf_set_keys(fixture->named[i], i, -1);
		tuf_set_keys(fixture->signers[i], i, -1);
	}
	fixture->consistent = fixture->with_hashes = true;
	fixture->state = g_dir_make_tmp("test-tuf-XXXXXX", NULL);
	fixture->state_fd = ash_file_open_dir(AT_FDCWD, fixture->state, false, &error);
	fixture->fetcher = (AshTufFetcher) { fetch, fixture };
	fixture->now = TUF_NOW;
	tuf_publish_role(fixture, ASH_TUF_ROOT);
	tuf_publish(fixture);
}

void
tuf_fixture_tear_down(TufFixture *fixture, gconstpointer data)
{
	g_hash_table_unref(fixture->files);
	g_hash_table_unref(fixture->targets);
	g_ptr_array_unref(fixture->requests);
	for (int i = 0; i < TUF_KEYS; i++)
		ash_key_unref(fixture->keys[i]);
	ash_fd_clear(&fixture->state_fd);
	ash_file_remove_tree(AT_FDCWD, fixture->state, NULL);
	g_free(fixture->state);
}

static JsonObject *
new_signed(const char *type, gint64 version, gint64 expires, gint64 issued)
{
	JsonObject *object = json_object_new();
	g_autofree char *expiry = ash_tuf_time_format(expires), *time = ash_tuf_time_format(issued);

	json_object_set_string_member(object, "_type", type);
	json_object_set_string_member(object, "spec_version", "1.0.34");
	json_object_set_int_member(object, "version", version);
	json_object_set_string_member(object, "expires", expiry);
	if (issued > 0)
		json_object_set_string_member(object, ASH_TUF_ISSUED, time);
	return object;
}

static void
add_signature(JsonArray *signatures, AshKey *key, GBytes *canonical)
{
	g_autoptr(AshTufKey) named = ash_tuf_key_new(key);
	gsize length;
	const void *data = g_bytes_get_data(canonical, &length);
	g_autoptr(GBytes) signature = ash_key_sign(key, data, length, NULL);
	g_autofree char *hex = ash_hex_encode(g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "keyid", named->id);
	json_object_set_string_member(object, "sig", hex);
	json_array_add_object_element(signatures, object);
}

/* Takes @object. */
static GBytes *
sign(TufFixture *fixture, JsonObject *object, const int *signers)
{
	g_autoptr(JsonObject) document = json_object_new();
	JsonArray *signatures = json_array_new();

	json_object_set_object_member(document, "signed", object);
	json_object_set_array_member(document, "signatures", signatures);
	g_autoptr(GBytes) canonical = ash_canonical_encode(json_object_get_member(document, "signed"), NULL);
	for (; *signers >= 0; signers++)
		add_signature(signatures, fixture->keys[*signers], canonical);
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), document);
	char *text = ash_canonical_format(node);
	return g_bytes_new_take(text, strlen(text));
}

static void
name_keys(TufFixture *fixture, JsonObject *keys, JsonObject *role, const int *named, int threshold)
{
	JsonArray *keyids = json_array_new();

	for (; *named >= 0; named++) {
		g_autoptr(AshTufKey) key = ash_tuf_key_new(fixture->keys[*named]);
		json_object_set_member(keys, key->id, json_node_copy(key->object));
		json_array_add_string_element(keyids, key->id);
	}
	json_object_set_array_member(role, "keyids", keyids);
	json_object_set_int_member(role, "threshold", threshold);
}

static void
fill_root(TufFixture *fixture, JsonObject *object)
{
	JsonObject *keys = json_object_new(), *roles = json_object_new();

	for (int i = 0; i < ASH_TUF_N_ROLES; i++) {
		JsonObject *role = json_object_new();
		name_keys(fixture, keys, role, fixture->named[i], fixture->threshold[i]);
		json_object_set_object_member(roles, ash_tuf_role_to_string((AshTufRole) i), role);
	}
	json_object_set_boolean_member(object, "consistent_snapshot", fixture->consistent);
	json_object_set_object_member(object, "keys", keys);
	json_object_set_object_member(object, "roles", roles);
}

static void
add_target(JsonObject *targets, const char *path, const char *content)
{
	JsonObject *target = json_object_new(), *hashes = json_object_new();
	g_autofree char *digest = ash_sha256_hex(content, -1);

	json_object_set_string_member(hashes, "sha256", digest);
	json_object_set_object_member(target, "hashes", hashes);
	json_object_set_int_member(target, "length", (gint64) strlen(content));
	json_object_set_object_member(targets, path, target);
}

static void
store_target(TufFixture *fixture, const char *path, const char *content)
{
	g_autofree char *digest = ash_sha256_hex(content, -1), *dir = g_path_get_dirname(path), *base = g_path_get_basename(path);
	char *name = fixture->consistent ? g_strdup_printf("targets/%s%s%s.%s", strchr(path, '/') != NULL ? dir : "",
							   strchr(path, '/') != NULL ? "/" : "", digest, base)
					 : g_strconcat("targets/", path, NULL);

	g_hash_table_insert(fixture->files, name, g_bytes_new(content, strlen(content)));
}

/* "delegations" of the role @from, if it has any. */
static void
add_delegations(TufFixture *fixture, JsonObject *object, const char *from)
{
	JsonObject *delegations = json_object_new(), *keys = json_object_new();
	JsonArray *roles = json_array_new();

	for (const TufDelegation *d = fixture->delegations; d != NULL && d->name != NULL; d++) {
		const int named[] = { d->key, -1 };
		if (strcmp(d->from, from) != 0)
			continue;
		JsonObject *role = json_object_new();
		JsonArray *paths = json_array_new();
		g_auto(GStrv) patterns = g_strsplit(d->paths, ",", -1);
		for (char **pattern = patterns; *pattern != NULL; pattern++)
			json_array_add_string_element(paths, *pattern);
		name_keys(fixture, keys, role, named, 1);
		json_object_set_string_member(role, "name", d->name);
		json_object_set_boolean_member(role, "terminating", d->terminating);
		json_object_set_array_member(role, "paths", paths);
		json_array_add_object_element(roles, role);
	}
	json_object_set_object_member(delegations, "keys", keys);
	json_object_set_array_member(delegations, "roles", roles);
	json_object_set_object_member(object, "delegations", delegations);
}

static void
publish_delegated(TufFixture *fixture, const TufDelegation *d)
{
	const int signers[] = { d->signer, -1 };
	JsonObject *object = new_signed("targets", 1, d->expires != 0 ? d->expires : TUF_NOW + 30 * TUF_DAY, 0);
	JsonObject *targets = json_object_new();
	g_autofree char *escaped = g_uri_escape_string(d->name, NULL, FALSE);

	if (d->target != NULL) {
		add_target(targets, d->target, d->target);
		store_target(fixture, d->target, d->target);
	}
	json_object_set_object_member(object, "targets", targets);
	add_delegations(fixture, object, d->name);
	g_hash_table_insert(fixture->files, g_strdup_printf("metadata/1.%s.json", escaped), sign(fixture, object, signers));
}

static void
fill_targets(TufFixture *fixture, JsonObject *object)
{
	JsonObject *targets = json_object_new();
	GHashTableIter iter;
	gpointer path, content;

	g_hash_table_iter_init(&iter, fixture->targets);
	while (g_hash_table_iter_next(&iter, &path, &content)) {
		add_target(targets, path, content);
		store_target(fixture, path, content);
	}
	json_object_set_object_member(object, "targets", targets);
	if (fixture->delegations == NULL)
		return;
	add_delegations(fixture, object, "targets");
	for (const TufDelegation *d = fixture->delegations; d->name != NULL; d++)
		publish_delegated(fixture, d);
}

static char *
file_name(TufFixture *fixture, AshTufRole role)
{
	const char *name = ash_tuf_role_to_string(role);

	if (role == ASH_TUF_ROOT || (role != ASH_TUF_TIMESTAMP && fixture->consistent))
		return g_strdup_printf("metadata/%" G_GINT64_FORMAT ".%s.json", fixture->version[role], name);
	return g_strdup_printf("metadata/%s.json", name);
}

static void
fill_meta(TufFixture *fixture, JsonObject *object, AshTufRole below)
{
	JsonObject *meta = json_object_new(), *file = json_object_new();
	g_autofree char *stored = file_name(fixture, below);
	g_autofree char *name = g_strconcat(ash_tuf_role_to_string(below), ".json", NULL);
	GBytes *bytes = g_hash_table_lookup(fixture->files, stored);

	json_object_set_int_member(file, "version", fixture->told[below] != 0 ? fixture->told[below] : fixture->version[below]);
	if (fixture->with_hashes && bytes != NULL) {
		JsonObject *hashes = json_object_new();
		g_autofree char *digest = ash_sha256_hex(g_bytes_get_data(bytes, NULL), (gssize) g_bytes_get_size(bytes));
		digest[0] = fixture->wrong_hash ? (digest[0] == '0' ? '1' : '0') : digest[0];
		json_object_set_string_member(hashes, "sha256", digest);
		json_object_set_object_member(file, "hashes", hashes);
		json_object_set_int_member(file, "length", (gint64) g_bytes_get_size(bytes));
	}
	json_object_set_object_member(meta, name, file);
	json_object_set_object_member(object, "meta", meta);
	for (const TufDelegation *d = below == ASH_TUF_TARGETS ? fixture->delegations : NULL; d != NULL && d->name != NULL; d++) {
		g_autofree char *role = g_strconcat(d->name, ".json", NULL);
		JsonObject *told = json_object_new();
		json_object_set_int_member(told, "version", 1);
		if (d->unlisted)
			json_object_unref(told);
		else
			json_object_set_object_member(meta, role, told);
	}
}

void
tuf_publish_role(TufFixture *fixture, AshTufRole role)
{
	const char *type = fixture->type[role] != NULL ? fixture->type[role] : ash_tuf_role_to_string(role);
	JsonObject *object = new_signed(type, fixture->version[role], fixture->expires[role], fixture->issued[role]);

	if (role == ASH_TUF_ROOT)
		fill_root(fixture, object);
	else if (role == ASH_TUF_TARGETS)
		fill_targets(fixture, object);
	else
		fill_meta(fixture, object, role == ASH_TUF_TIMESTAMP ? ASH_TUF_SNAPSHOT : ASH_TUF_TARGETS);
	g_hash_table_insert(fixture->files, file_name(fixture, role), sign(fixture, object, fixture->signers[role]));
}

void
tuf_publish(TufFixture *fixture)
{
	tuf_publish_role(fixture, ASH_TUF_TARGETS);
	tuf_publish_role(fixture, ASH_TUF_SNAPSHOT);
	tuf_publish_role(fixture, ASH_TUF_TIMESTAMP);
}

void
tuf_publish_next(TufFixture *fixture)
{
	fixture->version[ASH_TUF_TARGETS]++;
	fixture->version[ASH_TUF_SNAPSHOT]++;
	fixture->version[ASH_TUF_TIMESTAMP]++;
	tuf_publish(fixture);
}

void
tuf_publish_next_root(TufFixture *fixture)
{
	fixture->version[ASH_TUF_ROOT]++;
	tuf_publish_role(fixture, ASH_TUF_ROOT);
}

AshTufClient *
tuf_client(TufFixture *fixture)
{
	g_autoptr(GError) error = NULL;
	AshTufClient *client = ash_tuf_client_new(fixture->state_fd, &fixture->fetcher, fixture->now, fixture->floor, &fixture->limits,
						  &error);

	g_assert_no_error(error);
	return client;
}

void
tuf_bootstrap(TufFixture *fixture)
{
	g_autoptr(AshTufClient) client = tuf_client(fixture);
	g_autoptr(GError) error = NULL;

	gboolean ok = ash_tuf_client_bootstrap(client, g_hash_table_lookup(fixture->files, "metadata/1.root.json"), &error);
	g_assert_no_error(error);
	g_assert_true(ok);
}

void
tuf_refresh(TufFixture *fixture)
{
	g_autoptr(AshTufClient) client = tuf_client(fixture);
	g_autoptr(GError) error = NULL;

	gboolean ok = ash_tuf_client_refresh(client, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
}

void
tuf_refresh_fails(TufFixture *fixture, AshErrorCode code)
{
	g_autoptr(AshTufClient) client = tuf_client(fixture);
	g_autoptr(GError) error = NULL;

	gboolean ok = ash_tuf_client_refresh(client, NULL, &error);
	g_assert_error(error, ASH_ERROR, (int) code);
	g_assert_false(ok);
}

gint64
tuf_state_version(TufFixture *fixture, const char *name)
{
	g_autofree char *text = NULL;

	g_assert_true(ash_file_load_optional(fixture->state_fd, name, &text, NULL, NULL));
	if (text == NULL)
		return 0;
	g_autoptr(JsonNode) node = json_from_string(text, NULL);
	return json_object_get_int_member(json_object_get_object_member(json_node_get_object(node), "signed"), "version");
}

char *
tuf_take_requests(TufFixture *fixture)
{
	g_ptr_array_add(fixture->requests, NULL);
	char *text = g_strjoinv(" ", (char **) fixture->requests->pdata);
	g_ptr_array_set_size(fixture->requests, 0);
	return text;
}

void
tuf_edit(TufFixture *fixture, const char *path, const char *from, const char *to)
{
	GBytes *bytes = g_hash_table_lookup(fixture->files, path);

	g_assert_nonnull(bytes);
	g_autofree char *text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
	g_assert_nonnull(strstr(text, from));
	g_auto(GStrv) parts = g_strsplit(text, from, 2);
	char *edited = g_strconcat(parts[0], to, parts[1], NULL);
	g_hash_table_insert(fixture->files, g_strdup(path), g_bytes_new_take(edited, strlen(edited)));
}
