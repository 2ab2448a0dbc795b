/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install/transaction.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sandbox.h"
#include "install/rpmrun.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void
transaction_package_free(gpointer data)
{
	AshTransactionPackage *package = data;

	g_free(package->path);
	g_free(package->nevra);
	g_free(package->sha256);
	g_free(package);
}

AshTransactionPlan *
ash_transaction_plan_new(const char *root_path)
{
	AshTransactionPlan *plan = g_new0(AshTransactionPlan, 1);

	plan->root_path = g_strdup(root_path);
	plan->packages = g_ptr_array_new_with_free_func(transaction_package_free);
	plan->docs = true;
	return plan;
}

void
ash_transaction_plan_add_imported(AshTransactionPlan *plan, const char *path, const char *nevra, const char *sha256)
{
	AshTransactionPackage *package = g_new0(AshTransactionPackage, 1);

	package->path = g_strdup(path);
	package->nevra = g_strdup(nevra);
	package->sha256 = g_strdup(sha256);
	g_ptr_array_add(plan->packages, package);
}

void
ash_transaction_plan_add(AshTransactionPlan *plan, const char *path, const char *nevra)
{
	ash_transaction_plan_add_imported(plan, path, nevra, NULL);
}

void
ash_transaction_plan_add_set(AshTransactionPlan *plan, const AshPackageSet *set)
{
	for (guint i = 0; i < set->packages->len; i++) {
		const AshPackage *package = g_ptr_array_index(set->packages, i);
		g_autofree char *nevra = ash_package_dup_nevra(package);
		ash_transaction_plan_add_imported(plan, package->path, nevra,
						  plan->import_dir != NULL ? package->sha256 : NULL);
	}
}

void
ash_transaction_plan_free(AshTransactionPlan *plan)
{
	if (plan == NULL)
		return;
	g_free(plan->root_path);
	g_free(plan->import_dir);
	g_free(plan->memo_dir);
	g_ptr_array_unref(plan->packages);
	g_strfreev(plan->inst_langs);
	g_free(plan);
}

static void
script_record_free(gpointer data)
{
	AshScriptRecord *record = data;

	g_free(record->package);
	g_free(record->kind);
	g_free(record->output);
	g_free(record);
}

AshTransactionResult *
ash_transaction_result_new(void)
{
	AshTransactionResult *result = g_new0(AshTransactionResult, 1);

	result->scripts = g_ptr_array_new_with_free_func(script_record_free);
	return result;
}

void
ash_transaction_result_free(AshTransactionResult *result)
{
	if (result == NULL)
		return;
	g_ptr_array_unref(result->scripts);
	g_strfreev(result->notices);
	g_free(result);
}

static JsonObject *
plan_to_json(const AshTransactionPlan *plan)
{
	JsonObject *object = json_object_new();
	JsonArray *packages = json_array_new();

	json_object_set_string_member(object, "root", plan->root_path);
	json_object_set_boolean_member(object, "docs", plan->docs);
	json_object_set_int_member(object, "epoch", (gint64) plan->epoch);
	json_object_set_int_member(object, "timeout", plan->script_timeout_seconds);
	if (plan->import_dir != NULL)
		json_object_set_string_member(object, "import", plan->import_dir);
	if (plan->memo_dir != NULL)
		json_object_set_string_member(object, "memo", plan->memo_dir);
	if (plan->inst_langs != NULL)
		ash_json_set_strv(object, "langs", (const char *const *) plan->inst_langs);
	for (guint i = 0; i < plan->packages->len; i++) {
		const AshTransactionPackage *package = g_ptr_array_index(plan->packages, i);
		JsonObject *item = json_object_new();
		json_object_set_string_member(item, "path", package->path);
		json_object_set_string_member(item, "nevra", package->nevra);
		if (package->sha256 != NULL)
			json_object_set_string_member(item, "sha256", package->sha256);
		json_array_add_object_element(packages, item);
	}
	json_object_set_array_member(object, "packages", packages);
	return object;
}

static AshTransactionPlan *
plan_from_json(JsonObject *object, GError **error)
{
	g_autoptr(AshTransactionPlan) plan = ash_transaction_plan_new(NULL);
	JsonArray *packages = json_object_get_array_member(object, "packages");
	const char *root = ash_json_get_string(object, "root", error);

	if (root == NULL || packages == NULL)
		return NULL;
	plan->root_path = g_strdup(root);
	plan->import_dir = g_strdup(ash_json_get_string_optional(object, "import"));
	plan->memo_dir = g_strdup(ash_json_get_string_optional(object, "memo"));
	plan->docs = json_object_get_boolean_member(object, "docs");
	plan->epoch = (guint64) json_object_get_int_member(object, "epoch");
	plan->script_timeout_seconds = (guint) json_object_get_int_member(object, "timeout");
	plan->inst_langs = ash_json_get_strv(object, "langs");
	for (guint i = 0; i < json_array_get_length(packages); i++) {
		JsonObject *item = json_array_get_object_element(packages, i);
		const char *path = ash_json_get_string(item, "path", error);
		const char *nevra = path != NULL ? ash_json_get_string(item, "nevra", error) : NULL;
		if (nevra == NULL)
			return NULL;
		ash_transaction_plan_add_imported(plan, path, nevra, ash_json_get_string_optional(item, "sha256"));
	}
	return g_steal_pointer(&plan);
}

