/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack/registry.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strictjson.h"

#include <fcntl.h>
#include <string.h>

#define MAX_CREDENTIALS_BYTES (1024 * 1024)
#define MAX_TAG_BYTES	      128
#define DIGEST_HEX	      64
/* A registry that refuses the tokens it has just given would do so for ever: so many in so short a time, microseconds, are enough. */
#define MAX_ANSWERS 8
#define ANSWERS_TIME (20 * G_USEC_PER_SEC)

struct AshRegistry {
	char *name;       /* HOST[:PORT]/REPOSITORY */
	char *host;       /* HOST[:PORT] */
	char *repository;
	char *origin;     /* "https://HOST[:PORT]/" */
	char *basic;      /* "Basic ..."; NULL: no credentials */
	char *credentials; /* the file, for messages; may be NULL */
	char *authorization; /* what is sent now; may be NULL */
	guint generation;
	guint answers;    /* since @answers_since, microseconds */
	gint64 answers_since;
};

bool
ash_registry_is_url(const char *url)
{
	return g_str_has_prefix(url, "oci:") || g_str_has_prefix(url, "oci+http:");
}

/* Names of the specification: lower case letters and digits, with single separators between them. */
static bool
is_repository(const char *text)
{
	return g_regex_match_simple("^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$", text, G_REGEX_DOLLAR_ENDONLY, 0);
}

static bool
is_host(const char *text)
{
	return g_regex_match_simple("^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?$", text, G_REGEX_DOLLAR_ENDONLY, 0);
}

static bool
is_loopback(const char *host)
{
	return g_regex_match_simple("^(localhost|127(\\.[0-9]{1,3}){3}|\\[::1\\])(:[0-9]+)?$", host, G_REGEX_CASELESS | G_REGEX_DOLLAR_ENDONLY, 0);
}

static gboolean
read_url(AshRegistry *registry, const char *url, GError **error)
{
	const bool plain = g_str_has_prefix(url, "oci+http://");
	const char *name = plain ? url + strlen("oci+http://") : g_str_has_prefix(url, "oci://") ? url + strlen("oci://") : "";
	const char *slash = strchr(name, '/');

	if (slash != NULL) {
		registry->name = g_strdup(name);
		while (g_str_has_suffix(registry->name, "/"))
			registry->name[strlen(registry->name) - 1] = '\0';
		registry->host = g_strndup(name, (gsize) (slash - name));
		registry->repository = g_strdup(strlen(registry->name) > strlen(registry->host) ? registry->name + strlen(registry->host) + 1 : "");
	}
	if (slash == NULL || !is_host(registry->host) || !is_repository(registry->repository))
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "\"%s\" is no repository of a registry: write oci://HOST/REPOSITORY, the latter in lower case and without a tag", url);
	registry->origin = g_strdup_printf("http%s://%s/", plain || is_loopback(registry->host) ? "" : "s", registry->host);
	return TRUE;
}

/* One of "auths": "auth" is Base64 of "USER:PASSWORD", as RFC 7617 has it. */
static char *
read_entry(JsonObject *entry)
{
	const char *auth = ash_json_get_string_optional(entry, "auth");
	const char *user = ash_json_get_string_optional(entry, "username");
	const char *password = ash_json_get_string_optional(entry, "password");

	if (auth != NULL && *auth != '\0' && strpbrk(auth, "\r\n") == NULL)
		return g_strconcat("Basic ", auth, NULL);
	if (user == NULL || password == NULL)
		return NULL;
	g_autofree char *both = g_strconcat(user, ":", password, NULL);
	g_autofree char *encoded = g_base64_encode((const guchar *) both, strlen(both));
	return g_strconcat("Basic ", encoded, NULL);
}

/* The host that a key of "auths" names: some write addresses. */
static bool
names_host(const char *key, const char *host)
{
	const char *scheme = strstr(key, "://");
	const char *at = scheme != NULL ? scheme + 3 : key;
	const gsize length = strcspn(at, "/");

	return length == strlen(host) && g_ascii_strncasecmp(at, host, length) == 0;
}

static gboolean
read_credentials(AshRegistry *registry, const char *path, GError **error)
{
	const AshJsonLimits limits = { .bytes = MAX_CREDENTIALS_BYTES, .code = ASH_ERROR_CONFIG };
	g_autoptr(GError) why = NULL;
	gsize length;
	g_autofree char *text = ash_file_load(AT_FDCWD, path, MAX_CREDENTIALS_BYTES, &length, &why);
	g_autoptr(JsonNode) node = text != NULL ? ash_strict_json_parse_object(text, length, &limits, path, error) : NULL;
	g_autoptr(GList) keys = NULL;

	if (text == NULL)
		return ash_throw(error, ASH_ERROR_CONFIG, "credentials for registries: %s", why->message);
	if (node == NULL)
		return FALSE;
	registry->credentials = g_strdup(path);
	JsonNode *auths = json_object_get_member(json_node_get_object(node), "auths");
	if (auths == NULL || !JSON_NODE_HOLDS_OBJECT(auths))
		return TRUE;
	keys = json_object_get_members(json_node_get_object(auths));
	for (GList *at = keys; at != NULL && registry->basic == NULL; at = at->next) {
		JsonNode *entry = json_object_get_member(json_node_get_object(auths), at->data);
		if (names_host(at->data, registry->host) && JSON_NODE_HOLDS_OBJECT(entry))
			registry->basic = read_entry(json_node_get_object(entry));
	}
	return TRUE;
}

