/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A developer's view of repo/ and solve/, for tests: resolves names from repositories and prints the set, one
 * "NEVRA reason" a line, or the error and its code's name.
 */
#include "base/error.h"
#include "repo/metadata.h"
#include "repo/packages.h"
#include "solve/solve.h"

#include <stdio.h>
#include <string.h>

typedef struct {
	char **repos, **keys, **excludes, **groups, **environments, **names;
	char *cache_dir, *lock_file, *write_lock, *arch;
	gboolean no_core, no_weak, ignore_missing, multilib, exact, fetch, names_only;
} Options;

static void
options_clear(Options *options)
{
	char **vectors[] = { options->repos,  options->keys,         options->excludes,
			     options->groups, options->environments, options->names };
	for (gsize i = 0; i < G_N_ELEMENTS(vectors); i++)
		g_strfreev(vectors[i]);
	g_free(options->cache_dir);
	g_free(options->lock_file);
	g_free(options->write_lock);
	g_free(options->arch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static gboolean
parse_options(Options *o, int argc, char **argv, GError **error)
{
	const GOptionEntry entries[] = {
		{ "repo", 'r', 0, G_OPTION_ARG_STRING_ARRAY, &o->repos, "[ID=]directory or URL", "REPO" },
		{ "key", 'k', 0, G_OPTION_ARG_FILENAME_ARRAY, &o->keys, "check repomd.xml.asc with this key", "FILE" },
		{ "cache", 'c', 0, G_OPTION_ARG_FILENAME, &o->cache_dir, "cache directory", "DIR" },
		{ "exclude", 'x', 0, G_OPTION_ARG_STRING_ARRAY, &o->excludes, "as -NAME in %packages", "NAME" },
		{ "group", 'g', 0, G_OPTION_ARG_STRING_ARRAY, &o->groups, "comps group", "ID" },
		{ "environment", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &o->environments, "comps environment", "ID" },
		{ "lock", 0, 0, G_OPTION_ARG_FILENAME, &o->lock_file, "favour this lock", "FILE" },
		{ "locked", 0, 0, G_OPTION_ARG_NONE, &o->exact, "exactly the lock", NULL },
		{ "write-lock", 0, 0, G_OPTION_ARG_FILENAME, &o->write_lock, "write a lock", "FILE" },
		{ "arch", 0, 0, G_OPTION_ARG_STRING, &o->arch, "base architecture", "ARCH" },
		{ "nocore", 0, 0, G_OPTION_ARG_NONE, &o->no_core, "without group core", NULL },
		{ "noweak", 0, 0, G_OPTION_ARG_NONE, &o->no_weak, "without weak dependencies", NULL },
		{ "ignoremissing", 0, 0, G_OPTION_ARG_NONE, &o->ignore_missing, "pass unknown names over", NULL },
		{ "multilib", 0, 0, G_OPTION_ARG_NONE, &o->multilib, "all architectures of each name", NULL },
		{ "fetch", 0, 0, G_OPTION_ARG_NONE, &o->fetch, "fetch the packages too and print their paths", NULL },
		{ "nevra", 0, 0, G_OPTION_ARG_NONE, &o->names_only, "print no reasons", NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->names, NULL, "NAME..." },
		{ NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);

	g_option_context_add_main_entries(context, entries, NULL);
	return g_option_context_parse(context, &argc, &argv, error);
}

static char **
vector(char **options)
{
	return options != NULL ? g_strdupv(options) : g_new0(char *, 1);
}

static AshRepoMetadata *
load_repo(AshContext *ctx, const Options *options, const char *argument, guint number, GError **error)
{
	const char *equals = strchr(argument, '='), *where = equals != NULL ? equals + 1 : argument;
	g_autofree char *id = equals != NULL ? g_strndup(argument, (gsize)(equals - argument))
					     : g_strdup_printf("repo%u", number);
	g_autoptr(AshRepoConf) conf = ash_repo_conf_new(id, "command line");
	g_autofree char *path = strstr(where, "://") == NULL ? g_canonicalize_filename(where, NULL) : NULL;

	g_strfreev(conf->baseurls);
	conf->baseurls = g_new0(char *, 2);
	conf->baseurls[0] = path != NULL ? g_filename_to_uri(path, NULL, NULL) : g_strdup(where);
	conf->repo_gpgcheck = options->keys != NULL;
	g_strfreev(conf->gpgkeys);
	conf->gpgkeys = vector(options->keys);
	return ash_repo_load_metadata(ctx, conf, error);
}

static gboolean
load_repos(AshContext *ctx, const Options *options, GPtrArray *metadata, GError **error)
{
	if (options->repos == NULL)
		return ash_throw(error, ASH_ERROR_USAGE, "no --repo");
	for (guint i = 0; options->repos[i] != NULL; i++) {
		AshRepoMetadata *one = load_repo(ctx, options, options->repos[i], i, error);
		if (one == NULL)
			return FALSE;
		g_ptr_array_add(metadata, one);
	}
	return TRUE;
}

static gboolean
write_lock(const Options *options, GPtrArray *metadata, const AshPackageSet *set, GError **error)
{
	g_autoptr(GPtrArray) locks = g_ptr_array_new_with_free_func((GDestroyNotify)ash_lock_free);
	AshLock *lock = ash_lock_new("test");

	g_ptr_array_add(locks, lock);
	for (guint i = 0; i < metadata->len; i++) {
		const AshRepoMetadata *one = g_ptr_array_index(metadata, i);
		ash_lock_add_repo(lock, one->conf->id, one->repomd_sha256);
	}
	for (guint i = 0; i < set->packages->len; i++)
		ash_lock_add_package(lock, g_ptr_array_index(set->packages, i));
	g_autofree char *text = ash_lock_format(locks);
	return g_file_set_contents(options->write_lock, text, -1, error);
}

static void
print_set(const Options *options, const AshPackageSet *set)
{
	for (guint i = 0; i < set->packages->len; i++) {
		const AshPackage *package = g_ptr_array_index(set->packages, i);
		g_autofree char *nevra = ash_package_dup_nevra(package);
		printf("%s", nevra);
		if (!options->names_only)
			printf(" %s", ash_reason_to_string(package->reason));
		printf("%s%s\n", package->path != NULL ? " " : "", package->path != NULL ? package->path : "");
	}
}

static AshPackageSet *
solve(AshContext *ctx, const Options *options, GPtrArray *metadata, GError **error)
{
	g_autoptr(AshPackageRequest) packages = ash_package_request_new();
	g_autoptr(GPtrArray) locks = NULL;
	AshSolveRequest request = { .packages = packages, .arch = options->arch };

	g_strfreev(packages->names);
	packages->names = vector(options->names);
	g_strfreev(packages->excludes);
	packages->excludes = vector(options->excludes);
	g_strfreev(packages->groups);
	packages->groups = vector(options->groups);
	g_strfreev(packages->environments);
	packages->environments = vector(options->environments);
	packages->core = !options->no_core;
	packages->weak_deps = !options->no_weak;
	packages->ignore_missing = options->ignore_missing;
	packages->multilib = options->multilib;
	if (options->lock_file != NULL) {
		g_autofree char *text = NULL;
		if (!g_file_get_contents(options->lock_file, &text, NULL, error))
			return NULL;
		locks = ash_lock_parse(text, options->lock_file, error);
		if (locks == NULL)
			return NULL;
		request.lock = ash_lock_find(locks, "test");
		request.lock_mode = options->exact ? ASH_LOCK_EXACT : ASH_LOCK_FAVOUR;
	}
	return ash_solve(ctx, metadata, &request, error);
}

static gboolean
run(int argc, char **argv, GError **error)
{
	g_auto(Options) options = { 0 };
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GPtrArray) metadata = g_ptr_array_new_with_free_func((GDestroyNotify)ash_repo_metadata_free);

	if (!parse_options(&options, argc, argv, error))
		return FALSE;
	ctx->cache_dir = g_canonicalize_filename(options.cache_dir != NULL ? options.cache_dir : "cache", NULL);
	if (!load_repos(ctx, &options, metadata, error))
		return FALSE;
	g_autoptr(AshPackageSet) set = solve(ctx, &options, metadata, error);
	if (set == NULL || (options.fetch && !ash_repo_fetch_packages(ctx, metadata, set, NULL, NULL, error)) ||
	    (options.write_lock != NULL && !write_lock(&options, metadata, set, error)))
		return FALSE;
	print_set(&options, set);
	return TRUE;
}

int
main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	if (run(argc, argv, &error))
		return 0;
	fprintf(stderr, "%s: %s\n", ash_error_code_to_string(ash_error_code(error)), error->message);
	return ash_error_exit_status(error);
}
