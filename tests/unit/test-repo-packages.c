/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packages from a directory and from a web server on the loopback interface, which can be made to cut and to lie. */
#include "repo/packages.h"

#include "base/error.h"
#include "base/file.h"
#include "solver/testrepo.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

typedef struct {
	char *dir, *repo_dir;
	TestRepo *repo;
	AshContext *ctx;
	GPtrArray *metadata;
	AshPackageSet *set;
	GSubprocess *server;
	guint64 counted, total; /* of the last progress event */
} Fixture;

#define N_PACKAGES 40

static void
on_event(const AshProgressEvent *event, gpointer data)
{
	Fixture *fixture = data;

	if (event->kind != ASH_PROGRESS_UPDATE || event->total == 0)
		return;
	g_assert_cmpstr(event->unit, ==, "B");
	fixture->counted = event->done;
	fixture->total = event->total;
}

static void
add_package(Fixture *fixture, const char *nevra)
{
	AshPackage *package = ash_package_new();

	g_assert_true(ash_package_parse_nevra(nevra, package));
	package->repo_id = g_strdup("demo");
	package->location = g_strdup_printf("Packages/%s.rpm", nevra);
	package->sha256 = g_strdup(g_hash_table_lookup(fixture->repo->sums, nevra));
	package->size = strlen(g_hash_table_lookup(fixture->repo->files, nevra));
	g_ptr_array_add(fixture->set->packages, package);
}

static void
set_url(Fixture *fixture, const char *url)
{
	AshRepoMetadata *metadata = g_new0(AshRepoMetadata, 1);

	g_ptr_array_set_size(fixture->metadata, 0);
	metadata->conf = ash_repo_conf_new("demo", "test:1");
	g_strfreev(metadata->conf->baseurls);
	metadata->conf->baseurls = g_new0(char *, 2);
	metadata->conf->baseurls[0] = g_strdup(url);
	metadata->base_url = g_strdup(url);
	g_ptr_array_add(fixture->metadata, metadata);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GString) text = g_string_new(NULL);

	fixture->dir = g_dir_make_tmp("ashlar-packages-XXXXXX", NULL);
	fixture->repo_dir = g_build_filename(fixture->dir, "repo", NULL);
	for (guint i = 0; i < N_PACKAGES; i++)
		g_string_append_printf(text, "package c++%u-1:1^%u-1.x86_64\n", i, i);
	fixture->repo = test_repo_from_text(text->str, fixture->repo_dir);
	fixture->set = ash_package_set_new();
	for (guint i = 0; i < N_PACKAGES; i++) {
		g_autofree char *nevra = g_strdup_printf("c++%u-1:1^%u-1.x86_64", i, i);
		add_package(fixture, nevra);
	}
	fixture->ctx = ash_context_new();
	fixture->ctx->cache_dir = g_build_filename(fixture->dir, "cache", NULL);
	fixture->ctx->progress = ash_progress_new(on_event, fixture);
	fixture->metadata = g_ptr_array_new_with_free_func((GDestroyNotify)ash_repo_metadata_free);
	g_autofree char *url = g_filename_to_uri(fixture->repo_dir, NULL, NULL);
	set_url(fixture, url);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
	if (fixture->server != NULL) {
		g_subprocess_force_exit(fixture->server);
		g_subprocess_wait(fixture->server, NULL, NULL);
		g_object_unref(fixture->server);
	}
	g_assert_true(ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL));
	ash_package_set_free(fixture->set);
	g_ptr_array_unref(fixture->metadata);
	ash_context_free(fixture->ctx);
	test_repo_free(fixture->repo);
	g_free(fixture->dir);
	g_free(fixture->repo_dir);
}

/*
 * A web server with ranges. It says what was asked of it in the file "log"; a file whose name is in "cut" is sent but
 * for its last 5 bytes, and the connection closed.
 */
static gboolean
serve(Fixture *fixture)
{
	static const char script[] =
		"import http.server, os, sys, urllib.parse\n"
		"os.chdir(sys.argv[1])\n"
		"class Handler(http.server.BaseHTTPRequestHandler):\n"
		"    protocol_version = 'HTTP/1.1'\n"
		"    def log_message(self, *args): pass\n"
		"    def do_GET(self):\n"
		"        path = urllib.parse.unquote(self.path).lstrip('/')\n"
		"        if not os.path.isfile(path):\n"
		"            return self.send_error(404)\n"
		"        data = open(path, 'rb').read()\n"
		"        begin = 0\n"
		"        if 'Range' in self.headers:\n"
		"            begin = int(self.headers['Range'].split('=')[1].split('-')[0])\n"
		"        with open('log', 'a') as log: log.write(f'{begin} {path}\\n')\n"
		"        self.send_response(206 if begin else 200)\n"
		"        if begin:\n"
		"            self.send_header('Content-Range', f'bytes {begin}-{len(data) - 1}/{len(data)}')\n"
		"        self.send_header('Content-Length', str(len(data) - begin))\n"
		"        self.end_headers()\n"
		"        if os.path.exists('cut') and path in open('cut').read():\n"
		"            self.wfile.write(data[begin:-5])\n"
		"            self.close_connection = True\n"
		"        else:\n"
		"            self.wfile.write(data[begin:])\n"
		"server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n"
		"print(server.server_port, flush=True)\n"
		"server.serve_forever()\n";
	g_autofree char *python = g_find_program_in_path("python3");
	g_autoptr(GError) error = NULL;

	if (python == NULL) {
		g_test_skip("python3 is not there");
		return FALSE;
	}
	fixture->server = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
					   python, "-c", script, fixture->repo_dir, NULL);
	g_assert_no_error(error);
	g_autoptr(GDataInputStream) output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(fixture->server));
	g_autofree char *port = g_data_input_stream_read_line(output, NULL, NULL, &error);
	g_assert_no_error(error);
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%s", port);
	set_url(fixture, url);
	return TRUE;
}

