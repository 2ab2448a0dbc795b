/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install-fixture.h"

#include "base/error.h"
#include "install/filepaths.h"
#include "install/verify.h"
#include "model/repoconf.h"

#include <rpm/header.h>
#include <rpm/rpmfiles.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
	AshRpmFixture rpms;
	AshContext *ctx;
	GPtrArray *confs;
	AshRepoConf *conf;
	char *key, *other_key; /* files */
	bool usable;
} Fixture;

/* One key pair; the public half is exported. Owned path of that. */
static char *
make_key(Fixture *fixture, const char *name)
{
	char *path = g_strdup_printf("%s/%s.key", fixture->rpms.dir, name);

	g_free(ash_fixture_run("export GNUPGHOME=%s/gpg; mkdir -p -m 700 $GNUPGHOME && gpg -q --batch --passphrase '' "
			       "--quick-generate-key '%s <%s@test.invalid>' rsa2048 sign never && "
			       "gpg -q --batch --armor --export %s > %s",
			       fixture->rpms.dir, name, name, name, path));
	return path;
}

static bool
has_programs(void)
{
	static const char *const names[] = { "gpg", "rpmsign" };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *program = g_find_program_in_path(names[i]);
		if (program != NULL)
			continue;
		g_test_skip("gpg or rpmsign is missing");
		return false;
	}
	return true;
}

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->usable = has_programs() && ash_rpm_fixture_setup(&fixture->rpms);
	if (!fixture->usable)
		return;
	fixture->ctx = ash_context_new();
	fixture->key = make_key(fixture, "right");
	fixture->other_key = make_key(fixture, "wrong");
	fixture->conf = ash_repo_conf_new("repo", "test:1");
	fixture->confs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_repo_conf_free);
	g_ptr_array_add(fixture->confs, fixture->conf);
	g_strfreev(fixture->conf->gpgkeys);
	fixture->conf->gpgkeys = g_strsplit(fixture->key, "\n", -1);
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	if (!fixture->usable)
		return;
	g_free(ash_fixture_run("GNUPGHOME=%s/gpg gpgconf --kill all || true", fixture->rpms.dir));
	ash_context_free(fixture->ctx);
	g_ptr_array_unref(fixture->confs);
	ash_rpm_fixture_clear(&fixture->rpms);
	g_free(fixture->key);
	g_free(fixture->other_key);
}

static void
sign(Fixture *fixture, const char *path, const char *key)
{
	g_free(ash_fixture_run("GNUPGHOME=%s/gpg rpmsign --define \"__gpg $(command -v gpg)\" --define '_gpg_name %s' --addsign %s", fixture->rpms.dir, key, path));
}

/* Verifies one package; @text must be in the error (NULL: there is none). */
static void
check(Fixture *fixture, const char *path, const char *nevra, const char *text)
{
	g_autoptr(AshPackageSet) set = ash_package_set_new();
	g_autoptr(GError) error = NULL;
	AshPackage *package = ash_package_new();

	g_assert_true(ash_package_parse_nevra(nevra, package));
	package->repo_id = g_strdup("repo");
	package->path = g_strdup(path);
	g_ptr_array_add(set->packages, package);
	gboolean good = ash_verify_packages(fixture->ctx, set, fixture->confs, &error);
	if (text == NULL) {
		g_assert_no_error(error);
		g_assert_true(good);
		return;
	}
	g_assert_false(good);
	g_test_message("%s", error->message);
	g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
	if (strstr(error->message, text) == NULL || strstr(error->message, nevra) == NULL)
		g_error("\"%s\" is not in \"%s\"", text, error->message);
}

/* @path with one byte changed @from_end bytes before its end, or cut there. Owned path of the copy. */
static char *
damage(const char *path, gsize from_end, bool cut)
{
	char *copy = g_strconcat(path, ".damaged", NULL);
	g_autofree char *data = NULL;
	gsize length = 0;

	g_assert_true(g_file_get_contents(path, &data, &length, NULL));
	g_assert_cmpuint(from_end, <=, length);
	data[length - from_end] ^= 1;
	g_assert_true(g_file_set_contents(copy, data, (gssize) (cut ? length - from_end : length), NULL));
	return copy;
}

static gsize
file_size(const char *path)
{
	struct stat info;

	g_assert_cmpint(stat(path, &info), ==, 0);
	return (gsize) info.st_size;
}

/* Bytes from the summary, which is in the signed header, to the end. */
static gsize
header_from_end(const char *path)
{
	g_autofree char *data = NULL;
	gsize length = 0;

	g_assert_true(g_file_get_contents(path, &data, &length, NULL));
	const char *found = memmem(data, length, "summary-of-it", 13);
	g_assert_nonnull(found);
	return length - (gsize) (found - data);
}

