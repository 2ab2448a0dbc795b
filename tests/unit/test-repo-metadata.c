/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repositories on disk and behind a web server on the loopback interface, honest and not. */
#include "repo/metadata.h"

#include "base/error.h"
#include "base/file.h"
#include "repo/packages.h"
#include "solver/testrepo.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
	char *dir, *repo_dir, *url;
	TestRepo *repo;
	AshContext *ctx;
	AshRepoConf *conf;
	GSubprocess *server; /* NULL: file: URLs */
} Fixture;

static const char description[] = "package a-1-1.x86_64\n file /usr/bin/a\n"
				  "package b-1:2-3.noarch\n requires a\n"
				  "group core\n mandatory a\n";

static void
run(Fixture *fixture, const char *const *argv)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GSubprocessLauncher) launcher =
		g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
	g_autofree char *home = g_build_filename(fixture->dir, "gnupg", NULL);

	g_mkdir(home, 0700);
	g_subprocess_launcher_setenv(launcher, "GNUPGHOME", home, TRUE);
	g_autoptr(GSubprocess) process = g_subprocess_launcher_spawnv(launcher, argv, &error);
	g_assert_no_error(error);
	g_assert_true(g_subprocess_wait_check(process, NULL, &error));
	g_assert_no_error(error);
}

static char *
path_in(const Fixture *fixture, const char *name)
{
	return g_build_filename(fixture->repo_dir, name, NULL);
}

static void
set_url(Fixture *fixture, const char *url)
{
	g_strfreev(fixture->conf->baseurls);
	fixture->conf->baseurls = g_new0(char *, 2);
	fixture->conf->baseurls[0] = g_strdup(url);
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ashlar-repo-XXXXXX", NULL);
	fixture->repo_dir = g_build_filename(fixture->dir, "repo dir", NULL);
	fixture->repo = test_repo_from_text(description, fixture->repo_dir);
	fixture->ctx = ash_context_new();
	fixture->ctx->cache_dir = g_build_filename(fixture->dir, "cache", NULL);
	fixture->conf = ash_repo_conf_new("demo", "test:1");
	fixture->conf->repo_gpgcheck = false;
	fixture->url = g_filename_to_uri(fixture->repo_dir, NULL, NULL);
	set_url(fixture, fixture->url);
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
	ash_repo_conf_free(fixture->conf);
	ash_context_free(fixture->ctx);
	test_repo_free(fixture->repo);
	g_free(fixture->dir);
	g_free(fixture->repo_dir);
	g_free(fixture->url);
}

/* A python3 web server over @root on a free port, whose URL becomes fixture->url; FALSE (and skipped) without python3. */
static gboolean
serve(Fixture *fixture, const char *root)
{
	static const char script[] =
		"import functools, http.server, sys\n"
		"class Handler(http.server.SimpleHTTPRequestHandler):\n"
		"    def log_message(self, *args): pass\n"
		"server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Handler, directory=sys.argv[1]))\n"
		"print(server.server_port, flush=True)\n"
		"server.serve_forever()\n";
	g_autofree char *python = g_find_program_in_path("python3");
	g_autoptr(GError) error = NULL;

	if (python == NULL) {
		g_test_skip("python3 is not there");
		return FALSE;
	}
	fixture->server = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, python, "-c", script, root, NULL);
	g_assert_no_error(error);
	g_autoptr(GDataInputStream) output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(fixture->server));
	g_autofree char *port = g_data_input_stream_read_line(output, NULL, NULL, &error);
	g_assert_no_error(error);
	g_assert_nonnull(port);
	g_free(fixture->url);
	fixture->url = g_strdup_printf("http://127.0.0.1:%s", port);
	set_url(fixture, fixture->url);
	return TRUE;
}

static AshRepoMetadata *
load(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	AshRepoMetadata *metadata = ash_repo_load_metadata(fixture->ctx, fixture->conf, &error);

	g_assert_no_error(error);
	return metadata;
}

static void
assert_fails(Fixture *fixture, AshErrorCode code, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(ash_repo_load_metadata(fixture->ctx, fixture->conf, &error));
	g_test_message("%s", error->message);
	g_assert_cmpstr(ash_error_code_to_string(ash_error_code(error)), ==, ash_error_code_to_string(code));
	if (strstr(error->message, "\"demo\"") == NULL || strstr(error->message, message) == NULL)
		g_error("\"%s\" is not in \"%s\"", message, error->message);
}