static JsonObject *
result_to_json(const AshTransactionResult *result)
{
	JsonObject *object = json_object_new();
	JsonArray *scripts = json_array_new();

	for (guint i = 0; i < result->scripts->len; i++) {
		const AshScriptRecord *record = g_ptr_array_index(result->scripts, i);
		JsonObject *item = json_object_new();
		json_object_set_string_member(item, "package", record->package);
		json_object_set_string_member(item, "kind", record->kind);
		json_object_set_string_member(item, "output", record->output);
		json_object_set_double_member(item, "seconds", record->seconds);
		json_array_add_object_element(scripts, item);
	}
	json_object_set_array_member(object, "scripts", scripts);
	ash_json_set_strv(object, "notices", (const char *const *) result->notices);
	json_object_set_int_member(object, "reused", result->reused_scripts);
	json_object_set_int_member(object, "kept", result->kept_scripts);
	return object;
}

static AshTransactionResult *
result_from_json(JsonObject *object)
{
	AshTransactionResult *result = ash_transaction_result_new();
	JsonArray *scripts = json_object_get_array_member(object, "scripts");

	for (guint i = 0; i < json_array_get_length(scripts); i++) {
		JsonObject *item = json_array_get_object_element(scripts, i);
		AshScriptRecord *record = g_new0(AshScriptRecord, 1);
		record->package = g_strdup(json_object_get_string_member(item, "package"));
		record->kind = g_strdup(json_object_get_string_member(item, "kind"));
		record->output = g_strdup(json_object_get_string_member(item, "output"));
		record->seconds = json_object_get_double_member(item, "seconds");
		g_ptr_array_add(result->scripts, record);
	}
	result->notices = ash_json_get_strv(object, "notices");
	result->reused_scripts = (guint) json_object_get_int_member(object, "reused");
	result->kept_scripts = (guint) json_object_get_int_member(object, "kept");
	return result;
}

AshTransactionResult *
ash_transaction_install_by(AshWorker *worker, AshContext *ctx, const AshTransactionPlan *plan, GError **error)
{
	g_autoptr(JsonObject) request = plan_to_json(plan);
	g_autoptr(JsonObject) reply = ash_worker_run(worker, ctx, request, error);

	return reply != NULL ? result_from_json(reply) : NULL;
}

AshTransactionResult *
ash_transaction_install(AshContext *ctx, const AshTransactionPlan *plan, GError **error)
{
	g_autoptr(AshWorker) worker = ash_worker_start(ASH_TRANSACTION_WORKER, error);

	return worker != NULL ? ash_transaction_install_by(worker, ctx, plan, error) : NULL;
}

/* The directories that the sandbox mounts on; everything else is the packages' own. */
static gboolean
make_skeleton(const char *root_path, GError **error)
{
	static const struct {
		const char *name;
		mode_t mode;
	} dirs[] = { { "dev", 0755 }, { "proc", 0555 }, { "sys", 0555 }, { "run", 0755 }, { "tmp", 01777 } };
	ash_autofd int root = ash_file_open_dir(AT_FDCWD, root_path, true, error);

	if (root < 0)
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(dirs); i++) {
		if (!ash_file_mkdirs(root, dirs[i].name, 0755, error))
			return FALSE;
		if (fchmodat(root, dirs[i].name, dirs[i].mode, 0) < 0)
			return ash_throw_errno(error, "cannot make \"%s/%s\"", root_path, dirs[i].name);
	}
	/* Whoever made the directory: a system's "/" is root's, and open to all. */
	if (fchown(root, 0, 0) < 0 || fchmod(root, 0755) < 0)
		return ash_throw_errno(error, "cannot take \"%s\"", root_path);
	return ash_file_mkdirs(root, ASH_RPMDB_DIR, 0755, error);
}

/* Programs that look for the database where it used to be find it, unless a package decides otherwise. */
static gboolean
link_database(const char *root_path, GError **error)
{
	ash_autofd int lib = -1;
	ash_autofd int root = ash_file_open_dir(AT_FDCWD, root_path, false, error);

	if (root < 0)
		return FALSE;
	lib = ash_fd_open_in_root(root, "var/lib", O_PATH | O_DIRECTORY, 0, NULL);
	if (lib < 0 || ash_file_exists(lib, "rpm"))
		return TRUE;
	if (symlinkat("../../" ASH_RPMDB_DIR, lib, "rpm") < 0)
		return ash_throw_errno(error, "cannot link \"%s/var/lib/rpm\"", root_path);
	return TRUE;
}

static gboolean
require_room(const char *root_path, GError **error)
{
	ash_autofd int root = ash_file_open_dir(AT_FDCWD, root_path, false, error);

	return root >= 0 && ash_file_require_room(root, "the packages' scriptlets", error);
}

/* What programs in scriptlets may read; rpm(8) passes its own environment on to them. */
static void
set_environment(const AshTransactionPlan *plan)
{
	g_autofree char *epoch = g_strdup_printf("%" G_GUINT64_FORMAT, plan->epoch);

	g_setenv("SOURCE_DATE_EPOCH", epoch, TRUE);
	g_setenv("SYSTEMD_OFFLINE", "1", TRUE);
}

JsonObject *
ash_transaction_worker(AshContext *ctx, JsonObject *request, GError **error)
{
	g_autoptr(AshTransactionPlan) plan = plan_from_json(request, error);

	if (plan == NULL || !make_skeleton(plan->root_path, error))
		return NULL;
	set_environment(plan);
	g_autoptr(AshRpmRun) run = ash_rpm_run_new(plan, error);
	if (run == NULL || !ash_sandbox_enter(plan->root_path, NULL, error))
		return NULL;
	g_autoptr(AshTransactionResult) result = ash_rpm_run_install(run, ctx, "/sysroot", error);
	if (result == NULL || !link_database("/sysroot", error) || !require_room("/sysroot", error))
		return NULL;
	return result_to_json(result);
}
