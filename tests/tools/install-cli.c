/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree-dump.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/worker.h"
#include "install/import.h"
#include "install/transaction.h"
#include "model/repoconf.h"

#include <fcntl.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmts.h>
#include <stdio.h>

/* For developers and tests: installs .rpm files into a directory, as a build does. Signatures are not looked at. */

static char *import_dir, *memo_dir, **langs;
static gboolean no_docs, remove_root;
static gint64 dump_since = -1;

static const GOptionEntry options[] = {
	{ "import", 0, 0, G_OPTION_ARG_FILENAME, &import_dir, "through the import cache DIR", "DIR" },
	{ "memo", 0, 0, G_OPTION_ARG_FILENAME, &memo_dir, "what scriptlets did is kept in DIR", "DIR" },
	{ "lang", 0, 0, G_OPTION_ARG_STRING_ARRAY, &langs, "only this language (may be given again)", "LANG" },
	{ "no-docs", 0, 0, G_OPTION_ARG_NONE, &no_docs, "without documentation", NULL },
	{ "remove", 0, 0, G_OPTION_ARG_NONE, &remove_root, "remove ROOT instead", NULL },
	{ "dump", 0, 0, G_OPTION_ARG_INT64, &dump_since, "describe ROOT instead; what is not older than SECONDS is \"now\"", "SECONDS" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static JsonObject *
run_remove(AshContext *ctx, JsonObject *request, GError **error)
{
	const char *path = json_object_get_string_member(request, "path");

	return ash_file_remove_tree(AT_FDCWD, path, error) ? json_object_new() : NULL;
}

static const AshWorkerEntry workers[] = {
	{ ASH_TRANSACTION_WORKER, ash_transaction_worker },
	{ "remove", run_remove },
	{ TREE_DUMP_WORKER, tree_dump_worker },
	{ NULL, NULL },
};

static char *
read_nevra(const char *path)
{
	rpmts ts = rpmtsCreate();
	FD_t fd = Fopen(path, "r.ufdio");
	Header header = NULL;
	char *nevra = NULL;

	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	if (rpmReadPackageFile(ts, fd, path, &header) == RPMRC_OK)
		nevra = headerGetAsString(header, RPMTAG_NEVRA);
	headerFree(header);
	Fclose(fd);
	rpmtsFree(ts);
	return nevra;
}

static AshPackage *
read_package(const char *file, GError **error)
{
	g_autoptr(AshPackage) package = ash_package_new();
	g_autofree char *path = g_canonicalize_filename(file, NULL);
	ash_autofd int fd = ash_fd_open(AT_FDCWD, path, O_RDONLY, 0, error);

	if (fd < 0)
		return NULL;
	g_autofree char *nevra = read_nevra(path);
	if (nevra == NULL || !ash_package_parse_nevra(nevra, package))
		return ash_throw_null(error, ASH_ERROR_TRUST, "\"%s\" is no RPM package", path);
	package->path = g_steal_pointer(&path);
	package->repo_id = g_strdup("local");
	package->sha256 = ash_sha256_fd_hex(fd, error);
	return package->sha256 != NULL ? g_steal_pointer(&package) : NULL;
}

static gboolean
import_set(AshContext *ctx, const AshPackageSet *set, GError **error)
{
	g_autofree char *staging = g_strconcat(import_dir, ".staging", NULL);
	g_autoptr(GPtrArray) confs = g_ptr_array_new_with_free_func((GDestroyNotify) ash_repo_conf_free);
	AshRepoConf *conf = ash_repo_conf_new("local", "install-cli");
	gint64 start = g_get_monotonic_time();
	guint found = 0;

	conf->gpgcheck = false;
	g_ptr_array_add(confs, conf);
	if (!ash_file_mkdirs(AT_FDCWD, staging, 0700, error))
		return FALSE;
	g_autoptr(AshImporter) importer = ash_importer_new(ctx, import_dir, staging, confs, error);
	if (importer == NULL)
		return FALSE;
	for (guint i = 0; i < set->packages->len; i++) {
		bool here = false;
		if (!ash_importer_find(importer, g_ptr_array_index(set->packages, i), &here, error))
			return FALSE;
		found += here;
		if (!here)
			ash_importer_push(importer, g_ptr_array_index(set->packages, i));
	}
	if (!ash_importer_finish(importer, error))
		return FALSE;
	printf("found %u of %u (%.3f s)\n", found, set->packages->len, (double) (g_get_monotonic_time() - start) / G_USEC_PER_SEC);
	return ash_file_remove_tree(AT_FDCWD, staging, error);
}

static void
show(const AshTransactionResult *result)
{
	for (guint i = 0; i < result->scripts->len; i++) {
		const AshScriptRecord *record = g_ptr_array_index(result->scripts, i);
		printf("%6.3f %s %s\n%s", record->seconds, record->package, record->kind, record->output);
	}
	for (gsize i = 0; result->notices[i] != NULL; i++)
		printf("notice: %s\n", result->notices[i]);
}

static gboolean
install(AshContext *ctx, const char *root, char **files, GError **error)
{
	g_autoptr(AshTransactionPlan) plan = ash_transaction_plan_new(root);
	g_autoptr(AshPackageSet) set = ash_package_set_new();

	plan->epoch = 1700000000;
	plan->docs = !no_docs;
	plan->inst_langs = g_strdupv(langs);
	for (gsize i = 0; files[i] != NULL; i++) {
		AshPackage *package = read_package(files[i], error);
		if (package == NULL)
			return FALSE;
		g_ptr_array_add(set->packages, package);
	}
	ash_package_set_sort(set);
	if (import_dir != NULL) {
		plan->import_dir = g_canonicalize_filename(import_dir, NULL);
		if (!import_set(ctx, set, error))
			return FALSE;
	}
	if (memo_dir != NULL)
		plan->memo_dir = g_canonicalize_filename(memo_dir, NULL);
	ash_transaction_plan_add_set(plan, set);
	g_autoptr(AshTransactionResult) result = ash_transaction_install(ctx, plan, error);
	if (result != NULL)
		show(result);
	if (result != NULL && memo_dir != NULL)
		printf("memo: reused %u, kept %u\n", result->reused_scripts, result->kept_scripts);
	return result != NULL;
}

static gboolean
run(AshContext *ctx, char **words, GError **error)
{
	g_autofree char *root = g_canonicalize_filename(words[1], NULL);
	g_autoptr(JsonObject) request = json_object_new();

	if (dump_since >= 0) {
		g_autofree char *text = tree_dump(ctx, root, dump_since, error);
		fputs(text != NULL ? text : "", stdout);
		return text != NULL;
	}
	if (!remove_root)
		return install(ctx, root, words + 2, error);
	json_object_set_string_member(request, "path", root);
	g_autoptr(JsonObject) reply = ash_worker_call(ctx, "remove", request, error);
	return reply != NULL;
}

int
main(int argc, char **argv)
{
	g_autoptr(AshContext) ctx = ash_context_new();
	g_autoptr(GOptionContext) parser = g_option_context_new("ROOT FILE...");
	g_auto(GStrv) words = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	if (ash_worker_main(argc, argv, workers, &status))
		return status;
	words = g_strdupv(argv);
	g_option_context_add_main_entries(parser, options, NULL);
	if (!g_option_context_parse_strv(parser, &words, &error) || g_strv_length(words) < 2) {
		fprintf(stderr, "install-cli: %s\n", error != NULL ? error->message : "usage: install-cli [OPTION...] ROOT FILE...");
		return 2;
	}
	if (run(ctx, words, &error))
		return 0;
	fprintf(stderr, "install-cli: %s\n", error->message);
	return ash_error_exit_status(error);
}
