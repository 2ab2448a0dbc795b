/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/error.h"
#include "pack/registry.h"
#include "pack/registrymanifest.h"

#include <glib/gstdio.h>
#include <string.h>

#define NAME "registry.example/lab/nodes"

static AshRegistry *
new_registry(const char *credentials)
{
	g_autoptr(GError) error = NULL;
	AshRegistry *registry = ash_registry_new("oci://" NAME, credentials, &error);

	g_assert_no_error(error);
	return registry;
}

/* Who writes what after "oci:", and where requests go then. */
static void
test_addresses(void)
{
	static const struct {
		const char *url, *manifest; /* NULL: refused */
	} cases[] = {
		{ "oci://registry.example/lab", "https://registry.example/v2/lab/manifests/t" },
		{ "oci://registry.example:5000/a/b-c/d__e/", "https://registry.example:5000/v2/a/b-c/d__e/manifests/t" },
		{ "oci://localhost:5000/lab", "http://localhost:5000/v2/lab/manifests/t" },
		{ "oci://127.1.2.3/lab", "http://127.1.2.3/v2/lab/manifests/t" },
		{ "oci://[::1]:5000/lab", "http://[::1]:5000/v2/lab/manifests/t" },
		{ "oci://127.0.0.1.example/lab", "https://127.0.0.1.example/v2/lab/manifests/t" },
		{ "oci+http://registry.example/lab", "http://registry.example/v2/lab/manifests/t" },
		{ "oci://registry.example", NULL },
		{ "oci://registry.example/", NULL },
		{ "oci:///lab", NULL },
		{ "oci:lab", NULL },
		{ "oci+https://registry.example/lab", NULL },
		{ "oci://registry.example/Lab", NULL },
		{ "oci://registry.example/lab:tag", NULL },
		{ "oci://registry.example/lab@sha256:0", NULL },
		{ "oci://registry.example/../lab", NULL },
		{ "oci://registry.example/a//b", NULL },
		{ "oci://registry.example/lab\n", NULL },
		{ "oci://user:password@registry.example/lab", NULL },
		{ "oci://registry.example/lab?x", NULL },
		{ "oci://registry.example:123456/lab", NULL },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(AshRegistry) registry = ash_registry_new(cases[i].url, NULL, &error);
		g_autofree char *manifest = registry != NULL ? ash_registry_manifest_url(registry, "t") : NULL;

		g_test_message("%s", cases[i].url);
		g_assert_cmpstr(manifest, ==, cases[i].manifest);
		if (cases[i].manifest == NULL)
			g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	}
	g_assert_true(ash_registry_is_url("oci:x") && ash_registry_is_url("oci+http:x") && !ash_registry_is_url("https://x"));
}

/* Challenges as registries send them (RFC 9110 11.6.1), and as nobody should. */
static void
test_challenges(void)
{
#define SCOPE "scope=repository:lab/nodes:pull"
	static const struct {
		const char *challenge, *url; /* NULL: no answer */
	} cases[] = {
		{ "Bearer realm=\"https://a.example/t\",service=\"s\",scope=\"x\"", "https://a.example/t?" SCOPE "&service=s" },
		{ "bearer realm=https://a.example/t", "https://a.example/t?" SCOPE },
		{ "Bearer service=\"a b&c\", realm=\"https://a.example/t?q=1\"", "https://a.example/t?q=1&" SCOPE "&service=a%20b%26c" },
		{ "Bearer  REALM = \"https://a.example/t\"", "https://a.example/t?" SCOPE },
		{ "Bearer scope=\"realm=https://b.example\",realm=\"https://a.example/t\"", "https://a.example/t?" SCOPE },
		{ "Bearer realm=\"http://a.example/t\"", NULL }, /* the registry is asked by HTTPS */
		{ "Bearer realm=\"file:///etc/passwd\"", NULL },
		{ "Bearer realm=\"\"", NULL },
		{ "Bearer xrealm=\"https://a.example/t\"", NULL },
		{ "Bearer", NULL },
		{ "Basic realm=\"x\"", NULL }, /* no credentials */
		{ "Negotiate", NULL },
		{ "", NULL },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(AshRegistry) registry = new_registry(NULL);
		g_autoptr(GError) error = NULL;
		g_autofree char *url = NULL;
		const char *authorization = NULL;
		const gboolean answered = ash_registry_answer(registry, cases[i].challenge, false, &url, &authorization, &error);

		g_test_message("%s", cases[i].challenge);
		g_assert_true(answered == (cases[i].url != NULL));
		g_assert_cmpstr(url, ==, cases[i].url);
		g_assert_null(authorization);
		if (!answered)
			g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	}
}