/* What the server was asked for since the last call. Owned; "" if nothing. */
static char *
take_log(Fixture *fixture)
{
	g_autofree char *path = g_build_filename(fixture->repo_dir, "log", NULL);
	char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return g_strdup("");
	unlink(path);
	return text;
}

static AshPackage *
package_at(Fixture *fixture, guint i)
{
	return g_ptr_array_index(fixture->set->packages, i);
}

static char *
repo_file(Fixture *fixture, guint i)
{
	return g_build_filename(fixture->repo_dir, package_at(fixture, i)->location, NULL);
}

static char *
cache_file(Fixture *fixture, guint i, const char *suffix)
{
	g_autofree char *name = g_strconcat(package_at(fixture, i)->sha256, suffix, NULL);

	return g_build_filename(fixture->ctx->cache_dir, "packages", name, NULL);
}

static void
assert_fetched(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	ash_progress_begin(fixture->ctx->progress, "Fetch", 1);
	gboolean ok = ash_repo_fetch_packages(fixture->ctx, fixture->metadata, fixture->set, NULL, NULL, &error);
	ash_progress_end(fixture->ctx->progress);
	g_assert_no_error(error);
	g_assert_true(ok);
	for (guint i = 0; i < fixture->set->packages->len; i++) {
		g_autofree char *text = NULL;
		g_assert_true(g_file_get_contents(package_at(fixture, i)->path, &text, NULL, NULL));
		g_assert_true(g_str_has_prefix(text, package_at(fixture, i)->name));
	}
	g_assert_cmpuint(fixture->total, ==, ash_package_set_total_size(fixture->set));
}

static void
assert_fails(Fixture *fixture, AshErrorCode code, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(ash_repo_fetch_packages(fixture->ctx, fixture->metadata, fixture->set, NULL, NULL, &error));
	g_test_message("%s", error->message);
	g_assert_cmpstr(ash_error_code_to_string(ash_error_code(error)), ==, ash_error_code_to_string(code));
	if (strstr(error->message, message) == NULL)
		g_error("\"%s\" is not in \"%s\"", message, error->message);
}

static void
overwrite(const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, text, -1, &error);
	g_assert_no_error(error);
}

static void
test_local(Fixture *fixture, gconstpointer data)
{
	assert_fetched(fixture);
	for (guint i = 0; i < N_PACKAGES; i++) {
		g_autofree char *expected = repo_file(fixture, i);
		g_assert_cmpstr(package_at(fixture, i)->path, ==, expected);
	}
}

static void
test_local_wrong(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = repo_file(fixture, 7);
	g_autofree char *text = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	text[3]++;
	overwrite(path, text);
	assert_fails(fixture, ASH_ERROR_TRUST, "\"c++7-1:1^7-1.x86_64\" (repository \"demo\"): wrong SHA-256: expected ");
	g_assert_null(package_at(fixture, 7)->path);
	g_assert_cmpint(truncate(path, 10), ==, 0);
	assert_fails(fixture, ASH_ERROR_TRUST, "bytes, found 10");
	g_assert_cmpint(unlink(path), ==, 0);
	assert_fails(fixture, ASH_ERROR_FETCH, "c++7-1:1^7-1.x86_64");
	g_assert_cmpint(mkdir(path, 0755), ==, 0);
	assert_fails(fixture, ASH_ERROR_FETCH, "c++7-1:1^7-1.x86_64");
}

static void
test_http(Fixture *fixture, gconstpointer data)
{
	if (!serve(fixture))
		return;
	assert_fetched(fixture);
	g_autofree char *log = take_log(fixture);
	g_auto(GStrv) lines = g_strsplit(log, "\n", 0);
	g_assert_cmpuint(g_strv_length(lines) - 1, ==, N_PACKAGES);
	g_assert_cmpuint(fixture->counted, <=, fixture->total);
	for (guint i = 0; i < N_PACKAGES; i++) {
		g_autofree char *expected = cache_file(fixture, i, ".rpm");
		g_autofree char *part = cache_file(fixture, i, ".rpm.part");
		g_assert_cmpstr(package_at(fixture, i)->path, ==, expected);
		g_assert_false(g_file_test(part, G_FILE_TEST_EXISTS));
	}
	assert_fetched(fixture);
	g_autofree char *nothing = take_log(fixture);
	g_assert_cmpstr(nothing, ==, "");
}

