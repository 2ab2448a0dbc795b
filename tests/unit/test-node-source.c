/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/source.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "node-server.h"
#include "node/reply.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES (300 * 1024)

/* A release directory with one object and a small file, twice: by the server and as a copy that is right. */
typedef struct {
	char *dir, *copy_url;
	guint8 *data;
	AshObjectRef object;
	NodeServer *server;
	AshContext *ctx;
} Case;

static void
save(const char *dir, const char *path, const void *data, gsize length)
{
	g_autofree char *name = g_build_filename(dir, path, NULL);
	g_autofree char *parent = g_path_get_dirname(name);
	GError *error = NULL;

	ash_file_mkdirs(AT_FDCWD, parent, 0755, &error);
	ash_file_write(AT_FDCWD, name, data, (gssize) length, 0644, &error);
	g_assert_no_error(error);
}

static void
case_set_up(Case *c, gconstpointer data)
{
	g_autoptr(GRand) random = g_rand_new_with_seed(1);
	GError *error = NULL;

	c->dir = g_dir_make_tmp("ash-source-XXXXXX", &error);
	g_assert_no_error(error);
	c->copy_url = g_strdup_printf("file://%s/copy", c->dir);
	c->data = g_malloc(BYTES);
	for (guint i = 0; i < BYTES; i++)
		c->data[i] = (guint8) g_rand_int(random);
	c->object = (AshObjectRef){ .sha256 = ash_sha256_hex(c->data, BYTES), .size = BYTES };
	g_autofree char *path = ash_object_ref_path(&c->object);
	g_autofree char *copy = g_strconcat("copy/", path, NULL);
	save(c->dir, path, c->data, BYTES);
	save(c->dir, copy, c->data, BYTES);
	save(c->dir, "metadata/a+b~1^2.json", "metadata", 8);
	c->data[7]++;
	save(c->dir, "other", c->data, BYTES);
	c->data[7]--;
	c->server = node_server_new(c->dir, NULL, NULL);
	c->ctx = ash_context_new();
}

static void
case_tear_down(Case *c, gconstpointer data)
{
	node_server_free(c->server);
	ash_context_free(c->ctx);
	ash_file_remove_tree(AT_FDCWD, c->dir, NULL);
	g_free(c->object.sha256);
	g_free(c->data);
	g_free(c->dir);
	g_free(c->copy_url);
}

/* Only where something stalls is the time limit short: the machine may be busy. */
static guint
choose_timeout(const char *script)
{
	return strstr(script, "'stall'") != NULL || strstr(script, "'drip'") != NULL ? 1 : 20;
}

static AshSource *
open_source(const Case *c, const char *second, guint attempts, const char *script)
{
	const char *urls[] = { c->server->url, second, NULL };
	AshSourceOptions options = { .urls = urls, .pause = 1, .timeout = choose_timeout(script), .attempts = attempts };
	GError *error = NULL;
	AshSource *source = ash_source_new(&options, &error);

	g_assert_no_error(error);
	return source;
}