static void
test_signatures(Fixture *fixture, gconstpointer data)
{
	if (!fixture->usable)
		return;
	g_free(ash_fixture_run("mkdir -p %s/FILES/usr && head -c 100000 /dev/urandom > %s/FILES/usr/x", fixture->rpms.dir,
			       fixture->rpms.dir));
	g_autofree char *path = ash_rpm_fixture_build(&fixture->rpms, "one", "", "%files\n/usr/x\n");
	check(fixture, path, "one-1-1.noarch", "it is not signed");
	sign(fixture, path, "wrong");
	check(fixture, path, "one-1-1.noarch", "by no key of its repository");
	sign(fixture, path, "right");
	check(fixture, path, "one-1-1.noarch", NULL);
	check(fixture, path, "one-2-1.noarch", "is \"one-1-1.noarch\"");
	g_autofree char *payload = damage(path, 1000, false);
	check(fixture, payload, "one-1-1.noarch", "it is damaged or was changed");
	g_autofree char *cut = damage(path, 1000, true);
	check(fixture, cut, "one-1-1.noarch", "it is damaged or was changed");
	g_autofree char *header = damage(path, header_from_end(path), false);
	check(fixture, header, "one-1-1.noarch", "\"one-1-1.noarch\"");
	g_autofree char *lead = damage(path, file_size(path), false);
	check(fixture, lead, "one-1-1.noarch", "no RPM package");
}

static void
test_unchecked(Fixture *fixture, gconstpointer data)
{
	if (!fixture->usable)
		return;
	g_free(ash_fixture_run("mkdir -p %s/FILES/usr && head -c 100000 /dev/urandom > %s/FILES/usr/x", fixture->rpms.dir,
			       fixture->rpms.dir));
	g_autofree char *path = ash_rpm_fixture_build(&fixture->rpms, "one", "", "%files\n/usr/x\n");
	fixture->conf->gpgcheck = false;
	check(fixture, path, "one-1-1.noarch", NULL);
	/* Digests count all the same. */
	g_autofree char *payload = damage(path, 1000, false);
	check(fixture, payload, "one-1-1.noarch", "it is damaged or was changed");
}

static void
test_keys(Fixture *fixture, gconstpointer data)
{
	g_autoptr(AshPackageSet) set = ash_package_set_new();
	g_autoptr(GError) missing = NULL, none = NULL, bad = NULL;

	if (!fixture->usable)
		return;
	/* Several keys in one file, and by URL. */
	g_free(ash_fixture_run("cat %s %s > %s/both", fixture->other_key, fixture->key, fixture->rpms.dir));
	g_autofree char *both = g_strdup_printf("file://%s/both", fixture->rpms.dir);
	g_autofree char *path = ash_rpm_fixture_build(&fixture->rpms, "one", "", "%files\n");
	sign(fixture, path, "right");
	g_strfreev(fixture->conf->gpgkeys);
	fixture->conf->gpgkeys = g_strsplit(both, "\n", -1);
	check(fixture, path, "one-1-1.noarch", NULL);
	g_strfreev(fixture->conf->gpgkeys);
	fixture->conf->gpgkeys = g_strsplit("/nonexistent/key", "\n", -1);
	g_assert_false(ash_verify_packages(fixture->ctx, set, fixture->confs, &missing));
	g_assert_error(missing, ASH_ERROR, ASH_ERROR_CONFIG);
	g_strfreev(fixture->conf->gpgkeys);
	fixture->conf->gpgkeys = g_strsplit(path, "\n", -1);
	g_assert_false(ash_verify_packages(fixture->ctx, set, fixture->confs, &bad));
	g_assert_error(bad, ASH_ERROR, ASH_ERROR_TRUST);
	g_strfreev(fixture->conf->gpgkeys);
	fixture->conf->gpgkeys = g_new0(char *, 1);
	g_assert_false(ash_verify_packages(fixture->ctx, set, fixture->confs, &none));
	g_assert_error(none, ASH_ERROR, ASH_ERROR_CONFIG);
}

/* Paths: headers made by hand, as rpmbuild refuses to make them. */

typedef struct {
	const char *package, *path, *target; /* target: a link; NULL: a file */
} PathEntry;

typedef struct {
	const char *name;
	PathEntry entries[4];
	const char *error; /* NULL: all is well */
} PathCase;

