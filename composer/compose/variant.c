/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compose/variant.h"

#include "base/error.h"
#include "compose/artifact.h"
#include "config/imgtype.h"
#include "config/kslayout.h"
#include "model/records.h"

#include <string.h>
#include <time.h>

#define ARCH "x86_64"

AshPlanVariant *
ash_plan_variant_new(const char *name)
{
	AshPlanVariant *variant = g_new0(AshPlanVariant, 1);

	variant->name = g_strdup(name);
	variant->types = g_ptr_array_new_with_free_func((GDestroyNotify) ash_image_type_free);
	return variant;
}

void
ash_plan_variant_free(AshPlanVariant *variant)
{
	if (variant == NULL)
		return;
	g_free(variant->name);
	g_ptr_array_unref(variant->types);
	g_clear_pointer(&variant->packages, ash_package_request_free);
	g_clear_pointer(&variant->set, ash_package_set_free);
	g_clear_pointer(&variant->lock, ash_lock_free);
	g_free(variant->ref);
	g_free(variant->version);
	for (AshStage stage = 0; stage < _ASH_STAGE_COUNT; stage++) {
		ash_stage_key_free(variant->stages[stage].key);
		g_free(variant->stages[stage].digest);
		g_free(variant->stages[stage].why);
	}
	g_free(variant->source);
	g_free(variant->commit);
	g_free(variant->tree_commit);
	g_free(variant);
}

static AshPlanVariant *
find_variant(GPtrArray *variants, const char *name)
{
	for (guint i = 0; i < variants->len; i++) {
		AshPlanVariant *variant = g_ptr_array_index(variants, i);
		if (strcmp(variant->name, name) == 0)
			return variant;
	}
	return NULL;
}

static bool
request_equal(const AshPackageRequest *a, const AshPackageRequest *b)
{
	g_autofree char *first = ash_record_dup_digest(a, ash_package_request_fields);
	g_autofree char *second = ash_record_dup_digest(b, ash_package_request_fields);

	return strcmp(first, second) == 0;
}

static bool
tree_equal(const AshImageType *a, const AshImageType *b)
{
	g_autofree char *first = ash_record_dup_digest(a, ash_image_type_tree_fields);
	g_autofree char *second = ash_record_dup_digest(b, ash_image_type_tree_fields);

	return strcmp(first, second) == 0;
}

/* Adds @type (taken) to its variant, which is made if this is its first type. */
static gboolean
add_type(GPtrArray *variants, AshImageType *type, const AshSpec *spec, GError **error)
{
	AshPlanVariant *variant = find_variant(variants, type->variant);
	AshPackageRequest *packages = ash_image_type_dup_request(type, &spec->packages);
	bool is_first = variant == NULL;

	if (is_first) {
		variant = ash_plan_variant_new(type->variant);
		variant->packages = packages;
		g_ptr_array_add(variants, variant);
	}
	g_ptr_array_add(variant->types, type);
	if (is_first)
		return TRUE;
	const AshImageType *other = g_ptr_array_index(variant->types, 0);
	bool same = request_equal(packages, variant->packages) && tree_equal(type, other);
	ash_package_request_free(packages);
	if (!same)
		return ash_throw(error, ASH_ERROR_CONFIG,
				 "image types \"%s\" and \"%s\" are both of the variant \"%s\" but differ in packages "
				 "or tree: give one of them another \"variant\"",
				 other->name, type->name, type->variant);
	return TRUE;
}

GPtrArray *
ash_plan_variants_load(AshContext *ctx, const AshSpec *spec, const char *const *types, const char *const *formats,
		       GError **error)
{
	g_autoptr(GPtrArray) variants = g_ptr_array_new_with_free_func((GDestroyNotify) ash_plan_variant_free);

	for (guint i = 0; types[i] != NULL; i++) {
		if (g_strv_contains(types + i + 1, types[i]))
			continue;
		AshImageType *type = ash_imgtype_load(types[i], ctx->data_dir, error);
		if (type == NULL)
			return NULL;
		if (!ash_kslayout_apply(spec, type, spec->notices, error)) {
			ash_image_type_free(type);
			return NULL;
		}
		if (!add_type(variants, type, spec, error) || !ash_imgtype_set_formats(type, formats, error))
			return NULL;
	}
	return g_steal_pointer(&variants);
}

/* SOURCE_DATE_EPOCH (reproducible-builds.org specification 1.1) if the user set it, else the newest package. */
static gboolean
find_epoch(const AshPackageSet *set, guint64 *ret_epoch, GError **error)
{
	const char *said = g_getenv("SOURCE_DATE_EPOCH");

	if (said == NULL) {
		*ret_epoch = ash_package_set_newest_build_time(set);
		return TRUE;
	}
	if (!g_ascii_string_to_unsigned(said, 10, 0, G_MAXUINT32, ret_epoch, NULL))
		return ash_throw(error, ASH_ERROR_USAGE,
				 "SOURCE_DATE_EPOCH \"%s\" is not a number of seconds since 1970", said);
	return TRUE;
}

static char *
version_of_epoch(guint64 epoch)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64) epoch);

	return g_date_time_format(time, "%Y%m%d");
}

static void
set_ref(AshPlanVariant *variant, const AshSpec *spec)
{
	variant->ref = g_strdup_printf("%s/" ARCH "/%s", spec->name, variant->name);
}

void
ash_plan_variant_set_source(AshPlanVariant *variant, const AshSpec *spec, const AshSource *source)
{
	const char *version = ash_source_get_version(source);

	set_ref(variant, spec);
	variant->source = g_strdup(ash_source_get_commit(source));
	variant->version = version != NULL ? g_strdup(version) : g_strndup(variant->source, ASH_COMMIT_SHORT_LENGTH);
	variant->epoch = ash_source_get_timestamp(source);
	variant->set = ash_package_set_new();
	variant->lock = ash_lock_new(variant->name);
}

gboolean
ash_plan_variant_finish(AshPlanVariant *variant, const AshSpec *spec, const char *version, GError **error)
{
	if (!find_epoch(variant->set, &variant->epoch, error))
		return FALSE;
	set_ref(variant, spec);
	variant->version = version != NULL ? g_strdup(version) : version_of_epoch(variant->epoch);
	return TRUE;
}
