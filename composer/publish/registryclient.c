/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "publish/registryclient.h"

#include "base/error.h"
#include "base/strictjson.h"
#include "pack/registry.h"
#include "pack/registrymanifest.h"

#include <curl/curl.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS	 6
#define FIRST_PAUSE	 ((gint64) 500 * 1000)
#define MAX_PAUSE	 ((gint64) 30 * G_USEC_PER_SEC)
#define MAX_RETRY_AFTER  120
#define TIMEOUT		 30L
#define POLL_PAUSE	 ((gint64) 100 * 1000)
#define MAX_PAGES	 1000
/* Of replies that only say what went wrong. */
#define MAX_REPLY_BYTES (64 * 1024)

struct AshRegistryClient {
	GMutex lock; /* of all below */
	AshRegistry *registry;
	GQueue idle; /* of CURL *: each with its connection */
	guint64 requests;
	char *ca_file;
};

/* One request and its reply. */
typedef struct {
	const char *method;
	const char *url;
	const char *accept, *content_type; /* may be NULL */
	int fd;             /* of the body; -1: @body */
	const void *body;   /* NULL: no body */
	guint64 bytes;      /* of the body */
	gsize most;         /* bytes of the reply */

	AshContext *ctx;
	guint64 sent;
	guint status;       /* 0: there was no reply */
	char *location, *digest, *challenge, *link;
	gint64 retry_after; /* seconds */
	GByteArray *reply;
	char trouble[CURL_ERROR_SIZE];
} Exchange;

#define EXCHANGE_INIT(verb, address) { .method = (verb), .url = (address), .fd = -1, .most = MAX_REPLY_BYTES }

static void
exchange_clear(Exchange *exchange)
{
	g_clear_pointer(&exchange->location, g_free);
	g_clear_pointer(&exchange->digest, g_free);
	g_clear_pointer(&exchange->challenge, g_free);
	g_clear_pointer(&exchange->link, g_free);
	g_clear_pointer(&exchange->reply, g_byte_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Exchange, exchange_clear)

AshRegistryClient *
ash_registry_client_new(const char *url, const char *credentials, const char *ca_file, GError **error)
{
	static gsize once;
	AshRegistry *registry = ash_registry_new(url, credentials, error);
	AshRegistryClient *client;

	if (registry == NULL)
		return NULL;
	if (g_once_init_enter(&once))
		g_once_init_leave(&once, 1 + (gsize) curl_global_init(CURL_GLOBAL_DEFAULT));
	client = g_new0(AshRegistryClient, 1);
	g_mutex_init(&client->lock);
	g_queue_init(&client->idle);
	client->registry = registry;
	client->ca_file = g_strdup(ca_file);
	return client;
}

void
ash_registry_client_free(AshRegistryClient *client)
{
	if (client == NULL)
		return;
	g_queue_clear_full(&client->idle, curl_easy_cleanup);
	ash_registry_free(client->registry);
	g_mutex_clear(&client->lock);
	g_free(client->ca_file);
	g_free(client);
}

guint64
ash_registry_client_get_requests(AshRegistryClient *client)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&client->lock);

	return client->requests;
}

static CURL *
take_handle(AshRegistryClient *client)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&client->lock);
	CURL *easy = g_queue_pop_head(&client->idle);

	client->requests++;
	if (easy == NULL)
		return curl_easy_init();
	curl_easy_reset(easy); /* keeps the connection */
	return easy;
}

static void
give_handle(AshRegistryClient *client, CURL *easy)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&client->lock);

	g_queue_push_head(&client->idle, easy);
}

static size_t
read_body(char *buffer, size_t size, size_t n, void *user_data)
{
	Exchange *exchange = user_data;
	const gsize wanted = (gsize) MIN(size * n, exchange->bytes - exchange->sent);
	gssize got = (gssize) wanted;

	if (wanted == 0)
		return 0;
	if (exchange->fd >= 0)
		got = pread(exchange->fd, buffer, wanted, (off_t) exchange->sent);
	else
		memcpy(buffer, (const char *) exchange->body + exchange->sent, wanted);
	if (got <= 0)
		return CURL_READFUNC_ABORT;
	exchange->sent += (guint64) got;
	return (size_t) got;
}

