/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client under test of the public TUF conformance suite (github.com/theupdateframework/tuf-conformance, CLIENT-CLI.md):
 * our client code, fetched for by libcurl. Not installed. tests/conformance/run starts the suite with it.
 */
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "tuf/client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_TARGET_BYTES ((guint64) 64 * 1024 * 1024)
#define TIMEOUT_SECONDS  30L

typedef struct {
	char *metadata_dir, *metadata_url, *target_dir, *target_url;
	char **targets;
	char **arguments;
} Options;

typedef struct {
	GByteArray *bytes;
	guint64 max;
	bool too_long;
} Body;

static size_t
receive(char *data, size_t size, size_t count, void *user_data)
{
	Body *body = user_data;

	if (body->bytes->len + size * count > body->max) {
		body->too_long = true;
		return 0;
	}
	g_byte_array_append(body->bytes, (const guint8 *) data, (guint) (size * count));
	return size * count;
}

static gboolean
perform(CURL *curl, const char *url, Body *body, long *ret_status, GError **error)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	CURLcode code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
	if (body->too_long)
		return ash_throw(error, ASH_ERROR_TRUST, "\"%s\" is longer than %" G_GUINT64_FORMAT " bytes", url, body->max);
	return code == CURLE_OK || ash_throw(error, ASH_ERROR_FETCH, "\"%s\": %s", url, curl_easy_strerror(code));
}

static gboolean
fetch(gpointer data, AshTufPlace place, const char *path, guint64 max, GBytes **ret_bytes, GError **error)
{
	const Options *options = data;
	const char *base = place == ASH_TUF_AT_METADATA ? options->metadata_url : options->target_url;
	g_autofree char *url = g_strdup_printf("%s%s%s", base, g_str_has_suffix(base, "/") ? "" : "/", path);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	Body body = { bytes, max, false };
	CURL *curl = curl_easy_init();
	long status = 0;

	gboolean ok = perform(curl, url, &body, &status, error);
	curl_easy_cleanup(curl);
	fprintf(stderr, "GET %s: %ld, %u bytes\n", url, status, bytes->len);
	if (!ok)
		return FALSE;
	*ret_bytes = NULL;
	if (status == 404 || status == 403)
		return TRUE;
	if (status != 200)
		return ash_throw(error, ASH_ERROR_FETCH, "\"%s\": HTTP status %ld", url, status);
	*ret_bytes = g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
	return TRUE;
}

static GBytes *
load(int dir_fd, const char *path, GError **error)
{
	gsize length;
	char *text = ash_file_load(dir_fd, path, 0, &length, error);

	return text != NULL ? g_bytes_new_take(text, length) : NULL;
}

static gboolean
download(AshTufClient *client, int dir_fd, const char *path, GError **error)
{
	g_autoptr(AshTufTarget) target = NULL;
	g_autofree char *name = g_uri_escape_string(path, NULL, FALSE);

	if (!ash_tuf_client_find_target(client, path, &target, error))
		return FALSE;
	if (target == NULL)
		return ash_throw(error, ASH_ERROR_FETCH, "there is no target \"%s\"", path);
	g_autoptr(GBytes) kept = load(dir_fd, name, NULL);
	if (kept != NULL && ash_tuf_file_check(&target->file, kept, path, NULL))
		return TRUE;
	g_autoptr(GBytes) bytes = ash_tuf_client_fetch_target(client, target, MAX_TARGET_BYTES, error);
	if (bytes == NULL)
		return FALSE;
	return ash_file_save(dir_fd, name, g_bytes_get_data(bytes, NULL), (gssize) g_bytes_get_size(bytes), 0644, error);
}

static gboolean
command_init(AshTufClient *client, const Options *options, GError **error)
{
	if (options->arguments[1] == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "init TRUSTED_ROOT");
	g_autoptr(GBytes) root = load(AT_FDCWD, options->arguments[1], error);
	return root != NULL && ash_tuf_client_bootstrap(client, root, error);
}

static gboolean
command_refresh(AshTufClient *client, const Options *options, GError **error)
{
	return ash_tuf_client_refresh(client, NULL, error);
}

static gboolean
command_download(AshTufClient *client, const Options *options, GError **error)
{
	if (!ash_tuf_client_refresh(client, NULL, error))
		return FALSE;
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, options->target_dir, true, error);
	if (dir_fd < 0)
		return FALSE;
	for (char **path = options->targets; path != NULL && *path != NULL; path++)
		if (!download(client, dir_fd, *path, error))
			return FALSE;
	return TRUE;
}

typedef struct {
	const char *name;
	gboolean (*run)(AshTufClient *client, const Options *options, GError **error);
} Command;

static const Command commands[] = {
	{ "init", command_init },
	{ "refresh", command_refresh },
	{ "download", command_download },
};

static gboolean
run(Options *options, GError **error)
{
	const AshTufFetcher fetcher = { fetch, options };

	if (options->metadata_dir == NULL || options->arguments == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "--metadata-dir DIR ... init|refresh|download");
	ash_autofd int dir_fd = ash_file_open_dir(AT_FDCWD, options->metadata_dir, true, error);
	if (dir_fd < 0)
		return FALSE;
	g_autoptr(AshTufClient) client = ash_tuf_client_new(dir_fd, &fetcher, (gint64) time(NULL), 0, NULL, error);
	for (gsize i = 0; client != NULL && i < G_N_ELEMENTS(commands); i++)
		if (strcmp(commands[i].name, options->arguments[0]) == 0)
			return commands[i].run(client, options, error);
	return client != NULL && ash_throw(error, ASH_ERROR_USAGE, "unknown command \"%s\"", options->arguments[0]);
}

int
main(int argc, char **argv)
{
	Options options = { 0 };
	g_autoptr(GError) error = NULL;
	g_autoptr(GOptionContext) context = g_option_context_new("init|refresh|download");
	const GOptionEntry entries[] = {
		{ "metadata-dir", 0, 0, G_OPTION_ARG_FILENAME, &options.metadata_dir, NULL, NULL },
		{ "metadata-url", 0, 0, G_OPTION_ARG_STRING, &options.metadata_url, NULL, NULL },
		{ "target-name", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.targets, NULL, NULL },
		{ "target-base-url", 0, 0, G_OPTION_ARG_STRING, &options.target_url, NULL, NULL },
		{ "target-dir", 0, 0, G_OPTION_ARG_FILENAME, &options.target_dir, NULL, NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.arguments, NULL, NULL },
		{ NULL },
	};

	g_option_context_add_main_entries(context, entries, NULL);
	bool ok = g_option_context_parse(context, &argc, &argv, &error) && run(&options, &error);
	if (!ok)
		fprintf(stderr, "tuf-client: %s\n", error->message);
	g_free(options.metadata_dir);
	g_free(options.metadata_url);
	g_free(options.target_dir);
	g_free(options.target_url);
	g_strfreev(options.targets);
	g_strfreev(options.arguments);
	return ok ? 0 : 1;
}