/* One that refuses what it has just given does not keep us busy for ever. */
static void
test_insistence(void)
{
	g_autoptr(AshRegistry) registry = new_registry(NULL);
	guint answers = 0;

	for (guint i = 0; i < 100; i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *url = NULL;
		const char *authorization;
		answers += ash_registry_answer(registry, "Bearer realm=\"https://a.example/t\"", true, &url, &authorization, &error) ? 1 : 0;
	}
	g_assert_cmpuint(answers, >, 1);
	g_assert_cmpuint(answers, <, 20);
}

static void
test_tokens(void)
{
	static const struct {
		const char *reply, *authorization; /* NULL: refused */
	} cases[] = {
		{ "{\"token\":\"abc\"}", "Bearer abc" },
		{ "{\"access_token\":\"abc\",\"expires_in\":60}", "Bearer abc" },
		{ "{\"token\":\"a\",\"access_token\":\"b\"}", "Bearer a" },
		{ "{\"token\":\"\"}", NULL },
		{ "{\"token\":\"a\\r\\nCookie: b\"}", NULL },
		{ "{\"token\":7}", NULL },
		{ "{\"token\":\"a\",\"token\":\"b\"}", NULL },
		{ "[]", NULL },
		{ "", NULL },
		{ "{\"token\":\"a\"", NULL },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(AshRegistry) registry = new_registry(NULL);
		g_autoptr(GBytes) reply = g_bytes_new_static(cases[i].reply, strlen(cases[i].reply));
		g_autoptr(GError) error = NULL;
		const guint generation = ash_registry_get_generation(registry);
		const gboolean taken = ash_registry_take_token(registry, reply, &error);

		g_test_message("%s", cases[i].reply);
		g_assert_true(taken == (cases[i].authorization != NULL));
		g_assert_cmpstr(ash_registry_get_authorization(registry, "https://registry.example/v2/"), ==, cases[i].authorization);
		g_assert_true(taken == (ash_registry_get_generation(registry) != generation));
		/* Nobody else is told. */
		g_assert_null(ash_registry_get_authorization(registry, "http://registry.example/v2/"));
		g_assert_null(ash_registry_get_authorization(registry, "https://registry.example.org/v2/"));
		g_assert_null(ash_registry_get_authorization(registry, "https://storage.example/"));
		if (!taken)
			g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	}
}

/* Files as Docker writes them. */
static void
test_credentials(void)
{
	static const struct {
		const char *text, *authorization; /* what a challenge "Basic" is answered with; NULL: nothing */
		bool good;                        /* the file */
	} cases[] = {
		{ "{\"auths\":{\"registry.example\":{\"auth\":\"dTpw\"}}}", "Basic dTpw", true },
		{ "{\"auths\":{\"https://REGISTRY.example/v1/\":{\"username\":\"u\",\"password\":\"p\"}}}", "Basic dTpw", true },
		{ "{\"auths\":{\"registry.example:443\":{\"auth\":\"dTpw\"}}}", NULL, true },
		{ "{\"auths\":{\"registry.example\":{\"auth\":\"dT\\r\\npw\"}}}", NULL, true },
		{ "{\"auths\":{\"registry.example\":{}}}", NULL, true },
		{ "{\"auths\":[]}", NULL, true },
		{ "{}", NULL, true },
		{ "nonsense", NULL, false },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = NULL, *url = NULL;
		g_autoptr(GError) error = NULL;
		const char *authorization;
		int fd = g_file_open_tmp("ashlar-credentials-XXXXXX", &path, NULL);

		g_assert_cmpint(fd, >=, 0);
		g_close(fd, NULL);
		g_assert_true(g_file_set_contents(path, cases[i].text, -1, NULL));
		g_autoptr(AshRegistry) registry = ash_registry_new("oci://" NAME, path, &error);
		g_test_message("%s", cases[i].text);
		g_assert_true((registry != NULL) == cases[i].good);
		if (registry == NULL)
			g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
		else
			g_assert_true(ash_registry_answer(registry, "Basic realm=\"x\"", false, &url, &authorization, NULL) ==
				      (cases[i].authorization != NULL));
		if (registry != NULL)
			g_assert_cmpstr(ash_registry_get_authorization(registry, "https://registry.example/"), ==, cases[i].authorization);
		g_assert_cmpint(g_unlink(path), ==, 0);
	}
}

