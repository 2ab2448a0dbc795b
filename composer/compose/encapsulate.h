/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "archive/oci.h"
#include "store/store.h"

/** The label that says which layer is the last of the commit, for AshOciOptions: others may lie above. */
#define ASH_ENCAPSULATE_LAST_LABEL "ostree.final-diffid"

/**
 * The commit with @checksum and the tree @tree as layers for AshOciOptions, at most @n_layers, by packages (compose/layers.h): a container that
 * bootc and rpm-ostree turn back into the commit. Owned; needs store and tree. Adds to @labels (which owns its strings) what these programs ask for.
 */
GPtrArray *ash_encapsulate(AshStore *store, const char *checksum, AshFsTree *tree, guint n_layers, GHashTable *labels, GError **error);