static int
open_new(const Case *c)
{
	g_autofree char *path = g_build_filename(c->dir, "new", NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static void
assert_object(const Case *c, int fd)
{
	g_autofree guint8 *data = g_malloc(BYTES);
	struct stat st;

	g_assert_cmpint(fstat(fd, &st), ==, 0);
	g_assert_cmpint(st.st_size, ==, BYTES);
	g_assert_true(ash_fd_read_exact(fd, data, BYTES, 0, NULL));
	g_assert_cmpmem(data, BYTES, c->data, BYTES);
}

/* What a fault does to an object, to ranges of it, and which requests it may take. */
typedef struct {
	const char *name, *script;
	int code;           /* alone: of the error; -1: it succeeds */
	int range_code;     /* the same, for three ranges of the object */
	guint max_requests; /* alone, of the object */
} Fault;

#define FAULT(rest) "[{'path': 'objects', " rest "}]"

static const Fault faults[] = {
	{ "none", "[]", -1, -1, 1 },
	{ "reset", FAULT("'do': 'reset'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "reset-once", FAULT("'do': 'reset', 'times': 2"), -1, -1, 3 },
	{ "truncate", FAULT("'do': 'truncate', 'at': 70000, 'times': 4"), -1, -1, 6 },
	{ "truncate-early", FAULT("'do': 'truncate', 'at': 1"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "truncate-zero", FAULT("'do': 'truncate', 'at': 0, 'times': 1"), -1, -1, 2 },
	{ "stall", FAULT("'do': 'stall', 'at': 1000, 'times': 1"), -1, -1, 2 },
	{ "drip", FAULT("'do': 'drip', 'rate': 100, 'times': 1"), -1, -1, 2 },
	{ "flip", FAULT("'do': 'flip', 'at': 100000"), ASH_ERROR_TRUST, -1, 2 },
	{ "flip-once", FAULT("'do': 'flip', 'at': 100000, 'times': 1"), -1, -1, 2 },
	{ "whole", FAULT("'do': 'whole'"), -1, -1, 1 },
	{ "shift", FAULT("'do': 'shift'"), -1, ASH_ERROR_FETCH, 1 },
	{ "total", FAULT("'do': 'total', 'ranged': true"), -1, ASH_ERROR_FETCH, 1 },
	{ "part", FAULT("'do': 'part', 'ranged': true, 'times': 2"), -1, -1, 1 },
	{ "replace", FAULT("'do': 'replace', 'with': 'other'"), ASH_ERROR_TRUST, -1, 2 },
	{ "endless", FAULT("'do': 'endless'"), -1, -1, 1 },
	{ "endless-chunked", FAULT("'do': 'endless', 'chunked': true"), -1, -1, 1 },
	{ "longer", FAULT("'do': 'longer', 'times': 3"), ASH_ERROR_FETCH, -1, 3 },
	{ "missing", FAULT("'do': 'status', 'status': 404"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 1 },
	{ "busy", FAULT("'do': 'status', 'status': 503, 'times': 2"), -1, -1, 3 },
	{ "busy-ever", FAULT("'do': 'status', 'status': 500"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "too-many", FAULT("'do': 'status', 'status': 429, 'headers': {'Retry-After': '1'}, 'times': 1"), -1, -1, 2 },
	{ "redirect", FAULT("'do': 'redirect', 'to': '{path}?again', 'times': 3"), -1, -1, 4 },
	{ "redirect-loop", FAULT("'do': 'redirect', 'to': '{path}'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 * 6 },
	{ "redirect-file", FAULT("'do': 'redirect', 'to': 'file:///etc/passwd'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "redirect-ftp", FAULT("'do': 'redirect', 'to': 'ftp://127.0.0.1/x'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "gzip", FAULT("'do': 'gzip'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "encoding", FAULT("'do': 'encoding'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "headers", FAULT("'do': 'headers', 'times': 1"), -1, -1, 2 },
	{ "multipart", FAULT("'do': 'multipart'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "empty", FAULT("'do': 'empty'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "garbage", FAULT("'do': 'garbage'"), ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
	{ "portal", "[{'path': '', 'do': 'replace', 'with': 'metadata/a+b~1^2.json'}]", ASH_ERROR_FETCH, ASH_ERROR_FETCH, 3 },
};

static void
assert_code(const GError *error, int code, const char *name)
{
	if (code < 0 ? error == NULL : error != NULL && (int) ash_error_code(error) == code)
		return;
	g_error("%s: expected %s, there is: %s", name, code < 0 ? "success" : ash_error_code_to_string((AshErrorCode) code),
		error != NULL ? error->message : "success");
}

/* The object as a whole: it comes, or there is an error, and with a second copy it always comes; after an error a new call goes on. */
static void
test_object(Case *c, gconstpointer data)
{
	for (guint i = 0; c->server != NULL && i < G_N_ELEMENTS(faults); i++) {
		const Fault *fault = &faults[i];
		g_autoptr(AshSource) source = open_source(c, NULL, 3, fault->script);
		g_autoptr(AshSource) two = open_source(c, c->copy_url, 3, fault->script);
		g_autoptr(GError) error = NULL;
		ash_autofd int fd = open_new(c);

		node_server_set_script(c->server, fault->script);
		ash_source_save_object(c->ctx, source, &c->object, fd, &error);
		assert_code(error, fault->code, fault->name);
		g_assert_cmpuint(node_server_take_requests(c->server), <=, fault->max_requests);
		if (error == NULL)
			assert_object(c, fd);
		node_server_set_script(c->server, "[]");
		ash_source_save_object(c->ctx, source, &c->object, fd, NULL);
		assert_object(c, fd);
		g_assert_cmpint(ftruncate(fd, 0), ==, 0);
		node_server_set_script(c->server, fault->script);
		g_clear_error(&error);
		ash_source_save_object(c->ctx, two, &c->object, fd, &error);
		assert_code(error, -1, fault->name);
		assert_object(c, fd);
		g_test_message("%s: good", fault->name);
	}
}

/* Three ranges, and what came of them. */
typedef struct {
	guint8 *data;
	guint64 at[3]; /* bytes that came */
	guint complain; /* so many complaints about range 1 */
	const AshSourceRange *ranges;
} Parts;

static gboolean
take_part(guint index, guint64 position, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
	Parts *parts = user_data;

	g_assert_cmpuint(position, <=, parts->at[index]);
	g_assert_cmpuint(position + length, <=, parts->ranges[index].length);
	if (index == 1 && position >= 8192 && parts->complain > 0) {
		parts->complain--;
		return ash_throw(error, ASH_ERROR_TRUST, "not good");
	}
	memcpy(parts->data + parts->ranges[index].offset + position, data, length);
	parts->at[index] = position + length;
	return TRUE;
}

static void
fetch_parts(const Case *c, AshSource *source, guint complain, int code, bool right, const char *name)
{
	const AshSourceRange ranges[] = { { &c->object, 0, 4096 }, { &c->object, 90112, 40960 }, { &c->object, BYTES - 100, 100 } };
	g_autofree guint8 *data = g_malloc0(BYTES);
	Parts parts = { .data = data, .ranges = ranges, .complain = complain };
	g_autoptr(GError) error = NULL;

	ash_source_fetch_ranges(c->ctx, source, ranges, 3, 4096, 0, take_part, &parts, &error);
	assert_code(error, code, name);
	for (guint i = 0; error == NULL && right && i < 3; i++) {
		g_assert_cmpuint(parts.at[i], ==, ranges[i].length);
		g_assert_cmpmem(data + ranges[i].offset, ranges[i].length, c->data + ranges[i].offset, ranges[i].length);
	}
}

static void
test_ranges(Case *c, gconstpointer data)
{
	for (guint i = 0; c->server != NULL && i < G_N_ELEMENTS(faults); i++) {
		const Fault *fault = &faults[i];
		g_autoptr(AshSource) source = open_source(c, NULL, 3, fault->script);
		bool lies = strcmp(fault->name, "flip") == 0 || strcmp(fault->name, "flip-once") == 0 || strcmp(fault->name, "replace") == 0;

		node_server_set_script(c->server, fault->script);
		fetch_parts(c, source, 0, fault->range_code, !lies, fault->name);
		g_test_message("%s: good", fault->name);
	}
}

/* What a sink complains of is fetched again from the unit's beginning, from the other copy if there is one; in the end it is given up. */
static void
test_complaints(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	g_autoptr(AshSource) source = open_source(c, NULL, 8, "");
	g_autoptr(AshSource) two = open_source(c, c->copy_url, 8, "");

	fetch_parts(c, source, 1, -1, true, "one complaint");
	fetch_parts(c, source, 2, ASH_ERROR_TRUST, true, "two complaints");
	fetch_parts(c, two, 3, -1, true, "three complaints, two copies");
	fetch_parts(c, two, 4, ASH_ERROR_TRUST, true, "four complaints, two copies");
}

/* A server without ranges sends an object once for all its parts, but another copy is better. */
static void
test_sequential(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	g_autoptr(AshSource) source = open_source(c, NULL, 8, "");
	g_autoptr(AshSource) two = open_source(c, c->copy_url, 8, "");

	node_server_set_script(c->server, FAULT("'do': 'whole'"));
	fetch_parts(c, source, 0, -1, true, "sequential");
	g_assert_cmpuint(node_server_take_requests(c->server), <=, 4);
	g_assert_cmpuint(ash_source_get_received(source), <, 4 * BYTES);
	fetch_parts(c, source, 0, -1, true, "sequential");
	g_assert_cmpuint(node_server_take_requests(c->server), ==, 1);
	fetch_parts(c, source, 1, -1, true, "sequential, with a complaint");
	g_assert_cmpuint(node_server_take_requests(c->server), ==, 2);
	node_server_set_script(c->server, "[{'path': 'objects', 'do': 'truncate', 'at': 100000, 'ranged': false, 'times': 1}, "
					  "{'path': 'objects', 'do': 'whole'}]");
	fetch_parts(c, source, 0, -1, true, "sequential, cut off");
	fetch_parts(c, two, 0, -1, true, "with another copy");
	g_assert_cmpuint(ash_source_get_received(two), <, 3 * BYTES + 100000);
}

/* A file that is being replaced: the beginning of the one is not joined to the end of the other. */
static void
test_replaced(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	g_autoptr(AshSource) source = open_source(c, NULL, 8, "");
	ash_autofd int fd = open_new(c);
	g_autoptr(GError) error = NULL;

	node_server_set_script(c->server, "[{'path': 'objects', 'do': 'truncate', 'at': 100000, 'times': 1}, "
					  "{'path': 'objects', 'do': 'replace', 'with': 'other', 'times': 1}]");
	ash_source_save_object(c->ctx, source, &c->object, fd, &error);
	g_assert_no_error(error);
	assert_object(c, fd);
	g_assert_cmpuint(ash_source_get_received(source), <, 2 * BYTES + 100000);
}

/* A beginning from an earlier run is gone on with, if it is one; what is too long is cut. */
static void
test_resume(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	g_autoptr(AshSource) source = open_source(c, NULL, 3, "");
	ash_autofd int fd = open_new(c);
	g_autoptr(GError) error = NULL;

	g_assert_true(ash_fd_write_all(fd, c->data, 200000, 0, NULL));
	ash_source_save_object(c->ctx, source, &c->object, fd, &error);
	g_assert_no_error(error);
	assert_object(c, fd);
	g_assert_cmpuint(ash_source_get_received(source), ==, BYTES - 200000);
	ash_source_save_object(c->ctx, source, &c->object, fd, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(ash_source_get_received(source), ==, BYTES - 200000);
	g_assert_true(ash_fd_write_all(fd, "wrong", 5, 0, NULL));
	g_assert_cmpint(ftruncate(fd, 2 * BYTES), ==, 0);
	ash_source_save_object(c->ctx, source, &c->object, fd, &error);
	g_assert_no_error(error);
	assert_object(c, fd);
	g_assert_true(ash_fd_write_all(fd, "wrong", 5, 0, NULL));
	g_assert_cmpint(ftruncate(fd, 1000), ==, 0);
	ash_source_save_object(c->ctx, source, &c->object, fd, &error);
	g_assert_no_error(error);
	assert_object(c, fd);
}

static void
test_load(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	g_autoptr(AshSource) source = open_source(c, NULL, 3, "");
	g_autoptr(GBytes) bytes = NULL;
	g_autoptr(GBytes) none = NULL;
	g_autoptr(GBytes) object = NULL;
	g_autoptr(GError) error = NULL;
	bool missing = true;

	ash_source_load(c->ctx, source, "metadata/a+b~1^2.json", 8, &bytes, &missing, &error);
	g_assert_no_error(error);
	g_assert_false(missing);
	g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "metadata", 8);
	g_assert_true(ash_source_load(c->ctx, source, "metadata/none", 8, &none, &missing, &error));
	g_assert_true(missing);
	g_assert_null(none);
	g_assert_false(ash_source_load(c->ctx, source, "metadata/none", 8, &none, NULL, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	g_clear_error(&error);
	g_assert_false(ash_source_load(c->ctx, source, "metadata/a+b~1^2.json", 7, &none, &missing, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	node_server_set_script(c->server, "[{'path': '', 'do': 'endless', 'chunked': true}]");
	g_assert_false(ash_source_load(c->ctx, source, "metadata/a+b~1^2.json", 100, &none, &missing, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	g_clear_error(&error);
	node_server_set_script(c->server, "[{'path': '', 'do': 'status', 'status': 500}]");
	g_assert_false(ash_source_load(c->ctx, source, "metadata/a+b~1^2.json", 100, &none, &missing, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	node_server_set_script(c->server, "[]");
	object = ash_source_load_object(c->ctx, source, &c->object, NULL);
	g_assert_cmpmem(g_bytes_get_data(object, NULL), g_bytes_get_size(object), c->data, BYTES);
}

/* Rate and budget. */
static void
test_limits(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	const char *urls[] = { c->server->url, NULL };
	AshSourceOptions slow = { .urls = urls, .rate = 400 * 1024 };
	AshSourceOptions little = { .urls = urls, .budget = 200 * 1024, .pause = 1 };
	g_autoptr(AshSource) source = ash_source_new(&slow, NULL);
	g_autoptr(AshSource) poor = ash_source_new(&little, NULL);
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = open_new(c);
	gint64 start = g_get_monotonic_time();

	ash_source_save_object(c->ctx, source, &c->object, fd, &error);
	g_assert_no_error(error);
	g_assert_cmpint(g_get_monotonic_time() - start, >, 500000); /* 0.75 s, but for the last bytes' share */
	g_assert_cmpint(ftruncate(fd, 0), ==, 0);
	g_assert_false(ash_source_save_object(c->ctx, poor, &c->object, fd, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	g_assert_cmpuint(ash_source_get_received(poor), ==, 0);
}

/* Retry-After is waited for, unless there is another copy. */
static void
test_retry_after(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	g_autoptr(AshSource) source = open_source(c, NULL, 3, "");
	g_autoptr(AshSource) two = open_source(c, c->copy_url, 3, "");
	g_autoptr(GBytes) object = NULL;
	g_autoptr(GBytes) again = NULL;
	gint64 start = g_get_monotonic_time(), middle;

	node_server_set_script(c->server, FAULT("'do': 'status', 'status': 503, 'headers': {'Retry-After': '1'}, 'times': 1"));
	object = ash_source_load_object(c->ctx, source, &c->object, NULL);
	g_assert_nonnull(object);
	middle = g_get_monotonic_time();
	g_assert_cmpint(middle - start, >, 950000);
	node_server_set_script(c->server, FAULT("'do': 'status', 'status': 503, 'headers': {'Retry-After': '60'}"));
	again = ash_source_load_object(c->ctx, two, &c->object, NULL);
	g_assert_nonnull(again);
	g_assert_cmpint(g_get_monotonic_time() - middle, <, 20 * G_USEC_PER_SEC);
}

/* Through a proxy, names are not looked up here. */
static void
test_proxy(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	const char *urls[] = { "http://nowhere.invalid", NULL };
	AshSourceOptions options = { .urls = urls, .proxy = c->server->url };
	g_unsetenv("no_proxy");
	g_autoptr(AshSource) source = ash_source_new(&options, NULL);
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) object = ash_source_load_object(c->ctx, source, &c->object, &error);

	g_assert_no_error(error);
	g_assert_nonnull(object);
	g_assert_cmpuint(node_server_take_requests(c->server), ==, 1);
	g_setenv("no_proxy", "*", TRUE);
}

static gpointer
cancel_soon(gpointer data)
{
	g_usleep(100000);
	g_cancellable_cancel(data);
	return NULL;
}

static void
test_cancel(Case *c, gconstpointer data)
{
	if (c->server == NULL)
		return;
	g_autoptr(AshSource) source = open_source(c, NULL, 3, "");
	g_autoptr(GError) error = NULL;
	ash_autofd int fd = open_new(c);
	GThread *thread = g_thread_new("cancel", cancel_soon, c->ctx->cancellable);

	node_server_set_script(c->server, FAULT("'do': 'stall', 'at': 1000"));
	g_assert_false(ash_source_save_object(c->ctx, source, &c->object, fd, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CANCELLED);
	g_thread_join(thread);
}

static bool
make_certificate(const char *key, const char *cert)
{
	g_autofree char *openssl = g_find_program_in_path("openssl");
	const char *argv[] = { openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj",
			       "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", NULL };
	int status = -1;

	return openssl != NULL && g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
					       NULL, NULL, &status, NULL) && status == 0;
}

/* https: only with a certificate that we know, and never on to http. */
static void
test_tls(Case *c, gconstpointer data)
{
	g_autofree char *key = g_build_filename(c->dir, "key.pem", NULL);
	g_autofree char *cert = g_build_filename(c->dir, "cert.pem", NULL);

	if (c->server == NULL || !make_certificate(key, cert)) {
		g_test_skip("python3 and openssl(1) are needed");
		return;
	}
	g_autoptr(NodeServer) server = node_server_new(c->dir, cert, key);
	const char *urls[] = { server->url, NULL };
	AshSourceOptions options = { .urls = urls, .pause = 1, .attempts = 3 };
	g_autoptr(AshSource) stranger = ash_source_new(&options, NULL);
	g_autofree char *script = g_strdup_printf(FAULT("'do': 'redirect', 'to': '%s{path}'"), c->server->url);
	g_autoptr(GError) error = NULL;

	options.ca_file = cert;
	g_autoptr(AshSource) source = ash_source_new(&options, NULL);
	g_assert_null(ash_source_load_object(c->ctx, stranger, &c->object, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	g_assert_cmpuint(ash_source_get_requests(stranger), ==, 1);
	g_clear_error(&error);
	g_autoptr(GBytes) object = ash_source_load_object(c->ctx, source, &c->object, &error);
	g_assert_no_error(error);
	g_assert_nonnull(object);
	node_server_set_script(server, script);
	g_assert_null(ash_source_load_object(c->ctx, source, &c->object, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_FETCH);
	g_assert_cmpuint(node_server_take_requests(c->server), ==, 0);
}

static void
test_bad_urls(void)
{
	static const char *const bad[] = { "ftp://host/", "/directory", "", "file:relative", "httpx://host" };

	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		const char *urls[] = { bad[i], NULL };
		AshSourceOptions options = { .urls = urls };
		g_autoptr(GError) error = NULL;

		g_assert_null(ash_source_new(&options, &error));
		g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	}
}

/* Headers as they come, in all their variety. */
static void
test_reply(void)
{
	static const struct {
		const char *lines;
		AshReplyVerdict verdict;
	} cases[] = {
		{ "HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-19/100\r\n", ASH_REPLY_TAKE },
		{ "HTTP/2 206\r\ncontent-range:bytes 10-19/100\r\ncontent-length: 10\r\n", ASH_REPLY_TAKE },
		{ "HTTP/2 206\r\ncontent-range: bytes 10-19/*\r\n", ASH_REPLY_TAKE },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 x\r\nContent-Range: bytes 10-19/100\r\nContent-Encoding: identity\r\n", ASH_REPLY_TAKE },
		{ "HTTP/1.1 206 Partial\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 10-18/100\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 9-19/100\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 10-19/101\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 10-19/100x\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 10-99999999999999999999/100\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 19-10/100\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 10-19/100\r\nContent-Length: 11\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 10-19/100\r\nContent-Encoding: gzip\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 10-19/100\r\nETag: \"b\"\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 206 x\r\nContent-Range: bytes 10-19/100\r\nETag: W/\"b\"\r\n", ASH_REPLY_TAKE },
		{ "HTTP/1.1 200 OK\r\n", ASH_REPLY_WHOLE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n", ASH_REPLY_WHOLE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 416 x\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 404 x\r\n", ASH_REPLY_MISSING },
		{ "HTTP/1.1 403 x\r\n", ASH_REPLY_MISSING },
		{ "HTTP/1.1 307 x\r\n", ASH_REPLY_REDIRECT },
		{ "HTTP/1.1 304 x\r\n", ASH_REPLY_WRONG },
		{ "HTTP/1.1 503 x\r\n", ASH_REPLY_BUSY },
		{ "HTTP/1.1 429 x\r\n", ASH_REPLY_BUSY },
		{ "HTTP/1.1 x\r\n", ASH_REPLY_WRONG },
		{ "", ASH_REPLY_WRONG },
	};
	const AshReplyWish wish = { .ranged = true, .start = 10, .end = 20, .total = 100, .etag = "\"a\"" };

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(GStrv) lines = g_strsplit(cases[i].lines, "\n", -1);
		AshReply reply = { .content_length = -1, .range_total = -1 };
		g_autofree char *why = NULL;

		for (guint j = 0; lines[j] != NULL; j++)
			g_assert_true(ash_reply_add_line(&reply, lines[j], strlen(lines[j])));
		if (ash_reply_judge(&reply, &wish, &why) != cases[i].verdict)
			g_error("wrong verdict about: %s", cases[i].lines);
		g_assert_true((why == NULL) == (cases[i].verdict == ASH_REPLY_TAKE));
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv("no_proxy", "*", TRUE); /* whatever the machine has */
	g_test_add_func("/node/source/reply", test_reply);
	g_test_add_func("/node/source/bad-urls", test_bad_urls);
	g_test_add("/node/source/load", Case, NULL, case_set_up, test_load, case_tear_down);
	g_test_add("/node/source/object", Case, NULL, case_set_up, test_object, case_tear_down);
	g_test_add("/node/source/ranges", Case, NULL, case_set_up, test_ranges, case_tear_down);
	g_test_add("/node/source/complaints", Case, NULL, case_set_up, test_complaints, case_tear_down);
	g_test_add("/node/source/sequential", Case, NULL, case_set_up, test_sequential, case_tear_down);
	g_test_add("/node/source/replaced", Case, NULL, case_set_up, test_replaced, case_tear_down);
	g_test_add("/node/source/resume", Case, NULL, case_set_up, test_resume, case_tear_down);
	g_test_add("/node/source/limits", Case, NULL, case_set_up, test_limits, case_tear_down);
	g_test_add("/node/source/retry-after", Case, NULL, case_set_up, test_retry_after, case_tear_down);
	g_test_add("/node/source/proxy", Case, NULL, case_set_up, test_proxy, case_tear_down);
	g_test_add("/node/source/cancel", Case, NULL, case_set_up, test_cancel, case_tear_down);
	g_test_add("/node/source/tls", Case, NULL, case_set_up, test_tls, case_tear_down);
	return g_test_run();
}
