/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/context.h"
#include "model/fstree.h"
#include "store/store.h"

/** A commit that the layers of a container hold (store/encapsulate.h). */
typedef struct {
	char *checksum;    /* owned, as is: */
	char *version;     /* NULL: it has none */
	guint64 timestamp; /* seconds */
} AshEncapsulated;

void ash_encapsulated_clear(AshEncapsulated *commit);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AshEncapsulated, ash_encapsulated_clear)

/** Which commit is in @layers: the tree that they give when they are put on one another. ASH_ERROR_CONFIG if there is none, or more than one. */
gboolean ash_store_find_encapsulated(const AshFsTree *layers, AshEncapsulated *ret_commit, GError **error);

/**
 * Puts the objects of that commit into the store, each checked against its name; ASH_ERROR_TRUST if one is not what its name says, ASH_ERROR_CONFIG if one
 * is missing.
 */
gboolean ash_store_import_encapsulated(AshContext *ctx, AshStore *store, const AshFsTree *layers, const char *checksum, GError **error);