static int
seek_body(void *user_data, curl_off_t offset, int origin)
{
	Exchange *exchange = user_data;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_FAIL;
	exchange->sent = (guint64) offset;
	return CURL_SEEKFUNC_OK;
}

static size_t
take_reply(char *data, size_t size, size_t n, void *user_data)
{
	Exchange *exchange = user_data;

	if (size * n > exchange->most - exchange->reply->len)
		return 0;
	g_byte_array_append(exchange->reply, (const guint8 *) data, (guint) (size * n));
	return size * n;
}

/* The value if @line is the header @name. Owned. */
static char *
match_header(const char *line, gsize length, const char *name)
{
	const gsize n = strlen(name);

	if (length <= n || line[n] != ':' || g_ascii_strncasecmp(line, name, n) != 0)
		return NULL;
	return g_strstrip(g_strndup(line + n + 1, length - n - 1));
}

static size_t
take_header(char *data, size_t size, size_t n, void *user_data)
{
	Exchange *exchange = user_data;
	struct {
		const char *name;
		char **place;
	} headers[] = { { "location", &exchange->location }, { "docker-content-digest", &exchange->digest }, { "link", &exchange->link } };
	g_autofree char *after = match_header(data, size * n, "retry-after"), *challenge = match_header(data, size * n, "www-authenticate");

	for (gsize i = 0; i < G_N_ELEMENTS(headers); i++) {
		char *value = match_header(data, size * n, headers[i].name);
		if (value == NULL)
			continue;
		g_free(*headers[i].place);
		*headers[i].place = value;
	}
	if (after != NULL)
		exchange->retry_after = CLAMP(g_ascii_strtoll(after, NULL, 10), 1, MAX_RETRY_AFTER);
	if (challenge != NULL && (exchange->challenge == NULL || g_ascii_strncasecmp(challenge, "Bearer ", 7) == 0)) {
		g_free(exchange->challenge);
		exchange->challenge = g_steal_pointer(&challenge);
	}
	return size * n;
}

static int
watch(void *user_data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const Exchange *exchange = user_data;

	return ash_context_check(exchange->ctx, NULL) ? 0 : 1;
}

static struct curl_slist *
add_header(struct curl_slist *headers, const char *name, const char *value)
{
	g_autofree char *line = value != NULL ? g_strconcat(name, ": ", value, NULL) : NULL;

	return line != NULL ? curl_slist_append(headers, line) : headers;
}

static void
set_up(const AshRegistryClient *client, CURL *easy, Exchange *exchange)
{
	const bool uploads = exchange->fd >= 0 || exchange->body != NULL;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, 2 * TIMEOUT);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "ashlar/" PACKAGE_VERSION);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->trouble);
	curl_easy_setopt(easy, CURLOPT_URL, exchange->url);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, watch);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, exchange);
	if (client->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
	if (uploads) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t) exchange->bytes);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
		curl_easy_setopt(easy, CURLOPT_READDATA, exchange);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_body);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, exchange);
		curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
	} else if (strcmp(exchange->method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
	} else if (strcmp(exchange->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (strcmp(exchange->method, "DELETE") == 0) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
	}
}

/* One request; exchange->status is 0 if no reply came. */
static void
ask(AshRegistryClient *client, Exchange *exchange, const char *authorization)
{
	CURL *easy = take_handle(client);
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	long status = 0;

	exchange_clear(exchange);
	exchange->reply = g_byte_array_new();
	exchange->sent = 0;
	exchange->retry_after = 0;
	exchange->trouble[0] = '\0';
	set_up(client, easy, exchange);
	headers = add_header(headers, "Accept", exchange->accept);
	headers = add_header(headers, "Content-Type", exchange->content_type);
	headers = add_header(headers, "Authorization", authorization);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	if (curl_easy_perform(easy) == CURLE_OK)
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	exchange->status = (guint) status;
	curl_slist_free_all(headers);
	give_handle(client, easy);
}

static char *
dup_authorization(AshRegistryClient *client, const char *url, guint *ret_generation)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&client->lock);

	*ret_generation = ash_registry_get_generation(client->registry);
	return g_strdup(ash_registry_get_authorization(client->registry, url));
}