AshRegistry *
ash_registry_new(const char *url, const char *credentials, GError **error)
{
	g_autoptr(AshRegistry) registry = g_new0(AshRegistry, 1);

	if (!read_url(registry, url, error) || (credentials != NULL && !read_credentials(registry, credentials, error)))
		return NULL;
	return g_steal_pointer(&registry);
}

void
ash_registry_free(AshRegistry *registry)
{
	if (registry == NULL)
		return;
	g_free(registry->name);
	g_free(registry->host);
	g_free(registry->repository);
	g_free(registry->origin);
	g_free(registry->basic);
	g_free(registry->credentials);
	g_free(registry->authorization);
	g_free(registry);
}

const char *
ash_registry_get_name(const AshRegistry *registry)
{
	return registry->name;
}

char *
ash_registry_blob_url(const AshRegistry *registry, const char *sha256_hex)
{
	return g_strconcat(registry->origin, "v2/", registry->repository, "/blobs/sha256:", sha256_hex, NULL);
}

char *
ash_registry_manifest_url(const AshRegistry *registry, const char *tag_or_digest)
{
	return g_strconcat(registry->origin, "v2/", registry->repository, "/manifests/", tag_or_digest, NULL);
}

char *
ash_registry_upload_url(const AshRegistry *registry)
{
	return g_strconcat(registry->origin, "v2/", registry->repository, "/blobs/uploads/", NULL);
}

char *
ash_registry_tags_url(const AshRegistry *registry)
{
	return g_strconcat(registry->origin, "v2/", registry->repository, "/tags/list?n=1000", NULL);
}