/* No half-made state stays behind. */
static void
assert_no_rest(Fixture *fixture)
{
	g_autofree char *metadata = g_build_filename(fixture->ctx->cache_dir, "metadata", NULL);
	g_autoptr(GDir) repos = g_dir_open(metadata, 0, NULL);

	for (const char *name = repos != NULL ? g_dir_read_name(repos) : NULL; name != NULL;
	     name = g_dir_read_name(repos)) {
		g_autofree char *path = g_build_filename(metadata, name, NULL);
		g_autoptr(GDir) states = g_dir_open(path, 0, NULL);
		for (const char *state = g_dir_read_name(states); state != NULL; state = g_dir_read_name(states))
			g_assert_cmpuint(strlen(state), ==, 64);
	}
}

static void
append_to(const Fixture *fixture, const char *name, const char *text)
{
	g_autofree char *path = path_in(fixture, name);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
	close(fd);
}

static void
test_local(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshRepoMetadata) metadata = load(fixture);
	g_autoptr(AshRepoMetadata) again = load(fixture);
	struct stat first, second;

	g_assert_cmpstr(metadata->base_url, ==, fixture->url);
	g_assert_true(g_file_test(metadata->primary_path, G_FILE_TEST_IS_REGULAR));
	g_assert_true(g_file_test(metadata->filelists_path, G_FILE_TEST_IS_REGULAR));
	g_assert_true(g_file_test(metadata->comps_path, G_FILE_TEST_IS_REGULAR));
	g_assert_cmpstr(metadata->primary_path, ==, again->primary_path);
	g_assert_cmpint(stat(metadata->primary_path, &first), ==, 0);
	g_assert_cmpint(stat(again->primary_path, &second), ==, 0);
	g_assert_cmpuint(first.st_ino, ==, second.st_ino);
	assert_no_rest(fixture);
}

/* What was changed or cut in the cache is fetched again; the other files of the state come with it. */
static void
test_damaged_cache(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshRepoMetadata) metadata = load(fixture);

	g_assert_cmpint(truncate(metadata->primary_path, 10), ==, 0);
	g_autoptr(AshRepoMetadata) again = load(fixture);
	struct stat st;
	g_assert_cmpint(stat(again->primary_path, &st), ==, 0);
	g_assert_cmpint(st.st_size, >, 100);
}

static void
test_new_state(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshRepoMetadata) before = load(fixture);

	g_assert_true(test_repo_line(fixture->repo, "package", "c-1-1.noarch"));
	test_repo_write(fixture->repo, fixture->repo_dir);
	g_autoptr(AshRepoMetadata) after = load(fixture);
	g_assert_cmpstr(before->repomd_sha256, !=, after->repomd_sha256);
	g_assert_true(g_file_test(before->primary_path, G_FILE_TEST_EXISTS));
}

static void
test_http(Fixture *fixture, gconstpointer data)
{
	if (!serve(fixture, fixture->repo_dir))
		return;
	g_autoptr(AshRepoMetadata) metadata = load(fixture);
	g_assert_cmpstr(metadata->base_url, ==, fixture->url);
	g_assert_true(g_file_test(metadata->primary_path, G_FILE_TEST_IS_REGULAR));
	assert_no_rest(fixture);
}

/* The first mirror of the list does not have the repository. */
static void
test_mirrorlist(Fixture *fixture, gconstpointer data)
{
	if (!serve(fixture, fixture->repo_dir))
		return;
	g_autofree char *list = g_strdup_printf("%s/nothing/\n%s/\n", fixture->url, fixture->url);
	g_autofree char *path = path_in(fixture, "mirrors");
	g_assert_true(g_file_set_contents(path, list, -1, NULL));
	g_clear_pointer(&fixture->conf->baseurls[0], g_free);
	fixture->conf->mirrorlist = g_strdup_printf("%s/mirrors", fixture->url);
	g_autoptr(AshRepoMetadata) metadata = load(fixture);
	g_assert_cmpstr(metadata->base_url, ==, fixture->url);
}