/* What the registry says in its reply (distribution specification, "Error Codes"). Owned; NULL: nothing. */
static char *
read_complaint(const Exchange *exchange)
{
	g_autoptr(JsonNode) node = exchange->reply->len > 0 ? ash_strict_json_parse_object((const char *) exchange->reply->data, exchange->reply->len,
											    NULL, "reply", NULL) : NULL;
	JsonArray *errors = node != NULL ? ash_strict_json_array(json_node_get_object(node), "errors", NULL) : NULL;
	JsonNode *first = errors != NULL && json_array_get_length(errors) > 0 ? json_array_get_element(errors, 0) : NULL;

	if (first == NULL || !JSON_NODE_HOLDS_OBJECT(first))
		return NULL;
	const char *code = ash_strict_json_string(json_node_get_object(first), "code", NULL);
	const char *message = ash_strict_json_string(json_node_get_object(first), "message", NULL);
	return g_strdup_printf(" (%s: %s)", code != NULL ? code : "", message != NULL ? message : "");
}

static gboolean
throw_status(const AshRegistryClient *client, const Exchange *exchange, const char *what, GError **error)
{
	g_autofree char *complaint = read_complaint(exchange);
	const char *name = ash_registry_get_name(client->registry);

	if (!ash_context_check(exchange->ctx, error))
		return FALSE;
	if (exchange->status == 0)
		return ash_throw(error, ASH_ERROR_FETCH, "registry \"%s\": %s: %s", name, what,
				 exchange->trouble[0] != '\0' ? exchange->trouble : "the connection was lost");
	return ash_throw(error, ASH_ERROR_FETCH, "registry \"%s\": %s: HTTP %u%s", name, what, exchange->status, complaint != NULL ? complaint : "");
}

static gboolean
fetch_token(AshContext *ctx, AshRegistryClient *client, const char *url, const char *authorization, GError **error)
{
	g_auto(Exchange) exchange = EXCHANGE_INIT("GET", url);

	exchange.ctx = ctx;
	ask(client, &exchange, authorization);
	if (exchange.status != 200)
		return throw_status(client, &exchange, "no token", error);
	g_autoptr(GBytes) reply = g_byte_array_free_to_bytes(g_steal_pointer(&exchange.reply));
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&client->lock);
	return ash_registry_take_token(client->registry, reply, error);
}

/* TRUE: ask again. One thread at a time asks for a token, the others find it there. */
static gboolean
answer(AshContext *ctx, AshRegistryClient *client, const Exchange *exchange, guint generation, GError **error)
{
	g_autofree char *url = NULL, *authorization = NULL;
	const char *borrowed;

	{
		g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&client->lock);
		if (generation != ash_registry_get_generation(client->registry))
			return TRUE;
		if (!ash_registry_answer(client->registry, exchange->challenge, true, &url, &borrowed, error))
			return FALSE;
		authorization = g_strdup(borrowed);
	}
	return url == NULL || fetch_token(ctx, client, url, authorization, error);
}

static bool
may_be_better_later(guint status)
{
	return status == 0 || status == 408 || status == 425 || status == 429 || status / 100 == 5;
}

static gboolean
pause_for(AshContext *ctx, const Exchange *exchange, guint round, GError **error)
{
	const gint64 pause = (gint64) ((double) MIN(FIRST_PAUSE << round, MAX_PAUSE) * g_random_double_range(0.5, 1.5));
	const gint64 until = g_get_monotonic_time() + MAX(pause, exchange->retry_after * G_USEC_PER_SEC);

	while (g_get_monotonic_time() < until) {
		if (!ash_context_check(ctx, error))
			return FALSE;
		g_usleep((gulong) POLL_PAUSE);
	}
	return TRUE;
}

