/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "store/reach.h"

/**
 * Writes objects anew from files below DIR/import and DIR/roots that hold the same content. @wanted (AshObjectId): files that are
 * damaged or missing. @bad_inodes (gint64) are not tried. Objects that could be restored are
 * taken out of @wanted.
 */
gboolean ash_restore_objects(AshContext *ctx, AshStore *store, GHashTable *wanted, GHashTable *bad_inodes,
			     GError **error);
