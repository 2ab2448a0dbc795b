/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "publish/publish.h"

/**
 * Makes the object "uki_recipe" of a release (model/release.h): the kernel image of @request as a delta from its root file system, of which it is
 * nearly all made. *@ret_object stays absent where that saves less than half of it, as with an initramfs or a root that is compressed.
 */
gboolean ash_recipe_add(AshContext *ctx, AshObjects *objects, const AshPublishRequest *request, AshObjectRef *ret_object, GError **error);
