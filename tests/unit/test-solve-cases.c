/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs tests/solver/NAME.case; tests/solver/README describes them. Each case is solved twice: without and with .solv files. */
#include "base/error.h"
#include "base/file.h"
#include "repo/metadata.h"
#include "solve/solve.h"
#include "solver/testrepo.h"

#include <fcntl.h>
#include <string.h>

typedef struct {
	char *dir;          /* of repositories and cache; NULL until a case of it runs */
	GPtrArray *repos;   /* of TestRepo */
	GPtrArray *metadata;
	AshContext *ctx;
	GPtrArray *cases;   /* of Case */
} Fixture;

typedef struct {
	Fixture *fixture;
	char *name;
	AshPackageRequest *packages;
	AshLock *lock;      /* NULL: none */
	AshLockMode lock_mode;
	GString *expected;  /* lines "NEVRA reason" */
	char *code;         /* expected error; NULL: success */
	GPtrArray *messages; /* strings that the error must contain */
} Case;

static char *
case_dir(void)
{
	const char *top = g_getenv("top_srcdir");

	return g_build_filename(top != NULL ? top : ".", "tests", "solver", NULL);
}

static void
append(char ***vector, const char *words)
{
	g_auto(GStrv) added = g_strsplit(words, " ", 0);
	g_autoptr(GPtrArray) all = g_ptr_array_new();

	for (char **word = *vector; *word != NULL; word++)
		g_ptr_array_add(all, g_strdup(*word));
	for (char **word = added; *word != NULL; word++)
		g_ptr_array_add(all, g_strdup(*word));
	g_ptr_array_add(all, NULL);
	g_strfreev(*vector);
	*vector = (char **)g_ptr_array_free(g_steal_pointer(&all), FALSE);
}

static void
replace(char ***vector, const char *word)
{
	g_strfreev(*vector);
	*vector = g_new0(char *, 2);
	(*vector)[0] = g_strdup(word);
}

static void
case_free(Case *test)
{
	g_free(test->name);
	ash_package_request_free(test->packages);
	ash_lock_free(test->lock);
	g_string_free(test->expected, TRUE);
	g_free(test->code);
	g_ptr_array_unref(test->messages);
	g_free(test);
}

static void
fixture_free(Fixture *fixture)
{
	if (fixture->dir != NULL)
		ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
	g_ptr_array_unref(fixture->cases);
	g_ptr_array_unref(fixture->repos);
	g_ptr_array_unref(fixture->metadata);
	ash_context_free(fixture->ctx);
	g_free(fixture);
}

static Case *
case_new(Fixture *fixture, const char *name)
{
	Case *test = g_new0(Case, 1);

	test->fixture = fixture;
	g_ptr_array_add(fixture->cases, test);
	test->name = g_strdup(name);
	test->packages = ash_package_request_new();
	test->packages->core = false;
	g_free(test->packages->origin);
	test->packages->origin = g_strdup("test.ks:3");
	test->expected = g_string_new(NULL);
	test->messages = g_ptr_array_new_with_free_func(g_free);
	return test;
}

static void
set_option(Case *test, const char *option)
{
	if (g_str_equal(option, "core"))
		test->packages->core = true;
	else if (g_str_equal(option, "noweak"))
		test->packages->weak_deps = false;
	else if (g_str_equal(option, "ignoremissing"))
		test->packages->ignore_missing = true;
	else if (g_str_equal(option, "multilib"))
		test->packages->multilib = true;
	else if (g_str_equal(option, "locked"))
		test->lock_mode = ASH_LOCK_EXACT;
	else
		g_error("%s: unknown option \"%s\"", test->name, option);
}

