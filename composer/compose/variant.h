/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/plan.h"

/*
 * Variants, private to compose/: grouping of image types.
 */

AshPlanVariant *ash_plan_variant_new(const char *name);
void ash_plan_variant_free(AshPlanVariant *variant);

/**
 * Loads the image types and groups them by variant. Types that share a variant must ask for the same packages and
 * the same tree; else ASH_ERROR_CONFIG naming both. An array of AshPlanVariant, owned.
 */
GPtrArray *ash_plan_variants_load(AshContext *ctx, const AshSpec *spec, const char *const *types,
				  const char *const *formats, GError **error);

/** The variant is the commit of @source: sets ref, epoch, version, and an empty package set and lock. */
void ash_plan_variant_set_source(AshPlanVariant *variant, const AshSpec *spec, const AshSource *source);

/** Sets ref, epoch and version of a resolved variant. @version may be NULL. */
gboolean ash_plan_variant_finish(AshPlanVariant *variant, const AshSpec *spec, const char *version, GError **error);
