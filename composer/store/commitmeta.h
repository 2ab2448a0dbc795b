/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/commit.h"

#include <glib.h>

/** The metadata of a commit while it is put together: key -> GVariant. Owned. */
GHashTable *ash_commit_meta_new(const AshCommitRequest *request);

/**
 * Adds what is read from the tree: what OSTree's own format has no place for (mtimes, none above the timestamp, and hard links, in
 * walk order), and the kernel if the commit is to be bootable.
 */
void ash_commit_meta_add_tree(GHashTable *meta, const AshCommitRequest *request, AshFsTree *tree);

/**
 * Adds the same from the metadata of a commit of the same tree that was made with @old_timestamp. FALSE and ASH_ERROR_CONFIG if
 * that cannot tell: some mtimes may have been lowered to @old_timestamp, which is before @timestamp.
 */
gboolean ash_commit_meta_add_commit(GHashTable *meta, GVariant *old_metadata, guint64 old_timestamp, guint64 timestamp,
				    GError **error);

/** As a{sv} with its keys sorted. Owned. */
GVariant *ash_commit_meta_end(GHashTable *meta);