/* "NEVRA reason": the package of that NEVRA in whichever repository has it, or one that none has. */
static void
add_locked(Case *test, const char *rest)
{
	g_autoptr(AshPackage) package = ash_package_new();
	g_auto(GStrv) words = g_strsplit(rest, " ", 2);

	g_assert_cmpuint(g_strv_length(words), ==, 2);
	g_assert_true(ash_package_parse_nevra(words[0], package));
	g_assert_true(ash_reason_parse(words[1], &package->reason));
	package->repo_id = g_strdup("gone");
	package->sha256 = g_strnfill(64, '0');
	for (guint i = 0; i < test->fixture->repos->len; i++) {
		TestRepo *repo = g_ptr_array_index(test->fixture->repos, i);
		const char *sum = g_hash_table_lookup(repo->sums, words[0]);
		if (sum == NULL)
			continue;
		g_free(package->repo_id);
		g_free(package->sha256);
		package->repo_id = g_strdup(repo->id);
		package->sha256 = g_strdup(sum);
	}
	if (test->lock == NULL)
		test->lock = ash_lock_new("test");
	ash_lock_add_package(test->lock, package);
}

static void
case_line(Case *test, const char *keyword, const char *rest)
{
	const struct {
		const char *keyword;
		char ***vector;
	} vectors[] = {
		{ "names", &test->packages->names },
		{ "excludes", &test->packages->excludes },
		{ "groups", &test->packages->groups },
		{ "groups-mandatory", &test->packages->groups_mandatory },
		{ "groups-all", &test->packages->groups_all },
		{ "group-excludes", &test->packages->group_excludes },
		{ "environments", &test->packages->environments },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(vectors); i++)
		if (g_str_equal(keyword, vectors[i].keyword)) {
			append(vectors[i].vector, rest);
			return;
		}
	if (g_str_equal(keyword, "name"))
		replace(&test->packages->names, rest);
	else if (g_str_equal(keyword, "option"))
		set_option(test, rest);
	else if (g_str_equal(keyword, "lock"))
		add_locked(test, rest);
	else if (g_str_equal(keyword, "expect"))
		g_string_append_printf(test->expected, "%s\n", rest);
	else if (g_str_equal(keyword, "error"))
		test->code = g_strdup(rest);
	else if (g_str_equal(keyword, "message"))
		g_ptr_array_add(test->messages, g_strdup(rest));
	else
		g_error("%s: unknown line \"%s %s\"", test->name, keyword, rest);
}

static void
load_repo(Fixture *fixture, TestRepo *repo)
{
	g_autoptr(AshRepoConf) conf = ash_repo_conf_new(repo->id, "test:1");
	g_autofree char *dir = g_build_filename(fixture->dir, repo->id, NULL);
	g_autofree char *url = g_filename_to_uri(dir, NULL, NULL);
	g_autoptr(GError) error = NULL;

	test_repo_write(repo, dir);
	replace(&conf->baseurls, url);
	conf->repo_gpgcheck = false;
	conf->priority = repo->priority;
	conf->cost = repo->cost;
	for (guint i = 0; i < repo->excludes->len; i++)
		append(&conf->excludes, g_ptr_array_index(repo->excludes, i));
	for (guint i = 0; i < repo->includes->len; i++)
		append(&conf->includes, g_ptr_array_index(repo->includes, i));
	AshRepoMetadata *metadata = ash_repo_load_metadata(fixture->ctx, conf, &error);
	g_assert_no_error(error);
	g_ptr_array_add(fixture->metadata, metadata);
}