/* One request, with what it takes to be let in. */
static gboolean
ask_known(AshContext *ctx, AshRegistryClient *client, Exchange *exchange, GError **error)
{
	exchange->ctx = ctx;
	for (;;) {
		guint generation;
		g_autofree char *authorization = dup_authorization(client, exchange->url, &generation);

		ask(client, exchange, authorization);
		if (!ash_context_check(ctx, error))
			return FALSE;
		if (exchange->status != 401 || exchange->challenge == NULL)
			return TRUE;
		if (!answer(ctx, client, exchange, generation, error))
			return FALSE;
	}
}

/* Until it is done or refused. */
static gboolean
ask_patiently(AshContext *ctx, AshRegistryClient *client, Exchange *exchange, GError **error)
{
	for (guint round = 0;; round++) {
		if (!ask_known(ctx, client, exchange, error))
			return FALSE;
		if (!may_be_better_later(exchange->status) || round + 1 >= ATTEMPTS)
			return TRUE;
		if (!pause_for(ctx, exchange, round, error))
			return FALSE;
	}
}

gboolean
ash_registry_client_has_blob(AshContext *ctx, AshRegistryClient *client, const AshObjectRef *blob, bool *ret_there, GError **error)
{
	g_autofree char *url = ash_registry_blob_url(client->registry, blob->sha256);
	g_auto(Exchange) exchange = EXCHANGE_INIT("HEAD", url);

	if (!ask_patiently(ctx, client, &exchange, error))
		return FALSE;
	/* Where the content lies elsewhere, it sends us there. */
	*ret_there = exchange.status / 100 == 2 || exchange.status / 100 == 3;
	return *ret_there || exchange.status == 404 || throw_status(client, &exchange, "is an object there?", error);
}

/* Where to send the content to. Owned. */
static char *
begin_upload(AshContext *ctx, AshRegistryClient *client, const AshObjectRef *blob, GError **error)
{
	g_autofree char *url = ash_registry_upload_url(client->registry);
	g_auto(Exchange) exchange = EXCHANGE_INIT("POST", url);

	if (!ask_patiently(ctx, client, &exchange, error))
		return NULL;
	if (exchange.status != 202 || exchange.location == NULL) {
		throw_status(client, &exchange, "an upload cannot begin", error);
		return NULL;
	}
	g_autofree char *location = g_uri_resolve_relative(url, exchange.location, G_URI_FLAGS_ENCODED | G_URI_FLAGS_PARSE_RELAXED, error);
	if (location == NULL)
		return NULL;
	return g_strconcat(location, strchr(location, '?') != NULL ? "&" : "?", "digest=sha256:", blob->sha256, NULL);
}

gboolean
ash_registry_client_put_blob(AshContext *ctx, AshRegistryClient *client, const AshObjectRef *blob, int fd, GBytes *bytes, GError **error)
{
	/* A new upload each time: not all registries can go on with one. Objects are of 64 MiB at most, but for kernels. */
	for (guint round = 0;; round++) {
		g_autofree char *url = begin_upload(ctx, client, blob, error);
		g_auto(Exchange) exchange = EXCHANGE_INIT("PUT", url);

		if (url == NULL)
			return FALSE;
		exchange.content_type = "application/octet-stream";
		exchange.fd = fd;
		exchange.body = fd < 0 ? g_bytes_get_data(bytes, NULL) : NULL;
		exchange.bytes = blob->size;
		if (!ask_known(ctx, client, &exchange, error))
			return FALSE;
		if (exchange.status == 201)
			return TRUE;
		if (!may_be_better_later(exchange.status) || round + 1 >= ATTEMPTS) {
			g_autofree char *what = g_strdup_printf("object \"%s\" is not taken", blob->sha256);
			return throw_status(client, &exchange, what, error);
		}
		if (!pause_for(ctx, &exchange, round, error))
			return FALSE;
	}
}

