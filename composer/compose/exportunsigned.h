/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compose/imageoptions.h"
#include "disk/secureboot/detached.h"
#include "store/store.h"

/**
 * Writes what a key elsewhere has to sign of the image of @type from @commit, as ash_build_images() with the same @options makes it, into the directory of
 * @detached, which is of ash_detached_new_export(). ASH_ERROR_CONFIG for a type without dm-verity root.
 */
gboolean ash_export_unsigned(AshContext *ctx, AshStore *store, const char *commit, const char *type, const AshImageOptions *options,
			     AshDetached *detached, GError **error);
