/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/fstree.h"
#include "store/store.h"

/**
 * The whole tree of a commit (see ash_store_resolve() for @ref_or_checksum), with the mtimes and hard links that
 * ash_store_commit() put into its metadata; a commit made by others has mtimes equal to its timestamp and no hard links.
 * A regular file's content is the checksum of its object, which is opened where it lies in the store; empty files
 * have none. The tree may outlive @store. Owned; NULL on failure.
 */
AshFsTree *ash_store_load_tree(AshStore *store, const char *ref_or_checksum, GError **error);