gboolean
ash_registry_client_find_manifest(AshContext *ctx, AshRegistryClient *client, const char *tag, char **ret_digest, GError **error)
{
	g_autofree char *url = ash_registry_manifest_url(client->registry, tag);
	g_auto(Exchange) exchange = EXCHANGE_INIT("HEAD", url);

	exchange.accept = ASH_REGISTRY_TYPE_MANIFEST ", " ASH_REGISTRY_TYPE_INDEX;
	if (!ask_patiently(ctx, client, &exchange, error))
		return FALSE;
	if (exchange.status != 200 && exchange.status != 404)
		return throw_status(client, &exchange, tag, error);
	*ret_digest = NULL;
	if (exchange.status == 200 && exchange.digest != NULL && g_str_has_prefix(exchange.digest, "sha256:"))
		*ret_digest = g_strdup(exchange.digest + strlen("sha256:"));
	return TRUE;
}

gboolean
ash_registry_client_load_manifest(AshContext *ctx, AshRegistryClient *client, const char *tag, GBytes **ret, GError **error)
{
	g_autofree char *url = ash_registry_manifest_url(client->registry, tag);
	g_auto(Exchange) exchange = EXCHANGE_INIT("GET", url);

	exchange.accept = ASH_REGISTRY_TYPE_MANIFEST ", " ASH_REGISTRY_TYPE_INDEX;
	exchange.most = ASH_REGISTRY_MAX_MANIFEST_BYTES;
	if (!ask_patiently(ctx, client, &exchange, error))
		return FALSE;
	if (exchange.status != 200 && exchange.status != 404)
		return throw_status(client, &exchange, tag, error);
	*ret = exchange.status == 200 ? g_byte_array_free_to_bytes(g_steal_pointer(&exchange.reply)) : NULL;
	return TRUE;
}

gboolean
ash_registry_client_put_manifest(AshContext *ctx, AshRegistryClient *client, const char *tag, const char *type, const char *text,
				 GError **error)
{
	g_autofree char *url = ash_registry_manifest_url(client->registry, tag);
	g_autofree char *what = g_strdup_printf("manifest \"%s\" is not taken", tag);
	g_auto(Exchange) exchange = EXCHANGE_INIT("PUT", url);

	exchange.content_type = type;
	exchange.body = text;
	exchange.bytes = strlen(text);
	return ask_patiently(ctx, client, &exchange, error) &&
	       (exchange.status == 201 || throw_status(client, &exchange, what, error));
}

gboolean
ash_registry_client_list_tags(AshContext *ctx, AshRegistryClient *client, GPtrArray **ret_tags, GError **error)
{
	g_autoptr(GPtrArray) tags = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *url = ash_registry_tags_url(client->registry);

	for (guint page = 0; url != NULL && page < MAX_PAGES; page++) {
		g_auto(Exchange) exchange = EXCHANGE_INIT("GET", url);

		exchange.most = ASH_REGISTRY_MAX_MANIFEST_BYTES;
		if (!ask_patiently(ctx, client, &exchange, error))
			return FALSE;
		if (exchange.status == 404)
			break;
		if (exchange.status != 200)
			return throw_status(client, &exchange, "tags cannot be listed", error);
		g_autoptr(GBytes) reply = g_byte_array_free_to_bytes(g_steal_pointer(&exchange.reply));
		GPtrArray *some = ash_registry_tags_parse(reply, error);
		if (some == NULL)
			return FALSE;
		g_ptr_array_extend_and_steal(tags, some);
		char *next = ash_registry_next_page(client->registry, url, exchange.link);
		g_free(url);
		url = next;
	}
	*ret_tags = g_steal_pointer(&tags);
	return TRUE;
}

gboolean
ash_registry_client_delete_tag(AshContext *ctx, AshRegistryClient *client, const char *tag, GError **error)
{
	g_autofree char *url = ash_registry_manifest_url(client->registry, tag);
	g_autofree char *what = g_strdup_printf("tag \"%s\" cannot be removed", tag);
	g_auto(Exchange) exchange = EXCHANGE_INIT("DELETE", url);

	return ask_known(ctx, client, &exchange, error) &&
	       (exchange.status / 100 == 2 || exchange.status == 404 || throw_status(client, &exchange, what, error));
}
