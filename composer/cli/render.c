/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/render.h"

#include "base/json.h"
#include "base/size.h"
#include "base/table.h"

#include <stdio.h>

char *
ash_render_time(guint64 timestamp)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64) timestamp);

	return time != NULL ? g_date_time_format(time, "%Y-%m-%d %H:%M:%SZ") : g_strdup("-");
}

static void
print_object(JsonObject *object)
{
	g_autofree char *text = ash_json_object_to_string(object, TRUE);

	fputs(text, stdout);
}

static JsonObject *
partition_to_json(const AshPartition *partition)
{
	JsonObject *object = json_object_new();
	const char slot[] = { partition->slot, '\0' };

	json_object_set_string_member(object, "role", ash_partition_role_to_string(partition->role));
	json_object_set_string_member(object, "fs", ash_fs_kind_to_string(partition->fs));
	json_object_set_string_member(object, "label", partition->label);
	if (partition->slot != 0)
		json_object_set_string_member(object, "slot", slot);
	if (partition->group != NULL)
		json_object_set_string_member(object, "group", partition->group);
	json_object_set_int_member(object, "size", (gint64) partition->size);
	json_object_set_boolean_member(object, "empty", partition->empty);
	return object;
}

static JsonObject *
type_to_json(const AshImageType *type)
{
	JsonObject *object = json_object_new();
	JsonArray *partitions = json_array_new();

	json_object_set_string_member(object, "type", type->name);
	json_object_set_string_member(object, "kind", ash_image_kind_to_string(type->kind));
	for (guint i = 0; type->layout != NULL && i < type->layout->partitions->len; i++)
		json_array_add_object_element(partitions,
					      partition_to_json(g_ptr_array_index(type->layout->partitions, i)));
	json_object_set_array_member(object, "partitions", partitions);
	if (type->layout == NULL || type->layout->volumes->len == 0)
		return object;
	JsonArray *volumes = json_array_new();
	for (guint i = 0; i < type->layout->volumes->len; i++)
		json_array_add_object_element(volumes, partition_to_json(g_ptr_array_index(type->layout->volumes, i)));
	json_object_set_array_member(object, "volumes", volumes);
	return object;
}

static JsonObject *
package_to_json(const AshPackage *package)
{
	JsonObject *object = json_object_new();
	g_autofree char *nevra = ash_package_dup_nevra(package);

	json_object_set_string_member(object, "nevra", nevra);
	json_object_set_string_member(object, "repo", package->repo_id);
	json_object_set_string_member(object, "sha256", package->sha256);
	json_object_set_string_member(object, "reason", ash_reason_to_string(package->reason));
	json_object_set_int_member(object, "size", (gint64) package->size);
	json_object_set_int_member(object, "install_size", (gint64) package->install_size);
	return object;
}

static JsonObject *
variant_to_json(const AshPlanVariant *variant)
{
	JsonObject *object = json_object_new();
	JsonArray *types = json_array_new(), *packages = json_array_new();

	json_object_set_string_member(object, "variant", variant->name);
	json_object_set_string_member(object, "ref", variant->ref);
	json_object_set_string_member(object, "version", variant->version);
	json_object_set_string_member(object, "commit", variant->commit);
	if (variant->source != NULL)
		json_object_set_string_member(object, "source", variant->source);
	for (guint i = 0; i < variant->types->len; i++)
		json_array_add_object_element(types, type_to_json(g_ptr_array_index(variant->types, i)));
	json_object_set_array_member(object, "types", types);
	for (guint i = 0; i < variant->set->packages->len; i++)
		json_array_add_object_element(packages,
					      package_to_json(g_ptr_array_index(variant->set->packages, i)));
	json_object_set_array_member(object, "packages", packages);
	return object;
}

/* Of AshStageReport. */
static JsonArray *
reports_to_json(const GPtrArray *reports)
{
	JsonArray *array = json_array_new();

	for (guint i = 0; i < reports->len; i++) {
		const AshStageReport *report = g_ptr_array_index(reports, i);
		JsonObject *object = json_object_new();
		json_object_set_string_member(object, "stage", report->stage);
		json_object_set_string_member(object, "of", report->subject);
		json_object_set_boolean_member(object, "ran", report->ran);
		json_object_set_string_member(object, "why", report->why);
		json_array_add_object_element(array, object);
	}
	return array;
}

/* @ran, @reused: what is said of stages that do or do not run. */
static void
print_reports(const GPtrArray *reports, const char *ran, const char *reused)
{
	static const char *const headings[] = { "stage", "of", "", "why", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < reports->len; i++) {
		const AshStageReport *report = g_ptr_array_index(reports, i);
		ash_table_add(table, report->stage, report->subject, report->ran ? ran : reused, report->why);
	}
	ash_table_print(table);
	putchar('\n');
}