/* The first case that runs makes the repositories. */
static void
prepare(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	if (fixture->dir != NULL)
		return;
	fixture->dir = g_dir_make_tmp("ashlar-cases-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->ctx->cache_dir = g_build_filename(fixture->dir, "cache", NULL);
	for (guint i = 0; i < fixture->repos->len; i++)
		load_repo(fixture, g_ptr_array_index(fixture->repos, i));
}

static void
check_failure(const Case *test, const GError *error)
{
	g_assert_nonnull(error);
	g_assert_cmpstr(ash_error_code_to_string(ash_error_code(error)), ==, test->code);
	for (guint i = 0; i < test->messages->len; i++)
		if (strstr(error->message, g_ptr_array_index(test->messages, i)) == NULL)
			g_error("\"%s\" is not in the message:\n%s", (char *)g_ptr_array_index(test->messages, i),
				error->message);
}

static void
check_set(const Case *test, const AshPackageSet *set)
{
	g_autoptr(GString) found = g_string_new(NULL);

	for (guint i = 0; i < set->packages->len; i++) {
		const AshPackage *package = g_ptr_array_index(set->packages, i);
		g_autofree char *nevra = ash_package_dup_nevra(package);
		g_string_append_printf(found, "%s %s\n", nevra, ash_reason_to_string(package->reason));
		g_assert_cmpuint(package->size, >, 0);
		g_assert_cmpuint(package->install_size, >=, 10000);
		g_assert_cmpuint(package->build_time, >=, 1000);
		g_assert_cmpstr(package->license, ==, "MIT");
		g_assert_true(g_str_has_suffix(package->source, ".src.rpm"));
		g_assert_true(g_str_has_prefix(package->location, "Packages/"));
		g_assert_cmpuint(strlen(package->sha256), ==, 64);
	}
	g_assert_cmpstr(found->str, ==, test->expected->str);
}

static void
run_case(gconstpointer data)
{
	const Case *test = data;
	const AshSolveRequest request = { .packages = test->packages, .lock = test->lock, .lock_mode = test->lock_mode };

	prepare(test->fixture);
	for (int i = 0; i < 2; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(AshPackageSet) set =
			ash_solve(test->fixture->ctx, test->fixture->metadata, &request, &error);
		if (test->code != NULL) {
			g_assert_null(set);
			check_failure(test, error);
		} else {
			g_assert_no_error(error);
			check_set(test, set);
		}
	}
}

static Fixture *
fixture_new(void)
{
	Fixture *fixture = g_new0(Fixture, 1);

	fixture->cases = g_ptr_array_new_with_free_func((GDestroyNotify)case_free);
	fixture->repos = g_ptr_array_new_with_free_func((GDestroyNotify)test_repo_free);
	fixture->metadata = g_ptr_array_new_with_free_func((GDestroyNotify)ash_repo_metadata_free);
	fixture->ctx = ash_context_new();
	return fixture;
}

static void
add_case(const char *file, Case *test)
{
	g_autofree char *base = g_path_get_basename(file);
	g_autofree char *path = g_strdup_printf("/solve/%s/%s", base, test->name);

	g_strdelimit(path, " ", '-');
	g_test_add_data_func(path, test, run_case);
}

static Fixture *
load_cases(const char *file)
{
	Fixture *fixture = fixture_new();
	Case *test = NULL;
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;

	g_file_get_contents(file, &text, NULL, &error);
	g_assert_no_error(error);
	g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
	for (char **line = lines; *line != NULL; line++) {
		g_auto(GStrv) words = g_strsplit(g_strstrip(*line), " ", 2);
		const char *rest = words[0] != NULL && words[1] != NULL ? words[1] : "";
		if (words[0] == NULL || *words[0] == '\0' || *words[0] == '#')
			continue;
		if (g_str_equal(words[0], "case")) {
			if (test != NULL)
				add_case(file, test);
			test = case_new(fixture, rest);
		} else if (test != NULL) {
			case_line(test, words[0], rest);
		} else if (g_str_equal(words[0], "repo")) {
			g_ptr_array_add(fixture->repos, test_repo_new(rest));
		} else if (!test_repo_line(g_ptr_array_index(fixture->repos, fixture->repos->len - 1), words[0], rest)) {
			g_error("%s: unknown line \"%s\"", file, *line);
		}
	}
	g_assert_nonnull(test);
	add_case(file, test);
	return fixture;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
main(int argc, char **argv)
{
	g_autofree char *dir_path = NULL;
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) fixtures = g_ptr_array_new_with_free_func((GDestroyNotify)fixture_free);

	g_test_init(&argc, &argv, NULL);
	dir_path = case_dir();
	g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
	g_assert_nonnull(dir);
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir))
		if (g_str_has_suffix(name, ".case"))
			g_ptr_array_add(files, g_build_filename(dir_path, name, NULL));
	g_ptr_array_sort(files, compare_strings);
	g_assert_cmpuint(files->len, >, 0);
	for (guint i = 0; i < files->len; i++)
		g_ptr_array_add(fixtures, load_cases(g_ptr_array_index(files, i)));
	return g_test_run();
}