char *
ash_registry_next_page(const AshRegistry *registry, const char *url, const char *link)
{
	g_autoptr(GRegex) regex = g_regex_new("<([^>]*)> *; *rel=\"?next\"?", G_REGEX_CASELESS, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;

	if (link == NULL || !g_regex_match(regex, link, 0, &match))
		return NULL;
	g_autofree char *target = g_match_info_fetch(match, 1);
	g_autofree char *next = g_uri_resolve_relative(url, target, G_URI_FLAGS_ENCODED | G_URI_FLAGS_PARSE_RELAXED, NULL);
	return next != NULL && g_str_has_prefix(next, registry->origin) ? g_steal_pointer(&next) : NULL;
}

char *
ash_registry_digest_of_path(const char *path)
{
	const char *last = strrchr(path, '/');
	const bool object = g_str_has_prefix(path, "objects/"), target = g_str_has_prefix(path, "targets/");
	guint8 sum[ASH_SHA256_SIZE];

	if (last == NULL || (!object && !target))
		return NULL;
	g_autofree char *digest = g_ascii_strdown(last + 1, (gssize) MIN(strlen(last + 1), DIGEST_HEX));
	if (!ash_hex_decode(digest, sum, sizeof(sum)) || last[1 + DIGEST_HEX] != (object ? '\0' : '.'))
		return NULL;
	return g_steal_pointer(&digest);
}

/* Two that would have the same tag are told apart by a digest. */
char *
ash_registry_release_tag(const char *ref, const char *version)
{
	g_autofree char *wanted = g_strconcat(ref, "-", version, NULL);
	g_autofree char *digest = ash_sha256_hex(wanted, -1);
	g_autofree char *tag = g_strdup(wanted);
	bool changed = strlen(tag) > MAX_TAG_BYTES;

	for (char *at = tag; *at != '\0'; at++) {
		if (*at == '/') {
			*at = '-';
		} else if (!g_ascii_isalnum(*at) && strchr("._-", *at) == NULL) {
			*at = '_';
			changed = true;
		}
	}
	if (!g_ascii_isalnum(*tag))
		*tag = '_';
	if (!changed && strcmp(tag, ASH_REGISTRY_METADATA_TAG) != 0)
		return g_steal_pointer(&tag);
	return g_strdup_printf("%.*s-%.12s", MAX_TAG_BYTES - 13, tag, digest);
}

const char *
ash_registry_get_authorization(const AshRegistry *registry, const char *url)
{
	return g_str_has_prefix(url, registry->origin) ? registry->authorization : NULL;
}

guint
ash_registry_get_generation(const AshRegistry *registry)
{
	return registry->generation;
}

static void
authorize(AshRegistry *registry, char *value)
{
	g_free(registry->authorization);
	registry->authorization = value;
	registry->generation++;
}

/* One of the parameters of a challenge: NAME="VALUE" or NAME=TOKEN. Owned; NULL if it is not there. */
static char *
find_parameter(const char *challenge, const char *name)
{
	g_autofree char *pattern = g_strdup_printf("[ ,]%s *= *(?:\"([^\"]*)\"|([^\", ]+))", name);
	g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_CASELESS, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;

	if (!g_regex_match(regex, challenge, 0, &match))
		return NULL;
	g_autofree char *quoted = g_match_info_fetch(match, 1), *bare = g_match_info_fetch(match, 2);
	return bare != NULL && *bare != '\0' ? g_steal_pointer(&bare) : g_steal_pointer(&quoted);
}

static gboolean
say_unauthorized(const AshRegistry *registry, GError **error)
{
	if (registry->basic == NULL && registry->credentials == NULL)
		return ash_throw(error, ASH_ERROR_FETCH, "registry \"%s\" wants to know who asks, and no file with credentials is given", registry->host);
	if (registry->basic == NULL)
		return ash_throw(error, ASH_ERROR_FETCH, "registry \"%s\" wants to know who asks: \"%s\" has no credentials for it", registry->host,
				 registry->credentials);
	return ash_throw(error, ASH_ERROR_FETCH, "registry \"%s\" does not accept the credentials in \"%s\"", registry->host, registry->credentials);
}

/* The token server's address. Passwords go by HTTPS, unless the registry itself is without. */
static char *
make_token_url(const AshRegistry *registry, const char *challenge, bool push, GError **error)
{
	g_autofree char *realm = find_parameter(challenge, "realm"), *service = find_parameter(challenge, "service");
	g_autofree char *scope = g_strdup_printf("repository:%s:pull%s", registry->repository, push ? ",push,delete" : "");
	const bool plain = g_str_has_prefix(registry->origin, "http://");

	if (realm == NULL || !(g_str_has_prefix(realm, "https://") || (plain && g_str_has_prefix(realm, "http://"))))
		return ash_throw_null(error, ASH_ERROR_FETCH, "registry \"%s\" names no token server that we would ask: \"%s\"", registry->host,
				      realm != NULL ? realm : "");
	g_autofree char *escaped_scope = g_uri_escape_string(scope, "/:,", FALSE);
	g_autofree char *escaped_service = service != NULL ? g_uri_escape_string(service, "/:", FALSE) : NULL;
	return g_strconcat(realm, strchr(realm, '?') != NULL ? "&" : "?", "scope=", escaped_scope, escaped_service != NULL ? "&service=" : "",
			   escaped_service != NULL ? escaped_service : "", NULL);
}

gboolean
ash_registry_answer(AshRegistry *registry, const char *challenge, bool push, char **ret_token_url, const char **ret_authorization,
		    GError **error)
{
	if (g_get_monotonic_time() - registry->answers_since > ANSWERS_TIME) {
		registry->answers = 0;
		registry->answers_since = g_get_monotonic_time();
	}
	if (++registry->answers > MAX_ANSWERS)
		return say_unauthorized(registry, error);
	if (g_ascii_strncasecmp(challenge, "Basic", 5) == 0) {
		if (registry->basic == NULL || g_strcmp0(registry->authorization, registry->basic) == 0)
			return say_unauthorized(registry, error);
		authorize(registry, g_strdup(registry->basic));
		*ret_token_url = NULL;
		*ret_authorization = NULL;
		return TRUE;
	}
	if (g_ascii_strncasecmp(challenge, "Bearer ", 7) != 0)
		return ash_throw(error, ASH_ERROR_FETCH, "registry \"%s\" wants to know who asks, in a way that is neither Basic nor Bearer", registry->host);
	char *url = make_token_url(registry, challenge, push, error);
	if (url == NULL)
		return FALSE;
	*ret_token_url = url;
	*ret_authorization = registry->basic;
	return TRUE;
}

gboolean
ash_registry_take_token(AshRegistry *registry, GBytes *reply, GError **error)
{
	const AshJsonLimits limits = { .bytes = ASH_REGISTRY_MAX_TOKEN_BYTES, .code = ASH_ERROR_FETCH };
	gsize length;
	const char *text = g_bytes_get_data(reply, &length);
	g_autoptr(JsonNode) node = ash_strict_json_parse_object(text, length, &limits, "the token server's reply", error);

	if (node == NULL)
		return FALSE;
	JsonObject *object = json_node_get_object(node);
	const char *token = ash_json_get_string_optional(object, "token");
	if (token == NULL)
		token = ash_json_get_string_optional(object, "access_token");
	if (token == NULL || *token == '\0' || strpbrk(token, "\r\n") != NULL)
		return ash_throw(error, ASH_ERROR_FETCH, "the token server of registry \"%s\" gives no token", registry->host);
	authorize(registry, g_strconcat("Bearer ", token, NULL));
	return TRUE;
}