static const PathCase path_cases[] = {
	{ "plain", { { "a", "/usr/bin/x", NULL }, { "a", "/usr/bin/y", "x" } }, NULL },
	{ "climbing", { { "a", "/usr/../../etc/x", NULL } }, "\"/usr/../../etc/x\" has no proper path" },
	{ "climbing at the end", { { "a", "/usr/lib/..", NULL } }, "no proper path" },
	{ "dot", { { "a", "/usr/./x", NULL } }, "no proper path" },
	{ "empty element", { { "a", "/usr//x", NULL } }, "no proper path" },
	{ "relative", { { "a", "usr/x", NULL } }, "no proper path" },
	{ "absolute link of its own", { { "a", "/opt/evil", "/etc" }, { "a", "/opt/evil/passwd", NULL } }, "goes through the link \"/opt/evil\" to \"/etc\" of package \"a\"" },
	{ "deeper", { { "a", "/opt/evil", "/etc" }, { "a", "/opt/evil/b/c/passwd", NULL } }, "goes through the link" },
	{ "absolute link of another", { { "a", "/opt/evil", "/etc" }, { "b", "/opt/evil/passwd", NULL } }, "package \"b\"" },
	{ "relative link that climbs", { { "a", "/opt/evil", "../../etc" }, { "a", "/opt/evil/x", NULL } }, "goes through the link" },
	{ "link to a link", { { "a", "/opt/one", "two" }, { "a", "/opt/two", "/etc" }, { "b", "/opt/one/x", NULL } }, "goes through the link \"/opt/two\"" },
	{ "loop", { { "a", "/opt/one", "two" }, { "a", "/opt/two", "one" }, { "b", "/opt/one/x", NULL } }, "too many links" },
	{ "merged /usr", { { "a", "/bin", "usr/bin" }, { "b", "/bin/sh", NULL } }, NULL },
	{ "/var/run", { { "a", "/var/run", "/run" }, { "b", "/var/run/x", NULL } }, NULL },
	{ "link that is not gone through", { { "a", "/etc/mtab", "/proc/self/mounts" }, { "b", "/etc/x", NULL } }, NULL },
};

static Header
make_header(const PathCase *test, const char *package)
{
	Header header = headerNew();

	headerPutString(header, RPMTAG_NAME, package);
	for (gsize i = 0; i < G_N_ELEMENTS(test->entries) && test->entries[i].path != NULL; i++) {
		const PathEntry *entry = &test->entries[i];
		if (strcmp(entry->package, package) != 0)
			continue;
		const char *slash = strrchr(entry->path, '/');
		g_autofree char *dir = g_strndup(entry->path, (gsize) (slash - entry->path + 1));
		guint32 flags = 0;
		rpm_mode_t mode = entry->target != NULL ? S_IFLNK | 0777 : S_IFREG | 0644;
		/* One directory a file, so that the index is the file's number in this package. */
		struct rpmtd_s count;
		guint32 index = headerGet(header, RPMTAG_DIRNAMES, &count, HEADERGET_MINMEM) ? rpmtdCount(&count) : 0;
		headerPutString(header, RPMTAG_BASENAMES, slash + 1);
		headerPutString(header, RPMTAG_DIRNAMES, dir);
		headerPutUint32(header, RPMTAG_DIRINDEXES, &index, 1);
		headerPutUint16(header, RPMTAG_FILEMODES, &mode, 1);
		headerPutUint32(header, RPMTAG_FILEFLAGS, &flags, 1);
		headerPutString(header, RPMTAG_FILELINKTOS, entry->target != NULL ? entry->target : "");
	}
	return header;
}

static void
test_paths(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(path_cases); i++) {
		g_autoptr(AshFilePaths) paths = ash_file_paths_new();
		g_autoptr(GError) error = NULL;
		Header a = make_header(&path_cases[i], "a"), b = make_header(&path_cases[i], "b");
		gboolean good = ash_file_paths_add(paths, "a", a, &error) && ash_file_paths_add(paths, "b", b, &error) &&
				ash_file_paths_check(paths, &error);
		g_test_message("%s: %s", path_cases[i].name, error != NULL ? error->message : "fine");
		if (path_cases[i].error == NULL) {
			g_assert_no_error(error);
			g_assert_true(good);
		} else {
			g_assert_error(error, ASH_ERROR, ASH_ERROR_TRUST);
			g_assert_nonnull(strstr(error->message, path_cases[i].error));
		}
		headerFree(a);
		headerFree(b);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/install/verify/paths", test_paths);
	g_test_add("/install/verify/signatures", Fixture, NULL, setup, test_signatures, teardown);
	g_test_add("/install/verify/unchecked", Fixture, NULL, setup, test_unchecked, teardown);
	g_test_add("/install/verify/keys", Fixture, NULL, setup, test_keys, teardown);
	return g_test_run();
}
