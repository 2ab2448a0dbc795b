/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "tuf/canonical.h"
#include "tuf/metadata.h"
#include "tuf/tuftime.h"

#include "golden.h"

/* "NAME.ROLE.json" */
static char *
format_error(const char *name)
{
	g_auto(GStrv) parts = g_strsplit(name, ".", -1);
	g_autoptr(GError) error = NULL;
	AshTufRole role;
	char *text;
	gsize length;

	g_assert_true(ash_tuf_role_parse(parts[1], &role));
	g_assert_true(g_file_get_contents(name, &text, &length, NULL));
	g_autoptr(GBytes) bytes = g_bytes_new_take(text, length);
	g_assert_null(ash_tuf_metadata_parse(bytes, role, name, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	return g_strconcat(error->message, "\n", NULL);
}

static AshTufMetadata *
load_corpus(const char *role_name)
{
	const char *top = g_getenv("top_srcdir") != NULL ? g_getenv("top_srcdir") : ".";
	g_autofree char *path = g_build_filename(top, "tests/fuzz/corpus/tuf", role_name, NULL);
	g_autoptr(GError) error = NULL;
	AshTufRole role;
	char *text;
	gsize length;

	g_assert_true(ash_tuf_role_parse(role_name, &role));
	g_assert_true(g_file_get_contents(path, &text, &length, NULL));
	g_autoptr(GBytes) bytes = g_bytes_new_take(text, length);
	AshTufMetadata *metadata = ash_tuf_metadata_parse(bytes, role, role_name, &error);
	g_assert_no_error(error);
	return metadata;
}

/* What the must-fail files were made of is fine. */
static void
test_parse(void)
{
	g_autoptr(AshTufMetadata) root = load_corpus("root"), timestamp = load_corpus("timestamp");
	g_autoptr(AshTufMetadata) snapshot = load_corpus("snapshot"), targets = load_corpus("targets");

	g_assert_true(root->consistent);
	g_assert_cmpuint(g_hash_table_size(root->keys), ==, 2);
	g_assert_cmpint(root->expires, ==, 1893456000);
	const AshTufFile *file = g_hash_table_lookup(timestamp->meta, "snapshot.json");
	g_assert_cmpint(file->length, ==, 100);
	g_assert_cmpuint(g_hash_table_size(snapshot->meta), ==, 1);
	const AshTufTarget *target = g_hash_table_lookup(targets->targets, "dir/file");
	g_assert_cmpint(json_object_get_int_member(target->custom, "x"), ==, 1);
	g_assert_cmpuint(targets->delegations->len, ==, 1);
	g_autofree char *location = ash_tuf_target_dup_location(target, true);
	g_assert_true(g_str_has_prefix(location, "dir/aaaa"));
	g_assert_true(g_str_has_suffix(location, "aaaa.file"));
}

static char *
canonical(const char *text)
{
	g_autoptr(JsonNode) node = json_from_string(text, NULL);
	g_autoptr(GBytes) bytes = ash_canonical_encode(node, NULL);

	return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static void
test_canonical(void)
{
	static const char *const cases[][2] = {
		{ "{}", "{}" },
		{ "{ \"b\": [1, -2, true, false, null, \"x\"], \"a\": {} }", "{\"a\":{},\"b\":[1,-2,true,false,null,\"x\"]}" },
		/* Only two characters are escaped; a line feed is itself. */
		{ "\"\\\" \\\\ \\/ \\n \\u00e9 \\u0001\"", "\"\\\" \\\\ / \n \xc3\xa9 \x01\"" },
		/* By code point, not by UTF-16 unit. */
		{ "{\"\\ud83d\\ude00\": 1, \"\\uff5e\": 2, \"Z\": 3, \"a\": 4, \"\": 5, \"aa\": 6}",
		  "{\"\":5,\"Z\":3,\"a\":4,\"aa\":6,\"\xef\xbd\x9e\":2,\"\xf0\x9f\x98\x80\":1}" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = canonical(cases[i][0]);
		g_assert_cmpstr(text, ==, cases[i][1]);
	}
	g_autoptr(JsonNode) fraction = json_from_string("[1.5]", NULL);
	g_autoptr(GError) error = NULL;
	g_assert_null(ash_canonical_encode(fraction, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

static void
test_format(void)
{
	g_autoptr(JsonNode) node = json_from_string("{\"b\":{\"d\":1,\"c\":[{\"z\":1,\"y\":2}]},\"a\":\"x\"}", NULL);
	g_autoptr(JsonNode) other = json_from_string("{\"a\":\"x\",\"b\":{\"c\":[{\"y\":2,\"z\":1}],\"d\":1}}", NULL);
	g_autofree char *one = ash_canonical_format(node), *two = ash_canonical_format(other);

	g_assert_cmpstr(one, ==, two);
	/* A copy of its own, down to the last object. */
	g_autoptr(JsonNode) copy = ash_canonical_copy(node);
	json_object_set_int_member(json_object_get_object_member(json_node_get_object(copy), "b"), "d", 7);
	g_autofree char *three = ash_canonical_format(node);
	g_assert_cmpstr(one, ==, three);
}

/* The example of the specification: its key ids are those of its keys. */
static void
test_key_id(void)
{
	static const char *const keys[][2] = {
		{ "72378e5bc588793e58f81c8533da64a2e8f1565c1fcc7f253496394ffc52542c",
		  "1bf1c6e3cdd3d3a8420b19199e27511999850f4b376c4547b2f32fba7e80fca3" },
		{ "68ead6e54a43f8f36f9717b10669d1ef0ebb38cee6b05317669341309f1069cb",
		  "135c2f50e57ff11e744d234a62cebad8c38daf399604a7655661cc9199c69164" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
		guint8 bytes[ASH_ED25519_PUBLIC_BYTES];
		g_assert_true(ash_hex_decode(keys[i][0], bytes, sizeof(bytes)));
		g_autoptr(AshKey) key = ash_key_new_ed25519(bytes, NULL);
		g_autoptr(AshTufKey) named = ash_tuf_key_new(key);
		g_assert_cmpstr(named->id, ==, keys[i][1]);
	}
}

/* Each kind to its object and back; unknown ones are kept, and verify nothing. */
static void
test_key_objects(void)
{
	for (int kind = ASH_KEY_ED25519; kind <= ASH_KEY_RSA; kind++) {
		g_autoptr(AshKey) key = ash_key_generate((AshKeyKind) kind, NULL);
		g_autoptr(AshTufKey) made = ash_tuf_key_new(key);
		g_autoptr(GError) error = NULL;
		g_autoptr(AshTufKey) parsed = ash_tuf_key_parse(made->object, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(parsed->id, ==, made->id);
		g_assert_true(ash_key_is_equal(parsed->key, key));
		g_assert_false(ash_key_is_private(parsed->key));
	}
	g_autoptr(JsonNode) node = json_from_string("{\"keytype\":\"x\",\"scheme\":\"y\",\"keyval\":{\"z\":\"\"}}", NULL);
	g_autoptr(AshTufKey) unknown = ash_tuf_key_parse(node, NULL);
	g_assert_null(unknown->key);
}

/* A signature of @key under another id, with the text of the key object changed: still one key. */
static void
test_one_key_two_ids(void)
{
	g_autoptr(AshKey) key = ash_key_generate(ASH_KEY_ED25519, NULL);
	g_autoptr(AshTufKey) first = ash_tuf_key_new(key);
	g_autoptr(JsonNode) changed = ash_canonical_copy(first->object);
	json_object_set_string_member(json_node_get_object(changed), "x", "y");
	g_autoptr(AshTufKey) second = ash_tuf_key_parse(changed, NULL);
	g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
	char *ids[] = { first->id, second->id, NULL };
	const AshTufSigners signers = { ids, 2 };
	g_autoptr(GError) error = NULL;

	g_assert_cmpstr(first->id, !=, second->id);
	g_hash_table_insert(keys, first->id, first);
	g_hash_table_insert(keys, second->id, second);
	g_autofree char *object = canonical("{\"_type\":\"timestamp\",\"spec_version\":\"1.0\",\"version\":1,"
					    "\"expires\":\"2030-01-01T00:00:00Z\",\"meta\":{\"snapshot.json\":{\"version\":1}}}");
	g_autoptr(GBytes) signature = ash_key_sign(key, object, strlen(object), NULL);
	g_autofree char *hex = ash_hex_encode(g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
	char *text = g_strdup_printf("{\"signed\":%s,\"signatures\":[{\"keyid\":\"%s\",\"sig\":\"%s\"},{\"keyid\":\"%s\",\"sig\":\"%s\"}]}",
				     object, first->id, hex, second->id, hex);
	g_autoptr(GBytes) bytes = g_bytes_new_take(text, strlen(text));
	g_autoptr(AshTufMetadata) metadata = ash_tuf_metadata_parse(bytes, ASH_TUF_TIMESTAMP, "x", NULL);
	g_assert_cmpuint(ash_tuf_metadata_count_signers(metadata, keys, &signers), ==, 1);
	g_assert_false(ash_tuf_metadata_verify(metadata, keys, &signers, "x", &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
}

static void
test_time(void)
{
	gint64 seconds = 0;

	g_assert_true(ash_tuf_time_parse("1985-10-21T01:21:00Z", &seconds));
	g_assert_cmpint(seconds, ==, 498705660);
	g_autofree char *text = ash_tuf_time_format(seconds);
	g_assert_cmpstr(text, ==, "1985-10-21T01:21:00Z");
	g_assert_true(ash_tuf_time_parse("9999-12-31T23:59:59Z", &seconds));
	g_autofree char *beyond = ash_tuf_time_format(G_MAXINT64);
	g_assert_cmpstr(beyond, ==, "9999-12-31T23:59:59Z");
	g_assert_false(ash_tuf_time_parse("", &seconds));
	g_assert_false(ash_tuf_time_parse("1985-10-21t01:21:00z", &seconds));
}

static void
test_patterns(void)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} cases[] = {
		{ "targets/*.tgz", "targets/foo.tgz", true },
		{ "targets/*.tgz", "targets/foo.txt", false },
		{ "foo-version-?.tgz", "foo-version-a.tgz", true },
		{ "foo-version-?.tgz", "foo-version-\xc3\xa9.tgz", true },
		{ "foo-version-?.tgz", "foo-version-alpha.tgz", false },
		{ "*.tgz", "targets/foo.tgz", false },
		{ "foo.tgz", "foo.tgz", true },
		{ "foo.tgz", "foo.tgzx", false },
		{ "foo?tgz", "foo/tgz", false },
		{ "*", "a", true },
		{ "*", "a/b", false },
		{ "*/*", "a/b", true },
		{ "*/*", "a/b/c", false },
		{ "a*b*c/d", "axxbxxbxc/d", true },
		{ "a*b*c/d", "axxbxxbx/cd", false },
		{ "a*/b*", "aaa/bbb", true },
		{ "*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
		{ "[ab]", "a", false },
		{ "", "a", false },
		{ "**", "ab", true },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		char *patterns[] = { (char *) cases[i].pattern, NULL };
		const AshTufDelegation delegation = { .paths = patterns };
		g_test_message("%s %s", cases[i].pattern, cases[i].path);
		g_assert_cmpint(ash_tuf_delegation_has_path(&delegation, cases[i].path), ==, cases[i].matches);
	}
}

static void
test_hash_prefixes(void)
{
	/* SHA-256 of "file" begins with 3b9c358f */
	char *prefixes[] = { (char *) "00", (char *) "3b9c", NULL }, *others[] = { (char *) "3B9C", (char *) "4", NULL };
	const AshTufDelegation delegation = { .hash_prefixes = prefixes }, other = { .hash_prefixes = others }, none = { 0 };

	g_assert_true(ash_tuf_delegation_has_path(&delegation, "file"));
	g_assert_false(ash_tuf_delegation_has_path(&other, "file"));
	g_assert_false(ash_tuf_delegation_has_path(&none, "file"));
}

static void
test_file(void)
{
	g_autoptr(GBytes) data = g_bytes_new("abc", 3);
	g_autofree char *sha256 = ash_sha256_hex("abc", 3), *sha512 = ash_sha512_hex("abc", 3);
	const AshTufFile good[] = { { 1, 3, true, sha256, sha512 }, { 1, -1, true, sha256, NULL }, { 1, 3, true, NULL, sha512 },
				    { 1, 3, false, NULL, NULL } };
	const AshTufFile bad[] = { { 1, 2, true, sha256, NULL }, { 1, 3, true, sha256, sha256 }, { 1, 3, true, sha512, NULL },
				   /* digests of kinds that are not known */
				   { 1, 3, true, NULL, NULL } };

	g_assert_cmpstr(sha512, ==,
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
			"2a9ac94fa54ca49f");
	for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
		g_assert_true(ash_tuf_file_check(&good[i], data, "x", NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_false(ash_tuf_file_check(&bad[i], data, "x", NULL));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tuf/metadata/parse", test_parse);
	golden_add("/tuf/metadata/must-fail", "tuf/must-fail", ".json", ".error", format_error);
	g_test_add_func("/tuf/canonical/encode", test_canonical);
	g_test_add_func("/tuf/canonical/format", test_format);
	g_test_add_func("/tuf/key/id", test_key_id);
	g_test_add_func("/tuf/key/objects", test_key_objects);
	g_test_add_func("/tuf/key/two-ids", test_one_key_two_ids);
	g_test_add_func("/tuf/time", test_time);
	g_test_add_func("/tuf/delegation/patterns", test_patterns);
	g_test_add_func("/tuf/delegation/hash-prefixes", test_hash_prefixes);
	g_test_add_func("/tuf/file", test_file);
	return g_test_run();
}