/* What went bad in the cache is fetched again, and nothing else. */
static void
test_bad_cache(Fixture *fixture, gconstpointer data)
{
	if (!serve(fixture))
		return;
	assert_fetched(fixture);
	g_free(take_log(fixture));
	overwrite(package_at(fixture, 3)->path, "rubbish");
	assert_fetched(fixture);
	g_autofree char *log = take_log(fixture);
	g_assert_cmpstr(log, ==, "0 Packages/c++3-1:1^3-1.x86_64.rpm\n");
}

static void
test_http_wrong(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = repo_file(fixture, 5), *part = cache_file(fixture, 5, ".rpm.part");
	g_autofree char *final = cache_file(fixture, 5, ".rpm"), *text = NULL, *good = NULL;

	if (!serve(fixture))
		return;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	good = g_strdup(text);
	text[3]++;
	overwrite(path, text);
	assert_fails(fixture, ASH_ERROR_TRUST, "c++5-1:1^5-1.x86_64");
	g_assert_false(g_file_test(final, G_FILE_TEST_EXISTS));
	g_assert_false(g_file_test(part, G_FILE_TEST_EXISTS));
	text[10] = '\0';
	overwrite(path, text);
	assert_fails(fixture, ASH_ERROR_TRUST, "c++5-1:1^5-1.x86_64");
	g_assert_cmpint(unlink(path), ==, 0);
	assert_fails(fixture, ASH_ERROR_FETCH, "c++5-1:1^5-1.x86_64");
	overwrite(path, good);
	assert_fetched(fixture);
}

/* A connection that breaks: nothing of the file is believed, and the next run gets it. */
static void
test_broken(Fixture *fixture, gconstpointer data)
{
	g_autofree char *cut = g_build_filename(fixture->repo_dir, "cut", NULL);
	g_autofree char *final = cache_file(fixture, 9, ".rpm");

	if (!serve(fixture))
		return;
	overwrite(cut, package_at(fixture, 9)->location);
	assert_fails(fixture, ASH_ERROR_FETCH, "c++9-1:1^9-1.x86_64");
	g_assert_false(g_file_test(final, G_FILE_TEST_EXISTS));
	g_assert_cmpint(unlink(cut), ==, 0);
	assert_fetched(fixture);
}

/* What a killed run leaves: librepo knows its own unfinished files by an attribute, and fetches the rest only. */
static void
test_killed(Fixture *fixture, gconstpointer data)
{
	g_autofree char *part = cache_file(fixture, 9, ".rpm.part"), *dir = g_path_get_dirname(part);
	const char *content = g_hash_table_lookup(fixture->repo->files, "c++9-1:1^9-1.x86_64");
	g_autofree char *begin = g_strndup(content, 20);

	if (!serve(fixture))
		return;
	g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
	overwrite(part, begin);
	if (setxattr(part, "user.Librepo.DownloadInProgress", "", 1, 0) != 0) {
		g_test_skip("no user attributes on this file system");
		return;
	}
	assert_fetched(fixture);
	g_autofree char *log = take_log(fixture);
	g_assert_nonnull(strstr(log, "20 Packages/c++9-1:1^9-1.x86_64.rpm\n"));
	g_assert_false(g_file_test(part, G_FILE_TEST_EXISTS));
}

static void
test_unknown_repo(Fixture *fixture, gconstpointer data)
{
	g_ptr_array_set_size(fixture->metadata, 0);
	assert_fails(fixture, ASH_ERROR_INTERNAL, "in no repository");
}

static void
test_no_digest(Fixture *fixture, gconstpointer data)
{
	g_free(package_at(fixture, 0)->sha256);
	package_at(fixture, 0)->sha256 = g_strdup("../../etc/passwd");
	assert_fails(fixture, ASH_ERROR_TRUST, "SHA-256");
}

static void
test_cancelled(Fixture *fixture, gconstpointer data)
{
	g_cancellable_cancel(fixture->ctx->cancellable);
	assert_fails(fixture, ASH_ERROR_CANCELLED, "");
}

int
main(int argc, char **argv)
{
	const struct {
		const char *name;
		void (*run)(Fixture *fixture, gconstpointer data);
	} tests[] = {
		{ "local", test_local },
		{ "local-wrong", test_local_wrong },
		{ "http", test_http },
		{ "bad-cache", test_bad_cache },
		{ "http-wrong", test_http_wrong },
		{ "broken", test_broken },
		{ "killed", test_killed },
		{ "unknown-repo", test_unknown_repo },
		{ "no-digest", test_no_digest },
		{ "cancelled", test_cancelled },
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strconcat("/packages/", tests[i].name, NULL);
		g_test_add(path, Fixture, NULL, set_up, tests[i].run, tear_down);
	}
	return g_test_run();
}
