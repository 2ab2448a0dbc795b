/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.h"

/** What a commit says of itself (see ash_store_resolve() for @ref_or_checksum). Owned; NULL on failure. */
AshCommitInfo *ash_store_info(AshStore *store, const char *ref_or_checksum, GError **error);

/**
 * The commit and what came before it, newest first, as far back as the store has it; at most @max, 0 for all. Of
 * AshCommitInfo, owned; NULL on failure.
 */
GPtrArray *ash_store_log(AshStore *store, const char *ref_or_checksum, guint max, GError **error);

/**
 * The newest commit of @ref that was made from the same input: *@ret_checksum, owned, is NULL if there is
 * none, nor if there is no such ref yet.
 */
gboolean ash_store_find_by_input(AshStore *store, const char *ref, const char *input_digest,
				 char **ret_checksum, GError **error);

/**
 * The newest commit of any ref whose metadata has the string @value under @metadata_key (one of AshCommitRequest.metadata, or
 * "ashlar.input-digest"); refs are in the order of their names if it is in the histories of several, equally far back.
 * *@ret_checksum, owned, is NULL if there is none. Costs some 10 us a commit: only the keys are looked at.
 */
gboolean ash_store_find_by_key(AshStore *store, const char *metadata_key, const char *value, char **ret_checksum,
			       GError **error);

/** One of the strings given as AshCommitRequest.metadata. Owned; NULL and ASH_ERROR_CONFIG if it has none of the name. */
char *ash_store_get_metadata(AshStore *store, const char *ref_or_checksum, const char *key, GError **error);