static void
test_paths(void)
{
	g_autofree char *digest = ash_sha256_hex("x", -1), *upper = g_ascii_strup(digest, -1);
	const struct {
		char *path;
		bool good;
	} cases[] = {
		{ g_strconcat("objects/ab/", digest, NULL), true },
		{ g_strconcat("objects/ab/", upper, NULL), true },
		{ g_strconcat("targets/lab/x86_64/vm/", digest, ".1.json", NULL), true },
		{ g_strconcat("targets/", digest, NULL), false },
		{ g_strconcat("objects/ab/", digest, ".json", NULL), false },
		{ g_strconcat("objects/ab/", digest + 1, NULL), false },
		{ g_strconcat("metadata/", digest, ".root.json", NULL), false },
		{ g_strdup("objects"), false },
		{ g_strdup(""), false },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *path = cases[i].path, *found = ash_registry_digest_of_path(path);

		g_assert_cmpstr(found, ==, cases[i].good ? digest : NULL);
	}
}

/* Tags are [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}, and no two releases have the same. */
static void
test_tags(void)
{
	static const struct {
		const char *ref, *version;
	} cases[] = {
		{ "lab/x86_64/vm", "1" }, { "lab/x86_64/vm", "1.0~rc1" }, { "lab/x86_64/vm", "1.0^rc1" }, { "lab/x86_64/vm", "1.0_rc1" },
		{ "metadata", "" }, { ".hidden", "1" }, { "metadat", "a" },
		{ "a-very-long-name-of-a-system-which-nobody-would-ever-have-chosen/x86_64/and-a-long-variant-of-it-that-is-as-long",
		  "20260101.000000-and-a-long-version" },
	};
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		char *tag = ash_registry_release_tag(cases[i].ref, cases[i].version);

		g_test_message("%s", tag);
		g_assert_true(g_regex_match_simple("^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$", tag, G_REGEX_DOLLAR_ENDONLY, 0));
		g_assert_cmpstr(tag, !=, ASH_REGISTRY_METADATA_TAG);
		g_assert_true(g_hash_table_add(seen, tag));
	}
	g_assert_true(g_hash_table_contains(seen, "lab-x86_64-vm-1"));
}

/* Lists of tags, and where they go on. */
static void
test_tag_lists(void)
{
	static const struct {
		const char *text;
		int tags; /* -1: refused */
	} lists[] = { { "{\"name\":\"x\",\"tags\":[\"a\",\"b\"]}", 2 }, { "{\"tags\":null}", 0 }, { "{}", 0 }, { "{\"tags\":[7,\"a\",null]}", 1 },
		      { "{\"tags\":{}}", -1 }, { "{\"tags\":\"a\"}", -1 }, { "[]", -1 }, { "", -1 } };
	static const struct {
		const char *link, *next; /* NULL: the end */
	} pages[] = {
		{ "</v2/lab/nodes/tags/list?last=b&n=2>; rel=\"next\"", "https://registry.example/v2/lab/nodes/tags/list?last=b&n=2" },
		{ "<https://registry.example/x>;rel=next", "https://registry.example/x" },
		{ "<https://elsewhere.example/x>; rel=\"next\"", NULL },
		{ "<http://registry.example/x>; rel=\"next\"", NULL },
		{ "</x>; rel=\"prev\"", NULL },
		{ "nonsense", NULL },
		{ NULL, NULL },
	};
	g_autoptr(AshRegistry) registry = new_registry(NULL);
	g_autofree char *first = ash_registry_tags_url(registry);

	for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_autoptr(GBytes) bytes = g_bytes_new_static(lists[i].text, strlen(lists[i].text));
		g_autoptr(GPtrArray) tags = ash_registry_tags_parse(bytes, NULL);
		g_assert_cmpint(tags != NULL ? (int) tags->len : -1, ==, lists[i].tags);
	}
	for (guint i = 0; i < G_N_ELEMENTS(pages); i++) {
		g_autofree char *next = ash_registry_next_page(registry, first, pages[i].link);
		g_assert_cmpstr(next, ==, pages[i].next);
	}
}

