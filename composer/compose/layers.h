/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "archive/layers.h"

/**
 * The layers of a container of @tree, at most @n_layers, by the packages that own its files (archive/layers.h); in the last one is what no
 * package owns or what is not as it was installed. Owned; NULL without error if one layer is wanted, or the tree
 * has no package database to tell by.
 */
gboolean ash_compose_layers(AshFsTree *tree, guint n_layers, AshLayers **ret_layers, GError **error);