static void
print_plan_json(const AshPlan *plan)
{
	g_autoptr(JsonObject) object = json_object_new();
	JsonArray *variants = json_array_new();

	json_object_set_string_member(object, "name", plan->spec->name);
	for (guint i = 0; i < plan->variants->len; i++)
		json_array_add_object_element(variants, variant_to_json(g_ptr_array_index(plan->variants, i)));
	json_object_set_array_member(object, "variants", variants);
	g_autoptr(GPtrArray) reports = ash_build_explain(plan);
	json_object_set_array_member(object, "explain", reports_to_json(reports));
	json_object_set_int_member(object, "download_bytes", (gint64) plan->download_bytes);
	json_object_set_int_member(object, "store_bytes", (gint64) plan->store_bytes);
	json_object_set_int_member(object, "out_bytes", (gint64) plan->out_bytes);
	print_object(object);
}

static char *
format_partition_size(const AshPartition *partition)
{
	if (partition->size > 0)
		return ash_size_format(partition->size);
	g_autofree char *least = ash_size_format(partition->min_size);
	return g_strdup_printf("content +%u%%, at least %s", (guint) partition->headroom_percent, least);
}

static void
add_volumes(AshTable *table, const AshLayout *layout)
{
	for (guint i = 0; i < layout->volumes->len; i++) {
		const AshPartition *volume = g_ptr_array_index(layout->volumes, i);
		g_autofree char *size = volume->percent != 0 ? g_strdup_printf("%d%% of the group", volume->percent) : format_partition_size(volume);
		g_autofree char *name = g_strdup_printf("  %s, volume", ash_partition_role_to_string(volume->role));
		g_autofree char *label = g_strdup_printf("%s/%s", volume->group, volume->label);
		ash_table_add(table, name, "-", ash_fs_kind_to_string(volume->fs), size, label);
	}
}

static void
print_layout(const AshImageType *type)
{
	static const char *const headings[] = { "  partition", "slot", "file system", "size", "label", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < type->layout->partitions->len; i++) {
		const AshPartition *partition = g_ptr_array_index(type->layout->partitions, i);
		const char slot[] = { partition->slot != 0 ? partition->slot : '-', '\0' };
		g_autofree char *size = format_partition_size(partition);
		g_autofree char *name = g_strconcat("  ", ash_partition_role_to_string(partition->role), NULL);
		ash_table_add(table, name, slot, partition->empty ? "(free)" : ash_fs_kind_to_string(partition->fs),
			      size, partition->empty ? "_empty" : partition->label);
	}
	add_volumes(table, type->layout);
	ash_table_print(table);
}

static void
print_packages(const AshPlanVariant *variant)
{
	static const char *const headings[] = { "  package", "repository", "reason", ">size", ">installed", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < variant->set->packages->len; i++) {
		const AshPackage *package = g_ptr_array_index(variant->set->packages, i);
		g_autofree char *nevra = ash_package_dup_nevra(package);
		g_autofree char *name = g_strconcat("  ", nevra, NULL);
		g_autofree char *size = ash_size_format(package->size);
		g_autofree char *installed = ash_size_format(package->install_size);
		ash_table_add(table, name, package->repo_id, ash_reason_to_string(package->reason), size, installed);
	}
	ash_table_print(table);
}

/* What is installed, or which commit it is that comes from elsewhere. */
static void
print_origin(const AshPlanVariant *variant)
{
	g_autofree char *size = ash_size_format(ash_package_set_total_size(variant->set));
	g_autofree char *installed = ash_size_format(ash_package_set_total_install_size(variant->set));

	if (variant->source != NULL) {
		printf("%s version %s: commit %s, %s\n", variant->ref, variant->version, variant->source,
		       variant->commit != NULL ? "which the store has" : "to be fetched");
		return;
	}
	printf("%s version %s: %u packages, %s to fetch at most, %s installed\n", variant->ref, variant->version,
	       variant->set->packages->len, size, installed);
	if (variant->commit != NULL)
		printf("  commit %s is in the store: nothing to install\n", variant->commit);
	print_packages(variant);
}

static void
print_variant(const AshPlanVariant *variant)
{
	print_origin(variant);
	for (guint i = 0; i < variant->types->len; i++) {
		const AshImageType *type = g_ptr_array_index(variant->types, i);
		printf("image type %s: %s\n", type->name, type->description);
		if (type->layout != NULL)
			print_layout(type);
	}
	putchar('\n');
}