static void
test_manifest_round_trip(void)
{
	g_autofree char *digest = ash_sha256_hex("x", -1);
	AshRegistryFile files[] = { { (char *) "objects/ab/x", { digest, 1 } }, { (char *) "metadata/timestamp.json", { digest, G_MAXINT64 } } };
	g_autoptr(GPtrArray) list = g_ptr_array_new();
	const char *const annotations[] = { ASH_REGISTRY_VERSION_KEY, "17", NULL };
	g_autoptr(GError) error = NULL;
	guint64 version;

	for (guint i = 0; i < G_N_ELEMENTS(files); i++)
		g_ptr_array_add(list, &files[i]);
	g_autofree char *text = ash_registry_manifest_format(ASH_REGISTRY_TYPE_METADATA, list, annotations);
	g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
	g_autoptr(GHashTable) found = ash_registry_manifest_parse(bytes, "it", &version, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(version, ==, 17);
	g_assert_cmpuint(g_hash_table_size(found), ==, 2);
	const AshObjectRef *ref = g_hash_table_lookup(found, "metadata/timestamp.json");
	g_assert_cmpstr(ref->sha256, ==, digest);
	g_assert_cmpuint(ref->size, ==, G_MAXINT64);
}

#define DIGEST "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
#define LAYER  "\"digest\":\"sha256:" DIGEST "\",\"size\":1"

static void
test_manifests(void)
{
	static const struct {
		const char *text;
		int files; /* -1: refused */
		guint64 version;
	} cases[] = {
		{ "{\"layers\":[]}", 0, 0 },
		{ "{\"layers\":[{" LAYER "}]}", 0, 0 },
		{ "{\"layers\":[{" LAYER ",\"annotations\":{\"org.opencontainers.image.title\":\"a\"}}],\"annotations\":null}", 1, 0 },
		{ "{\"layers\":[],\"annotations\":{\"" ASH_REGISTRY_VERSION_KEY "\":\"-1\"}}", 0, 0 },
		{ "{\"layers\":[],\"annotations\":{\"" ASH_REGISTRY_VERSION_KEY "\":\"99999999999999999999\"}}", 0, 0 },
		{ "{\"layers\":[],\"annotations\":{\"" ASH_REGISTRY_VERSION_KEY "\":5}}", 0, 0 },
		{ "{\"layers\":[],\"annotations\":[1]}", 0, 0 },
		{ "{\"layers\":[{" LAYER ",\"annotations\":7}]}", 0, 0 },
		{ "{}", -1, 0 },
		{ "{\"layers\":{}}", -1, 0 },
		{ "{\"layers\":[7]}", -1, 0 },
		{ "{\"layers\":[{\"digest\":\"sha256:00\",\"size\":1}]}", -1, 0 },
		{ "{\"layers\":[{\"digest\":\"sha512:" DIGEST "\",\"size\":1}]}", -1, 0 },
		{ "{\"layers\":[{\"digest\":\"sha256:" DIGEST "0\",\"size\":1}]}", -1, 0 },
		{ "{\"layers\":[{\"digest\":\"sha256:" DIGEST "\",\"size\":-1}]}", -1, 0 },
		{ "{\"layers\":[{\"digest\":\"sha256:" DIGEST "\",\"size\":1.5}]}", -1, 0 },
		{ "{\"layers\":[{\"digest\":\"sha256:" DIGEST "\",\"size\":18446744073709551616}]}", -1, 0 },
		{ "{\"layers\":[],\"layers\":[]}", -1, 0 },
		{ "<html>", -1, 0 },
		{ "", -1, 0 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GBytes) bytes = g_bytes_new_static(cases[i].text, strlen(cases[i].text));
		g_autoptr(GError) error = NULL;
		guint64 version = 0;
		g_autoptr(GHashTable) files = ash_registry_manifest_parse(bytes, "it", &version, &error);

		g_test_message("%s", cases[i].text);
		g_assert_cmpint(files != NULL ? (int) g_hash_table_size(files) : -1, ==, cases[i].files);
		g_assert_cmpuint(version, ==, cases[i].version);
		if (files == NULL)
			g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pack/registry/addresses", test_addresses);
	g_test_add_func("/pack/registry/challenges", test_challenges);
	g_test_add_func("/pack/registry/insistence", test_insistence);
	g_test_add_func("/pack/registry/tokens", test_tokens);
	g_test_add_func("/pack/registry/credentials", test_credentials);
	g_test_add_func("/pack/registry/paths", test_paths);
	g_test_add_func("/pack/registry/tags", test_tags);
	g_test_add_func("/pack/registry/tag-lists", test_tag_lists);
	g_test_add_func("/pack/registry/manifest/round-trip", test_manifest_round_trip);
	g_test_add_func("/pack/registry/manifest/read", test_manifests);
	return g_test_run();
}
