/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/plan.h"

/** Whether packages come out of the import cache: unless @request says no, or librpm does not let us place files. */
bool ash_prepare_wants_import(const AshBuildRequest *request);

/**
 * Fetches and verifies every package of those variants of @plan whose root must be installed, and sets the packages' paths. With
 * @import each is unpacked into the store's import cache as soon as it is there, while others are downloaded; what the
 * cache has is not fetched. Nothing is installed before all of them are known to be good.
 */
gboolean ash_prepare_packages(AshContext *ctx, AshStore *store, const AshPlan *plan, bool import, GError **error);