void
ash_render_plan(const AshPlan *plan, bool explain, bool json)
{
	if (json) {
		print_plan_json(plan);
		return;
	}
	for (guint i = 0; i < plan->variants->len; i++)
		print_variant(g_ptr_array_index(plan->variants, i));
	g_autoptr(GPtrArray) reports = ash_build_explain(plan);
	if (explain)
		print_reports(reports, "will run", "is there");
	g_autofree char *download = ash_size_format(plan->download_bytes);
	g_autofree char *store = ash_size_format(plan->store_bytes);
	g_autofree char *out = ash_size_format(plan->out_bytes);
	printf("space needed, at most about: download %s, store %s, images %s\n", download, store, out);
}

static JsonObject *
artifact_to_json(const AshArtifact *artifact)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "type", artifact->type);
	json_object_set_string_member(object, "format", artifact->format);
	json_object_set_string_member(object, "path", artifact->path);
	json_object_set_int_member(object, "size", (gint64) artifact->size);
	if (artifact->sha256 != NULL)
		json_object_set_string_member(object, "sha256", artifact->sha256);
	json_object_set_string_member(object, "commit", artifact->commit);
	if (artifact->root_hash != NULL)
		json_object_set_string_member(object, "root_hash", artifact->root_hash);
	if (artifact->test_keys)
		json_object_set_boolean_member(object, "test_keys", TRUE);
	return object;
}

JsonObject *
ash_render_commit(const AshCommitInfo *info)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "commit", info->checksum);
	json_object_set_string_member(object, "ref", info->ref);
	json_object_set_string_member(object, "version", info->version);
	json_object_set_string_member(object, "lock_digest", info->lock_digest);
	json_object_set_string_member(object, "input_digest", info->input_digest);
	json_object_set_int_member(object, "packages", info->packages != NULL ? info->packages->len : 0);
	json_object_set_int_member(object, "timestamp", (gint64) info->timestamp);
	return object;
}

static void
print_result_json(const AshBuildResult *result)
{
	g_autoptr(JsonObject) object = json_object_new();
	JsonArray *artifacts = json_array_new(), *commits = json_array_new(), *stages = json_array_new();

	for (guint i = 0; i < result->artifacts->len; i++)
		json_array_add_object_element(artifacts, artifact_to_json(g_ptr_array_index(result->artifacts, i)));
	for (guint i = 0; i < result->commits->len; i++)
		json_array_add_object_element(commits, ash_render_commit(g_ptr_array_index(result->commits, i)));
	for (guint i = 0; i < result->times->len; i++) {
		const AshStageTime *time = g_ptr_array_index(result->times, i);
		JsonObject *stage = json_object_new();
		json_object_set_string_member(stage, "stage", time->name);
		json_object_set_double_member(stage, "seconds", time->seconds);
		json_array_add_object_element(stages, stage);
	}
	json_object_set_boolean_member(object, "unchanged", result->unchanged);
	json_object_set_array_member(object, "commits", commits);
	json_object_set_array_member(object, "artifacts", artifacts);
	json_object_set_array_member(object, "stages", stages);
	json_object_set_array_member(object, "explain", reports_to_json(result->reports));
	print_object(object);
}

static void
print_times(const AshBuildResult *result)
{
	static const char *const headings[] = { "stage", ">seconds", NULL };
	g_autoptr(AshTable) table = ash_table_new(headings);

	for (guint i = 0; i < result->times->len; i++) {
		const AshStageTime *time = g_ptr_array_index(result->times, i);
		g_autofree char *seconds = g_strdup_printf("%.2f", time->seconds);
		ash_table_add(table, time->name, seconds);
	}
	ash_table_print(table);
}

void
ash_render_result(const AshBuildResult *result, bool explain, bool json)
{
	static const char *const headings[] = { "artifact", ">size", "sha256", "path", NULL };

	if (json) {
		print_result_json(result);
		return;
	}
	if (explain)
		print_reports(result->reports, "ran", "reused");
	print_times(result);
	putchar('\n');
	for (guint i = 0; i < result->commits->len; i++) {
		const AshCommitInfo *info = g_ptr_array_index(result->commits, i);
		printf("commit %s\n  ref %s  version %s  packages %u\n", info->checksum, info->ref, info->version,
		       info->packages != NULL ? info->packages->len : 0);
	}
	g_autoptr(AshTable) table = ash_table_new(headings);
	for (guint i = 0; i < result->artifacts->len; i++) {
		const AshArtifact *artifact = g_ptr_array_index(result->artifacts, i);
		g_autofree char *size = ash_size_format(artifact->size);
		g_autofree char *name = g_strdup_printf("%s (%s)", artifact->type, artifact->format);
		ash_table_add(table, name, size, artifact->sha256, artifact->path);
		if (artifact->root_hash != NULL)
			printf("root hash %s (%s)\n", artifact->root_hash, artifact->type);
	}
	putchar('\n');
	ash_table_print(table);
}