static void
write_metalink(Fixture *fixture, const char *sum)
{
	g_autofree char *text = g_strdup_printf(
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
		"<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" type=\"dynamic\"><files>"
		"<file name=\"repomd.xml\"><size>1</size><verification><hash type=\"sha256\">%s</hash></verification>"
		"<resources maxconnections=\"1\"><url protocol=\"http\" type=\"http\" preference=\"100\">"
		"%s/repodata/repomd.xml</url></resources></file></files></metalink>\n",
		sum, fixture->url);
	g_autofree char *path = path_in(fixture, "metalink");

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
test_metalink(Fixture *fixture, gconstpointer data)
{
	if (!serve(fixture, fixture->repo_dir))
		return;
	g_autoptr(AshRepoMetadata) direct = load(fixture);
	g_clear_pointer(&fixture->conf->baseurls[0], g_free);
	fixture->conf->metalink = g_strdup_printf("%s/metalink", fixture->url);
	write_metalink(fixture, direct->repomd_sha256);
	g_autoptr(AshRepoMetadata) metadata = load(fixture);
	g_assert_cmpstr(metadata->repomd_sha256, ==, direct->repomd_sha256);
	write_metalink(fixture, "0000000000000000000000000000000000000000000000000000000000000000");
	assert_fails(fixture, ASH_ERROR_TRUST, "checksum");
}

static void
test_tampered_primary(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = path_in(fixture, "repodata/primary.xml");
	g_autofree char *text = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	*strstr(text, "1000") = '2';
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_fails(fixture, ASH_ERROR_TRUST, "primary.xml");
	assert_no_rest(fixture);
}

static void
test_truncated_primary(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = path_in(fixture, "repodata/primary.xml");

	g_assert_cmpint(truncate(path, 100), ==, 0);
	assert_fails(fixture, ASH_ERROR_TRUST, "primary.xml");
	if (serve(fixture, fixture->repo_dir))
		assert_fails(fixture, ASH_ERROR_TRUST, "primary.xml");
	assert_no_rest(fixture);
}

static void
test_missing_primary(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = path_in(fixture, "repodata/primary.xml");

	g_assert_cmpint(unlink(path), ==, 0);
	assert_fails(fixture, ASH_ERROR_FETCH, "primary.xml");
	if (serve(fixture, fixture->repo_dir))
		assert_fails(fixture, ASH_ERROR_FETCH, "primary.xml");
}

static void
test_truncated_repomd(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = path_in(fixture, "repodata/repomd.xml");

	g_assert_cmpint(truncate(path, 200), ==, 0);
	assert_fails(fixture, ASH_ERROR_FETCH, "repomd.xml");
	g_assert_cmpint(truncate(path, 0), ==, 0);
	assert_fails(fixture, ASH_ERROR_FETCH, "repomd.xml");
}

static void
test_unreachable(Fixture *fixture, gconstpointer data)
{
	const char *const urls[] = { "file:///nonexistent/repository", "http://127.0.0.1:1/" };

	for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
		set_url(fixture, urls[i]);
		assert_fails(fixture, ASH_ERROR_FETCH, "");
	}
	set_url(fixture, "gopher:nonsense");
	assert_fails(fixture, ASH_ERROR_CONFIG, "gopher:nonsense");
	g_clear_pointer(&fixture->conf->baseurls[0], g_free);
	assert_fails(fixture, ASH_ERROR_CONFIG, "no baseurl");
}

static void
test_unreadable(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = path_in(fixture, "repodata");

	if (geteuid() == 0) {
		g_test_skip("root can read everything");
		return;
	}
	g_assert_cmpint(chmod(path, 0), ==, 0);
	assert_fails(fixture, ASH_ERROR_FETCH, "");
	g_assert_cmpint(chmod(path, 0755), ==, 0);
}

static void
test_cancelled(Fixture *fixture, gconstpointer data)
{
	g_cancellable_cancel(fixture->ctx->cancellable);
	if (serve(fixture, fixture->repo_dir))
		assert_fails(fixture, ASH_ERROR_CANCELLED, "");
}

/* The name and path of a key made on the spot; NULL (and skipped) without gpg. */
static char *
make_key(Fixture *fixture, const char *name)
{
	g_autofree char *gpg = g_find_program_in_path("gpg");
	g_autofree char *file = g_strconcat(name, ".asc", NULL);
	char *path = g_build_filename(fixture->dir, file, NULL);

	if (gpg == NULL) {
		g_test_skip("gpg is not there");
		g_free(path);
		return NULL;
	}
	run(fixture, (const char *[]){ gpg, "--batch", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign",
				       "never", NULL });
	run(fixture, (const char *[]){ gpg, "--batch", "--armor", "--output", path, "--export", name, NULL });
	return path;
}

static void
sign(Fixture *fixture, const char *name)
{
	g_autofree char *repomd = path_in(fixture, "repodata/repomd.xml");
	g_autofree char *signature = path_in(fixture, "repodata/repomd.xml.asc");

	run(fixture, (const char *[]){ "gpg", "--batch", "--yes", "--armor", "--local-user", name, "--output", signature,
				       "--detach-sign", repomd, NULL });
}

static void
stop_agent(Fixture *fixture)
{
	run(fixture, (const char *[]){ "gpgconf", "--kill", "all", NULL });
}

static void
trust(Fixture *fixture, const char *one, const char *two)
{
	g_strfreev(fixture->conf->gpgkeys);
	fixture->conf->gpgkeys = g_new0(char *, 3);
	fixture->conf->gpgkeys[0] = g_strdup(one);
	fixture->conf->gpgkeys[1] = g_strdup(two);
	fixture->conf->repo_gpgcheck = true;
}

static void
test_signed(Fixture *fixture, gconstpointer data)
{
	g_autofree char *good = make_key(fixture, "good@test");
	g_autofree char *other = good != NULL ? make_key(fixture, "other@test") : NULL;

	if (good == NULL)
		return;
	sign(fixture, "good@test");
	stop_agent(fixture);
	g_autofree char *url = g_filename_to_uri(good, NULL, NULL);
	trust(fixture, url, NULL);
	g_autoptr(AshRepoMetadata) metadata = load(fixture);
	trust(fixture, other, good);
	g_autoptr(AshRepoMetadata) again = load(fixture);
	g_assert_cmpstr(metadata->primary_path, ==, again->primary_path);
	trust(fixture, other, NULL);
	assert_fails(fixture, ASH_ERROR_TRUST, "signature");
	trust(fixture, good, NULL);
	append_to(fixture, "repodata/repomd.xml", "<!-- more -->");
	assert_fails(fixture, ASH_ERROR_TRUST, "signature");
	assert_no_rest(fixture);
}

static void
test_unsigned(Fixture *fixture, gconstpointer data)
{
	g_autofree char *good = make_key(fixture, "good@test");

	if (good == NULL)
		return;
	stop_agent(fixture);
	trust(fixture, good, NULL);
	assert_fails(fixture, ASH_ERROR_TRUST, "not signed");
	if (serve(fixture, fixture->repo_dir))
		assert_fails(fixture, ASH_ERROR_TRUST, "not signed");
}

/* The check is on, but nobody says whom to trust. */
static void
test_no_key(Fixture *fixture, gconstpointer data)
{
	g_autofree char *signature = path_in(fixture, "repodata/repomd.xml.asc");
	g_autofree char *no_key = g_build_filename(fixture->dir, "no-key", NULL);

	g_assert_true(g_file_set_contents(signature, "x", 1, NULL));
	trust(fixture, NULL, NULL);
	assert_fails(fixture, ASH_ERROR_CONFIG, "gpgkey");
	trust(fixture, "/nonexistent/key", NULL);
	assert_fails(fixture, ASH_ERROR_CONFIG, "/nonexistent/key");
	trust(fixture, "relative/key", NULL);
	assert_fails(fixture, ASH_ERROR_CONFIG, "absolute");
	g_assert_true(g_file_set_contents(no_key, "hello\n", -1, NULL));
	trust(fixture, no_key, NULL);
	assert_fails(fixture, ASH_ERROR_CONFIG, "no OpenPGP public key");
}

int
main(int argc, char **argv)
{
	const struct {
		const char *name;
		void (*run)(Fixture *fixture, gconstpointer data);
	} tests[] = {
		{ "local", test_local },
		{ "damaged-cache", test_damaged_cache },
		{ "new-state", test_new_state },
		{ "http", test_http },
		{ "mirrorlist", test_mirrorlist },
		{ "metalink", test_metalink },
		{ "tampered-primary", test_tampered_primary },
		{ "truncated-primary", test_truncated_primary },
		{ "missing-primary", test_missing_primary },
		{ "truncated-repomd", test_truncated_repomd },
		{ "unreachable", test_unreachable },
		{ "unreadable", test_unreadable },
		{ "cancelled", test_cancelled },
		{ "signed", test_signed },
		{ "unsigned", test_unsigned },
		{ "no-key", test_no_key },
	};

	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strconcat("/metadata/", tests[i].name, NULL);
		g_test_add(path, Fixture, NULL, set_up, tests[i].run, tear_down);
	}
	return g_test_run();
}
